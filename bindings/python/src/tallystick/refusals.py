"""Logging why a request was refused."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tallystick.errors import TallystickError

__all__ = ["is_verdict", "log_refusal"]


def is_verdict(refused: TallystickError) -> bool:
    """Tell whether an error judges what the caller sent, as the core's table has it.

    Else nobody could judge it (no keys, no replay memory, too many requests, a fault of
    the library): that is no refusal, and nothing may be made of it but an error or a 5xx.
    """
    from tallystick._generated import CODES

    row = CODES.get(refused.code)
    return row is not None and row.verdict


def log_refusal(logger: logging.Logger, refused: TallystickError) -> None:
    """Log it with what the answer does not say, or raise what is no verdict at all.

    An error without an answer is a broken core or a wrong use of the library.
    """
    if refused.response is None:
        raise refused
    level = logging.WARNING if refused.response.status < 500 else logging.ERROR
    logger.log(level, "refused: %s: %s", refused.code, refused.log or refused.message)
