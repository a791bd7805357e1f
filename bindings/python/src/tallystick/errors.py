"""The base of every exception that the core's error table becomes.

One class per code is generated from the core's table into
:mod:`tallystick._generated`; bindings translate by code, never by text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["ErrorResponse", "TallystickError"]


@dataclass(frozen=True)
class ErrorResponse:
    """The HTTP answer to a refused request, worded by the core and ready to send.

    ``status`` is the HTTP status, ``headers`` has lower-case names, ``body`` is
    JSON text (RFC 6750 section 3, protocol table). It names no key, path or
    internal of the agent.
    """

    status: int
    headers: dict[str, str]
    body: str


class TallystickError(Exception):
    """Something the core, or the host on its behalf, refused.

    ``code``
        the stable name of the cause; one subclass for each.
    ``message``
        a short English sentence. For a refused request it may be shown to the
        caller; for a wrong use of the library it names what is wrong.
    ``log``
        the same for the operator, with the values that differ; "" when there is
        nothing to add. Never send it to a caller.
    ``response``
        the HTTP answer, only for a refused request, else ``None``.

    Siblings never inherit from each other: catching an expired token does not
    catch a bad signature.
    """

    code: str = "internal"
    message: str
    log: str
    response: ErrorResponse | None

    def __init__(
        self,
        message: str = "",
        *,
        code: str | None = None,
        log: str = "",
        response: ErrorResponse | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.log = log
        self.response = response
        if code is not None:
            self.code = code


def error_from(problem: dict[str, Any]) -> TallystickError:
    """Make the exception for the ``error`` member of a core's answer."""
    # Imported here because the generated classes derive from the base above.
    from tallystick._generated import ERRORS

    response = problem.get("response")
    code = problem["code"]
    return ERRORS.get(code, TallystickError)(
        problem["message"],
        code=code,
        log=problem.get("log", ""),
        response=None
        if response is None
        else ErrorResponse(response["status"], response["headers"], response["body"]),
    )


def error(code: str, message: str, *, log: str = "") -> TallystickError:
    """Make the exception for a cause that the host itself found."""
    return error_from({"code": code, "message": message, "log": log})
