"""From the core's errors to exceptions, and the errors that the host itself finds."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tallystick.errors import ErrorResponse, TallystickError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

__all__ = ["error", "error_from", "is_verdict", "options_named", "shown"]


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


def shown(text: str | os.PathLike[str]) -> str:
    """Return a path or a key for a message: quoted where it has what cannot be shown."""
    said = str(text)
    return said if said.isprintable() else json.dumps(said)


@contextmanager
def options_named(*options: str, **renamed: str) -> Iterator[None]:
    """Have the core check the values of these options.

    If it refuses one, that is a mistake of the program (``invalid_argument``), and the error begins
    with the option's name. ``renamed`` has the options that the core calls otherwise, by its names.
    """
    try:
        yield
    except TallystickError as refused:
        names = {**{name: name for name in options}, **renamed}
        begins = re.match(r"(?:options: )?([a-z_]+)", str(refused))
        if begins is None or begins[1] not in names:
            raise
        said = str(refused).removeprefix("options: ")
        code = "invalid_argument" if refused.code == "invalid_config" else refused.code
        message = re.sub(r"[a-z_]+", lambda word: renamed.get(word[0], word[0]), said)
        raise error(code, message, log=refused.log) from None


def is_verdict(refused: TallystickError) -> bool:
    """Tell whether an error judges what the caller sent, as the core's table has it.

    Other errors mean that the request could not be judged: no keys, no replay memory, too
    many requests, a fault of the library. They must end as an error or a 5xx.
    """
    from tallystick._generated import CODES

    row = CODES.get(refused.code)
    return row is not None and row.verdict
