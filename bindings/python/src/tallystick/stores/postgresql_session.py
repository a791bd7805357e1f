"""Sessions with a PostgreSQL server: statements over the connection of psycopg, with a deadline.

psycopg's own calls wait for a server without end. Its interface to libpq does not wait, and costs a
claim half as much.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from tallystick._core.arguments import wrong_type
from tallystick._core.problems import error
from tallystick.stores.base import without_secret
from tallystick.stores.connections import AnsweredError, must_be_one_address, wait_for_socket

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    import psycopg
    from psycopg.pq.abc import PGresult

    from tallystick.stores.base import Deadline

__all__ = [
    "Answer",
    "AsyncSession",
    "LostError",
    "Question",
    "Session",
    "Source",
    "Statement",
    "source_of",
]

# Of libpq: PGRES_COMMAND_OK, PGRES_TUPLES_OK; PG_DIAG_SQLSTATE, PG_DIAG_MESSAGE_PRIMARY.
_SUCCESSES = (1, 2)
_SQLSTATE = ord("C")
_PRIMARY = ord("M")

_LEFT = ("25006", "57P", "08")
"""Errors of a server that is no longer there or no longer the primary: read-only transaction,
shutdown, connection failure."""

# What a pool says of psycopg's own objects.
_OF_PSYCOPG = {"autocommit", "context", "cursor_factory", "prepare_threshold", "row_factory"}

_CLIENT = "a pool of psycopg_pool"


class LostError(Exception):
    """The connection cannot be used any more. ``code`` is the server's SQLSTATE, or ""."""

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.code = code


class Statement(NamedTuple):
    """``name``: what it is prepared as; "" where it is asked once. Then values come as texts."""

    name: str
    text: str


class Question(NamedTuple):
    """A statement and its parameters: bytes stand for bytea, texts for what the server reads.

    ``first``
        what is asked before, and may fail: ``failed`` is told why.
    """

    statement: Statement
    parameters: tuple[bytes | str, ...] = ()
    first: Question | None = None
    failed: Callable[[str], None] | None = None


class Answer(NamedTuple):
    """``written`` is the number of rows that were."""

    written: int
    rows: list[tuple[bytes | None, ...]]


class Session:
    """A session of threads. One statement at a time."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        self._pg = connection.pgconn
        self._pg.nonblocking = 1
        self._prepared: set[bytes] = set()

    def usable(self) -> bool:
        # All that an idle session may have to read is its end.
        return not wait_for_socket(self._pg.socket, 0)

    def ask(self, question: Question, deadline: Deadline) -> Answer:
        steps = self.steps(question)
        socket = self._pg.socket
        try:
            write = next(steps)
            while wait_for_socket(socket, deadline.left(), write=write):
                write = next(steps)
        except StopIteration as end:
            answer: Answer = end.value
            return answer
        raise TimeoutError

    def close(self) -> None:
        self._connection.close()

    @property
    def socket(self) -> int:
        """The descriptor of its socket."""
        return self._pg.socket

    def steps(self, question: Question) -> Generator[bool, None, Answer]:
        """Ask; yield, whenever the socket must be waited for, whether to wait for writing too."""
        if question.first is not None and question.failed is not None:
            try:
                yield from self._one(question.first)
            except AnsweredError as reason:
                question.failed(str(reason))
        return (yield from self._one(question))

    def _one(self, question: Question) -> Generator[bool, None, Answer]:
        name, text = (each.encode() for each in question.statement)
        values = [each.encode() if isinstance(each, str) else each for each in question.parameters]
        formats = [int(isinstance(each, bytes)) for each in question.parameters]
        if not name:
            self._pg.send_query_params(text, values, None, formats)
            return (yield from self._answer())
        if name not in self._prepared:
            self._pg.send_prepare(name, text)
            yield from self._answer()
            self._prepared.add(name)
        self._pg.send_query_prepared(name, values, formats, 1)
        return (yield from self._answer())

    def _answer(self) -> Generator[bool, None, Answer]:
        while self._pg.flush():
            yield True
            self._pg.consume_input()
        results: list[PGresult] = []
        while True:
            while self._pg.is_busy():
                yield False
                self._pg.consume_input()
            result = self._pg.get_result()
            if result is None:
                return _read(results[0])
            results.append(result)


class AsyncSession:
    """A session of the tasks of one event loop."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def usable(self) -> bool:
        return self._session.usable()

    def close(self) -> None:
        self._session.close()

    async def ask(self, question: Question) -> Answer:
        steps = self._session.steps(question)
        try:
            while True:
                await _ready(self._session.socket, next(steps))
        except StopIteration as end:
            answer: Answer = end.value
            return answer


