"""Real servers for tests: Redis and PostgreSQL, each on a free port, as its own user.

As a module: ``with servers.redis() as server: server.url``. As a command it starts one server,
prints a line of JSON and takes commands from its input; ``--help`` says which. A server ends with
the program that started it. ``make setup-servers`` installs Debian's packages.
"""

from __future__ import annotations

import argparse
import contextlib
import glob
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

START = 30
"""Seconds that a server may take to answer, and to end."""

PASSWORD = "a password of tests"  # noqa: S105


class MissingError(Exception):
    """The program of a server is not installed."""


class Server:
    """One server with a folder of its own. Use it as a context manager.

    ``url``
        for clients, with the password if there is one.
    ``pid``
        of the process that runs now.
    """

    kind = ""
    user = ""

    def __init__(self, port: int | None) -> None:
        self.port = port or free_port()
        memory = Path("/dev/shm")  # noqa: S108
        where = memory if os.access(memory, os.W_OK) else None
        self.folder = Path(tempfile.mkdtemp(prefix=f"tallystick-{self.kind}-", dir=where))
        self.log = self.folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None
        if os.geteuid() == 0:
            account = pwd.getpwnam(self.user)
            os.chown(self.folder, account.pw_uid, account.pw_gid)

    @property
    def url(self) -> str:
        raise NotImplementedError

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError("the server does not run")
        return self._process.pid

    def command(self) -> Sequence[str]:
        """Return the program and its arguments."""
        raise NotImplementedError

    def answers(self) -> bool:
        """Tell whether it takes commands."""
        raise NotImplementedError

    def start(self) -> None:
        """Start it, also after :meth:`stop` and :meth:`kill`, on the same port and data."""
        if self._process is not None:
            return
        with self.log.open("ab") as log:
            self._process = self.spawn(self.command(), log)
        why = f"{self.kind} does not answer"
        wait_for(self.answers, lambda: f"{why}: {self._tail()}", self._process)

    def stop(self) -> None:
        """End it in order."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End it at once."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Stop all its processes: connections stay open, and nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after :meth:`pause`."""
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """End it and remove its data."""
        if self._process is not None:
            self.resume()
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def spawn(self, command: Sequence[str], output: BinaryIO) -> subprocess.Popen[bytes]:
        """Run a program as the server's user, in a session of its own."""
        user = self.user if os.geteuid() == 0 else None
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=self.folder,
            start_new_session=True,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )

    def _end(self, kind: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if kind == signal.SIGKILL:
            send(kind, family(process.pid))
        else:
            process.send_signal(kind)
        try:
            process.wait(START)
        except subprocess.TimeoutExpired:
            send(signal.SIGKILL, family(process.pid))
            process.wait()

    def _signal(self, kind: signal.Signals) -> None:
        send(kind, family(self.pid))

    def _tail(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]

    def __enter__(self) -> Server:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Redis(Server):
    """A redis-server that keeps nothing on disk, unless ``config`` says otherwise.

    ``config``
        directives by name; a list stands for several lines.
    """

    kind = user = "redis"

    def __init__(
        self,
        port: int | None = None,
        config: Mapping[str, str | list[str]] | None = None,
        password: str = "",
        replica_of: int = 0,
        cluster: bool = False,
        program: str = "redis-server",
    ) -> None:
        self._program = program_of(program)
        super().__init__(port)
        self.password = password
        self._config: dict[str, str | list[str]] = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "save": '""',
            "appendonly": "no",
            "dir": str(self.folder),
            **({"requirepass": f'"{password}"', "masterauth": f'"{password}"'} if password else {}),
            **({"replicaof": f"127.0.0.1 {replica_of}"} if replica_of else {}),
            **({"cluster-enabled": "yes"} if cluster else {}),
            **(config or {}),
        }

    @property
    def url(self) -> str:
        secret = f":{self.password.replace(' ', '%20')}@" if self.password else ""
        return f"redis://{secret}127.0.0.1:{self.port}/0"

    def command(self) -> Sequence[str]:
        lines = [
            f"{name} {value}"
            for name, values in self._config.items()
            for value in ([values] if isinstance(values, str) else values)
        ]
        file = self.folder / "redis.conf"
        file.write_text("\n".join(lines) + "\n")
        return [self._program, str(file)]

    def answers(self) -> bool:
        if self._config["port"] == "0":  # TLS alone
            return "Ready to accept" in self.log.read_text(errors="replace")
        with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith((b"+PONG", b"-NOAUTH"))


