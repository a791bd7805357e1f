"""Flask views that only callers with a valid access token reach."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from flask import request

from tallystick.body import Body, read_body
from tallystick.guarding import Refusals, describe, guard

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from tallystick.access.context import AuthContext
    from tallystick.access.skill import AuthSkill
    from tallystick.errors import TallystickError

__all__ = ["require"]

View = TypeVar("View", bound="Callable[..., Any]")


def require(
    skill: AuthSkill,
    logger: logging.Logger,
    on_error: Callable[[TallystickError], Any] | None,
    requirement: str,
) -> Callable[[View], View]:
    """Return a decorator for views; ``requirement`` has further members of ``access.verify``."""
    refusals = Refusals(on_error, logger)

    def verify() -> AuthContext:
        # The request itself: each access through Flask's proxy would look it up again.
        current = request._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001

        def read(limit: int) -> Body:
            return read_body(current, limit)

        return skill.verify_members(describe(current.environ) + requirement, read)

    def decorate(view: View) -> View:
        return guard(view, verify, refusals.answer)

    return decorate
