"""A store in PostgreSQL, for many machines: ``INSERT … ON CONFLICT DO NOTHING``."""

from __future__ import annotations

import asyncio
import itertools
import re
from typing import TYPE_CHECKING

from tallystick._core.arguments import must_be_text
from tallystick._core.problems import error
from tallystick._core.threads import in_thread
from tallystick.stores.base import (
    Deadline,
    DocumentStore,
    must_be_claim,
    must_be_document,
    must_be_id,
    must_be_name,
    must_be_put,
    must_be_version,
)
from tallystick.stores.connections import ServerStore
from tallystick.stores.postgresql_session import AsyncSession, Question, source_of
from tallystick.stores.postgresql_tables import Tables, inspect_server

if TYPE_CHECKING:
    from concurrent.futures import Future

    import psycopg_pool

    from tallystick.stores.postgresql_session import Answer, Session, Statement

__all__ = ["PostgreSQLStore"]

MOST_CONNECTIONS = 8
"""Of one process, and of each event loop."""

PRUNE_EVERY = 64
"""Claims, or values, of a process between two prunings."""

_is_table = re.compile(r"([a-z_][a-z0-9_]{0,40}\.)?[a-z_][a-z0-9_]{0,40}").fullmatch

_USER_FIX = "correct user and password, which are percent-encoded in a URL"
_MOST_FIX = "raise max_connections of the server, or run fewer processes"
_FIXES = (
    ("28", _USER_FIX),
    ("3D000", "create the database, or correct its name in the URL"),
    ("42501", "GRANT SELECT, INSERT, UPDATE, DELETE on the tables to this role"),
    ("25006", "name the primary: with several hosts, add target_session_attrs=read-write"),
    ("42P01", "a table was dropped while in use: used tokens may pass again when it is made anew"),
    ("26000", "behind PgBouncer, let it prepare statements: max_prepared_statements"),
    ("53300", _MOST_FIX),
    ("53", "free space on the server's disk"),
    ("57P", "wait until the server has started"),
)
"""By the beginning of SQLSTATE."""

_CONNECT_FIXES = (
    ("password", _USER_FIX),
    ("role ", _USER_FIX),
    ("pg_hba.conf", "let the server's pg_hba.conf allow this host, user and database"),
    ("database ", "create the database, or correct its name in the URL"),
    ("too many clients", _MOST_FIX),
    ("connection slots", _MOST_FIX),
    ("does not match host", "name the host as its certificate does"),
    ("certificate", "name its authority: ?sslmode=verify-full&sslrootcert=FILE"),
    ("SSL", "see whether the server speaks TLS: sslmode in the URL"),
    ("starting up", "wait until the server has started"),
)
"""By words of the text: it has no code where no session was begun."""

_DEFAULT_FIX = "see whether the server runs, whether host and port are right, and the server's log"


