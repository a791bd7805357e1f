"""What an agent and an authority have in common: keys, documents, a token endpoint."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from tallystick.access import wording
from tallystick.arguments import wrong_type
from tallystick.errors import error

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from flask import Blueprint
    from typing_extensions import Self

    from tallystick.access.host import AccessHost
    from tallystick.body import Body
    from tallystick.engine import Answer

__all__ = ["PATHS", "Party", "Served", "host_of", "must_be_parties"]

PATHS = (
    "/.well-known/openid-configuration",
    "/.well-known/jwks.json",
    "/auth/token",
    "/api/auth/jwks",
    "/api/auth/token",
)
"""Paths that the core may answer: what a web framework sends to it."""


class Served(NamedTuple):
    """An HTTP answer, ready to send; header names are lower case."""

    status: int
    headers: dict[str, str]
    body: str


class Party:
    """Base of :class:`tallystick.AuthSkill` and :class:`tallystick.Authority`.

    Thread-safe and fork-safe. A context manager that closes at its end.
    """

    _host: AccessHost

    @property
    def issuer(self) -> str:
        """``iss`` of the tokens that are signed here, or by the authority."""
        return str(self._host.opened["issuer"])

    @property
    def base_url(self) -> str:
        """The own URL: the audience that is accepted."""
        return str(self._host.opened["base_url"])

    def serve(
        self,
        method: str,
        path: str,
        *,
        authorization: Sequence[str] | str | None = (),
        content_type: str = "",
        if_none_match: str = "",
        body: bytes | Body = b"",
    ) -> Served | None:
        """Answer one request to the documents or the token endpoint.

        ``path`` is the path below where the party is mounted, ``authorization`` has the
        value of each header of that name (one text is one header, ``None`` none), ``body``
        the bytes of the form, or a :class:`tallystick.Body` that says why there are none.
        ``None`` for a path that is not served here.
        """
        members = wording.served(method, path, authorization, content_type, if_none_match)
        asked, data = wording.form(body)
        return self._served(self._host.run("access.serve", members + asked, data))

    async def aserve(
        self,
        method: str,
        path: str,
        *,
        authorization: Sequence[str] | str | None = (),
        content_type: str = "",
        if_none_match: str = "",
        body: bytes | Body = b"",
    ) -> Served | None:
        """Do the same without blocking the event loop."""
        members = wording.served(method, path, authorization, content_type, if_none_match)
        asked, data = wording.form(body)
        return self._served(await self._host.arun("access.serve", members + asked, data))

    def blueprint(self, name: str = "tallystick") -> Blueprint:
        """Return a Flask blueprint with the documents and the token endpoint.

        ``name`` tells several blueprints of one application apart; for several agents
        below ``/{agent}/`` use :func:`tallystick.auth_blueprint`.
        """
        from tallystick.access.flask_endpoints import auth_blueprint

        return auth_blueprint(self, name=name)

    def rotate_keys(self, force: bool = False, *, revoke: bool = False) -> dict[str, Any]:
        """Sign with the next key from now on; ``{"active", "next", "retired"}`` key ids.

        The key before stays published until its last token is dead. Refused with
        ``invalid_argument`` while the next key has not been published long enough for
        everybody to know it; ``force`` does it nevertheless.
        Receivers look for a key that they miss at most once in 60 seconds: after two
        forced rotations within a minute they may refuse tokens until that is over.

        ``revoke``, after a theft, drops every key at once, the next one too: tokens of
        theirs are refused wherever the key set is fetched anew, at the latest when its
        300 seconds are over.
        """
        return self._host.rotate_keys(force=force, revoke=revoke)

    def stats(self) -> dict[str, Any]:
        """Return how much the core holds, as ``engine.stats`` says it."""
        return self._host.engine.call("engine.stats", {})

    def close(self) -> None:
        """Free what is held in the core and close connections; a later call opens again."""
        self._host.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        reason: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _served(self, answer: Answer) -> Served | None:
        if "used_until" in answer and self._host.floor is not None:
            self._host.floor.note(answer["used_until"])
        log = answer.get("log")
        if log:
            level = logging.WARNING if answer.get("level") == "warning" else logging.INFO
            self._host.logger.log(level, "%s", log)
        return Served(**answer["response"]) if answer["handled"] else None


def host_of(party: Party) -> AccessHost:
    """Return what an adapter works with."""
    return party._host  # noqa: SLF001


def must_be_parties(parties: object) -> None:
    """Refuse what is neither a party nor several by name."""
    if isinstance(parties, Party):
        return
    if not isinstance(parties, Mapping):
        raise wrong_type(
            "parties", 'an AuthSkill, an Authority or several by name such as {"bob": bob}', parties
        )
    for name, party in parties.items():
        if not isinstance(name, str) or not name or "/" in name:
            raise error(
                "invalid_argument",
                f"parties: {name!r} is no name: it is one segment of a path, without a slash",
            )
        if not isinstance(party, Party):
            raise wrong_type(f"parties[{name!r}]", "an AuthSkill or an Authority", party)
