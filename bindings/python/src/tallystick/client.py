"""``OrchestratorClient``: signs requests to agents and sends them."""

from __future__ import annotations

import asyncio
import json
import time
from functools import lru_cache
from json.encoder import encode_basestring_ascii as quote
from typing import TYPE_CHECKING, Any

from tallystick._core.arguments import (
    MAX_SIGNER_TIMEOUT,
    SIGNER_TIMEOUT,
    body_bytes,
    must_be_seconds,
    must_be_size,
    must_be_text,
    must_be_utf8,
    must_be_whole,
    wrong_type,
)
from tallystick._core.core import Core, call_json
from tallystick._core.engine import Engine, members_of
from tallystick._core.loading import load_core
from tallystick._core.problems import error, options_named
from tallystick._core.signing import SigningFailure, choose_signing
from tallystick.errors import TallystickError

if TYPE_CHECKING:
    import aiohttp
    import yarl

    from tallystick._core.engine import Answer, Configuration, Need, Reply
    from tallystick._core.signing import Signer, Signing

__all__ = ["OrchestratorClient"]

TTL = 60
"""Seconds that a token lives."""

TIME_LIMIT = 30
"""Seconds that one call of an agent may take (rotagent)."""

MAX_TIMEOUT = 86_400
"""Seconds: a day."""

MAX_BODY = MAX_ANSWER = 10 << 20
"""Bytes."""

MAX_CACHED = 128
"""Clients that :meth:`OrchestratorClient.send_secure_request` keeps."""


