"""Requests to the core about access tokens. They are written by hand, because they are frequent.

Each function returns the inside of a JSON object, ASCII, without ``engine``.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from json.encoder import encode_basestring_ascii as quote
from typing import TYPE_CHECKING, Any

from tallystick._core.arguments import (
    body_bytes,
    header_lines,
    must_be_flag,
    must_be_text,
    must_be_texts,
    must_be_utf8,
    wrong_type,
)
from tallystick._core.engine import members_of
from tallystick._core.problems import error
from tallystick._http.request import joined, wire
from tallystick.types import Body

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["command", "form", "headers", "required", "served", "token", "wanted"]


def wanted(
    target: str, scopes: Sequence[str] | None, extra_claims: dict[str, Any] | None = None
) -> str:
    """Return the members that ask ``access.issue`` for a token."""
    must_be_utf8("target", target)
    members = f'"now":{time.time()!r},"target":{quote(target)}'
    if scopes is not None:
        members += f',"scopes":{_list(scopes, "scopes")}'
    if extra_claims is not None:
        if not isinstance(extra_claims, Mapping):
            raise wrong_type("extra_claims", "a mapping", extra_claims)
        members += "," + _plain_claims(extra_claims)
    return members


def token(text: str) -> str:
    """Return a token alone, for ``access.verify``."""
    must_be_text("token", text)
    if not text.isascii():
        # Not every text of Python can be written in JSON. "?" is in no token.
        text = text.encode("ascii", "replace").decode()
    return f'"now":{time.time()!r},"token":{quote(text)}'


def headers(authorization: Sequence[str]) -> str:
    """Return ``Authorization`` headers alone as members of ``access.verify``."""
    return f'"now":{time.time()!r},"authorization":[{joined(authorization)}]'


def required(scopes: Sequence[str], bind: bool) -> str:
    """Return what an endpoint requires, as further members of ``access.verify``."""
    wanted = must_be_texts("scopes", scopes)
    must_be_flag("bind", bind)
    members = f',"required_scopes":{_list(wanted, "scopes")}' if wanted else ""
    return members + ',"require_binding":true' if bind else members


def served(
    method: str,
    path: str,
    authorization: Sequence[str] | str | None,
    content_type: str,
    if_none_match: str,
    query: str = "",
    cookie: Sequence[str] = (),
    origin: Sequence[str] = (),
) -> str:
    """Return a request to ``access.serve``."""
    texts = header_lines("authorization", authorization)
    given = {
        "method": method,
        "path": path,
        "content_type": content_type,
        "if_none_match": if_none_match,
        "query": query,
    }
    for name, value in given.items():
        must_be_text(name, value)
    return (
        f'"now":{time.time()!r},"method":{wire(method)},"path":{wire(path)},'
        f'"authorization":[{joined(texts)}],'
        f'"content_type":{wire(content_type)},"if_none_match":{wire(if_none_match)},'
        f'"query":{wire(query)},"cookie":[{joined(header_lines("cookie", cookie))}],'
        f'"origin":[{joined(header_lines("origin", origin))}]'
    )


def form(body: bytes | Body) -> tuple[str, bytes]:
    """Return the members about a body for ``access.serve``, and its bytes."""
    if not isinstance(body, Body):
        body = Body(body_bytes(body))
    if body.unavailable:
        raise error(
            "body_unavailable",
            "something read the token request's body before: answer the endpoints first",
        )
    for said, name in (
        (body.too_large, "body_too_large"),
        (body.malformed, "body_malformed"),
        (body.overloaded, "overloaded"),
    ):
        if said:
            return f',"{name}":true', b""
    return "", body.data


def command(line: str) -> str:
    """Return a line for ``access.command``."""
    must_be_text("line", line)
    return f'"now":{time.time()!r},"line":{quote(line)}'


def _list(texts: Sequence[str], what: str) -> str:
    return f"[{','.join(map(quote, must_be_texts(what, texts)))}]"


def _plain_claims(claims: Mapping[str, Any]) -> str:
    try:
        return members_of({"extra_claims": dict(claims)})
    except (TypeError, ValueError, RecursionError) as reason:
        # "from None": the reason may quote a value.
        raise error(
            "invalid_argument", f"extra_claims is not plain data ({type(reason).__name__})"
        ) from None
