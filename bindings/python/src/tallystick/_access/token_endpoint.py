"""What an agent and an authority have in common: keys, their documents, a token endpoint."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tallystick._access import core_requests
from tallystick._core.arguments import must_be_flag, wrong_type
from tallystick._core.problems import error
from tallystick._http.refusal import Served

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from typing_extensions import Self

    from tallystick._access.engine import AccessEngine
    from tallystick._core.engine import Answer
    from tallystick.types import Body

__all__ = ["TokenEndpoint", "engine_of", "is_agent", "must_be_agent", "must_be_endpoints"]


class TokenEndpoint:
    """Base of :class:`tallystick.AuthSkill` and :class:`tallystick.Authority`.

    Thread-safe and fork-safe. A context manager that closes at its end.
    """

    _engine: AccessEngine

    @property
    def issuer(self) -> str:
        """``iss`` of the tokens that are signed here, or by the authority."""
        return str(self._engine.opened["issuer"])

    @property
    def base_url(self) -> str:
        """The own URL: the audience that is accepted."""
        return str(self._engine.opened["base_url"])

    def serve(
        self,
        method: str,
        path: str,
        *,
        authorization: Sequence[str] | str | None = (),
        content_type: str = "",
        if_none_match: str = "",
        body: bytes | Body = b"",
        query: str = "",
        cookie: Sequence[str] = (),
        origin: Sequence[str] = (),
    ) -> Served | None:
        """Answer one request to the documents or the token endpoint.

        ``path`` is the path below where this is mounted, or the whole path of the request, not
        decoded, for the documents that RFC 8414 and RFC 9728 put at the root of the server (with
        the path of ``base_url`` behind their names); ``authorization`` has the
        value of each header of that name (one text is one header, ``None`` none), ``body``
        the bytes of the form, or a :class:`tallystick.Body` that says why there are none. Where
        users sign in, ``query`` is what stands behind ``?``, ``cookie`` and ``origin`` are the
        values of those headers.
        ``None`` for a path that is not served here.
        """
        members = core_requests.served(
            method, path, authorization, content_type, if_none_match, query, cookie, origin
        )
        asked, data = core_requests.form(body)
        return self._served(self._engine.run("access.serve", members + asked, data))

    async def aserve(
        self,
        method: str,
        path: str,
        *,
        authorization: Sequence[str] | str | None = (),
        content_type: str = "",
        if_none_match: str = "",
        body: bytes | Body = b"",
        query: str = "",
        cookie: Sequence[str] = (),
        origin: Sequence[str] = (),
    ) -> Served | None:
        """Do the same without blocking the event loop."""
        members = core_requests.served(
            method, path, authorization, content_type, if_none_match, query, cookie, origin
        )
        asked, data = core_requests.form(body)
        return self._served(await self._engine.arun("access.serve", members + asked, data))

    def rotate_keys(self, force: bool = False, *, revoke: bool = False) -> dict[str, Any]:
        """Sign with the next key from now on; ``{"active", "next", "retired"}`` key ids.

        The former key stays published until its last token has expired. Raises
        ``invalid_argument`` while the next key has not been published long enough for all
        receivers to know it; ``force`` rotates nevertheless. Receivers look for an unknown key
        at most once in 60 seconds: after two forced rotations within a minute they may refuse
        tokens for the rest of it.

        ``revoke``, after a theft, drops every key at once, the next one too. Receivers refuse
        their tokens as soon as they fetch the key set anew: after 300 seconds at the latest.
        """
        must_be_flag("force", force)
        must_be_flag("revoke", revoke)
        return self._engine.rotate_keys(force=force, revoke=revoke)

    def stats(self) -> dict[str, Any]:
        """Return how much the core holds: the answer of ``engine.stats``."""
        return self._engine.engine.call("engine.stats", {})

    def close(self) -> None:
        """Free what is held in the core and close connections. A later call opens them again."""
        self._engine.close()

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
        log = answer.get("log")
        if log:
            level = logging.WARNING if answer.get("level") == "warning" else logging.INFO
            self._engine.logger.log(level, "%s", log)
        return Served(**answer["response"]) if answer["handled"] else None


def engine_of(endpoint: TokenEndpoint) -> AccessEngine:
    """Return the engine of an endpoint, which adapters work with."""
    return endpoint._engine  # noqa: SLF001


def is_agent(value: object) -> bool:
    """Tell whether it is an AuthSkill, which verifies callers; an Authority does not."""
    return isinstance(value, TokenEndpoint) and engine_of(value).role == "agent"


def must_be_agent(skill: object) -> None:
    """Refuse what verifies no callers and makes no tokens for itself."""
    if not is_agent(skill):
        raise wrong_type("skill", "an AuthSkill", skill)


def must_be_endpoints(endpoints: object) -> None:
    """Refuse what is neither an endpoint nor several by name."""
    if isinstance(endpoints, TokenEndpoint):
        return
    if not isinstance(endpoints, Mapping):
        raise wrong_type(
            "endpoints",
            'an AuthSkill, an Authority or several by name such as {"bob": bob}',
            endpoints,
        )
    for name, endpoint in endpoints.items():
        if not isinstance(name, str) or not name or "/" in name:
            raise error(
                "invalid_argument",
                f"endpoints: {name!r} is no name: it is one segment of a path, without a slash",
            )
        if not isinstance(endpoint, TokenEndpoint):
            raise wrong_type(f"endpoints[{name!r}]", "an AuthSkill or an Authority", endpoint)
