"""The real AuthSkill of webagents 0.3.9, driven by lines of JSON.

Runs inside the environment of :mod:`webagents_env.environment`. Each line of the
standard input is ``{"do": name, ...}``; each answer is one line, ``{"ok": ...}`` or
``{"error": ...}``. Nothing of webagents is changed.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from base64 import urlsafe_b64encode
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from webagents import BaseAgent
from webagents.agents.skills.local.auth import AuthSkill
from webagents.server.context.context_vars import create_context


class Peer:
    """Skills by name, as a program that uses webagents has them."""

    def __init__(self) -> None:
        self._skills: dict[str, AuthSkill] = {}
        self._agents: dict[str, BaseAgent] = {}

    async def open(
        self, skill: str, name: str, config: dict[str, Any], rules: Any = None
    ) -> dict[str, Any]:
        made = AuthSkill(config)
        agent = BaseAgent(name=name, skills={"auth": made})
        if rules is not None:
            agent.config = {"accept_from": rules}
        await made.initialize(agent)
        self._skills[skill], self._agents[skill] = made, agent
        status = await made.auth_status()
        return {"status": status, "jwks": made.jwks.get_jwks()}

    async def generate(
        self, skill: str, target: str, scopes: Any = None, claims: Any = None
    ) -> str:
        made = self._skills[skill]
        return str(await asyncio.to_thread(made.generate_token, target, scopes, claims))

    async def forge(self, skill: str, header: str, claims: str) -> str:
        """Sign any two texts with the skill's key, as whoever holds it can."""
        key = self._skills[skill].jwks.get_signing_key()
        signed = f"{_base64(header.encode())}.{_base64(claims.encode())}"
        signature = key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_base64(signature)}"

    async def validate(self, skill: str, token: str) -> dict[str, Any] | None:
        found = await self._skills[skill].validate_token(token)
        return None if found is None else {**found.to_dict(), "raw_claims": found.raw_claims}

    async def connect(self, skill: str, headers: dict[str, str]) -> dict[str, Any]:
        """Run what a turn of the agent runs first: the hooks of ``on_connection``."""
        agent = self._agents[skill]
        context = create_context(agent=agent, request=_Request(headers))
        try:
            context = await agent._execute_hooks("on_connection", context)
        except Exception as refused:
            return {"refused": getattr(refused, "status_code", None), "why": str(refused)}
        return {"authenticated": bool(context.auth and context.auth.authenticated)}

    async def allowed(self, skill: str, issuer: str) -> bool:
        return bool(self._skills[skill]._is_allowed(issuer))

    async def token_endpoint(self, skill: str, form: dict[str, str]) -> dict[str, Any]:
        return dict(await self._skills[skill].token_endpoint(**form))


class _Request:
    """What the hook reads of a request: its headers."""

    def __init__(self, headers: dict[str, str]) -> None:
        self.headers = headers


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


async def serve() -> None:
    peer = Peer()
    # What webagents prints must not get between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    logging.disable(logging.CRITICAL)
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            answer = {"ok": await getattr(peer, asked.pop("do"))(**asked)}
        except Exception as reason:
            answer = {"error": f"{type(reason).__name__}: {reason}"}
        answers.write(json.dumps(answer, default=str) + "\n")
        answers.flush()


if __name__ == "__main__":
    asyncio.run(serve())
