"""The demo's Python caller: an agent itself, which writes one JSON line about each call."""

import asyncio
import json
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Thread
from typing import Any

import aiohttp
from flask import Flask
from werkzeug.serving import make_server

from access_tokens.calls import (
    BODY,
    Answer,
    by_every_worker,
    have,
    post,
    report,
    through_rotation,
)
from tallystick import AuthSkill, TallystickError, auth_blueprint
from tallystick.outbound import aiohttp_middleware

Skills = Mapping[str, AuthSkill]
Tell = Callable[[str, str, str | None], None]


class Caller:
    def __init__(
        self,
        session: aiohttp.ClientSession,
        own: Skills,
        portal: Skills,
        settings: dict[str, Any],
    ) -> None:
        self.session = session
        self.own = own
        self.portal = portal
        self.agents: str = settings["agents"]
        self.workers: int = settings["workers"]
        self.all = f"by {self.workers} worker{'s' if self.workers > 1 else ''}"

    async def said(self, url: str, authorization: str | None = None, **request: Any) -> str:
        return (await post(self.session, url, authorization, **request)).said

    async def scene(
        self,
        mode: str,
        skills: Skills,
        name: str,
        seen: str,
        rotate: Callable[[], Awaitable[None]],
    ) -> None:
        caller, mallory = skills["caller"], skills["mallory"]
        agent, accepted = f"{self.agents}/{name}", f"200 {seen}"

        def tell(sent: str, expected: str, got: str | None) -> None:
            report(f"{mode}: {sent}", expected, got)

        middlewares = [aiohttp_middleware(caller, agent, ["read"])]
        tell(
            "token with the scope read",
            accepted,
            await self.said(f"{agent}/read", middlewares=middlewares),
        )
        elsewhere = await authorization(caller, "https://other-agent.example/agent", ["read"])
        tell(
            "token for another agent",
            "401 invalid_audience",
            await self.said(f"{agent}/read", elsewhere),
        )
        reading = await authorization(caller, agent, ["read"])
        refused = await self.said(f"{agent}/write", reading)
        tell("the same scope where write is required", "403 insufficient_scope", refused)
        writing = await authorization(caller, agent, ["read", "write"])
        tell(
            "token with the scopes read and write there",
            accepted,
            await self.said(f"{agent}/write", writing),
        )
        denied = await authorization(mallory, agent, ["read"])
        tell(
            "token of mallory, whom the agent denies",
            "403 issuer_denied",
            await self.said(f"{agent}/read", denied),
        )
        await self.bound_tokens(tell, caller, agent, accepted)
        refused = await self.said(f"{agent}/bound", reading)
        tell("unbound token where a bound one is required", "401 invalid_claims", refused)

        made = (await post(self.session, f"{agent}/token", reading)).members["token"]
        author = await caller.avalidate_token(made)
        tell(
            "the reverse: the agent makes a token, the caller validates it",
            seen.replace("caller", name),
            f"{author.agent_id} ({author.issuer_type})" if author else None,
        )

        async def call() -> Answer:
            fresh = await authorization(caller, agent, ["read"], reuse=False)
            return await post(self.session, f"{agent}/read", fresh)

        count, got = await through_rotation(self.workers, call, rotate)
        sent = f"{count} tokens and calls while the signing key is rotated, {self.all}"
        tell(sent, f"{count} times {accepted}, with 2 keys by {self.workers}", got)

    async def bound_tokens(self, tell: Tell, caller: AuthSkill, agent: str, accepted: str) -> None:
        url = f"{agent}/bound"

        async def bind() -> str:
            return await authorization(
                caller, agent, ["read"], method="POST", url=url, body=BODY, bind=True
            )

        bound = await bind()
        tell("token that is bound to its request", accepted, await self.said(url, bound))
        again = await by_every_worker(self.workers, lambda: post(self.session, url, bound))
        tell(
            f"the same again, ten times, {self.all}",
            f"429 replay_detected by {self.workers}",
            again,
        )
        changed = await self.said(url, await bind(), body=BODY.replace(b"movies", b"bombs"))
        tell("bound token, body changed on the way", "401 body_tampered", changed)

    async def authority_down(self, self_issued: Callable[[str, int], AuthSkill]) -> None:
        agent, caller = f"{self.agents}/portal", self.portal["caller"]
        kept = await authorization(caller, agent, ["read"])
        unknown = await authorization(caller, f"{self.agents}/late", ["read"])
        await have("stop the authority")

        def tell(sent: str, expected: str, got: str | None) -> None:
            report(f"authority down: {sent}", expected, got)

        known = await by_every_worker(
            self.workers, lambda: post(self.session, f"{agent}/read", kept)
        )
        sent = f"token of the authority, whose keys the agent knows, {self.all}"
        tell(sent, f"200 caller (portal) by {self.workers}", known)
        tell("a new token from the authority", "token_unavailable", await code_of(caller, agent))
        late = await self.said(f"{self.agents}/late/read", unknown)
        tell(
            "token of the authority at an agent that does not know its keys",
            "503 keys_unavailable",
            late,
        )
        agent = f"{self.agents}/self"
        with self_issued("newcomer", closed_port()) as stranger:
            unreachable = await authorization(stranger, agent, ["read"])
        refused = await self.said(f"{agent}/read", unreachable)
        tell(
            "token of a new issuer, which cannot be reached either", "503 keys_unavailable", refused
        )
        reachable = await authorization(self.own["caller"], agent, ["read"])
        tell("self-issued token", "200 caller (agent)", await self.said(f"{agent}/read", reachable))


async def authorization(caller: AuthSkill, agent: str, *scopes: list[str], **options: Any) -> str:
    return (await caller.aauthorize(agent, *scopes, **options))["Authorization"]


async def code_of(caller: AuthSkill, agent: str) -> str:
    try:
        return await caller.agenerate_token(agent, ["write"])
    except TallystickError as reason:
        return reason.code


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def serving(app: Flask, listener: socket.socket) -> Iterator[None]:
    """Serve a Flask application from a thread: werkzeug's server, for trying things out."""
    server = make_server("127.0.0.1", 0, app, threaded=True, fd=listener.fileno())
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def main(settings: dict[str, Any]) -> None:
    def self_issued(name: str, port: int) -> AuthSkill:
        return AuthSkill(
            base_url=f"http://127.0.0.1:{port}/{name}", keys_dir=settings["keysDir"], dev_mode=True
        )

    def of_authority(name: str) -> AuthSkill:
        return AuthSkill(
            authority=settings["authority"], agent_id=name, client_secret=settings["secrets"][name]
        )

    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    own = {name: self_issued(name, port) for name in ("caller", "mallory")}
    portal = {name: of_authority(name) for name in ("caller", "mallory")}
    app = Flask("caller")
    app.register_blueprint(auth_blueprint(own))

    async def rotate_own() -> None:
        await asyncio.to_thread(own["caller"].rotate_keys, force=True)

    with serving(app, listener):
        async with aiohttp.ClientSession() as session:
            caller = Caller(session, own, portal, settings)
            await caller.scene("self-issued", own, "self", "caller (agent)", rotate_own)
            rotate = lambda: have("rotate the authority")  # noqa: E731
            await caller.scene("portal", portal, "portal", "caller (portal)", rotate)
            await caller.authority_down(self_issued)


asyncio.run(main(json.loads(sys.stdin.readline())))
