"""An agent in webagents' own server: ``python app.py '{"settings": ...}'`` serves it.

``skill`` is ``"tallystick"`` or ``"webagents"``: nothing but the import differs. The server
listens on the socket that it inherits as ``fd``. ``/{name}/who`` needs a verified caller,
``/{name}/open`` does not.
"""

# mypy: disable-error-code="untyped-decorator, misc"
from __future__ import annotations

import json
import sys
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import uvicorn
from webagents import BaseAgent, Skill, create_server, handoff, http, websocket
from webagents.server.context.context_vars import get_context
from webagents.server.core.root_mount import RootMount

SETTINGS: dict[str, Any] = json.loads(sys.argv[1])

HOMES = {"tallystick": "tallystick.webagents", "webagents": "webagents.agents.skills.local.auth"}
AuthSkill = import_module(HOMES[SETTINGS["skill"]]).AuthSkill


def _who() -> dict[str, Any]:
    context = get_context()
    caller = context.auth if context else None
    if caller is None:
        return {"agent": None}
    return {"agent": caller.agent_id, "scopes": caller.scopes, "issuer": caller.issuer}


@http("/who", method="get", scope="user")
async def who() -> dict[str, Any]:
    return _who()


@http("/tell", method="post", scope="user")
async def tell(words: str = "") -> dict[str, Any]:
    return {**_who(), "words": words}


@http("/turn", method="post", scope="user")
async def turn(words: str = "") -> Any:
    """Run the agent: its hooks ask who the caller is a second time."""
    return await get_context().agent.run([{"role": "user", "content": words}])


@http("/mine", method="get", scope="owner")
async def mine() -> dict[str, Any]:
    return _who()


@http("/open", method="get")
async def anyone() -> dict[str, Any]:
    return {"open": True}


@http("/outgoing", method="get")
async def outgoing(target_agent: str = "", target_url: str = "") -> dict[str, Any]:
    """Say what the hooks put into a request that the agent is about to make."""
    context = get_context()
    context.set("target_agent", target_agent)
    context.set("target_url", target_url)
    context = await context.agent._execute_hooks("on_request_outgoing", context)
    return dict(getattr(context, "headers", None) or {})


@http("/as-owner", method="get")
async def as_owner(command: str, target: str = "", token: str = "") -> Any:
    """Run a command as a REPL does for the agent's owner."""
    context = get_context()
    context.auth = SimpleNamespace(scope="owner", authenticated=True)
    given = {name: value for name, value in (("target", target), ("token", token)) if value}
    return await context.agent.execute_command(command, given, context=context)


class Model(Skill):
    """Answers a turn with who asked: the last link of a chat, without a model."""

    @websocket("/live", scope="user")
    async def live(self, socket: Any) -> None:
        await socket.accept()
        await socket.send_json(_who())
        await socket.close()

    @handoff(name="model", prompt="answers")
    async def chat(self, messages: Any, tools: Any = None, **options: Any) -> dict[str, Any]:
        return {
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": json.dumps(_who())},
                    "finish_reason": "stop",
                }
            ]
        }


def _agent(name: str) -> BaseAgent:
    agent = BaseAgent(
        name=name,
        skills={"auth": AuthSkill(SETTINGS.get("config", {})), "model": Model()},
        http_handlers=[who, tell, turn, mine, anyone, outgoing, as_owner],
    )
    if "rules" in SETTINGS:
        agent.config = {"accept_from": SETTINGS["rules"]}
    return agent


def _application() -> Any:
    names = SETTINGS.get("agents", ["bob"])
    options = SETTINGS.get("server", {})
    if SETTINGS.get("dynamic"):
        made: dict[str, BaseAgent] = {}

        def find(name: str) -> Any:
            return made.setdefault(name, _agent(name)) if name in names else False

        return create_server(dynamic_agents=find, quiet=True, heartbeat=False, **options).app
    agents = [_agent(name) for name in names]
    server = create_server(agents=agents, quiet=True, heartbeat=False, **options)
    root = options.get("root_agent")
    return RootMount(server.app, root) if root else server.app


if __name__ == "__main__":
    uvicorn.run(_application(), fd=SETTINGS["fd"], log_level="warning")
