"""A refused request as an exception that webagents turns into an HTTP answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fastapi import HTTPException  # type: ignore[import-not-found]
from webagents.agents.skills.local.auth import AuthError as WebagentsAuthError

if TYPE_CHECKING:
    from tallystick.errors import ErrorResponse, TallystickError

__all__ = ["AuthError", "refuse", "unverifiable"]


class AuthError(WebagentsAuthError, HTTPException):
    """webagents' ``AuthError`` with the core's answer in it.

    webagents shows a caller the text of an ``HTTPException``. It logs and hides the text of
    other exceptions of foreign packages. Code that catches its ``AuthError`` catches this one.

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
        # Not webagents' own constructor: its super() is the one of HTTPException here.
        self.message = message
        self.code = self.error_code = code
        self._body = body or {"error": {"code": code, "message": message}}
        status = status or (403 if code == "trust_denied" else 401)
        HTTPException.__init__(self, status, self._body, headers)

    def to_dict(self) -> dict[str, Any]:
        """Return the body of the answer, as the core made it."""
        return self._body

    def __str__(self) -> str:
        return str(self.message)


# webagents looks at the module: a refusal is one line in its log, a failure of the agent a
# traceback of fifty lines, which any caller could cause.
AuthError.__module__ = WebagentsAuthError.__module__


def refuse(refused: TallystickError, answer: ErrorResponse) -> AuthError:
    """Return the exception for a refused request."""
    headers = {name: value for name, value in answer.headers.items() if name != "content-type"}
    return AuthError(
        refused.message,
        refused.code,
        status=answer.status,
        headers=headers,
        body=json.loads(answer.body),
    )


def unverifiable() -> AuthError:
    """Return the exception for a request that cannot be judged: a 500."""
    return AuthError("The request cannot be verified.", "internal", status=500)
