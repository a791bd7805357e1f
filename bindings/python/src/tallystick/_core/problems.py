"""From the core's errors to exceptions, and the errors that the host itself finds."""

from __future__ import annotations

from typing import Any

from tallystick.errors import ErrorResponse, TallystickError

__all__ = ["error", "error_from", "is_verdict"]


def error_from(problem: dict[str, Any]) -> TallystickError:
    """Make the exception for the ``error`` member of a core's answer."""
    # Imported here: a program in which nothing goes wrong does not load them.
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


def is_verdict(refused: TallystickError) -> bool:
    """Tell whether an error judges what the caller sent, as the core's table has it.

    Other errors mean that the request could not be judged: no keys, no replay memory, too
    many requests, a fault of the library. They must end as an error or a 5xx.
    """
    from tallystick._generated import CODES

    row = CODES.get(refused.code)
    return row is not None and row.verdict
