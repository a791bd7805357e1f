"""What the adapters have in common: which request gets which token."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Union

from tallystick.access.party import Party, host_of
from tallystick.arguments import must_be_text, must_be_texts, wrong_type
from tallystick.errors import TallystickError, error
from tallystick.injection.left_off import LeftOff

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tallystick.access.host import AccessHost, Binding
    from tallystick.access.skill import AuthSkill

__all__ = ["Attached", "Plan", "Target"]

Target = Union[str, Callable[[str], Union[str, None]]]


@dataclass(frozen=True, repr=False)
class Attached:
    """An ``Authorization`` header, whom it is for and where it may be sent. No ``repr``."""

    header: str
    target: str
    send_to: str


class Plan:
    """Whom the token is for, where it may go, and what it says."""

    def __init__(
        self,
        skill: AuthSkill,
        target: Target,
        scopes: Sequence[str] | None,
        bind: bool,
        send_to: str | None,
    ) -> None:
        self._host = _agent(skill)
        if not isinstance(target, str) and not callable(target):
            raise wrong_type("target", "a reference, a URL or a function", target)
        if send_to is not None:
            must_be_text("send_to", send_to)
        self.bind = bind
        self._target = target
        self._scopes = None if scopes is None else must_be_texts("scopes", scopes)
        self._send_to = send_to
        self._left_off = LeftOff(self._host.logger)
        self._fixed: tuple[str, str] | None = None
        if isinstance(target, str):
            self._fixed = (target, send_to or self._host.resolve(target))
            self._expect_a_place(self._fixed[1])

    def attach(
        self, method: str, url: str, body: bytes | None, *, fresh: bool = False
    ) -> Attached | None:
        """Return the header for a request, or ``None`` where no token belongs.

        ``body`` is ``None`` when the bytes are not in memory. ``fresh``: not one that was
        used before.
        """
        found = self._whom(url)
        if found is None:
            return None
        binding = self._binding(method, url, body)
        reuse = not (fresh or self.bind)
        made = self._host.authorize(found[0], self._scopes, binding, reuse=reuse)
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
        made = await self._host.aauthorize(found[0], self._scopes, binding, reuse=reuse)
        return Attached(made["Authorization"], *found)

    def covers(self, send_to: str, url: str) -> bool:
        """Tell whether a token for what is at ``send_to`` may be sent to ``url``."""
        return self._host.covers(send_to, url)

    def may_retry(self, status: int, challenges: Iterable[str]) -> bool:
        """Tell whether an answer says that a fresh token is worth a try (RFC 6750, 3.1)."""
        if self.bind or status != 401:
            return False
        return any('error="invalid_token"' in challenge for challenge in challenges)

    def _expect_a_place(self, send_to: str) -> None:
        # A base URL that covers not even itself is a mistake to hear of now.
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
            self._left_off.tell(*found, url)
            return None
        return found

    def _ask(self, url: str) -> tuple[str, str] | None:
        if isinstance(self._target, str):
            raise TypeError("a fixed target was resolved before")
        target = self._target(url)
        if target is None:
            return None
        return target, self._send_to or self._host.resolve(target)

    def _binding(self, method: str, url: str, body: bytes | None) -> Binding | None:
        if not self.bind:
            return None
        if body is None:
            raise _not_in_memory()
        return method, url, body


def _agent(skill: object) -> AccessHost:
    host = host_of(skill) if isinstance(skill, Party) else None
    if host is None or host.role != "agent":
        raise wrong_type("skill", "an AuthSkill", skill)
    return host


def _not_in_memory() -> TallystickError:
    return error(
        "invalid_argument",
        "bind=True signs the exact bytes of the body, and this one is a stream, compressed on "
        "the way or a multipart form: give bytes or text, or bind=False",
    )
