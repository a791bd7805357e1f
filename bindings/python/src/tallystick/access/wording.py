"""Requests to the core, worded by hand where they are made often.

Each function returns the inside of a JSON object, ASCII, without ``engine``.
"""

from __future__ import annotations

import time
from json.encoder import encode_basestring_ascii as quote
from typing import TYPE_CHECKING, Any

from tallystick.engine import members_of
from tallystick.errors import error

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["command", "required", "served", "token", "verified", "wanted"]


def wanted(
    target: str, scopes: Sequence[str] | None, extra_claims: dict[str, Any] | None = None
) -> str:
    """Word what token is wanted of ``access.issue``."""
    members = f'"now":{time.time()!r},"target":{quote(target)}'
    if scopes is not None:
        members += f',"scopes":{_list(scopes, "scopes")}'
    if extra_claims is not None:
        members += "," + members_of({"extra_claims": extra_claims})
    return members


def verified(authorization: Iterable[str], method: str, path: str, query: str, mount: str) -> str:
    """Word a request to ``access.verify``."""
    return (
        f'"now":{time.time()!r},"authorization":[{",".join(map(quote, authorization))}],'
        f'"method":{quote(method)},"path":{quote(path)},"query":{quote(query)},'
        f'"mount":{quote(mount)}'
    )


def token(text: str) -> str:
    """Word a bare token for ``access.verify``."""
    if not text.isascii():
        # Not each of Python's texts is one of JSON's; "?" is in no token.
        text = text.encode("ascii", "replace").decode()
    return f'"now":{time.time()!r},"token":{quote(text)}'


def required(scopes: Sequence[str], bind: bool) -> str:
    """Word what an endpoint requires, as further members of ``access.verify``."""
    members = f',"required_scopes":{_list(scopes, "scopes")}' if scopes else ""
    return members + ',"require_binding":true' if bind else members


def served(
    method: str,
    path: str,
    authorization: Iterable[str],
    content_type: str,
    if_none_match: str,
    body_too_large: bool,
) -> str:
    """Word a request to ``access.serve``."""
    members = (
        f'"now":{time.time()!r},"method":{quote(method)},"path":{quote(path)},'
        f'"authorization":[{",".join(map(quote, authorization))}],'
        f'"content_type":{quote(content_type)},"if_none_match":{quote(if_none_match)}'
    )
    return members + ',"body_too_large":true' if body_too_large else members


def command(line: str) -> str:
    """Word a line for ``access.command``."""
    return f'"now":{time.time()!r},"line":{quote(line)}'


def _list(texts: Sequence[str], what: str) -> str:
    if isinstance(texts, str):
        # Its characters would be a list as well.
        raise error("invalid_argument", f"{what} is a list of texts, not one text")
    return f"[{','.join(map(quote, texts))}]"
