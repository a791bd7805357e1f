"""A store in Redis or Valkey, for many machines: ``SET id 1 NX PX``, one key a command."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from tallystick._core.arguments import must_be_utf8
from tallystick.stores.base import must_be_claim, must_be_id, must_be_put
from tallystick.stores.connections import (
    AnsweredError,
    RefusedServerError,
    ServerStore,
    wait_for_socket,
)
from tallystick.stores.redis_address import address_of
from tallystick.stores.redis_server import RedisServer

if TYPE_CHECKING:
    import redis
    import redis.asyncio

    from tallystick.errors import StoreUnavailableError
    from tallystick.stores.base import Deadline

__all__ = ["RedisStore"]

MOST_CONNECTIONS = 16
"""Of one process, and of each event loop."""

_USER_FIX = "correct user and password, which are percent-encoded in a URL"
_TLS_FIX = "see whether this port speaks TLS (rediss://), and the server's log"
_FIXES = (
    ("read only replica", "name the primary, which takes writes"),
    ("used memory", "raise maxmemory: nothing may be evicted, as a used token would be free again"),
    ("MISCONF", "see the server's log: it cannot write to its disk"),
    ("loading", "wait until it has read its data"),
    ("no permissions", "allow this user SET, GET, GETDEL, TIME, INFO and CONFIG|GET on these keys"),
    ("uthenticat", _USER_FIX),
    ("username-password", _USER_FIX),
    ("without any password", "the server wants no password: name none"),
    ("MOVED", "name a server that is alone: clusters are not supported"),
    ("slot not served", "name a server that is alone: clusters are not supported"),
    ("DB index", "choose a database number that the server has"),
    ("unknown command", "Redis 6.2 or later, or Valkey, is needed"),
    ("max number of clients", "raise maxclients of the server"),
    ("mismatch, certificate", "name the host as its certificate does"),
    ("CERTIFICATE_VERIFY_FAILED", "name its authority: rediss://HOST:PORT/0?ssl_ca_certs=FILE"),
    ("WRONG_VERSION_NUMBER", "this port speaks no TLS: write redis://, or name the port that does"),
    ("closed by server", _TLS_FIX),
    ("reset by peer", _TLS_FIX),
    ("refused", "see whether the server runs, and whether host and port are right"),
)
_DEFAULT_FIX = "see whether the server runs, whether host and port are right, and the server's log"

_STAYING = ("used memory", "no permissions", "MISCONF")
"""Errors after which a connection is kept: another one would meet the same."""


class RedisStore(ServerStore):
    """Used tokens and values in Redis 6.2 or later, or Valkey, for any number of machines.

    ``server``
        a URL (``redis://``, ``rediss://``, ``valkey://``, ``valkeys://``), or a client of redis-py,
        ``redis.Redis`` or ``redis.asyncio.Redis``, whose settings are taken: the store opens
        connections of its own.
    ``prefix``
        what its keys begin with. Stores with one prefix share what was used.
    ``timeout``
        seconds for one call, all waiting included (default 2). After that it refuses.
    ``required``
        whether an engine may start only where the server can be used (default); else it warns.

    The server must be a primary that is alone, with ``maxmemory-policy noeviction`` and a clock
    within 60 s of this host's. After its restart, or where another server is behind the name, what
    was used may be forgotten: tokens from before that are refused (``lost_at``). A process opens at
    most 16 connections, and 16 more in each event loop. No command is sent a second time: whether
    a claim was made whose answer is lost, nobody knows.

    Thread-safe and fork-safe: a forked child opens connections of its own. Raises
    ``invalid_argument``, also where the package redis is missing.
    """

    def __init__(
        self,
        server: str | redis.Redis | redis.asyncio.Redis,
        *,
        prefix: str = "tallystick:",
        timeout: float = 2,
        required: bool = True,
    ) -> None:
        must_be_utf8("prefix", prefix)
        self._address = address_of(server)
        self._used = f"{prefix}used:"
        self._values = f"{prefix}value:"
        super().__init__(
            f"store {self._address.name}", required=required, timeout=timeout, most=MOST_CONNECTIONS
        )
        self._server = RedisServer(prefix, self._notice)

    @property
    def lost_at(self) -> float | None:
        """When the server was last seen to be another one or restarted; ``None``: never.

        In seconds since 1970, by the clock of this host.
        """
        return self._server.lost_at

    def claim(self, id: str, seconds: int) -> bool:
        return self._is_set(self._ask(self._claim_of(id, seconds)))

    def put(self, id: str, value: bytes, seconds: int) -> None:
        self._ask(self._put_of(id, value, seconds))

    def get(self, id: str) -> bytes | None:
        return self._value(self._ask(self._value_of("GET", id)))

    def take(self, id: str) -> bytes | None:
        return self._value(self._ask(self._value_of("GETDEL", id)))

    async def aclaim(self, id: str, seconds: int) -> bool:
        return self._is_set(await self._aask(self._claim_of(id, seconds)))

    async def aput(self, id: str, value: bytes, seconds: int) -> None:
        await self._aask(self._put_of(id, value, seconds))

    async def aget(self, id: str) -> bytes | None:
        return self._value(await self._aask(self._value_of("GET", id)))

    async def atake(self, id: str) -> bytes | None:
        return self._value(await self._aask(self._value_of("GETDEL", id)))

    def _claim_of(self, id: str, seconds: int) -> tuple[Any, ...]:
        must_be_claim(id, seconds)
        return "SET", self._used + id, b"1", b"NX", b"PX", seconds * 1000

    def _put_of(self, id: str, value: bytes, seconds: int) -> tuple[Any, ...]:
        must_be_put(id, value, seconds)
        return "SET", self._values + id, value, b"PX", seconds * 1000

    def _value_of(self, command: str, id: str) -> tuple[Any, ...]:
        must_be_id(id)
        return command, self._values + id

    def _is_set(self, answer: object) -> bool:
        if answer is None or answer == b"OK":
            return answer is not None
        raise self._strange(answer)

    def _value(self, answer: object) -> bytes | None:
        if answer is None or isinstance(answer, bytes):
            return answer
        raise self._strange(answer)

    def _strange(self, answer: object) -> StoreUnavailableError:
        what = f"it answered with {type(answer).__name__}"
        return self._failed(RefusedServerError(what, "see whether it is Redis or Valkey"))

    def _connect(self) -> _Line:
        return _Line(self._server, self._address.connection(self._timeout))

    async def _aconnect(self) -> _AsyncLine:
        line = _AsyncLine(self._server, self._address.async_connection())
        await line.connect()
        return line

    def _explained(self, reason: Exception) -> tuple[str, str]:
        text = " ".join(str(reason).split()) or type(reason).__name__
        return text, next((fix for words, fix in _FIXES if words in text), _DEFAULT_FIX)


class _Line:
    """A connection of threads."""

    def __init__(self, server: RedisServer, connection: Any) -> None:
        self._server = server
        self._connection = connection
        # It runs on each connection that this object ever makes.
        connection.redis_connect_func = self._greet
        try:
            connection.connect()
        except BaseException:
            self.close()
            raise
        self._socket = connection._sock  # noqa: SLF001

    def _greet(self, connection: Any) -> None:
        connection.on_connect()
        for question in self._server.questions:
            connection.send_command(*question)
        answers = [self._answer_or_error() for _ in self._server.questions]
        self._run_id, note = self._server.inspect(answers)
        if note is not None:
            connection.send_command(*note)
            connection.read_response()

    def _answer_or_error(self) -> Any:
        try:
            return self._connection.read_response()
        except Exception as reason:
            return _answered(reason)

    def usable(self) -> bool:
        # All that an idle connection may have to read is its end.
        return self._server.is_current(self._run_id) and not wait_for_socket(self._socket, 0)

    def ask(self, question: tuple[Any, ...], deadline: Deadline) -> Any:
        left = deadline.left()
        if not left:  # for a socket, 0 is another mode
            raise TimeoutError
        self._socket.settimeout(left)
        self._connection.send_command(*question)
        try:
            return self._connection.read_response()
        except Exception as reason:
            raise _kept(reason) from None

    def close(self) -> None:
        self._connection.disconnect()


class _AsyncLine:
    """A connection of the tasks of one event loop."""

    def __init__(self, server: RedisServer, connection: Any) -> None:
        self._server = server
        self._connection = connection
        connection.redis_connect_func = self._greet

    async def connect(self) -> None:
        try:
            await self._connection.connect()
        except BaseException:
            self.close()
            raise

    async def _greet(self, connection: Any) -> None:
        await connection.on_connect()
        for question in self._server.questions:
            await connection.send_command(*question)
        answers = [await self._answer_or_error() for _ in self._server.questions]
        self._run_id, note = self._server.inspect(answers)
        if note is not None:
            await connection.send_command(*note)
            await connection.read_response()

    async def _answer_or_error(self) -> Any:
        try:
            return await self._connection.read_response()
        except Exception as reason:
            return _answered(reason)

    def usable(self) -> bool:
        # All that an idle connection may have to read is its end.
        reader = self._connection._reader  # noqa: SLF001
        ended = reader is None or reader.at_eof() or reader._buffer  # noqa: SLF001
        return self._server.is_current(self._run_id) and not ended

    async def ask(self, question: tuple[Any, ...]) -> Any:
        await self._connection.send_command(*question)
        try:
            return await self._connection.read_response()
        except Exception as reason:
            raise _kept(reason) from None

    def close(self) -> None:
        # The library's own method would wait for the server.
        connection = self._connection
        writer, connection._reader, connection._writer = connection._writer, None, None  # noqa: SLF001
        if writer is not None:
            with contextlib.suppress(RuntimeError):  # its event loop is closed
                writer.transport.abort()


def _answered(reason: Exception) -> Exception:
    """Return an error that the server answered; raise another."""
    from redis.exceptions import ResponseError

    if isinstance(reason, ResponseError):
        return reason
    raise reason


def _kept(reason: Exception) -> Exception:
    """Return what to raise for an error: whether the connection is good for the next question."""
    if any(words in str(reason) for words in _STAYING):
        return AnsweredError(str(reason))
    return reason
