"""The command line of an authority.

A secret is never an argument: every user of a machine can read those in the list of processes.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tallystick._core.arguments import KEY_TYPE
from tallystick._core.problems import error, shown
from tallystick.authority import DEFAULT_KEYS_DIR, Authority, new_client_secret
from tallystick.errors import TallystickError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["application", "main"]

PROGRAM = "python -m tallystick.authority"

PRODUCTION = """\
This is werkzeug's development server: it is for trying things out. In production
run the same application under a real one, behind TLS, for example

    TALLYSTICK_ISSUER={issuer} TALLYSTICK_KEYS_DIR={keys_dir} \\
        gunicorn --workers 2 'tallystick.authority.commands:application()'
"""


def main(arguments: Sequence[str]) -> int:
    """Run one command; return 0, or 1 after saying on stderr what was wrong."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], None] = options.command
    try:
        command(options)
    except TallystickError as refused:
        print(f"{PROGRAM}: {refused.message}", file=sys.stderr)
        return 1
    except OSError as reason:
        print(f"{PROGRAM}: {shown(str(reason.filename or ''))}: {reason.strerror}", file=sys.stderr)
        return 1
    return 0


def application() -> Any:
    """Return the authority as a Flask application, from the environment.

    ``TALLYSTICK_ISSUER`` is its URL; ``TALLYSTICK_KEYS_DIR``, ``TALLYSTICK_CLIENTS_FILE``,
    ``TALLYSTICK_KEY_TYPE``, ``TALLYSTICK_STORE`` and ``TALLYSTICK_STORE_KEY`` are as of
    :class:`tallystick.Authority`.
    """
    from flask import Flask

    app = Flask("tallystick.authority")
    authority = _made(
        os.environ.get("TALLYSTICK_ISSUER", ""),
        os.environ.get("TALLYSTICK_KEYS_DIR") or DEFAULT_KEYS_DIR,
        os.environ.get("TALLYSTICK_CLIENTS_FILE"),
        os.environ.get("TALLYSTICK_KEY_TYPE") or None,
    )
    app.register_blueprint(authority.blueprint())
    return app


def _serve(options: argparse.Namespace) -> None:
    from flask import Flask
    from werkzeug.serving import make_server

    authority = _open(options)
    app = Flask("tallystick.authority")
    app.register_blueprint(authority.blueprint())
    server = make_server(options.host, options.port, app, threaded=True)
    keys_dir = Path(options.keys_dir).expanduser().absolute()
    print(PRODUCTION.format(issuer=options.issuer, keys_dir=keys_dir), file=sys.stderr)
    where = {"issuer": authority.issuer, "host": server.host, "port": server.port}
    _say(options, where, f"{authority.issuer} at http://{server.host}:{server.port}/")
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


def _register(options: argparse.Namespace) -> None:
    secret = _given_secret(options)
    key = Path(options.public_key).read_text("utf-8") if options.public_key else None
    authority = _open(options)
    known = {client.client_id for client in authority.list_clients()}
    replaced = options.client_id in known
    made = authority.register_client(
        options.client_id,
        secret=secret,
        public_key=key,
        scopes=options.scope,
        namespaces=options.namespace,
        trust=options.trust,
        targets=options.target or None,
    )
    # A secret that was given is not shown.
    shown = made.client_secret if secret is None else None
    text = f"{options.client_id} is {'replaced' if replaced else 'registered'}"
    if shown is not None:
        text += f"; its secret, which is shown this once: {shown}"
    told = {"client_id": options.client_id, "client_secret": shown, "replaced": replaced}
    _say(options, told, text)


def _secret(options: argparse.Namespace) -> None:
    given = _given_secret(options)
    made = new_client_secret(given)
    # A secret that was given is not shown.
    shown = made.secret if given is None else None
    text = f"secret_hash: {made.secret_hash}"
    if shown is not None:
        text = f"client_secret: {shown}\n{text}"
    _say(options, {"client_secret": shown, "secret_hash": made.secret_hash}, text)


def _given_secret(options: argparse.Namespace) -> str | None:
    return sys.stdin.readline().rstrip("\r\n") if options.secret_from_stdin else None


def _list(options: argparse.Namespace) -> None:
    clients = _open(options).list_clients()
    lines = [f"{client.client_id}: {' '.join(client.scopes)}" for client in clients]
    told = {"clients": [asdict(client) for client in clients]}
    _say(options, told, "\n".join(lines) or "no clients are registered")


