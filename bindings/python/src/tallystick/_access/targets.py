"""Requests that go out: which request gets which token."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Union
from urllib.parse import urlsplit

from tallystick._access.token_endpoint import engine_of, must_be_agent
from tallystick._core.arguments import must_be_flag, must_be_texts, must_be_utf8, wrong_type
from tallystick._core.problems import error

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterable, Sequence

    from tallystick._access.engine import Binding
    from tallystick._access.token_endpoint import TokenEndpoint
    from tallystick.errors import TallystickError

__all__ = ["Attached", "Outbound", "Target"]

MAX_KNOWN = 1000
"""Pairs of a target and an origin that are remembered as logged."""

Target = Union[str, Callable[[str], Union[str, None]]]


@dataclass(frozen=True, repr=False)
class Attached:
    """An ``Authorization`` header, its target, and where it may be sent. No ``repr``."""

    header: str
    target: str
    send_to: str


class Outbound:
    """Which token the requests of one client get."""

    def __init__(
        self,
        skill: TokenEndpoint,
        target: Target,
        scopes: Sequence[str] | None,
        bind: bool,
        send_to: str | None,
    ) -> None:
        must_be_agent(skill)
        self._engine = engine_of(skill)
        if not isinstance(target, str) and not callable(target):
            raise wrong_type("target", "a reference, a URL or a function", target)
        if send_to is not None:
            must_be_utf8("send_to", send_to)
        must_be_flag("bind", bind)
        self.bind = bind
        self._target = target
        self._scopes = None if scopes is None else must_be_texts("scopes", scopes)
        self._send_to = send_to
        self._warnings = UncoveredWarnings(self._engine.logger)
        self._fixed: tuple[str, str] | None = None
        if isinstance(target, str):
            self._fixed = (target, send_to or self._engine.resolve(target))
            self._expect_a_place(self._fixed[1])

    def attach(
        self, method: str, url: str, body: bytes | None, *, fresh: bool = False
    ) -> Attached | None:
        """Return the header for a request, or ``None`` if it gets no token.

        ``body`` is ``None`` when the bytes are not in memory. ``fresh`` asks for a new token.
        """
        found = self._whom(url)
        if found is None:
            return None
        binding = self._binding(method, url, body)
        reuse = not (fresh or self.bind)
        made = self._engine.authorize(found[0], self._scopes, binding, reuse=reuse)
        return Attached(made["Authorization"], *found)

    async def aattach(
        self, method: str, url: str, body: bytes | None, *, fresh: bool = False
    ) -> Attached | None:
        """Do the same without blocking the event loop."""
        found = self._whom(url)
        if found is None:
            return None
        binding = self._binding(method, url, body)
        reuse = not (fresh or self.bind)
        made = await self._engine.aauthorize(found[0], self._scopes, binding, reuse=reuse)
        return Attached(made["Authorization"], *found)

    def covers(self, send_to: str, url: str) -> bool:
        """Tell whether a token for what is at ``send_to`` may be sent to ``url``."""
        return self._engine.covers(send_to, url)

    def may_retry(self, status: int, challenges: Iterable[str]) -> bool:
        """Tell whether the answer means that a new token may help (RFC 6750 section 3.1)."""
        if self.bind or status != 401:
            return False
        return any('error="invalid_token"' in challenge for challenge in challenges)

    def _expect_a_place(self, send_to: str) -> None:
        # A base URL that does not even cover itself is a mistake.
        if not self.covers(send_to, send_to):
            raise error(
                "invalid_argument",
                f"send_to: {send_to!r} is no base URL of an agent: write it like "
                "https://example.com/agents/bob",
            )

    def _whom(self, url: str) -> tuple[str, str] | None:
        found = self._fixed or self._ask(url)
        if found is None:
            return None
        if not self.covers(found[1], url):
            self._warnings.tell(*found, url)
            return None
        return found

    def _ask(self, url: str) -> tuple[str, str] | None:
        if isinstance(self._target, str):
            raise TypeError("a fixed target was resolved before")
        target = self._target(url)
        if target is None:
            return None
        return target, self._send_to or self._engine.resolve(target)

    def _binding(self, method: str, url: str, body: bytes | None) -> Binding | None:
        if not self.bind:
            return None
        if body is None:
            raise _not_in_memory()
        return method, url, body


def _not_in_memory() -> TallystickError:
    return error(
        "invalid_argument",
        "bind=True signs the exact bytes of the body, and this one is a stream, compressed on "
        "the way or a multipart form: give bytes or text, or bind=False",
    )


class UncoveredWarnings:
    """Logs each target and origin once. Thread-safe and fork-safe: it takes no lock."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._said: set[tuple[str, str]] = set()

    def tell(self, target: str, agent_url: str, url: str) -> None:
        """Log that a token for ``target``, reached at ``agent_url``, is not sent to ``url``."""
        origin = _origin(url)
        if (target, origin) in self._said or len(self._said) >= MAX_KNOWN:
            return
        self._said.add((target, origin))
        self._logger.warning(
            "no token is sent to %s: it is not below %s, where the agent %s is; "
            "send_to= says where it is really reached",
            origin,
            agent_url,
            target,
        )


def _origin(url: str) -> str:
    """Return the origin for the log, without a password that the URL may hold."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:
        return "a URL that cannot be read"
    return f"{parts.scheme}://[{host}]{port}" if ":" in host else f"{parts.scheme}://{host}{port}"
