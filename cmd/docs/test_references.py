"""Every section that code, tests, vectors and pages cite is there.

Links and anchors of the Markdown files are checked by remark (``make links``); this is
for what is cited in words, such as "protocol.md section 3 step 7".
"""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROTOCOL = (ROOT / "docs" / "explanation" / "protocol.md").read_text()
SECTIONS = {int(n) for n in re.findall(r"(?m)^## (\d+)\. ", PROTOCOL)}
[VERIFICATION] = re.findall(r"(?ms)^## 3\. .*?(?=^## )", PROTOCOL)
STEPS = {int(n) for n in re.findall(r"(?m)^(\d+)\. ", VERIFICATION)}

Citation = tuple[str, str, str | None]  # text, sections, steps

READ = {".go", ".py", ".ts", ".mjs", ".js", ".json", ".md", ".h", ".c"}
UNREAD = {"package-lock.json", Path(__file__).name}
NUMBERS = r"\d+(?:(?:, | and | or | to )\d+)*"
CITED = re.compile(rf"protocol(?:\.md)?`? sections? ({NUMBERS})(?:,? steps? ({NUMBERS}))?")
WITHIN = re.compile(rf"(?<!\d )sections? ({NUMBERS})(?: steps? ({NUMBERS}))?")


def tracked() -> Iterator[tuple[str, str]]:
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in sorted(set(names.split("\0")) - {""}):
        path = ROOT / name
        if path.suffix in READ and path.name not in UNREAD and path.exists():
            yield name, flowing(path.read_text())


def flowing(text: str) -> str:
    """Return the text with the marks of comments at the beginning of lines taken out."""
    return re.sub(r"\s*\n\s*(?://|#|\*(?!/))?\s*", " ", text)


def numbers(text: str) -> Iterator[int]:
    """Return what "1, 3 and 5 to 7" names."""
    last = 0
    for before, digits in re.findall(r"(to )?(\d+)", text):
        if before:
            yield from range(last + 1, int(digits))
        last = int(digits)
        yield last


def mentions(text: str) -> Iterator[tuple[str, str]]:
    """Return the paths of Markdown files in a text, each with its anchor or ""."""
    for found in re.finditer(r"\.md\b(?:#([\w-]+))?", text):
        before = text[max(0, found.start() - 100) : found.start()]
        path = re.split(r"[^\w./-]", before)[-1] + ".md"
        if path == ".md":  # such as in "*.md"
            continue
        yield path.rsplit("blob/main/")[-1].lstrip("./"), found[1] or ""


def same(page: str, path: str) -> bool:
    """Whether a path, which may begin anywhere, names a page."""
    return f"/{page}".endswith(f"/{path}") or path.endswith(f"/{page}")


def anchors(page: str) -> Iterator[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    for heading in re.findall(r"(?m)^#+ (.*)$", (ROOT / page).read_text()):
        yield re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def citations(name: str, text: str) -> list[Citation]:
    pattern = WITHIN if name == "docs/explanation/protocol.md" else CITED
    return [(found[0], found[1], found[2]) for found in pattern.finditer(text)]


def resolves(cited: Citation) -> bool:
    _, sections, steps = cited
    if not set(numbers(sections)) <= SECTIONS:
        return False
    return not steps or (sections == "3" and set(numbers(steps)) <= STEPS)


def test_the_protocol_has_its_sections_and_steps() -> None:
    assert set(range(1, 13)) == SECTIONS
    assert set(range(1, 15)) == STEPS


@pytest.mark.parametrize(
    ("text", "there"),
    [
        ("protocol.md section 3 step 7", True),
        ("protocol.md section 3 step 15", False),
        ("protocol.md section 3, steps 2 and 3", True),
        ("protocol.md section 2 step 1", False),
        ("protocol.md sections 2 to 8", True),
        ("protocol.md sections 2 to 13", False),
        ("protocol section 13", False),
        ("protocol.md\n// section 13", False),
        ("protocol.md section\n    // 13", False),
    ],
)
def test_a_citation(text: str, there: bool) -> None:
    (cited,) = citations("x.go", flowing(text))
    assert resolves(cited) is there


def test_every_citation_of_the_protocol_resolves() -> None:
    found = [(name, cited) for name, text in tracked() for cited in citations(name, text)]
    assert len(found) > 1000
    assert [(name, cited[0]) for name, cited in found if not resolves(cited)] == []


def test_every_page_that_is_named_is_there() -> None:
    pages = [name for name, _ in tracked() if name.endswith(".md")]
    missing = []
    for name, text in tracked():
        # PEERS.md is written from the vectors, which are read here.
        for path, anchor in mentions(text) if name != "conformance/PEERS.md" else []:
            found = [page for page in pages if same(page, path)]
            if not found or (anchor and not any(anchor in anchors(page) for page in found)):
                missing.append((name, path, anchor))
    assert missing == []


def test_every_operation_that_is_cited_is_there() -> None:
    """Such as "abi.md request.verify: body_sha256"."""
    there = set(
        re.findall(r"(?m)^### (\S+)$", (ROOT / "docs" / "reference" / "abi.md").read_text())
    )
    cited = re.compile(r"\babi\.md`?,? ([a-z]+\.[a-z]+)\b(?!\.)")
    found = [(name, operation) for name, text in tracked() for operation in cited.findall(text)]
    assert len(found) > 100
    assert [(name, operation) for name, operation in found if operation not in there] == []