async def _ready(socket: int, write: bool) -> None:
    """Wait until a socket can be read, or also be written."""
    loop = asyncio.get_running_loop()
    ready = loop.create_future()

    def be_ready() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(socket, be_ready)
    if write:
        loop.add_writer(socket, be_ready)
    try:
        await ready
    finally:
        loop.remove_reader(socket)
        if write:
            loop.remove_writer(socket)


def _read(result: PGresult) -> Answer:
    if result.status not in _SUCCESSES:
        code = (result.error_field(_SQLSTATE) or b"").decode()
        text = (result.error_field(_PRIMARY) or result.error_message).decode("utf-8", "replace")
        kind = LostError if not code or code.startswith(_LEFT) else AnsweredError
        raise kind(" ".join(text.split()), code)
    columns = range(result.nfields)
    rows = [tuple(result.get_value(row, each) for each in columns) for row in range(result.ntuples)]
    return Answer(result.command_tuples or 0, rows)


@dataclass(frozen=True, repr=False)
class Source:
    """How to connect. ``name`` holds no secret."""

    name: str
    conninfo: str
    options: Mapping[str, Any]

    def connect(self, timeout: float) -> Session:
        """Open a session. ``timeout`` is in seconds for each address."""
        import psycopg

        # What libpq accepts as a time limit is 2 s or more.
        limit = max(2, math.ceil(timeout))
        options = {"fallback_application_name": "tallystick", **self.options}
        return Session(psycopg.connect(self.conninfo, **{**options, "connect_timeout": limit}))


def source_of(server: Any) -> Source:
    """Return the source from a URL or a pool. Raises ``invalid_argument``."""
    try:
        import psycopg
    except ImportError as reason:
        raise error(
            "invalid_argument",
            'PostgreSQLStore needs the package psycopg: pip install "tallystick[postgresql]" '
            f"({reason})",
        ) from None
    try:
        if isinstance(server, str):
            return _of_url(server)
        if type(server).__module__.partition(".")[0] == "psycopg_pool":
            return _of_pool(server)
    except psycopg.Error:
        # Its text may quote a password.
        raise error("invalid_argument", "server: its settings cannot be read") from None
    raise wrong_type("server", f"a URL (postgresql, postgres) or {_CLIENT}", server)


def _of_url(url: str) -> Source:
    from psycopg.conninfo import conninfo_to_dict

    if not url.lower().startswith(("postgresql://", "postgres://")):
        raise error("invalid_argument", "server must be a URL of postgresql or postgres")
    must_be_one_address(url)
    ports = str(conninfo_to_dict(url).get("port") or 5432)
    if not ports.replace(",", "").isdigit():
        raise error("invalid_argument", "server: the URL's port is no number")
    return Source(without_secret(url), url, {})


def _of_pool(pool: Any) -> Source:
    from psycopg.conninfo import conninfo_to_dict

    if not isinstance(pool.conninfo, str) or callable(pool.kwargs):
        raise error("invalid_argument", "server: a pool whose settings are made by a function")
    options = {k: v for k, v in (pool.kwargs or {}).items() if k not in _OF_PSYCOPG}
    found = conninfo_to_dict(pool.conninfo, **options)
    address = f"{found.get('host') or 'localhost'}:{found.get('port') or 5432}"
    return Source(f"postgresql://{address}/{found.get('dbname') or ''}", pool.conninfo, options)
