"""Stores: where used tokens are remembered, and values that flows wait for. The option ``store``.

A claim is one atomic step: of many claimants exactly one wins. A store that cannot answer refuses.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from tallystick._core.arguments import must_be_text, wrong_type
from tallystick._core.problems import error
from tallystick._files.stored_document import StoredDocuments
from tallystick.stores.base import BaseStore, ClaimStore, DocumentStore
from tallystick.stores.claims import StoreClaims
from tallystick.stores.own import own_store

if TYPE_CHECKING:
    import logging

    from tallystick._core.core import Core
    from tallystick._core.used_tokens import UsedTokens
    from tallystick.errors import TallystickError
    from tallystick.types import Store

__all__ = ["BaseStore", "choose_documents", "choose_store", "open_store"]

REDIS = ("redis", "rediss", "valkey", "valkeys")
POSTGRESQL = ("postgresql", "postgres")

_FORMS = (
    "memory:, sqlite:, sqlite:///absolute/path, redis://, rediss://, valkey://, valkeys://, "
    "postgresql://, postgres://"
)


def choose_store(
    option: str | Store | None, logger: logging.Logger, *, development: bool = False
) -> UsedTokens:
    """Return what answers the claims of one engine, from the option ``store``.

    Raises ``invalid_argument`` for what is no store. Nothing is opened yet.
    """
    if option == "memory:":
        from tallystick.stores.memory import CoreMemory

        return CoreMemory(logger, warns=not development)
    if option is None or isinstance(option, (str, os.PathLike)):
        return StoreClaims(open_store("sqlite:" if option is None else option), logger, owned=True)
    return StoreClaims(option if isinstance(option, ClaimStore) else own_store(option), logger)


def choose_documents(core: Core, used: UsedTokens, key: str | None) -> StoredDocuments | None:
    """Return where the documents of replicas lie, from the option ``store_key``.

    ``None`` where the store keeps no documents. Raises ``invalid_argument`` for a key beside such
    a store, and for what is no key.
    """
    if key is not None:
        must_be_text("store_key", key)
    if isinstance(used, StoreClaims) and isinstance(used.store, DocumentStore):
        return StoredDocuments(core, used.store, used.setting, key)
    if key is None:
        return None
    raise error(
        "invalid_argument",
        "store_key needs store: a store in PostgreSQL, such as store='postgresql://HOST/DATABASE'; "
        "key rings lie there or in files",
    )


def open_store(url: str | os.PathLike[str]) -> BaseStore:
    """Return the store of a URL: what ``AgentAuth(store=url)`` uses, to put values in it too.

    Nothing is opened before its first use. Raises ``invalid_argument`` for another text, and where
    the package for that server is missing. No text of an error holds the URL's password.
    """
    if not isinstance(url, (str, os.PathLike)):
        raise wrong_type("store", f"a URL ({_FORMS})", url)
    if isinstance(url, os.PathLike) or url in ("memory", "sqlite") or _is_path(url):
        raise _no_url(url)
    scheme, _, rest = url.partition(":")
    scheme = scheme.lower()
    if scheme == "memory" and not rest:
        from tallystick.stores.memory import MemoryStore

        return MemoryStore()
    if scheme == "sqlite":
        from tallystick.stores.sqlite import SQLiteStore

        return SQLiteStore(_sqlite_path(rest))
    if scheme in REDIS and rest.startswith("//"):
        from tallystick.stores.redis import RedisStore

        return RedisStore(f"{scheme}:{rest}")
    if scheme in POSTGRESQL and rest.startswith("//"):
        from tallystick.stores.postgresql import PostgreSQLStore

        return PostgreSQLStore(f"{scheme}:{rest}")
    raise _unknown(scheme, rest)


def _is_path(text: str) -> bool:
    # A single letter before the colon is a drive of Windows.
    return "@" not in text and re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", text) is None


def _no_url(path: str | os.PathLike[str]) -> TallystickError:
    if path in ("memory", "sqlite"):
        return error("invalid_argument", f"store='{path}' is no URL: write '{path}:'")
    if not os.fspath(path):
        return error("invalid_argument", f"store must not be empty: write one of {_FORMS}")
    said = os.fspath(path)
    try:
        url = Path(os.path.abspath(said)).as_uri().replace("file:", "sqlite:", 1)
    except (ValueError, TypeError):
        return error(
            "invalid_argument", f"store is neither a URL nor a path: write one of {_FORMS}"
        )
    return error("invalid_argument", f"store={said!r} is no URL: write {url!r}")


def _sqlite_path(rest: str) -> Path | None:
    if not rest:
        return None
    if not rest.startswith("///") or "?" in rest or "#" in rest:
        raise error(
            "invalid_argument",
            "store: a file is written 'sqlite:///absolute/path', and 'sqlite:' is the file of "
            "this user (in a path, ? is %3F and # is %23)",
        )
    path = unquote(rest).lstrip("/")
    return Path(path if os.name == "nt" else "/" + path)


def _unknown(scheme: str, rest: str) -> TallystickError:
    # Without "//" it may be another text, such as "user:password".
    found = f"{scheme}:// is" if rest.startswith("//") else "it is"
    return error("invalid_argument", f"store: {found} none of {_FORMS}")
