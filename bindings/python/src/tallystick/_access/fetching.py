"""Answering the need ``fetch``: one bounded HTTP request (protocol section 6)."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import ssl
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from tallystick._access.background import background
from tallystick._access.flights import Flights, landed
from tallystick._core.core import Core, call_json
from tallystick._core.engine import members_of
from tallystick._core.forks import ForkAware, keep_forever
from tallystick._core.problems import error

if TYPE_CHECKING:
    from concurrent.futures import Future

    import httpcore

    from tallystick._core.engine import Need, Reply

__all__ = ["Fetcher"]

GRACE = 5.0
"""Seconds that a thread waits for a fetch beyond the fetch's own limit."""

CONNECTIONS = 20
KEPT_CONNECTIONS = 5
KEPT_SECONDS = 30.0

Pools = dict[tuple[str, "_Proxy | None"], "httpcore.AsyncConnectionPool"]

_KINDS = {"public": "public", "internal": "of a network inside (internal_http)"}


class _Proxy(NamedTuple):
    """What the core made of the environment. ``authorization`` is a secret."""

    url: str
    authorization: str | None

    def __repr__(self) -> str:
        return f"_Proxy({self.url!r})"


class _Abandoned(ForkAware):
    """Connections of fetchers that were garbage-collected.

    A finalizer may run inside any call, so it must not take a lock: the next fetch
    closes these.
    """

    def __init__(self) -> None:
        super().__init__()
        self._pools: deque[Pools] = deque()

    def add(self, pools: Pools) -> None:
        self._pools.append(pools)

    def close(self) -> None:
        while self._pools:
            _close(self._pools.popleft())

    def after_fork_in_child(self) -> None:
        keep_forever(self._pools)
        self._pools = deque()


_abandoned = _Abandoned()

# All connections: they must not be garbage-collected with their fetcher while they are open.
_held: dict[int, Pools] = {}

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class FetchError(Exception):
    """There is no usable answer. The text is for the operator's log."""


class Fetcher(ForkAware):
    """Fetches what one engine needs. Thread-safe and fork-safe.

    It uses the environment's proxy where a need allows one, no cookie, and no credential except
    those of the need and of that proxy. Connections are kept and used again. ``trust`` verifies
    TLS certificates, by default as Python does. The first fetch needs the extra ``[access]``.
    """

    def __init__(self, core: Core, trust: ssl.SSLContext | None = None) -> None:
        super().__init__()
        self._core = core
        self._trust = trust
        self._flights: Flights[Reply] = Flights()
        self._pools: Pools = {}
        _held[id(self)] = self._pools

    def fetch(self, need: Need) -> Reply:
        """Return the answer to the need; a failure is one, too."""
        try:
            return self._flight(need).result(need["timeout"] + GRACE)
        except concurrent.futures.TimeoutError:
            return _failed("the fetch did not end within its time limit")

    async def afetch(self, need: Need) -> Reply:
        """Do the same without blocking the event loop."""
        return await landed(self._flight(need))

    def close(self) -> None:
        """Close the connections; the next fetch opens others."""
        pools = dict(self._pools)
        self._pools.clear()
        _close(pools)

    def __del__(self) -> None:
        _abandoned.add(_held.pop(id(self), {}))

    def _flight(self, need: Need) -> Future[Reply]:
        # An engine that is opened again numbers its flights anew.
        key = (need["flight"], need["method"], need["url"], need.get("body", ""))
        return self._flights.join(key, lambda flight: self._start(need, flight))

    def _start(self, need: Need, flight: Future[Reply]) -> None:
        _check_installed()
        _abandoned.close()
        background.start(self._land(need, flight))

    async def _land(self, need: Need, flight: Future[Reply]) -> None:
        limit = need["timeout"]
        try:
            flight.set_result(await asyncio.wait_for(self._fetch(need), limit))
        except asyncio.TimeoutError:
            flight.set_result(_failed(f"no whole answer within {limit} seconds"))
        except Exception as reason:
            flight.set_result(_failed(_text(reason)))
        except BaseException as reason:
            flight.set_exception(reason)
            raise

    async def _fetch(self, need: Need) -> Reply:
        url = need["url"]
        for _ in range(need["redirects"] + 1):
            async with self._pool(need["address"], self._proxy(need, url)).stream(
                need["method"],
                url,
                headers=_headers(need),
                content=need.get("body", "").encode() or None,
            ) as response:
                target = _redirect(need, url, response)
                if target is None:
                    return await _read(need, response)
            url = target
        raise FetchError(f"more than {need['redirects']} redirects")

    def _proxy(self, need: Need, url: str) -> _Proxy | None:
        """Return the proxy that the environment has for a URL, as the core reads it."""
        if not need.get("proxy") or need["address"] != "any":
            return None
        environment = {
            "https_proxy": os.environ.get("https_proxy") or os.environ.get("HTTPS_PROXY") or "",
            "no_proxy": os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or "",
        }
        chosen = call_json(self._core, "proxy.choose", {"url": url, **environment})
        return _Proxy(chosen["url"], chosen.get("authorization")) if chosen["url"] else None

    def _pool(self, address: str, proxy: _Proxy | None) -> httpcore.AsyncConnectionPool:
        """Return the connections for this kind of address. The kinds share none."""
        pool = self._pools.get((address, proxy))
        if pool is None:
            pool = self._pools[address, proxy] = self._open(address, proxy)
        return pool

    def _open(self, address: str, proxy: _Proxy | None) -> httpcore.AsyncConnectionPool:
        import httpcore

        trust = self._trust or ssl.create_default_context()
        if proxy is None:
            return httpcore.AsyncConnectionPool(
                ssl_context=trust,
                max_connections=CONNECTIONS,
                max_keepalive_connections=KEPT_CONNECTIONS,
                keepalive_expiry=KEPT_SECONDS,
                network_backend=self._network(address),
            )
        named = {"Proxy-Authorization": proxy.authorization} if proxy.authorization else {}
        return httpcore.AsyncHTTPProxy(
            proxy.url,
            proxy_headers=list(named.items()),
            proxy_ssl_context=trust if proxy.url.startswith("https:") else None,
            ssl_context=trust,
            max_connections=CONNECTIONS,
            max_keepalive_connections=KEPT_CONNECTIONS,
            keepalive_expiry=KEPT_SECONDS,
            network_backend=self._network(address),
        )

    def _network(self, address: str) -> httpcore.AsyncNetworkBackend:
        """Return what connects to this kind of address alone."""
        import httpcore

        if address in _KINDS:
            from tallystick._access.addresses import CheckedBackend

            return CheckedBackend(partial(_is_allowed, self._core, address), _KINDS[address])
        if address == "any":
            return httpcore.AnyIOBackend()
        raise FetchError(f"the core asked for an address of the kind {address!r}")

    def after_fork_in_child(self) -> None:
        # Closing the connections here would end them for the parent, too.
        keep_forever(self._pools)
        self._pools = {}
        _held[id(self)] = self._pools