class PostgreSQLStore(ServerStore, DocumentStore):
    """Used tokens, values and documents in PostgreSQL 11 or later, for any number of machines.

    ``server``
        a URL (``postgresql://``, ``postgres://``), or a pool of psycopg_pool, whose settings are
        taken: the store opens connections of its own.
    ``table``
        what the names of its three tables begin with: up to 41 of a-z, 0-9 and _, optionally with
        a schema and a dot in front. Stores with one name share what was used.
    ``timeout``
        seconds for one call, all waiting included (default 2). After that it refuses.
    ``required``
        whether an engine may start only where the server can be used (default); else it warns.

    The tables are made where they are missing; a role that may make none finds them made by hand.
    The server must be a primary with a clock within 60 s of this host's. A process opens at most 8
    connections, and 8 more in each event loop. No statement is sent a second time: whether a claim
    was made whose answer is lost, nobody knows. A loss of what was used is not visible here
    (``lost_at``): a standby that takes over should be a synchronous one.

    Thread-safe and fork-safe: a forked child opens connections of its own. Raises
    ``invalid_argument``, also where the package psycopg is missing.
    """

    def __init__(
        self,
        server: str | psycopg_pool.ConnectionPool | psycopg_pool.AsyncConnectionPool,
        *,
        table: str = "tallystick",
        timeout: float = 2,
        required: bool = True,
    ) -> None:
        must_be_text("table", table)
        if _is_table(table) is None:
            raise error(
                "invalid_argument",
                "table must be up to 41 of a-z, 0-9 and _, optionally with a schema and a dot in "
                "front",
            )
        self._source = source_of(server)
        self._tables = Tables(table)
        super().__init__(
            f"store {self._source.name}", required=required, timeout=timeout, most=MOST_CONNECTIONS
        )
        self._found = False
        # One step each: threads count together.
        self._claims = itertools.count(1)
        self._puts = itertools.count(1)

    def claim(self, id: str, seconds: int) -> bool:
        return self._wrote(self._ask(self._claim_of(id, seconds)))

    def put(self, id: str, value: bytes, seconds: int) -> None:
        self._ask(self._put_of(id, value, seconds))

    def get(self, id: str) -> bytes | None:
        return _value(self._ask(self._value_of(self._tables.get, id)))

    def take(self, id: str) -> bytes | None:
        return _value(self._ask(self._value_of(self._tables.take, id)))

    def read(self, name: str) -> tuple[int, bytes] | None:
        return _document(self._ask(self._read_of(name)))

    def write(self, name: str, expected_version: int, value: bytes) -> bool:
        return self._wrote(self._ask(self._write_of(name, expected_version, value)))

    async def aclaim(self, id: str, seconds: int) -> bool:
        return self._wrote(await self._aask(self._claim_of(id, seconds)))

    async def aput(self, id: str, value: bytes, seconds: int) -> None:
        await self._aask(self._put_of(id, value, seconds))

    async def aget(self, id: str) -> bytes | None:
        return _value(await self._aask(self._value_of(self._tables.get, id)))

    async def atake(self, id: str) -> bytes | None:
        return _value(await self._aask(self._value_of(self._tables.take, id)))

    async def aread(self, name: str) -> tuple[int, bytes] | None:
        return _document(await self._aask(self._read_of(name)))

    async def awrite(self, name: str, expected_version: int, value: bytes) -> bool:
        return self._wrote(await self._aask(self._write_of(name, expected_version, value)))

    def _claim_of(self, id: str, seconds: int) -> Question:
        must_be_claim(id, seconds)
        parameters = (bytes.fromhex(id), str(seconds))
        return self._pruning(
            next(self._claims), Question(self._tables.claim, parameters), self._tables.prune_used
        )

    def _put_of(self, id: str, value: bytes, seconds: int) -> Question:
        must_be_put(id, value, seconds)
        parameters = (bytes.fromhex(id), value, str(seconds))
        return self._pruning(
            next(self._puts), Question(self._tables.put, parameters), self._tables.prune_values
        )

    def _pruning(self, number: int, question: Question, prune: Statement) -> Question:
        if number % PRUNE_EVERY != 0:
            return question
        return question._replace(first=Question(prune), failed=self._not_pruned)

    def _not_pruned(self, why: str) -> None:
        self._notice(f"what expired cannot be deleted, so that its tables grow ({why})")

    def _value_of(self, statement: Statement, id: str) -> Question:
        must_be_id(id)
        return Question(statement, (bytes.fromhex(id),))

    def _read_of(self, name: str) -> Question:
        must_be_name(name)
        return Question(self._tables.read, (name,))

    def _write_of(self, name: str, expected_version: int, value: bytes) -> Question:
        must_be_name(name)
        must_be_version(expected_version)
        must_be_document(value)
        if expected_version == 0:
            return Question(self._tables.create, (name, value))
        return Question(self._tables.update, (name, value, str(expected_version)))

    def _wrote(self, answer: Answer) -> bool:
        return answer.written == 1

    def _connect(self) -> Session:
        session = self._source.connect(self._timeout)
        deadline = Deadline(self._timeout)

        def ask(question: Question) -> Answer:
            return session.ask(question, deadline)

        try:
            inspect_server(ask)
            if not self._found:
                self._tables.prepare(ask)
                self._found = True
        except BaseException:
            session.close()
            raise
        return session

    async def _aconnect(self) -> AsyncSession:
        arrival = in_thread(self._connect, "tallystick-connect")
        try:
            return AsyncSession(await asyncio.wrap_future(arrival))
        except asyncio.CancelledError:
            arrival.add_done_callback(_close)
            raise

    def _explained(self, reason: Exception) -> tuple[str, str]:
        text = " ".join(str(reason).split()) or type(reason).__name__
        code = getattr(reason, "code", None) or getattr(reason, "sqlstate", None) or ""
        fix = next((fix for begin, fix in _FIXES if code.startswith(begin)), None)
        if fix is None:
            fix = next((fix for words, fix in _CONNECT_FIXES if words in text), _DEFAULT_FIX)
        return text, fix


def _close(arrival: Future[Session]) -> None:
    if arrival.exception() is None:
        arrival.result().close()


def _value(answer: Answer) -> bytes | None:
    return answer.rows[0][0] if answer.rows else None


def _document(answer: Answer) -> tuple[int, bytes] | None:
    if not answer.rows:
        return None
    version, value = answer.rows[0]
    return int.from_bytes(version or b"", "big"), value or b""
