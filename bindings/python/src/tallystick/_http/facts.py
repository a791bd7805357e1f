"""The facts of a request: method, path, query, mount and Authorization headers."""

from __future__ import annotations

import time
from json.encoder import encode_basestring_ascii as quote
from typing import TYPE_CHECKING, NamedTuple

from tallystick._core.arguments import header_lines, must_be_text

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Facts", "given_facts", "joined", "wire"]


class Facts(NamedTuple):
    """The facts of one request: texts with one character per byte (latin-1).

    ``authorization``
        the value of each header of that name.
    ``path``
        below ``mount``: as it was sent, or decoded where ``raw_target`` is a text.
    ``raw_target``
        of a server that decodes the path: the target as it was sent, "" if it is not known.
    """

    authorization: list[str]
    method: str
    path: str
    query: str = ""
    mount: str = ""
    raw_target: str | None = None

    def members(self) -> str:
        """Return the members of ``request.verify`` and ``access.verify``, with the present time."""
        members = (
            f'"now":{time.time()!r},"authorization":[{joined(self.authorization)}],'
            f'"method":{wire(self.method)},"path":{wire(self.path)},'
            f'"query":{wire(self.query)},"mount":{wire(self.mount)}'
        )
        if self.raw_target is None:
            return members
        return f'{members},"path_decoded":true,"raw_target":{wire(self.raw_target)}'


def given_facts(
    authorization: Sequence[str] | str | None, method: str, path: str, query: str, mount: str
) -> Facts:
    """Return the facts that a program gives. Raises ``invalid_argument`` for wrong types."""
    headers = header_lines("authorization", authorization)
    for name, text in (("method", method), ("path", path), ("query", query), ("mount", mount)):
        must_be_text(name, text)
    return Facts(headers, method, path, query, mount)


def wire(text: str) -> str:
    """Return a text of a request as JSON.

    JSON has no unpaired surrogates. They become a character that no request can have, which the
    core refuses.
    """
    if not text.isascii():
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return quote(text)


def joined(texts: Sequence[str]) -> str:
    """Return texts of a request as the inside of a JSON list."""
    return ",".join(map(wire, texts))
