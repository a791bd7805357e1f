"""The documents and the token endpoint as a Flask blueprint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Union

from flask import Blueprint, Response, abort, request

from tallystick.access.party import PATHS, Party, host_of, must_be_parties
from tallystick.body import FlaskBody

if TYPE_CHECKING:
    from collections.abc import Mapping

    Parties = Union[Party, Mapping[str, Party]]

__all__ = ["auth_blueprint"]

# All of them, so that the core words the 405 of a wrong one.
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


def auth_blueprint(parties: Parties, *, name: str = "tallystick") -> Blueprint:
    """Return a blueprint with the discovery document, the key set and the token endpoint.

    ``parties`` is one :class:`tallystick.AuthSkill` or :class:`tallystick.Authority`,
    served at the root of where the blueprint is registered; or several by name, each
    below ``/{name}/``. ``name`` tells several blueprints of one application apart.
    """
    must_be_parties(parties)
    blueprint = Blueprint(name, __name__)
    several = not isinstance(parties, Party)

    def endpoint(path: str, agent: str = "") -> Response:
        party = parties if isinstance(parties, Party) else parties.get(agent)
        return abort(404) if party is None else _answer(party, path)

    for path in PATHS:
        blueprint.add_url_rule(
            f"/<agent>{path}" if several else path,
            endpoint=path.replace(".", "-").replace("/", "_"),
            view_func=endpoint,
            defaults={"path": path},
            methods=METHODS,
            provide_automatic_options=False,
        )
    return blueprint


def _answer(party: Party, path: str) -> Response:
    host = host_of(party)
    current = request._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    body = FlaskBody(current)
    headers = current.headers
    try:
        served = party.serve(
            current.method,
            path,
            authorization=headers.getlist("Authorization"),
            content_type=headers.get("Content-Type", ""),
            if_none_match=headers.get("If-None-Match", ""),
            body=body.read(host.max_form, host.buffers.early),
        )
    finally:
        body.release()
    if served is None:
        return abort(404)
    response = Response(served.body, served.status, served.headers)
    response.call_on_close(body.discard)
    return response