class OrchestratorClient:
    """Signs requests for one issuer, and sends JSON to agents as rotagent does.

    ``issuer_id``
        who the agents know the key as.
    ``signer``
        private key as PEM or JWK text, or as an object of ``cryptography``; or a function from
        the bytes to sign to a signature, sync or async, such as a KMS. The key decides how it
        signs: RSA by RS256 (by PS256 where its JWK says so), EC on P-256 by ES256, Ed25519 by
        EdDSA. A function's ECDSA signature may be DER or 64 raw bytes. RSA text is loaded into
        ``cryptography`` where that is installed (extra ``[fast]``), else the core signs.

        In one process at most 64 calls of such functions run at once, for all clients and
        skills together; one more fails with ``signer_failed``. An async function does not count
        with :meth:`asign`. A function that is slower than ``signer_timeout`` keeps its place
        until it returns.
    ``public_key``
        with a function: its public key, PEM or JWK. Without it the function is taken for one
        that signs RS256. Recommended: a wrong signature is then found here and not at the agent.
    ``ttl``
        seconds that a token lives, 1 to 86,400 (default 60).
    ``signer_timeout``
        seconds that a signing function may take, up to 50 (default 10).
    ``max_body``
        bytes of a body that is signed (default 10 MiB); more is ``body_too_large``.
    ``max_answer``
        bytes of an agent's answer that :meth:`send` reads (default 10 MiB).
    ``backend``
        ``"native"`` or ``"wasm"``; default: the environment variable ``TALLYSTICK_BACKEND``,
        else native where it loads.

    Thread-safe and fork-safe. Raises ``invalid_key`` and ``invalid_argument``; no error,
    ``repr`` or log holds the key.
    """

    def __init__(
        self,
        issuer_id: str,
        signer: Signer,
        *,
        public_key: str | None = None,
        ttl: int | None = TTL,
        signer_timeout: float | None = SIGNER_TIMEOUT,
        max_body: int | None = MAX_BODY,
        max_answer: int | None = MAX_ANSWER,
        backend: str | None = None,
    ) -> None:
        must_be_utf8("issuer_id", issuer_id)
        if public_key is not None:
            must_be_utf8("public_key", public_key)
        ttl = TTL if ttl is None else ttl
        signer_timeout = SIGNER_TIMEOUT if signer_timeout is None else signer_timeout
        max_body = MAX_BODY if max_body is None else max_body
        max_answer = MAX_ANSWER if max_answer is None else max_answer
        must_be_whole("ttl", ttl)
        must_be_seconds("signer_timeout", signer_timeout, MAX_SIGNER_TIMEOUT)
        must_be_size("max_body", max_body)
        must_be_size("max_answer", max_answer)
        self._core = load_core(backend)
        self._signing = choose_signing(self._core, signer, public_key, signer_timeout)
        self._issuer_id = issuer_id
        self._ttl = ttl
        self._max_body = max_body
        self._max_answer = max_answer
        with options_named("ttl", "public_key", issuer="issuer_id"):
            self._engine = Engine(self._core, self._configure)

    def sign(self, method: str, url: str | yarl.URL, body: bytes | str = b"") -> dict[str, str]:
        """Return the headers that authenticate one request: ``{"Authorization": ...}``.

        ``method`` is as it will be sent: HTTP clients send ``post`` as ``POST``, and case
        counts. ``url`` is absolute and ASCII, as it will be sent (for aiohttp
        ``str(yarl.URL(url))``); ``body`` the exact bytes, a text stands for its UTF-8.
        Each call makes a new token. A token works once. Raises ``invalid_url``,
        ``body_too_large`` and ``signer_failed``. Blocks for the signature's time.
        """
        members, data = self._request(method, url, body)
        need = _SignNeed(self._signing)
        try:
            return _signed(self._engine.run("request.sign", members, data, need.answer))
        except TallystickError as refused:
            raise refused from need.failure

    async def asign(
        self, method: str, url: str | yarl.URL, body: bytes | str = b""
    ) -> dict[str, str]:
        """Do the same without blocking the event loop.

        At most 1,024 calls of one client wait for their signatures at once. One more
        raises ``overloaded`` and can be made again later. Where the core signs, the calls
        wait for threads instead, without a bound.
        """
        if self._signing.blocks:
            return await asyncio.to_thread(self.sign, method, url, body)
        need = _SignNeed(self._signing)
        members, data = self._request(method, url, body)
        try:
            return _signed(await self._engine.arun("request.sign", members, data, need.aanswer))
        except TallystickError as refused:
            raise refused from need.failure

    async def send(
        self,
        session: aiohttp.ClientSession,
        url: str,
        payload: Any,
        *,
        timeout: float = TIME_LIMIT,
    ) -> dict[str, Any]:
        """POST ``payload`` as JSON to ``{url}/agent`` and return the agent's JSON object.

        Its ``agent_url`` is set to ``url``. What goes wrong on the way or at the agent is
        returned and never raised: ``{"error": ..., "agent_url": url}``, with ``Auth
        Failed``, ``Replay Detected`` or ``Status N`` (rotagent). ``timeout`` is in seconds
        (default 30). An answer of over ``max_answer`` bytes is an error, redirects are not
        followed: a signed request is for one receiver. Raises ``invalid_url``,
        ``body_too_large``, ``signer_failed`` and, for a payload that is not JSON,
        ``invalid_argument``.
        """
        if isinstance(session, type) or not callable(getattr(session, "post", None)):
            raise wrong_type("session", "an aiohttp.ClientSession", session)
        must_be_utf8("url", url)
        must_be_seconds("timeout", timeout, MAX_TIMEOUT)
        body = _json(payload)
        target = _endpoint(self._core, url)
        headers = await self.asign("POST", target, body)
        headers["Content-Type"] = "application/json"
        try:
            return await self._deliver(session, target, headers, body, url, timeout)
        except asyncio.TimeoutError:
            return _failure(f"no answer within {timeout} seconds", url)
        except Exception as reason:
            return _failure(str(reason) or type(reason).__name__, url)

    @staticmethod
    async def send_secure_request(
        session: aiohttp.ClientSession,
        url: str,
        payload: Any,
        issuer_id: str,
        private_key_pem: str,
    ) -> dict[str, Any]:
        """Sign and send in one call, as rotagent does; see :meth:`send`.

        The loaded keys of the last 128 issuers are kept.
        """
        must_be_text("issuer_id", issuer_id)
        if not isinstance(private_key_pem, bytes):
            must_be_text("private_key_pem", private_key_pem)
        # Loading a key checks its primes, which takes tens of milliseconds.
        client = await asyncio.to_thread(_cached_client, issuer_id, private_key_pem)
        return await client.send(session, url, payload)

    def close(self) -> None:
        """Free what is held in the core; a later call opens it again."""
        self._engine.close()

    def _request(self, method: str, url: str | yarl.URL, body: bytes | str) -> tuple[str, bytes]:
        exact = body_bytes(body)
        if len(exact) > self._max_body:
            raise error("body_too_large", f"the body is over max_body ({self._max_body} bytes)")
        digest, data = self._engine.hand_over(exact)
        return _target(method, url) + digest, data

    def _configure(self) -> Configuration:
        signer = {"issuer": self._issuer_id, "ttl": self._ttl}
        return {"signer": {**signer, **self._signing.configuration}}

    async def _deliver(
        self,
        session: aiohttp.ClientSession,
        target: yarl.URL,
        headers: dict[str, str],
        body: bytes,
        url: str,
        seconds: float,
    ) -> dict[str, Any]:
        import aiohttp

        async with session.post(
            target,
            data=body,
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=seconds),
            allow_redirects=False,
        ) as response:
            limit = self._max_answer
            answer = await _read(response, limit) if response.status == 200 else b""
            if answer is None:
                return _failure(f"the agent's answer is over {limit} bytes", url)
            outcome = {"agent_url": url, "status": response.status}
            result: dict[str, Any] = call_json(self._core, "request.outcome", outcome, answer)
            return dict(result["result"])