def _is_allowed(core: Core, kind: str, address: str) -> bool:
    return call_json(core, "address.check", {"address": address})[kind] is True


def _close(pools: Pools) -> None:
    for pool in pools.values():
        background.start(pool.aclose(), closes=True)


def _headers(need: Need) -> list[tuple[str, str]]:
    # An answer that is not compressed cannot grow after it was counted.
    return [*need.get("headers", {}).items(), ("accept-encoding", "identity")]


def _redirect(need: Need, url: str, response: httpcore.Response) -> str | None:
    if not need["redirects"] or need["method"] != "GET" or response.status not in _REDIRECTS:
        return None
    import httpx

    found = (value for name, value in response.headers if name.lower() == b"location")
    location = next(found, None)
    if location is None:
        return None
    target = httpx.URL(url).join(location.decode("latin-1"))
    if httpx.URL(url).scheme != "https" or target.scheme != "https":
        raise FetchError("a redirect that is not from https to https")
    if target.userinfo:
        raise FetchError("a redirect to a URL with user info")
    return str(target)


async def _read(need: Need, response: httpcore.Response) -> Reply:
    headers: dict[str, str] = {}
    for name, value in response.headers:
        key = name.decode("latin-1").lower()
        text = value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise FetchError("the answer is compressed, which was not asked for")
    found = {name: headers[name] for name in need["read"] if name in headers}
    body = await _bounded(response, need["max_bytes"])
    return members_of({"status": response.status, "headers": found}), body


async def _bounded(response: httpcore.Response, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in response.aiter_stream():
        size += len(part)
        if size > limit:
            raise FetchError(f"the answer is over {limit} bytes")
        parts.append(part)
    return b"".join(parts)


def _failed(reason: str) -> Reply:
    return members_of({"failed": reason}), b""


def _text(reason: Exception) -> str:
    return str(reason) or type(reason).__name__


def _check_installed() -> None:
    try:
        import httpx  # noqa: F401
    except ImportError:
        raise error(
            "invalid_config",
            "fetching keys and tokens needs httpx: install tallystick[access]",
        ) from None
