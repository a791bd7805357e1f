"""How to connect to a Redis or Valkey server: from a URL, or as a client of redis-py does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tallystick._core.arguments import wrong_type
from tallystick._core.problems import error
from tallystick.stores.base import without_secret
from tallystick.stores.connections import must_be_one_address

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["RedisAddress", "address_of"]

_SCHEMES = {"redis": "redis", "rediss": "rediss", "valkey": "redis", "valkeys": "rediss"}

# What a URL or a client may say of a connection. Time limits and tries are the store's own.
_OPTIONS = {
    "client_name",
    "credential_provider",
    "db",
    "host",
    "password",
    "path",
    "port",
    "socket_keepalive",
    "socket_keepalive_options",
    "socket_type",
    "username",
}

# The asynchronous client, in some versions, does not have these.
_SYNC_OPTIONS = {
    "ssl_ocsp_context",
    "ssl_ocsp_expected_cert",
    "ssl_password",
    "ssl_validate_ocsp",
    "ssl_validate_ocsp_stapled",
}

_KINDS = ("Connection", "SSLConnection", "UnixDomainSocketConnection")


@dataclass(frozen=True, repr=False)
class RedisAddress:
    """Makes connections, which are not open yet. ``name`` holds no secret."""

    name: str
    kind: str
    options: Mapping[str, Any]

    def connection(self, timeout: float) -> Any:
        """Return a connection of threads. ``timeout`` is in seconds for each step."""
        from redis import connection

        # Without options for it, the library never tries again: a claim sent twice finds itself.
        limits = {"socket_timeout": timeout, "socket_connect_timeout": timeout}
        return getattr(connection, self.kind)(**self.options, **limits, protocol=2)

    def async_connection(self) -> Any:
        """Return a connection of tasks. It has no time limit."""
        from redis.asyncio import connection

        options = {k: v for k, v in self.options.items() if v or k not in _SYNC_OPTIONS}
        limits = {"socket_timeout": None, "socket_connect_timeout": None}
        return getattr(connection, self.kind)(**options, **limits, protocol=2)


def address_of(server: Any) -> RedisAddress:
    """Return the address from a URL or a client. Raises ``invalid_argument``."""
    try:
        import redis
        import redis.asyncio
    except ImportError:
        raise error(
            "invalid_argument",
            'RedisStore needs the package redis: pip install "tallystick[redis]"',
        ) from None
    if isinstance(server, str):
        address = _of_url(server)
    elif isinstance(server, (redis.Redis, redis.asyncio.Redis)):
        address = _of_client(server)
    else:
        raise wrong_type("server", f"a URL ({', '.join(_SCHEMES)}) or {_CLIENT}", server)
    _try(address)
    return address


_CLIENT = "a client of redis-py for a single server (redis.Redis, redis.asyncio.Redis)"


def _of_url(url: str) -> RedisAddress:
    from redis.connection import parse_url

    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() not in _SCHEMES:
        raise error("invalid_argument", f"server must be a URL of {', '.join(_SCHEMES)}")
    must_be_one_address(url)
    try:
        options = dict(parse_url(f"{_SCHEMES[scheme.lower()]}://{rest}"))  # type: ignore[no-untyped-call]
    except ValueError:
        # Its text may quote a password, and so would the name where "@HOST" was forgotten.
        raise error(
            "invalid_argument",
            "server: the URL cannot be read: write redis://HOST:PORT/0, or "
            "redis://USER:PASSWORD@HOST:PORT/0 with user and password percent-encoded",
        ) from None
    path = urlsplit(f"redis://{rest}").path
    if path.strip("/") and not path.strip("/").isdecimal():
        # redis-py would take database 0 without a word.
        raise error(
            "invalid_argument",
            "server: the path of the URL must be the number of a database, such as /0",
        )
    kind = options.pop("connection_class", None)
    if not all(_is_option(name) for name in options):
        # Not quoted: it may be the rest of a password.
        raise error("invalid_argument", "server: an option of the URL is not supported")
    if kind is None:
        return RedisAddress(without_secret(url), "Connection", options)
    if options.get("ssl_cert_reqs") != "none":
        options.setdefault("ssl_check_hostname", True)
    return RedisAddress(without_secret(url), kind.__name__, options)


def _of_client(client: Any) -> RedisAddress:
    pool = client.connection_pool
    kind = pool.connection_class
    options = {name: each for name, each in pool.connection_kwargs.items() if _is_option(name)}
    if kind.__name__ not in _KINDS or not kind.__module__.startswith("redis."):
        raise error(
            "invalid_argument",
            f"server: a client with a {kind.__name__} is not supported: give {_CLIENT}",
        )
    if pool.connection_kwargs.get("redis_connect_func") is not None:
        raise error("invalid_argument", "server: a client with redis_connect_func is not supported")
    return RedisAddress(_name(kind.__name__, options), kind.__name__, options)


def _is_option(name: str) -> bool:
    return name in _OPTIONS or name.startswith("ssl_")


def _name(kind: str, options: Mapping[str, Any]) -> str:
    if "path" in options:
        return f"unix://{options['path']}"
    host = str(options.get("host", "localhost"))
    host = f"[{host}]" if ":" in host else host
    scheme = "rediss" if kind == "SSLConnection" else "redis"
    return f"{scheme}://{host}:{options.get('port', 6379)}/{options.get('db') or 0}"


def _try(address: RedisAddress) -> None:
    """Make a connection of each kind, so that wrong options raise at once."""
    try:
        address.connection(1)
        address.async_connection()
    except Exception as reason:
        raise error("invalid_argument", f"server: {type(reason).__name__}: {reason}") from None