class _SignNeed:
    """Answers the need ``sign`` of one call and remembers why it could not."""

    def __init__(self, signing: Signing) -> None:
        self._signing = signing
        self.failure: SigningFailure | None = None

    def answer(self, need: Need) -> Reply:
        try:
            return "", self._signing.sign(need["input"].encode())
        except SigningFailure as reason:
            return self._failed(reason)

    async def aanswer(self, need: Need) -> Reply:
        try:
            return "", await self._signing.asign(need["input"].encode())
        except SigningFailure as reason:
            return self._failed(reason)

    def _failed(self, reason: SigningFailure) -> Reply:
        self.failure = reason
        return members_of({"failed": str(reason)}), b""


@lru_cache(maxsize=MAX_CACHED)
def _cached_client(issuer_id: str, private_key: str | bytes) -> OrchestratorClient:
    return OrchestratorClient(issuer_id, private_key)


def _target(method: str, url: str | yarl.URL) -> str:
    must_be_utf8("method", method)
    if isinstance(url, str):
        must_be_utf8("url", url)
    elif not hasattr(url, "raw_path_qs"):
        raise wrong_type("url", "a text or a yarl.URL", url)
    return f'"now":{time.time()!r},"method":{quote(method)},"url":{quote(str(url))}'


def _signed(answer: Answer) -> dict[str, str]:
    return {"Authorization": answer["authorization"]}


def _json(payload: Any) -> bytes:
    try:
        return json.dumps(payload, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as reason:
        raise error("invalid_argument", f"the payload is not JSON: {reason}") from reason


def _endpoint(core: Core, url: str) -> yarl.URL:
    """Return the URL that aiohttp will really send, which is the one to sign."""
    import yarl

    joined = call_json(core, "request.endpoint", {"url": url})["url"]
    try:
        return yarl.URL(joined)
    except ValueError as reason:
        raise error("invalid_url", f"aiohttp cannot send to this URL: {reason}") from reason


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes | None:
    """Return the answer's bytes, or ``None`` when they are over the limit."""
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_chunked(64 << 10):
        size += len(part)
        if size > limit:
            return None
        parts.append(part)
    return b"".join(parts)


def _failure(text: str, url: str) -> dict[str, Any]:
    return {"error": text, "agent_url": url}
