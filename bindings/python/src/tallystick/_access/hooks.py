"""The hooks of AuthSkill: a token for a request that goes out, the caller of one that comes in."""

from __future__ import annotations

import logging
from collections.abc import Iterable, MutableMapping
from typing import TYPE_CHECKING, Any

from tallystick._core.arguments import wrong_type
from tallystick._core.problems import error
from tallystick._http.asgi_request import facts_of
from tallystick._http.request import Facts, aunread, unread
from tallystick.errors import TallystickError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tallystick._access.engine import AccessEngine

__all__ = ["aconnection", "aoutgoing", "connection", "outgoing"]


def outgoing(engine: AccessEngine, context: Any) -> Any:
    """Put a token for the target of a context into its headers."""
    wanted = _wanted(engine, context)
    if wanted is not None:
        _put_headers(context, engine.authorize(*wanted))
    return context


async def aoutgoing(engine: AccessEngine, context: Any) -> Any:
    """Do the same without blocking the event loop."""
    wanted = _wanted(engine, context)
    if wanted is not None:
        _put_headers(context, await engine.aauthorize(*wanted))
    return context


def connection(engine: AccessEngine, context: Any) -> Any:
    """Put the verified caller of a context into it."""
    facts = _facts(context)
    if facts.authorization:
        try:
            _put(context, "auth", engine.verify(facts, unread))
        except TallystickError as refused:
            _unless_absent(refused, facts.authorization)
    return context


async def aconnection(engine: AccessEngine, context: Any) -> Any:
    """Do the same without blocking the event loop."""
    facts = _facts(context)
    if facts.authorization:
        try:
            _put(context, "auth", await engine.averify(facts, aunread))
        except TallystickError as refused:
            _unless_absent(refused, facts.authorization)
    return context


def _wanted(engine: AccessEngine, context: Any) -> tuple[str, Sequence[str] | None] | None:
    _must_be_context(context)
    agent, url = _member(context, "target_agent"), _member(context, "target_url")
    if not agent and not url:
        return None
    if agent and url and not engine.covers(engine.resolve(agent), str(url)):
        engine.logger.log(
            logging.WARNING,
            "no token was put into a request: its target_url is not below its target_agent",
        )
        return None
    return str(agent or url), _member(context, "requested_scopes")


def _facts(context: Any) -> Facts:
    """Return the facts of the context's request."""
    _must_be_context(context)
    request = _member(context, "request")
    scope = getattr(request, "scope", None)
    if isinstance(scope, MutableMapping) and scope.get("type") == "http":
        return facts_of(scope)
    headers = None if request is None else _member(request, "headers")
    values = _authorization_in(_member(context, "headers") if headers is None else headers)
    # The request is not known here, so a token that is bound to one is refused.
    return Facts(values, "UNKNOWN", "/")


def _unless_absent(refused: TallystickError, values: list[str]) -> None:
    """Ignore one header of another scheme, which counts as none."""
    other = len(values) == 1 and not values[0].strip().lower().startswith("bearer")
    if refused.code != "missing_authorization" or not other:
        raise refused


HEADER = "authorization"

# Nothing can be put into these, and a mistake must not look like a request without token.
_NO_CONTEXTS = (type(None), int, float, str, bytes, bytearray, memoryview, list, tuple, set, type)


def _must_be_context(context: object) -> None:
    """Refuse an object that cannot hold headers or a caller."""
    if isinstance(context, _NO_CONTEXTS):
        raise wrong_type("context", "a dict or an object with attributes", context)


def _member(context: Any, name: str) -> Any:
    """Return an attribute, else what ``get`` gives, else ``None``."""
    found = getattr(context, name, None)
    if found is not None:
        return found
    get = getattr(context, "get", None)
    return get(name) if callable(get) else None


def _authorization_in(headers: Any) -> list[str]:
    """Return the value of each ``Authorization`` header of a mapping or of pairs."""
    if headers is None:
        return []
    pairs = headers.items() if hasattr(headers, "items") else headers
    if isinstance(pairs, (str, bytes)) or not isinstance(pairs, Iterable):
        raise _no_headers(headers)
    found: list[str] = []
    for pair in pairs:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise _no_headers(headers)
        if _text(pair[0]).lower() == HEADER:
            found += _values(pair[1])
    return found


def _put_headers(context: Any, made: dict[str, str]) -> None:
    """Put headers into ``headers`` of the context, which is made if there is none."""
    headers = _member(context, "headers")
    if headers is None:
        headers = {}
        _put(context, "headers", headers)
    if not hasattr(headers, "items") or not hasattr(headers, "__setitem__"):
        raise _no_headers(headers)
    # The receiver would refuse two of them.
    for name in [name for name in headers if _text(name).lower() == HEADER]:
        del headers[name]
    headers.update(made)


def _put(context: Any, name: str, value: object) -> None:
    try:
        if isinstance(context, MutableMapping):
            context[name] = value
        else:
            setattr(context, name, value)
    except (AttributeError, TypeError):
        raise error(
            "invalid_argument",
            f"context: its {name} cannot be set ({type(context).__name__}): "
            "give a dict or an object with attributes",
        ) from None


def _values(value: object) -> list[str]:
    if value is None:
        return []
    if isinstance(value, (list, tuple)):
        return [_text(each) for each in value]
    return [_text(value)]


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, str):
        return value
    raise wrong_type("headers: each name and value", "a text", value)


def _no_headers(headers: object) -> TallystickError:
    return wrong_type("headers", "a mapping of names to values", headers)
