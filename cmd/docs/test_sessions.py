"""Every page's examples and commands do what the page says."""

import re
from pathlib import Path

import pytest
import yaml
from session import EXAMPLE, NODE, ROOT, Session, commands, examples, fits

PYTHON = ROOT / "bindings" / "python"

PAGES = {
    str(path.relative_to(ROOT)): path.read_text()
    for path in [
        ROOT / "README.md",
        PYTHON / "README.md",
        NODE / "README.md",
        *sorted((ROOT / "docs" / "quickstart").glob("*.md")),
        *sorted((ROOT / "docs" / "how-to").glob("*.md")),
    ]
}
PLAYED = [name for name, page in PAGES.items() if commands(page)]


@pytest.mark.parametrize("name", PLAYED)
def test_the_page_does_what_it_says(name: str, tmp_path: Path) -> None:
    with Session(tmp_path, PAGES[name]) as session:
        session.play()


@pytest.mark.parametrize("name", PAGES)
def test_every_example_is_used(name: str) -> None:
    """A file is named by a command, or by another file; a manifest has a test of its own."""
    page = PAGES[name]
    texts = [command.line for command in commands(page)]
    for file in examples(page).keys() - {"deployment.yaml"}:
        others = [text for other, text in examples(page).items() if other != file]
        stem = re.escape(file.rsplit(".", 1)[0])
        imported = rf"\b{stem}:app\b|\b(?:import|from) {stem}\b"
        used = re.compile(rf"(?<![\w.-]){re.escape(file)}\b|{imported}")
        assert any(used.search(text) for text in texts + others), file


@pytest.mark.parametrize("name", PAGES)
def test_every_block_of_code_is_an_example(name: str) -> None:
    """So that nothing is printed that no test runs."""
    rest = EXAMPLE.sub("", PAGES[name])
    languages = re.findall(r"(?m)^ *```(\w+)$", rest)
    assert set(languages) <= {"console", "diff", "sh", "text"}, languages


@pytest.mark.parametrize("name", PAGES)
def test_every_install_line_is_possible(name: str) -> None:
    extras = (PYTHON / "pyproject.toml").read_text()
    for block in re.findall(r"(?ms)^```sh\n(.*?)^```$", PAGES[name]):
        for line in block.splitlines():
            words = line.split("#")[0].split()
            known = (["pip", "install"], ["npm", "install"], ["go", "mod"])
            assert words[:2] in known or words[0] == "make"
            for extra in re.findall(r"bindings/python\[(\w+)\]", line):
                assert re.search(rf"(?m)^{extra} = \[", extras), extra


def test_the_examples_of_the_python_package_are_its_readmes() -> None:
    """The folder is type-checked; what it has is what the page has, behind the name."""
    page = examples((PYTHON / "README.md").read_text())
    files = sorted((PYTHON / "examples").glob("*.py"))
    assert len(files) == 3
    for file in files:
        assert page[file.name] == f"# {file.name}\n{file.read_text()}"


def test_the_manifest_gives_the_agent_what_it_reads() -> None:
    files = examples(PAGES["docs/how-to/kubernetes.md"])
    pod = yaml.safe_load(files["deployment.yaml"])["spec"]["template"]["spec"]
    [container] = pod["containers"]
    given = {variable["name"]: variable.get("value") for variable in container["env"]}
    assert set(re.findall(r'os\.environ\["(\w+)"\]', files["agent.py"])) == set(given)
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert set(mounts.values()) == set(volumes)
    assert "configMap" in volumes[mounts[given["KEYS_DIR"]]]
    assert container["readinessProbe"]["httpGet"]["path"] in files["agent.py"]


@pytest.mark.parametrize(
    ("printed", "documented", "same"),
    [
        ("a\n", "a", True),
        ("a\n", "b", False),
        ("a secret b", "a … b", True),
        ("a secret c", "a … b", False),
        ("ab", "a.", False),
    ],
)
def test_what_is_printed_is_compared(printed: str, documented: str, same: bool) -> None:
    assert fits(printed, documented) is same
