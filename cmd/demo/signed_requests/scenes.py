"""Act one: each orchestrator signs its requests with a key that the agent knows."""

import sys
from pathlib import Path
from typing import IO

from conducting import conduct
from processes import NODE, WORKERS, gunicorn, node, program

HERE = Path(__file__).parent
GO = HERE.parents[2] / "build/demo"  # the programs that `make demo` has built


def node_to_flask(folder: Path, log: IO[str]) -> tuple[int, int]:
    """Node orchestrator -> Flask agent (gunicorn --preload, 2 workers)"""
    environment = {"DEMO_KEYS_DIR": str(folder)}
    with gunicorn(
        "the Flask agent", "signed_requests.flask_agent:app", log, lambda _: environment
    ) as agent:
        return conduct(
            [NODE, str(HERE / "orchestrator.mjs"), agent.url, str(folder), str(WORKERS)], log
        )


def python_to_node(folder: Path, log: IO[str]) -> tuple[int, int]:
    """Python orchestrator -> Node agent"""
    with node("the Node agent", HERE / "node_agent.mjs", log, str(folder)) as agent:
        return conduct([sys.executable, str(HERE / "orchestrator.py"), agent.url, str(folder)], log)


def go_to_flask(folder: Path, log: IO[str]) -> tuple[int, int]:
    """Go orchestrator -> Flask agent (gunicorn --preload, 2 workers)"""
    environment = {"DEMO_KEYS_DIR": str(folder)}
    with gunicorn(
        "the Flask agent", "signed_requests.flask_agent:app", log, lambda _: environment
    ) as agent:
        return conduct([str(GO / "goorchestrator"), agent.url, str(folder)], log)


def python_to_go(folder: Path, log: IO[str]) -> tuple[int, int]:
    """Python orchestrator -> Go agent"""
    with program("the Go agent", [str(GO / "goagent"), str(folder)], log) as agent:
        return conduct([sys.executable, str(HERE / "orchestrator.py"), agent.url, str(folder)], log)


def node_to_go(folder: Path, log: IO[str]) -> tuple[int, int]:
    """Node orchestrator -> Go agent"""
    with program("the Go agent", [str(GO / "goagent"), str(folder)], log) as agent:
        return conduct([NODE, str(HERE / "orchestrator.mjs"), agent.url, str(folder), "1"], log)


def go_to_node(folder: Path, log: IO[str]) -> tuple[int, int]:
    """Go orchestrator -> Node agent"""
    with node("the Node agent", HERE / "node_agent.mjs", log, str(folder)) as agent:
        return conduct([str(GO / "goorchestrator"), agent.url, str(folder)], log)


def one_store(folder: Path, log: IO[str]) -> tuple[int, int]:
    """Flask agent (2 workers) and Node agent, which share one Redis"""
    sys.path.insert(0, str(HERE.parents[1] / "servers"))
    import servers

    try:
        redis = servers.redis()
    except servers.MissingError as missing:
        print(f"  not shown: {missing}", flush=True)
        return 0, 0
    with redis:
        environment = {"DEMO_KEYS_DIR": str(folder), "DEMO_STORE": redis.url}
        application = "signed_requests.flask_agent:app"
        agents = (
            gunicorn("the Flask agent", application, log, lambda _: environment),
            node("the Node agent", HERE / "node_agent.mjs", log, str(folder), redis.url),
        )
        with agents[0] as flask, agents[1] as other:
            command = [sys.executable, "-m", "signed_requests.shared", flask.url, other.url]
            return conduct([*command, str(folder)], log, cwd=HERE.parent)


SCENES = (
    node_to_flask,
    python_to_node,
    go_to_flask,
    go_to_node,
    python_to_go,
    node_to_go,
    one_store,
)
