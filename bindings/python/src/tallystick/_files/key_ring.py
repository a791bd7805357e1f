"""The key ring: the keys that an agent or an authority signs with.

The core decides which key is next, active or retired, and when (``ring.update``).
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tallystick._core.core import Core, call_json
from tallystick._core.problems import error, shown
from tallystick._core.signing import generate_key
from tallystick._files.private_text import read_private
from tallystick._files.shared_file import SharedFile
from tallystick._files.watched_text import Source, Watched, WatchedStore, WatchedText
from tallystick.errors import TallystickError

if TYPE_CHECKING:
    import logging
    from concurrent.futures import Future

    from tallystick._core.arguments import NewKeys
    from tallystick._files.shared_text import SharedText
    from tallystick._files.stored_document import StoredDocument
    from tallystick._files.watched_text import Deliver

__all__ = ["FixedRing", "Ring", "SharedRing", "ring_file"]

Document = dict[str, Any]


class Ring(Source, Protocol):
    """Where an engine's key ring comes from: the member ``ring``."""

    def rotate(self, deliver: Deliver, *, force: bool, revoke: bool) -> dict[str, Any]:
        """Make the next key the active one, deliver the ring and return its key ids."""


def ring_file(keys_dir: str, agent: str) -> Path:
    """Return the path of an agent's ring, named as webagents names its key files."""
    return Path(keys_dir) / f"{_file_name(agent)}.ring.json"


def _file_name(agent: str) -> str:
    # As webagents 0.3 does, so that its key is found. No separator is left.
    name = agent.replace("/", "_").replace("@", "").replace(":", "_").replace("\\", "_")
    if not name.isprintable() or not name:
        raise error("invalid_config", "agent_id: it names a file, so it must be printable text")
    return name


class FixedRing:
    """One key that is held elsewhere, such as in a KMS."""

    def __init__(self, core: Core, public_key: str) -> None:
        try:
            keys = call_json(core, "key.inspect", {"text": public_key, "want": "public"})["keys"]
        except TallystickError as refused:
            raise error(refused.code, f"public_key: {refused.message}") from None
        if len(keys) != 1:
            raise error("invalid_key", f"public_key holds {len(keys)} keys: give one")
        self._key = keys[0]
        if self._key["alg"] == "PS256":  # a ring has none: its PEM cannot say so
            raise error(
                "invalid_key",
                "public_key is for PS256, and the RSA keys of an agent sign RS256: leave its alg "
                "out, and sign RSASSA-PKCS1-v1_5",
            )

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
            "the key of a signing function is rotated where it is held: make a new skill with it",
        )


class SharedRing:
    """A ring that all processes of an agent share: those of a machine, or all its replicas.

    ``path``
        its file. The first process creates it with its first keys. A key of webagents,
        ``AGENT.pem`` beside it, becomes the first active one.
    ``stored``
        where it lies instead. The first process creates it with the keys of that file, if there
        is one.
    ``lifetime``
        seconds that the longest token lives, leeway included. A retired key stays published as
        long.
    ``new_keys``
        of which kind they are. Those that are there stay as they are.

    Thread-safe and fork-safe.
    """

    def __init__(
        self,
        core: Core,
        path: Path,
        lifetime: float,
        new_keys: NewKeys,
        logger: logging.Logger,
        stored: StoredDocument | None = None,
    ) -> None:
        self._core = core
        self._file = SharedFile(path, "key ring")
        self._text: SharedText = stored or self._file
        self._watched: Watched = (
            WatchedStore(stored, logger) if stored else WatchedText(self._file, logger)
        )
        self._inherited = path.with_name(path.name.removesuffix(".ring.json") + ".pem")
        self._lifetime = lifetime
        self._was_loaded = False
        self._new_keys = new_keys
        self._logger = logger

    def load(self) -> dict[str, Any]:
        text = self._watched.read()
        if text is not None:
            document = self._parsed(text)
            # An engine that opens anew does not wait for a store.
            opened_before = self._was_loaded and self._text is not self._file
            if opened_before or not self._update(document, [])["changed"]:
                self._was_loaded = True
                return {"ring": document}
        ring = self._brought_up_to_date()
        self._was_loaded = True
        return {"ring": ring}

    def refresh(self, deliver: Deliver) -> Future[None] | None:
        return self._watched.refresh(lambda text: deliver({"ring": self._existing(text)}))

    def rotate(self, deliver: Deliver, *, force: bool, revoke: bool) -> dict[str, Any]:
        update: dict[str, Any] = {}
        fresh: list[str] = []

        def change(text: str | None) -> str:
            nonlocal update
            document = self._existing(text)
            update = self._update(document, fresh, rotate=not revoke, force=force, revoke=revoke)
            return _text(update["ring"])

        self._watched.update(change, lambda: deliver({"ring": update["ring"]}))
        return {name: update[name] for name in ("active", "next", "retired")}

    def _brought_up_to_date(self) -> Document:
        """Return the ring without expired keys; make it if there is none."""
        document: Document = {}
        fresh: list[str] = []
        made = moved = False

        def change(text: str | None) -> str | None:
            nonlocal document, made, moved
            made = text is None
            if text is None:
                text = self._former()
                moved = text is not None
            if text is None and not fresh:
                fresh.extend(self._imported())
            update = self._update(None if text is None else self._parsed(text), fresh)
            document = update["ring"]
            return _text(document) if made or update["changed"] else None

        self._watched.update(change)
        if made:
            self._logger.info("made the key ring %s", self._text.place)
            if moved:
                self._file.leave(self._text.place)
                self._logger.warning(
                    "the key ring %s was moved to %s", self._file.place, self._text.place
                )
        return document

    def _former(self) -> str | None:
        """Return the ring of the file, where the ring lies elsewhere from now on."""
        text = None if self._text is self._file else self._file.read().text
        if text is not None:
            self._file.parse(text, "not a key ring")
        return text

    def _imported(self) -> tuple[str, ...]:
        pem = read_private(self._inherited, "private key")
        if pem is None:
            return ()
        self._logger.info("the key ring starts with the key of %s", shown(self._inherited))
        return (pem,)

    def _update(self, document: Document | None, fresh: list[str], **asked: bool) -> dict[str, Any]:
        """Ask the core, and make the keys that it misses; ``fresh`` keeps them for other tries."""
        request: dict[str, Any] = {
            "now": time.time(),
            "lifetime": self._lifetime,
            **self._new_keys,
            **asked,
        }
        if document is not None:
            request["ring"] = document
        answer = self._ask({**request, "fresh": fresh})
        if answer["missing"]:
            # Existing keys come first: they become active first.
            made = (generate_key(self._core, self._new_keys) for _ in range(answer["missing"]))
            fresh.extend(made)
            answer = self._ask({**request, "fresh": fresh})
        return answer

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            return call_json(self._core, "ring.update", request)
        except TallystickError as refused:
            raise error(refused.code, f"{self._text.place}: {refused.message}") from None

    def _parsed(self, text: str) -> Document:
        return self._text.parse(text, "not a key ring")

    def _existing(self, text: str | None) -> Document:
        if text is None:
            raise self._text.wrong(
                "is gone", "restore it from a copy; a restart without it makes new keys"
            )
        return self._parsed(text)


def _text(document: Document) -> str:
    return json.dumps(document, indent=1) + "\n"
