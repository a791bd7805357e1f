"""Connecting to addresses of one kind only.

Public ones are for URLs that come from a token of an unknown issuer, those of a network inside for
plain http (``internal_http``).
"""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import httpcore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["AddressRefusedError", "CheckedBackend"]

RESOLVERS = 2
"""Threads that look up names from tokens of unknown issuers."""

MAX_ADDRESSES = 16
"""Addresses that one name may have; a name with more is refused."""


class AddressRefusedError(Exception):
    """The name has no address of the kind. The text is for the log."""


class CheckedBackend(httpcore.AsyncNetworkBackend):
    """Resolves a name once, checks every address, and connects to one that was checked.

    Otherwise a name could resolve to a public address for the check and to a private one for
    the connection (DNS rebinding). ``is_allowed`` is ``address.check`` of the core, ``kind`` says
    what it wants, for the log.
    """

    def __init__(self, is_allowed: Callable[[str], bool], kind: str = "public") -> None:
        self._is_allowed = is_allowed
        self._kind = kind
        self._network = httpcore.AnyIOBackend()
        # A lookup cannot be cancelled. Names from tokens must not take the threads in which the
        # names of configured issuers are looked up.
        self._resolvers = ThreadPoolExecutor(RESOLVERS, thread_name_prefix="tallystick-dns")

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        failure: Exception = AddressRefusedError("the name has no address")
        for address in await self._checked(host, port):
            try:
                return await self._network.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as reason:
                failure = reason
        raise failure

    async def connect_unix_socket(
        self,
        path: str,  # noqa: ARG002
        timeout: float | None = None,  # noqa: ARG002
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> httpcore.AsyncNetworkStream:
        raise AddressRefusedError(f"a socket of this machine is not {self._kind}")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def _checked(self, host: str, port: int) -> list[str]:
        loop = asyncio.get_running_loop()
        look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = await loop.run_in_executor(self._resolvers, look_up)
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        if len(addresses) > MAX_ADDRESSES:
            raise AddressRefusedError(f"the name has over {MAX_ADDRESSES} addresses")
        for address in addresses:
            if not self._is_allowed(address):
                raise AddressRefusedError(
                    f"the name has the address {address}, which is not {self._kind}"
                )
        return addresses
