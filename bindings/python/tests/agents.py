"""Agents and authorities of the tests, each served over real HTTP."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from servers import Handler, Site, serving
from tallystick import Authority, AuthSkill

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tallystick._access.token_endpoint import TokenEndpoint


class Late:
    """Serves a endpoint that is made after its server, whose port is in its URL."""

    def __init__(self) -> None:
        self.endpoint: TokenEndpoint | None = None

    def __call__(self, handler: Handler) -> None:
        assert self.endpoint is not None
        path = handler.path.partition("?")[0]
        served = self.endpoint.serve(
            handler.command,
            path,
            authorization=handler.headers.get_all("authorization") or [],
            content_type=handler.headers.get("content-type", ""),
            if_none_match=handler.headers.get("if-none-match", ""),
            body=handler.body,
        )
        if served is None:
            return handler.answer(status=404)
        handler.send_response(served.status)
        headers = {"content-length": str(len(served.body.encode())), **served.headers}
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(served.body.encode())
        return None


def bearer(skill: AuthSkill, target: str, *scopes: list[str], **options: Any) -> str:
    """Return the value of the ``Authorization`` header for a call."""
    return skill.authorize(target, *scopes, **options)["Authorization"]


@contextlib.contextmanager
def agent(folder: Path, name: str, **options: Any) -> Iterator[tuple[AuthSkill, Site]]:
    """Serve an agent at the root of a server of its own."""
    late = Late()
    with serving(late) as site:
        options = {"agent_id": name, "base_url": site.url, "dev_mode": True, **options}
        with AuthSkill(keys_dir=str(folder / name), **options) as skill:
            late.endpoint = skill
            yield skill, site


@contextlib.contextmanager
def authority(folder: Path, **options: Any) -> Iterator[tuple[Authority, Site]]:
    """Serve an authority."""
    late = Late()
    with (
        serving(late) as site,
        Authority(site.url, keys_dir=folder / "authority", **options) as endpoint,
    ):
        late.endpoint = endpoint
        yield endpoint, site


def receiver(
    folder: Path, url: str = "https://bob.example/agents/bob", **options: Any
) -> AuthSkill:
    """Return an agent that receives tokens; nobody fetches anything from it."""
    return AuthSkill(base_url=url, keys_dir=str(folder / "receiver"), dev_mode=True, **options)
