"""The policy of an agent: watched where it lies in a file, and given anew by the program."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from tallystick._access.config import read_settings
from tallystick._access.config_file import Document, read_document, stamp_of
from tallystick._core.core import InstanceReplacedError
from tallystick._core.forks import entered_child_unannounced
from tallystick._core.problems import error
from tallystick._files.watched_text import Glances
from tallystick.errors import TallystickError

if TYPE_CHECKING:
    import logging
    from collections.abc import Mapping

    from tallystick._core.core import Core
    from tallystick._files.watched_text import Deliver

__all__ = ["Policy"]

LOOK_EVERY = 0.5
"""Seconds between two looks at the file."""

SETTLED = 0.1
"""Seconds for which a file must not have changed: a half of it may be a configuration, too."""


class Policy(Glances):
    """The configuration of one agent, and what may become of it. Thread-safe and fork-safe.

    ``access``
        the present one, as the core gave it.
    ``refused``
        why the newest version of the file does not hold; "" if it does.
    """

    def __init__(
        self,
        core: Core,
        config: Mapping[str, Any] | None,
        options: dict[str, Any],
        logger: logging.Logger,
    ) -> None:
        super().__init__()
        self._core = core
        self._options = options
        self._logger = logger
        self._path = config.path if isinstance(config, Document) else ""
        self._seen = config.stamp if isinstance(config, Document) else None
        self.settings = read_settings(core, config, options, logger)
        self.access = self.settings.access
        self.refused = ""

    def load(self) -> dict[str, Any]:
        """Return the members of ``engine.open`` that say who may come in."""
        return self.access

    def refresh(self, deliver: Deliver) -> None:
        """Deliver a new version of the file. It looks at most twice a second.

        A version that is wrong is logged once, and the one before it stays. It does not wait for
        another thread that is doing the same.
        """
        if self._path:
            self._glance(LOOK_EVERY, lambda: self._look(deliver))

    def reload(self, deliver: Deliver, config: Mapping[str, Any] | None) -> None:
        """Let another configuration hold now, or the file as it is. Raises ``invalid_config``."""
        if config is None and not self._path:
            raise error(
                "invalid_argument", "reload(config) needs a configuration: there is no file"
            )
        entered_child_unannounced()
        with self._lock:
            if config is None:
                config = read_document(self._path)
                self._seen = config.stamp
            self._hold(deliver, config)

    def _look(self, deliver: Deliver) -> None:
        self._looked = time.monotonic()
        stamp = stamp_of(self._path)
        if stamp == self._seen:
            return
        if stamp is not None and 0 <= time.time() - stamp[0] / 1e9 < SETTLED:
            self._looked += SETTLED - LOOK_EVERY
            return
        self._seen = stamp
        try:
            self._hold(deliver, read_document(self._path))
        except InstanceReplacedError:
            self._seen = None  # the next look delivers it
        except TallystickError as refused:
            source = os.path.basename(self._path)
            said = refused.message
            self.refused = said if source in said else f"{source}: {said}"
            self._logger.error("%s; the configuration of before stays in use", self.refused)
        else:
            self._logger.info("%s: the new configuration holds", self._path)

    def _hold(self, deliver: Deliver, config: Mapping[str, Any]) -> None:
        settings = read_settings(self._core, config, self._options, self._logger)
        if settings.keys_dir != self.settings.keys_dir:
            raise error("invalid_config", "keys_dir: changes with a restart only")
        before, self.access = self.access, settings.access
        try:
            deliver({"policy": self.access})
        except BaseException:
            self.access = before
            raise
        self.refused = ""
