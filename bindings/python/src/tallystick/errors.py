"""The base of all errors that the core decides, and two errors of the host.

One class per code is generated from the core's table into :mod:`tallystick._generated`, which
``tallystick`` exports; bindings translate by code, never by text.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "BackendUnavailableError",
    "ErrorResponse",
    "StoreUnavailableError",
    "TallystickError",
]


@dataclass(frozen=True)
class ErrorResponse:
    """The HTTP answer to a refused request, made by the core and ready to send.

    ``status`` is the HTTP status, ``headers`` has lower-case names, ``body`` is
    JSON text (RFC 6750 section 3, protocol table). It names no key, path or
    internal of the agent.
    """

    status: int
    headers: dict[str, str]
    body: str


class TallystickError(Exception):
    """An error that the core, or the host on its behalf, has found.

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


class BackendUnavailableError(ImportError):
    """The core cannot be loaded here. The message says what to install."""


class StoreUnavailableError(TallystickError):
    """A store cannot answer: it can neither make nor deny a claim.

    The text is for the operator: it names the setting, what happened and what to do, and holds
    no secret. A store of your own may raise it too.
    """

    code = "replay_store_unavailable"
