"""The key ring: the keys that an agent or an authority signs with.

Which key is next, active or retired, and when, the core decides (``ring.update``).
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tallystick.access.private_file import PrivateFile
from tallystick.access.watched import Source, WatchedFile
from tallystick.core import Core, call_json
from tallystick.errors import TallystickError, error
from tallystick.signing import generate_key

if TYPE_CHECKING:
    import logging

    from tallystick.access.watched import Deliver

__all__ = ["FileRing", "FixedRing", "Ring", "ring_file"]

Document = dict[str, Any]


class Ring(Source, Protocol):
    """Where an engine's key ring comes from: the member ``ring``."""

    def rotate(self, deliver: Deliver, *, force: bool, revoke: bool) -> dict[str, Any]:
        """Make the next key the active one, deliver the ring and return its key ids."""


def ring_file(keys_dir: str, agent: str) -> Path:
    """Return the path of an agent's ring, named as webagents names its key files."""
    return Path(keys_dir) / f"{_file_name(agent)}.ring.json"


def _file_name(agent: str) -> str:
    # What webagents 0.3 does, so that its key is found; no separator is left.
    name = agent.replace("/", "_").replace("@", "").replace(":", "_").replace("\\", "_")
    if not name.isprintable() or not name:
        raise error("invalid_config", "agent_id: it names a file, so it must be printable text")
    return name


class FixedRing:
    """One key that somebody else holds, such as a KMS."""

    def __init__(self, core: Core, public_key: str) -> None:
        keys = call_json(core, "key.inspect", {"text": public_key, "want": "public"})["keys"]
        if len(keys) != 1:
            raise error("invalid_key", f"public_key holds {len(keys)} keys: give one")
        self._key = keys[0]

    def load(self) -> dict[str, Any]:
        key = {
            "kid": self._key["kid"],
            "state": "active",
            "public_pem": self._key["public_pem"],
            "published_at": 0,
        }
        return {"ring": {"version": 1, "keys": [key]}}

    def refresh(self, deliver: Deliver) -> None:
        """Nothing changes."""

    def rotate(self, deliver: Deliver, *, force: bool, revoke: bool) -> dict[str, Any]:  # noqa: ARG002
        raise error(
            "invalid_argument",
            "the signing function's key is rotated where it is held: open another one with it",
        )


class FileRing:
    """A ring in one file that all processes of a machine share.

    ``path``
        the file, created with its first keys by whichever process comes first. A
        key of webagents, ``AGENT.pem`` beside it, becomes the first active one.
    ``lifetime``
        seconds that the longest token lives, leeway included: so long a retired key
        stays published.
    ``bits``
        of new keys.

    Thread-safe and fork-safe.
    """

    def __init__(
        self, core: Core, path: Path, lifetime: float, bits: int, logger: logging.Logger
    ) -> None:
        self._core = core
        self._file = PrivateFile(path, "key ring")
        self._watched = WatchedFile(self._file, logger)
        self._inherited = PrivateFile(
            path.with_name(path.name.removesuffix(".ring.json") + ".pem"), "private key"
        )
        self._lifetime = lifetime
        self._bits = bits
        self._logger = logger

    def load(self) -> dict[str, Any]:
        return {"ring": self._watched.load(self._current)}

    def refresh(self, deliver: Deliver) -> None:
        self._watched.refresh(lambda: deliver({"ring": self._must_read()}))

    def rotate(self, deliver: Deliver, *, force: bool, revoke: bool) -> dict[str, Any]:
        update = self._watched.load(lambda: self._rotate(force=force, revoke=revoke))
        deliver({"ring": update["ring"]})
        return {name: update[name] for name in ("active", "next", "retired")}

    def _rotate(self, *, force: bool, revoke: bool) -> dict[str, Any]:
        with self._file.locked():
            stamp = self._file.stamp()
            update = self._update(self._must_read(), rotate=not revoke, force=force, revoke=revoke)
            self._file.write(_text(update["ring"]), since=stamp)
            return update

    def _current(self) -> Document:
        """Return the ring without keys that are dead by now, made where there is none."""
        document = self._read()
        if document is not None and not self._update(document)["changed"]:
            return document
        with self._file.locked():
            # Whoever waited finds the ring of whoever came first.
            stamp = self._file.stamp()
            document = self._read()
            if document is None:
                return self._first()
            update = self._update(document)
            if update["changed"]:
                self._file.write(_text(update["ring"]), since=stamp)
            current: Document = update["ring"]
            return current

    def _first(self) -> Document:
        update = self._update(None, self._imported())
        document: Document = update["ring"]
        if self._file.create(_text(document)):
            self._logger.info("made the key ring %s", self._file.path)
            return document
        # Something without our lock, such as another language's binding, was faster.
        return self._must_read()

    def _imported(self) -> tuple[str, ...]:
        pem = self._inherited.read()
        if pem is None:
            return ()
        self._logger.info("the key ring starts with the key of %s", self._inherited.path)
        return (pem,)

    def _update(
        self, document: Document | None, fresh: tuple[str, ...] = (), **asked: bool
    ) -> dict[str, Any]:
        request: dict[str, Any] = {
            "now": time.time(),
            "lifetime": self._lifetime,
            "bits": self._bits,
            **asked,
        }
        if document is not None:
            request["ring"] = document
        answer = self._ask({**request, "fresh": fresh})
        if answer["missing"]:
            # Keys that are there already come first: they become active first.
            made = (generate_key(self._core, self._bits) for _ in range(answer["missing"]))
            answer = self._ask({**request, "fresh": (*fresh, *made)})
        return answer

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            return call_json(self._core, "ring.update", request)
        except TallystickError as refused:
            raise error(refused.code, f"{self._file.path}: {refused.message}") from None

    def _read(self) -> Document | None:
        text = self._file.read()
        if text is None:
            return None
        try:
            document: object = json.loads(text)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            # From nowhere: the reason quotes the text, which holds private keys.
            raise self._file.wrong(
                "is not a key ring", "restore it from a copy, or move it away for new keys"
            ) from None
        return document

    def _must_read(self) -> Document:
        document = self._read()
        if document is None:
            raise self._file.wrong(
                "is gone", "restore it from a copy; a restart without it makes new keys"
            )
        return document


def _text(document: Document) -> str:
    return json.dumps(document, indent=1) + "\n"
