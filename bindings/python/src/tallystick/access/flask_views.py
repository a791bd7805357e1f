"""Flask views that only callers with a valid access token reach."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from tallystick.guarding import Refusals, describe, guard

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Request

    from tallystick.access.context import AuthContext
    from tallystick.access.host import AccessHost
    from tallystick.body import Body, FlaskBody
    from tallystick.errors import TallystickError

__all__ = ["require"]

View = TypeVar("View", bound="Callable[..., Any]")


def require(
    host: AccessHost, requirement: str, on_error: Callable[[TallystickError], Any] | None
) -> Callable[[View], View]:
    """Return a decorator for views; ``requirement`` has further members of ``access.verify``."""
    refusals = Refusals(on_error, host.logger)

    def verify(request: Request, body: FlaskBody) -> AuthContext:
        def read(limit: int) -> Body:
            return body.read(limit, host.buffers.asked)

        return host.verify(describe(request.environ) + requirement, read)

    def decorate(view: View) -> View:
        return guard(view, verify, refusals.answer)

    return decorate