def _remove(options: argparse.Namespace) -> None:
    removed = _open(options).remove_client(options.client_id)
    if removed or options.json:
        _say(options, {"removed": removed}, f"{options.client_id} is removed")
    if not removed:
        raise error("invalid_argument", f"{options.client_id} is not registered: see list")


def _rotate(options: argparse.Namespace) -> None:
    keys = _open(options).rotate_keys(options.force, revoke=options.revoke)
    _say(options, keys, f"signing with {keys['active']}; next is {keys['next']}")


def _open(options: argparse.Namespace) -> Authority:
    return _made(options.issuer, options.keys_dir, options.clients_file, options.key_type)


def _made(issuer: str, keys_dir: str, clients_file: str | None, key_type: str | None) -> Authority:
    """Return the authority. Where no type of keys is given, it stays what its keys are."""
    make = partial(
        Authority,
        issuer,
        keys_dir=keys_dir,
        clients_file=clients_file or None,
        store=os.environ.get("TALLYSTICK_STORE") or None,
        store_key=os.environ.get("TALLYSTICK_STORE_KEY") or None,
    )
    authority = make(key_type=key_type)
    kept = None if key_type else _type_of_keys(authority)
    if kept in (None, KEY_TYPE):
        return authority
    authority.close()
    return make(key_type=kept)


def _type_of_keys(authority: Authority) -> str | None:
    served = authority.serve("GET", "/.well-known/jwks.json")
    keys = [] if served is None else json.loads(served.body)["keys"]
    return {"EC": "ec", "OKP": "ed25519"}.get(keys[0]["kty"], KEY_TYPE) if keys else None


def _say(options: argparse.Namespace, data: dict[str, Any], text: str) -> None:
    print(json.dumps(data) if options.json else text, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="An authority that signs access tokens for agents.",
        epilog="TALLYSTICK_STORE and TALLYSTICK_STORE_KEY are the options store and store_key: "
        "with them, keys and clients lie in PostgreSQL, for several machines.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    serve = _command(commands, "serve", _serve, "serve it for development")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen at (%(default)s)")
    serve.add_argument("--port", type=int, default=8080, help="port (%(default)s; 0: any)")
    register = _command(commands, "register", _register, "register a client, show its secret once")
    register.add_argument("client_id")
    register.add_argument("--scope", action="append", default=[], help="pattern; repeatable")
    register.add_argument("--namespace", action="append", default=[], help="repeatable")
    register.add_argument("--trust", action="append", default=[], help="label; repeatable")
    register.add_argument("--target", action="append", default=[], help="pattern; repeatable")
    register.add_argument("--public-key", metavar="FILE", help="PEM, JWK or JWKS of the client")
    _secret_from_stdin(register)
    _command(commands, "list", _list, "list the clients")
    remove = _command(commands, "remove", _remove, "forget a client")
    remove.add_argument("client_id")
    rotate = _command(commands, "rotate", _rotate, "sign with the next key from now on")
    rotate.add_argument("--force", action="store_true", help="although it is not known everywhere")
    rotate.add_argument(
        "--revoke", action="store_true", help="drop every key at once: they were stolen"
    )
    text = "make a client's secret and its hash for the setting clients of an agent"
    secret = commands.add_parser("secret", help=text, description=text)
    secret.set_defaults(command=_secret)
    _secret_from_stdin(secret)
    _json(secret)
    return parser


def _secret_from_stdin(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--secret-from-stdin", action="store_true", help="read the secret, one line"
    )


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def _command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], None], text: str
) -> argparse.ArgumentParser:
    issuer = os.environ.get("TALLYSTICK_ISSUER")
    keys_dir = os.environ.get("TALLYSTICK_KEYS_DIR") or DEFAULT_KEYS_DIR
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.set_defaults(command=run)
    parser.add_argument(
        "--issuer",
        default=issuer,
        required=issuer is None,
        help="the authority's URL (TALLYSTICK_ISSUER)",
    )
    parser.add_argument(
        "--keys-dir", default=keys_dir, help="folder of its keys (TALLYSTICK_KEYS_DIR; %(default)s)"
    )
    parser.add_argument(
        "--key-type",
        choices=["rsa", "ec", "ed25519"],
        default=os.environ.get("TALLYSTICK_KEY_TYPE") or None,
        help="of keys that are made (TALLYSTICK_KEY_TYPE; as those that are there, else rsa)",
    )
    parser.add_argument(
        "--clients-file",
        default=os.environ.get("TALLYSTICK_CLIENTS_FILE") or None,
        help="its clients (TALLYSTICK_CLIENTS_FILE; {keys-dir}/clients.json)",
    )
    _json(parser)
    return parser
