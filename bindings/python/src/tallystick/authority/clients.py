"""The registered clients of an authority, in one JSON document."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tallystick._access.client_secret import make_secret
from tallystick._core.problems import error
from tallystick._files.shared_file import SharedFile
from tallystick._files.watched_text import Watched, WatchedStore, WatchedText
from tallystick.errors import TallystickError
from tallystick.types import RegisteredClient

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable
    from concurrent.futures import Future
    from pathlib import Path

    from tallystick._core.core import Core
    from tallystick._files.shared_text import SharedText
    from tallystick._files.stored_document import StoredDocument
    from tallystick._files.watched_text import Deliver

__all__ = ["Clients"]

Client = dict[str, Any]

_NO_CLIENTS = "no list of clients"


class Clients:
    """Reads and changes them; several processes may share them. Thread-safe and fork-safe.

    ``path``
        their file.
    ``stored``
        where they lie instead. The first process writes there what is in the file, if there is
        one.
    """

    def __init__(
        self, core: Core, path: Path, logger: logging.Logger, stored: StoredDocument | None = None
    ) -> None:
        self._core = core
        self._file = SharedFile(path, "clients file")
        self._text: SharedText = stored or self._file
        self._logger = logger
        self._watched: Watched = (
            WatchedStore(stored, logger) if stored else WatchedText(self._file, logger)
        )

    def load(self) -> dict[str, Any]:
        text = self._watched.read()
        if text is None and self._text is not self._file:
            self._move()
            text = self._watched.read()
        return {"clients": self._parsed(text)}

    def refresh(self, deliver: Deliver) -> Future[None] | None:
        return self._watched.refresh(lambda text: deliver({"clients": self._parsed(text)}))

    def listed(self) -> list[RegisteredClient]:
        """Return the clients without their secrets."""
        return [_registered(client) for client in self._parsed(self._text.read().text)]

    def register(
        self,
        deliver: Deliver,
        client_id: str,
        *,
        secret: str | None,
        public_key: str | None,
        **permissions: Any,
    ) -> str | None:
        """Add or replace a client; return its secret where it has one."""
        if public_key == "":
            raise error("invalid_argument", "public_key must not be empty")
        if public_key is not None and secret is not None:
            raise error("invalid_argument", "a client has a public_key or a secret, not both")
        client: Client = {"client_id": client_id}
        client.update({name: value for name, value in permissions.items() if value is not None})
        made = None
        if permissions.get("public"):
            if secret is not None or public_key is not None:
                raise error(
                    "invalid_argument", "a public client has neither a secret nor a public_key"
                )
        elif public_key is None:
            answer = make_secret(self._core, secret)
            made, client["secret_hash"] = answer["secret"], answer["secret_hash"]
        else:
            client["public_key"] = public_key
        before = self._change(
            _blaming(client, deliver), lambda known: [*_without(known, client_id), client]
        )
        if any(known["client_id"] == client_id for known in before):
            self._logger.info("the client %r is replaced", client_id)
        return made

    def remove(self, deliver: Deliver, client_id: str) -> bool:
        """Remove a client; ``False`` when there was none of that id."""
        before = self._change(deliver, lambda clients: _without(clients, client_id))
        return any(client["client_id"] == client_id for client in before)

    def _change(
        self, deliver: Deliver, change: Callable[[list[Client]], list[Client]]
    ) -> list[Client]:
        """Change the clients and return those of before."""
        before: list[Client] | None = None

        def changed(text: str | None) -> str | None:
            nonlocal before
            before = self._parsed(text)
            clients = change(before)
            if clients == before:
                return None
            # Fed before it is written: the core may refuse it.
            deliver({"clients": clients})
            return json.dumps({"version": 1, "clients": clients}, indent=1) + "\n"

        try:
            self._watched.update(changed)
        except TallystickError:
            if before is not None:
                deliver({"clients": before})
            raise
        return before or []

    def _move(self) -> None:
        """Begin with the clients of the file, if there are some."""
        moved = False

        def change(text: str | None) -> str | None:
            nonlocal moved
            former = self._file.read().text if text is None else None
            moved = former is not None
            if former is not None:
                self._file.parse(former, _NO_CLIENTS)
            return former

        self._watched.update(change)
        if moved:
            self._file.leave(self._text.place)
            self._logger.warning(
                "the clients %s were moved to %s", self._file.place, self._text.place
            )

    def _parsed(self, text: str | None) -> list[Client]:
        if text is None:
            return []
        clients = self._text.parse(text, _NO_CLIENTS).get("clients")
        if isinstance(clients, list) and all(_is_client(client) for client in clients):
            return clients
        raise self._text.wrong(f"is {_NO_CLIENTS}", self._text.restore)


def _blaming(client: Client, deliver: Deliver) -> Deliver:
    """Deliver clients; what the core refuses of this one is a mistake of the call.

    What it refuses of others stays as it is: the file is wrong.
    """

    def delivered(members: dict[str, Any]) -> None:
        try:
            deliver(members)
        except TallystickError as refused:
            # It is the last, if it is among them.
            place = len(members["clients"]) - 1
            begins = (f"clients[{place}]: ", f"client {json.dumps(client['client_id'])}: ")
            begin = next((each for each in begins if refused.message.startswith(each)), None)
            if begin is None or members["clients"][place] is not client:
                raise
            message = refused.message.removeprefix(begin)
            raise error("invalid_argument", message, log=refused.log) from None

    return delivered


def _is_client(client: object) -> bool:
    return isinstance(client, dict) and isinstance(client.get("client_id"), str)


def _without(clients: list[Client], client_id: str) -> list[Client]:
    return [client for client in clients if client["client_id"] != client_id]


def _registered(client: Client) -> RegisteredClient:
    return RegisteredClient(
        client["client_id"],
        client.get("scopes", []),
        client.get("namespaces", []),
        client.get("trust", []),
        client.get("targets"),
        _authentication(client),
        client.get("redirect_uris"),
    )


def _authentication(client: Client) -> str:
    if client.get("public") is True:
        return "none"
    return "secret" if "secret_hash" in client else "public_key"
