"""The seed's configuration: from a mapping, a YAML or JSON file, and options."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tallystick._access.config_file import Document
from tallystick._core.core import Core, call_json
from tallystick._core.problems import error, shown

if TYPE_CHECKING:
    import logging

__all__ = ["Settings", "read_authority", "read_settings"]


RENAMED = {"bits": "key_bits", "replay": "store"}
"""Former options, and their new names."""

FROM_FILE = "AuthSkill.from_file(path)"

OWN = (
    "signer",
    "public_key",
    "signer_timeout",
    "key_type",
    "key_bits",
    "keys",
    "store",
    "store_key",
    "ssl_context",
    "on_error",
    "backend",
    "logger",
)
"""The options of :class:`tallystick.AuthSkill` that are no keys of its configuration."""

CLOSE = 0.75
"""How alike a misspelt option is to one that is meant: more than any key of a configuration."""

OBJECTS = ("signer", "keys", "store", "ssl_context", "on_error", "logger")
"""Those of them that are no plain data."""


@dataclass(frozen=True, repr=False)
class Settings:
    """The answer of ``config.read``. No ``repr``: it holds secrets.

    ``documents``
        names of the ring and the clients in a store that replicas share.
    """

    access: dict[str, Any]
    mode: str
    keys_dir: str
    documents: dict[str, str]


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
    if "file" in options:
        raise error("invalid_argument", f"file is now {FROM_FILE}")
    source = config.source if isinstance(config, Document) else "configuration"
    mapping = _mapping(config)
    _refuse_strange(_below(mapping), source)
    _refuse_strange(mapping, source)
    options = _mapping(options)
    _refuse_strange(options, "options")
    names = call_json(core, "config.variables", {"config": mapping})["names"]
    request: dict[str, Any] = {
        "config": mapping,
        "variables": {name: os.environ[name] for name in names if name in os.environ},
        "options": options,
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
    keys_dir = os.path.expanduser(answer["keys_dir"])
    return Settings(answer["access"], answer["mode"], keys_dir, answer.get("documents", {}))


def _mapping(config: Mapping[str, Any] | None) -> dict[str, Any]:
    if config is None:
        return {}
    if not hasattr(config, "keys"):
        raise error(
            "invalid_argument",
            f"the configuration must be a mapping, not {type(config).__name__}: "
            f"use {FROM_FILE} for a file",
        )
    mapping = dict(config)
    if isinstance(mapping.get("keys_dir"), os.PathLike):
        mapping["keys_dir"] = os.fspath(mapping["keys_dir"])
    if "file" in mapping and not isinstance(config, Document):
        raise error(
            "invalid_config",
            f"configuration: file: there is no such key: use {FROM_FILE} for a file",
        )
    return mapping


def _below(mapping: dict[str, Any]) -> Mapping[str, Any]:
    """Return the settings in the form of a webagents file, if it is one."""
    skills = mapping.get("skills")
    settings = skills.get("auth") if isinstance(skills, Mapping) else None
    return settings if isinstance(settings, Mapping) else {}


def _refuse_strange(settings: Mapping[str, Any], source: str) -> None:
    """Refuse a value that JSON does not have; the error names its key and says what to do."""
    for name, value in settings.items():
        fault = _fault(name, value)
        if fault is not None:
            said = shown(str(name)[:100])
            raise error("invalid_config", f"{source}: {said}: {_advice(name, source) or fault}")


def _fault(name: str, value: Any) -> str | None:
    try:
        json.dumps({name: value}, allow_nan=False, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return "it has an unpaired surrogate: give text that UTF-8 can write"
    except (TypeError, ValueError, RecursionError):
        # The reason may quote the value.
        return (
            f"it is not plain data ({type(value).__name__}): give text, "
            "numbers, booleans, lists and mappings"
        )
    return None


def _advice(name: str, source: str) -> str | None:
    """Say where an option of the program belongs, or which one is meant."""
    folded = str(name).replace("_", "").lower()
    if source == "options":
        meant = difflib.get_close_matches(str(name)[:100], OBJECTS, 1, CLOSE)
        return f"there is no such key: write {meant[0]} or remove it" if meant else None
    own = next((option for option in OWN if option.replace("_", "") == folded), None)
    if own is None:
        return None
    return (
        "is an option of the program and no key of a configuration: give it to the constructor, "
        f"as in AuthSkill(config, {own}=...) or {FROM_FILE[:-1]}, {own}=...)"
    )
