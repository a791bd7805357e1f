"""A refused request: what the log says, and an HTTP answer that is ready to send."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tallystick.errors import TallystickError

__all__ = ["Served", "log_refusal"]


class Served(NamedTuple):
    """An HTTP answer, ready to send; header names are lower case."""

    status: int
    headers: dict[str, str]
    body: str


def log_refusal(logger: logging.Logger, refused: TallystickError) -> None:
    """Log a refusal, with what the answer does not say.

    An error without an HTTP answer is a broken core or a wrong use of the library: it is
    raised.
    """
    if refused.response is None:
        raise refused
    level = logging.WARNING if refused.response.status < 500 else logging.ERROR
    logger.log(level, "refused: %s: %s", refused.code, refused.log or refused.message)
