"""Reading and filling what a hook is given, whichever form it has."""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from typing import TYPE_CHECKING, Any

from tallystick.arguments import wrong_type
from tallystick.errors import error

if TYPE_CHECKING:
    from tallystick.errors import TallystickError

__all__ = ["authorization_in", "member", "must_be_context", "put_auth", "put_authorization"]

HEADER = "authorization"

# Nothing can be put into these, and a mistake must not read as "no token came".
_NO_CONTEXTS = (type(None), int, float, str, bytes, bytearray, memoryview, list, tuple, set, type)


def must_be_context(context: object) -> None:
    """Refuse what can neither hold headers nor take a caller."""
    if isinstance(context, _NO_CONTEXTS):
        raise wrong_type("context", "a dict or an object with attributes", context)


def member(context: Any, name: str) -> Any:
    """Return an attribute, else what ``get`` gives, else ``None``."""
    found = getattr(context, name, None)
    if found is not None:
        return found
    get = getattr(context, "get", None)
    return get(name) if callable(get) else None


def authorization_in(headers: Any) -> list[str]:
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


def put_authorization(context: Any, made: dict[str, str]) -> None:
    """Put what was made into ``headers``, which are made where there are none."""
    headers = member(context, "headers")
    if headers is None:
        headers = {}
        _put(context, "headers", headers)
    if not hasattr(headers, "items") or not hasattr(headers, "__setitem__"):
        raise _no_headers(headers)
    # Two of them would be refused at the other end.
    for name in [name for name in headers if _text(name).lower() == HEADER]:
        del headers[name]
    headers.update(made)


def put_auth(context: Any, caller: object) -> None:
    """Put the caller into ``auth``."""
    _put(context, "auth", caller)


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
