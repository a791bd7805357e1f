"""Flask views that only callers with a valid access token reach."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from tallystick.guarding import Refusals, describe, guard

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from flask import Request

    from tallystick.access.context import AuthContext
    from tallystick.access.skill import AuthSkill
    from tallystick.body import Body, FlaskBody
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

    def verify(request: Request, body: FlaskBody) -> AuthContext:
        def read(limit: int) -> Body:
            return body.read(limit, skill.buffers.asked)

        return skill.verify_members(describe(request.environ) + requirement, read)

    def decorate(view: View) -> View:
        return guard(view, verify, refusals.answer)

    return decorate
