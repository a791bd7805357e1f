"""The seed's configuration: from a mapping, a YAML or JSON file, and options."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tallystick._access.config_file import Document
from tallystick._core.core import Core, call_json
from tallystick._core.problems import error

if TYPE_CHECKING:
    import logging
    from collections.abc import Mapping

__all__ = ["Settings", "read_authority", "read_settings"]


RENAMED = {"file": "AuthSkill.from_file(path)", "bits": "key_bits", "replay": "store"}
"""Former options, and their new names."""

OWN = (
    "signer",
    "public_key",
    "signer_timeout",
    "key_bits",
    "keys",
    "store",
    "ssl_context",
    "on_error",
    "backend",
    "logger",
)
"""The options of :class:`tallystick.AuthSkill` that are no keys of its configuration."""


@dataclass(frozen=True, repr=False)
class Settings:
    """The answer of ``config.read``. No ``repr``: it holds secrets."""

    access: dict[str, Any]
    mode: str
    keys_dir: str


def read_settings(
    core: Core,
    config: Mapping[str, Any] | None,
    options: dict[str, Any],
    logger: logging.Logger,
) -> Settings:
    """Read a configuration; ``options`` override it.

    ``${NAME}`` is taken from the environment. Settings that are accepted but not active are
    logged. Raises ``invalid_config`` that names the file, the key and the fix.
    """
    for old, new in RENAMED.items():
        if old in options:
            raise error("invalid_argument", f"{old} is now {new}")
    mapping = _plain(config, "the configuration")
    names = call_json(core, "config.variables", {"config": mapping})["names"]
    request: dict[str, Any] = {
        "config": mapping,
        "variables": {name: os.environ[name] for name in names if name in os.environ},
        "options": _plain(options, "the options"),
        "host_options": {**{name: name for name in OWN}, **RENAMED},
    }
    if isinstance(config, Document):
        request["source"] = config.source
    return _settings_of(call_json(core, "config.read", request), logger)


def read_authority(
    core: Core, options: dict[str, Any], keys_dir: str, logger: logging.Logger
) -> Settings:
    """Read the options of an authority. Raises ``invalid_config`` that names option and fix."""
    request = {"config": {}, "options": options, "authority": True}
    answer = call_json(core, "config.read", request)
    return _settings_of({**answer, "keys_dir": keys_dir}, logger)


def _settings_of(answer: dict[str, Any], logger: logging.Logger) -> Settings:
    for inactive in answer["inactive"]:
        logger.warning("%s: not active: %s", inactive["key"], inactive["reason"])
    return Settings(answer["access"], answer["mode"], os.path.expanduser(answer["keys_dir"]))


def _plain(config: Mapping[str, Any] | None, what: str) -> dict[str, Any]:
    """Return a mapping as a dict of JSON's types."""
    if config is None:
        return {}
    if not hasattr(config, "keys"):
        raise error(
            "invalid_argument",
            f"{what} must be a mapping, not {type(config).__name__}: "
            "use AuthSkill.from_file(path) for a file",
        )
    mapping = dict(config)
    if isinstance(mapping.get("keys_dir"), os.PathLike):
        mapping["keys_dir"] = os.fspath(mapping["keys_dir"])
    for name, value in mapping.items():
        try:
            json.dumps({name: value}, allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            # "from None": the reason may quote the value.
            raise error(
                "invalid_config",
                f"{what}: {name}: it is not plain data ({type(value).__name__}): give text, "
                "numbers, booleans, lists and mappings",
            ) from None
    return mapping
