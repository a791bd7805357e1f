"""Logging why a request was refused."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tallystick.errors import TallystickError

__all__ = ["log_refusal"]


def log_refusal(logger: logging.Logger, refused: TallystickError) -> None:
    """Log it with what the answer does not say, or raise what is no verdict at all.

    An error without an answer is a broken core or a wrong use of the library.
    """
    if refused.response is None:
        raise refused
    level = logging.WARNING if refused.response.status < 500 else logging.ERROR
    logger.log(level, "refused: %s: %s", refused.code, refused.log or refused.message)
