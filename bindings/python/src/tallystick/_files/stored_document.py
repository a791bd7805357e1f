"""Documents in a store that replicas share: encrypted, with versions (protocol section 9)."""

from __future__ import annotations

import base64
import hashlib
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tallystick._core.core import Core, call_json
from tallystick._core.problems import error
from tallystick._files.shared_text import PATIENCE, PAUSE, Document, SharedText
from tallystick.errors import StoreUnavailableError, TallystickError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["StoredDocument", "StoredDocuments", "StoredLook"]


class DocumentStore(Protocol):
    """What a document lies in. Both methods raise :class:`StoreUnavailableError`."""

    def read(self, name: str) -> tuple[int, bytes] | None: ...
    def write(self, name: str, expected_version: int, value: bytes) -> bool: ...


class StoredDocuments:
    """The documents of agents in one store. Thread-safe and fork-safe.

    ``setting``
        names the store in errors, such as ``store postgresql://127.0.0.1/agents``.
    ``key``
        the key-encryption key; ``None``: there must be no documents of this agent. It is in no
        error and no ``repr``.

    Raises ``invalid_argument`` for a wrong key.
    """

    def __init__(self, core: Core, store: DocumentStore, setting: str, key: str | None) -> None:
        self._core = core
        self._store = store
        self._setting = setting
        self._key = key
        if key is not None:
            try:
                call_json(core, "document.seal", {"key": key, "name": "key", "version": 1})
            except TallystickError as refused:
                raise error(refused.code, f"store_key: {refused.message}") from None

    @property
    def has_key(self) -> bool:
        """Whether documents lie there."""
        return self._key is not None

    def open(self, name: str, what: str) -> StoredDocument | None:
        """Return a document; ``what`` names it in errors, such as ``key ring``.

        Without a key ``None``, or ``invalid_argument`` where it is there: an agent that made
        another one for itself would sign with keys that nobody looks for.
        """
        if self._key is not None:
            return StoredDocument(self._core, self._store, self._setting, self._key, name, what)
        try:
            found = self._store.read(name)
        except StoreUnavailableError:
            return None  # the store itself says so when the engine starts
        if found is None:
            return None
        raise error(
            "invalid_argument",
            f"the {what} of this agent lies in {self._setting}: give store_key, the key that it "
            "was encrypted with",
        )


@dataclass(frozen=True)
class StoredLook:
    """What lies in the store: its version and a hash of it, and the document."""

    seen: tuple[int, bytes] | None
    document: Document


class StoredDocument(SharedText):
    """A text in a store, encrypted by the core. Thread-safe and fork-safe."""

    def __init__(
        self, core: Core, store: DocumentStore, setting: str, key: str, name: str, what: str
    ) -> None:
        self.place = f"{name} in {setting}"
        self._core = core
        self._store = store
        self._key = key
        self._name = name
        self._what = what
        # The newest that this process knows of.
        self._known = 0

    def read(self) -> Document:
        return self._opened(self._store.read(self._name))

    def look(self, before: StoredLook | None) -> StoredLook:
        """Return what lies there; ``before``, if nothing has changed since."""
        found = self._store.read(self._name)
        # The value, too: after a fail-over another one may have the same number.
        seen = None if found is None else (found[0], hashlib.sha256(found[1]).digest())
        if before is not None and seen == before.seen:
            return before
        return StoredLook(seen, self._opened(found))

    def update(self, change: Callable[[str | None], str | None]) -> Document:
        end = time.monotonic() + PATIENCE
        while True:
            found = self.read()
            text = change(found.text)
            if text is None:
                return found
            if self._write(found.number, text):
                return Document(found.number + 1, text)
            if time.monotonic() > end:
                break
            time.sleep(random.uniform(0, PAUSE))  # noqa: S311
        raise self.wrong(
            "is changed by others again and again", "try it later; nothing was changed"
        )

    @property
    def restore(self) -> str:
        return "restore it from a copy of the database, or delete its row to begin anew"

    def wrong(self, problem: str, fix: str) -> TallystickError:
        return error("invalid_config", f"the {self._what} {self.place} {problem}: {fix}")

    def _write(self, before: int, text: str) -> bool:
        number = before + 1
        value = self._crypt("document.seal", number, text.encode())
        try:
            written = self._store.write(self._name, before, value)
        except StoreUnavailableError as reason:
            raise StoreUnavailableError(
                f"{reason.message}; whether the {self._what} was changed is not known"
            ) from reason
        if written:
            self._known = max(self._known, number)
        return written

    def _crypt(self, operation: str, number: int, content: bytes) -> bytes:
        request = {"key": self._key, "name": self._name, "version": number}
        try:
            value = call_json(self._core, operation, request, content)["value"]
        except TallystickError as refused:
            raise self.wrong(
                f"cannot be used ({refused.message})",
                "give the store_key that it was encrypted with, or " + self.restore,
            ) from None
        return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))

    def _opened(self, found: tuple[int, bytes] | None) -> Document:
        if found is None:
            if self._known:
                raise self.wrong("is gone", "restore it; what was read before goes on")
            return Document(0, None)
        number, value = found
        self._must_not_go_back(number)
        text = self._crypt("document.open", number, value).decode()
        self._known = max(self._known, number)
        return Document(number, text)

    def _must_not_go_back(self, number: int) -> None:
        if number < self._known:
            raise self.wrong(
                f"went back from version {self._known} to {number}",
                "what was read before goes on; where that was meant, start this process again",
            )