class PostgreSQL(Server):
    """A postgres server with one database and the role ``tally``, whose password is PASSWORD.

    ``config``
        settings by name. Data lie in memory where that can be had, and are flushed as configured.
    """

    kind = "postgresql"
    user = "postgres"

    def __init__(
        self,
        port: int | None = None,
        config: Mapping[str, str] | None = None,
        standby_of: PostgreSQL | None = None,
    ) -> None:
        self._bin = Path(postgres_program("postgres")).parent
        super().__init__(port)
        self._data = self.folder / "data"
        self._made = standby_of is not None
        self._config = {"port": str(self.port), **(config or {})}
        if standby_of is None:
            self._make()
        else:
            self._copy(standby_of)

    @property
    def url(self) -> str:
        return self.url_of("tally")

    def url_of(self, role: str, password: str = PASSWORD) -> str:
        """Return the URL for another role."""
        return f"postgresql://{role}:{password.replace(' ', '%20')}@127.0.0.1:{self.port}/tally"

    def command(self) -> Sequence[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self.folder),
            **self._config,
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        return [str(self._bin / "postgres"), "-D", str(self._data), *options]

    def answers(self) -> bool:
        return self.run("pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)) == 0

    def start(self) -> None:
        super().start()
        if not self._made:
            self.sql(f"CREATE ROLE tally LOGIN PASSWORD '{PASSWORD}'", "postgres")
            self.sql("CREATE DATABASE tally OWNER tally", "postgres")
            self._made = True

    def sql(self, text: str, database: str = "tally") -> None:
        """Run a statement as the superuser."""
        where = ["-h", str(self.folder), "-p", str(self.port), "-d", database, "-U", "postgres"]
        code = self.run("psql", "-q", "-v", "ON_ERROR_STOP=1", *where, "-c", text)
        if code != 0:
            raise RuntimeError(f"psql failed ({code}): {self._tail()}")

    def run(self, program: str, *arguments: str) -> int:
        """Run a program of PostgreSQL's as its user; return its exit code."""
        with self.log.open("ab") as log:
            return self.spawn([str(self._bin / program), *arguments], log).wait(2 * START)

    def _make(self) -> None:
        options = ["--no-sync", "--auth-local=trust", "--auth-host=scram-sha-256", "-U", "postgres"]
        if self.run("initdb", "-D", str(self._data), "-E", "UTF8", *options) != 0:
            raise RuntimeError(f"initdb failed: {self._tail()}")

    def _copy(self, primary: PostgreSQL) -> None:
        where = ["-h", str(primary.folder), "-p", str(primary.port), "-U", "postgres"]
        if self.run("pg_basebackup", "-D", str(self._data), "-R", "-c", "fast", *where) != 0:
            raise RuntimeError(f"pg_basebackup failed: {self._tail()}")


def redis(**options: object) -> Redis:
    """Return a Redis server to enter. Raises :class:`MissingError`."""
    return Redis(**options)  # type: ignore[arg-type]


def postgresql(**options: object) -> PostgreSQL:
    """Return a PostgreSQL server to enter. Raises :class:`MissingError`."""
    return PostgreSQL(**options)  # type: ignore[arg-type]


def program_of(name: str) -> str:
    """Return the path of a program. Raises :class:`MissingError`."""
    found = shutil.which(name)
    if found is None:
        raise MissingError(f"{name} is not installed (make setup-servers)")
    return found


def postgres_program(name: str) -> str:
    """Return the path of a program of the newest PostgreSQL. Raises :class:`MissingError`."""
    # Debian keeps each major version in a folder of its own, which is not in PATH.
    for folder in sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True):
        if Path(folder, name).exists():
            return str(Path(folder, name))
    return str(Path(program_of(name)).resolve())


def family(pid: int) -> list[int]:
    """Return a process and its children, the parent first: it makes no more when it stands."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:  # it has ended
        return [pid]
    return [pid, *map(int, children)]


def send(kind: signal.Signals, pids: Sequence[int]) -> None:
    """Send a signal to those of the processes that are still there."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, kind)


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(
    ready: Callable[[], bool], why: Callable[[], str], process: subprocess.Popen[bytes]
) -> None:
    """Wait until a server is ready; raise why it is not when its time is over, or it has ended."""
    deadline = time.monotonic() + START
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if ready():
                return
        except OSError:
            pass
        time.sleep(0.02)
    raise RuntimeError(why())


def main() -> int:
    """Serve one server to a program in another language."""
    parser = argparse.ArgumentParser(
        description="Start one server, print a line of JSON, then read commands from the input: "
        "start, stop, kill, pause, resume, for postgresql also 'sql STATEMENT' (as the superuser). "
        "Each is answered by a line. The end of the input ends the server.",
    )
    parser.add_argument("kind", nargs="?", choices=["redis", "postgresql"])
    parser.add_argument("--installed", action="store_true", help="only tell whether both are there")
    parser.add_argument("--port", type=int, help="default: a free one")
    parser.add_argument("--config", action="append", default=[], metavar="'NAME VALUE'")
    parser.add_argument("--password", default="", help="redis: of the default user")
    parser.add_argument("--replica-of", type=int, default=0, metavar="PORT", help="redis")
    parser.add_argument("--cluster", action="store_true", help="redis: in cluster mode")
    given = parser.parse_args()
    if given.installed:
        return installed()
    if given.kind is None:
        parser.error("say which server: redis or postgresql")
    config = dict(line.split(" ", 1) for line in given.config)
    try:
        server: Server
        if given.kind == "redis":
            server = Redis(given.port, config, given.password, given.replica_of, given.cluster)
        else:
            server = PostgreSQL(given.port, config)
    except MissingError as missing:
        print(missing, file=sys.stderr)
        return 3
    with server:
        say(
            kind=server.kind,
            port=server.port,
            pid=server.pid,
            url=server.url,
            dir=str(server.folder),
        )
        for line in sys.stdin:
            obey(server, line.strip())
    return 0


def installed() -> int:
    """Return 0 where both servers are installed."""
    try:
        program_of("redis-server")
        postgres_program("postgres")
    except MissingError as missing:
        say(missing=str(missing))
        return 3
    return 0


def obey(server: Server, command: str) -> None:
    """Do one command and answer it."""
    commands = {
        name: getattr(server, name) for name in ("start", "stop", "kill", "pause", "resume")
    }
    if command.startswith("sql ") and isinstance(server, PostgreSQL):
        server.sql(command[4:])
    elif command in commands:
        commands[command]()
    else:
        say(error=f"there is no command {command!r}: {', '.join(commands)}")
        return
    say(done=command, pid=server.pid if command in ("start", "pause", "resume") else 0)


def say(**members: object) -> None:
    """Write one line of JSON."""
    print(json.dumps(members), flush=True)


if __name__ == "__main__":
    sys.exit(main())
