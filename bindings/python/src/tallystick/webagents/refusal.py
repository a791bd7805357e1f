"""A refused request as an exception that webagents turns into an HTTP answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from webagents.agents.skills.local.auth import AuthError as WebagentsAuthError

if TYPE_CHECKING:
    from tallystick.errors import TallystickError

__all__ = ["AuthError", "refuse"]


class AuthError(WebagentsAuthError, HTTPException):
    """webagents' ``AuthError`` with the core's answer in it.

    webagents shows a caller the text of an ``HTTPException``, and logs and hides that of
    any other exception of a package that is not its own; code that catches its
    ``AuthError`` catches this one.

    ``status_code``, ``headers``
        the HTTP status and headers.
    ``code``, ``message``
        the stable code of the cause, and a sentence that the caller may read.
    """

    def __init__(
        self,
        message: str,
        code: str = "auth_error",
        *,
        status: int | None = None,
        headers: dict[str, str] | None = None,
        body: dict[str, Any] | None = None,
    ) -> None:
        WebagentsAuthError.__init__(self, message, code)
        self._body = body or {"error": {"code": code, "message": message}}
        HTTPException.__init__(self, status or self.status_code, self._body, headers)

    def to_dict(self) -> dict[str, Any]:
        """Return the body of the answer, as the core worded it."""
        return self._body

    def __str__(self) -> str:
        return str(self.message)


def refuse(refused: TallystickError) -> AuthError:
    """Return the exception for a refusal, or for an error that is no verdict (a 500)."""
    answer = refused.response
    if answer is None:
        # Fail closed: webagents logs other exceptions of a hook, and lets the request in.
        return AuthError("The request cannot be verified.", "internal", status=500)
    headers = {name: value for name, value in answer.headers.items() if name != "content-type"}
    body = json.loads(answer.body)
    return AuthError(
        refused.message, refused.code, status=answer.status, headers=headers, body=body
    )
