"""The exact bytes of a body, bounded, whatever the application did with it before."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask, jsonify, request
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder, run_wsgi_app
from werkzeug.wrappers import Request

from support import BODY, ORIGIN, agent_app, call, signed_call
from tallystick import AgentAuth, OrchestratorClient
from tallystick._http.request import Budget
from tallystick._http.wsgi_request import WSGIBody
from tallystick.types import Body

if TYPE_CHECKING:
    from pathlib import Path

    from flask.typing import ResponseReturnValue

FORM = b"query=movies&query=series"


def read_body(request: Request, limit: int, room: int = 1 << 20) -> Body:
    return WSGIBody(request).read(limit, Budget(room))


def chunked(data: bytes) -> Request:
    """A request as gunicorn hands it over: no length, but an end."""
    environ = EnvironBuilder(method="POST", input_stream=io.BytesIO(data)).get_environ()
    environ.pop("CONTENT_LENGTH", None)
    environ |= {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
    return Request(environ)


def sized(data: bytes, length: int | None = None) -> Request:
    environ = EnvironBuilder(method="POST", data=data).get_environ()
    if length is not None:
        environ |= {"CONTENT_LENGTH": str(length), "wsgi.input_terminated": True}
    return Request(environ)


@given(st.binary(max_size=300), st.integers(0, 300), st.sampled_from([chunked, sized]))
@settings(deadline=None)
def test_a_body_up_to_the_limit_is_read_whole_and_a_longer_one_is_not(
    data: bytes, limit: int, make: Any
) -> None:
    whole = make(data)
    if len(data) <= limit:
        assert read_body(whole, limit) == Body(data)
        assert whole.get_data() == data
    else:
        assert read_body(whole, limit) == Body(too_large=True)


def test_nothing_beyond_the_limit_is_read() -> None:
    endless = io.BytesIO(b"x" * 1_000_000)
    whole = chunked(b"")
    whole.environ["wsgi.input"] = endless
    assert read_body(whole, 1000).too_large
    assert endless.tell() <= 1001
    announced = sized(b"x" * 2000)
    assert read_body(announced, 1000).too_large
    assert announced.environ["wsgi.input"].tell() == 0


@pytest.mark.parametrize("make", [chunked, sized])
def test_a_consumed_stream_is_unavailable_a_cached_body_is_not(make: Any) -> None:
    consumed = make(b"abc")
    assert consumed.stream.read() == b"abc"
    assert read_body(consumed, 10) == Body(unavailable=True)
    cached = make(b"abc")
    assert cached.get_data() == b"abc"
    assert read_body(cached, 10) == Body(b"abc")


def test_a_request_without_a_body_has_an_empty_one() -> None:
    assert read_body(Request(EnvironBuilder(method="GET").get_environ()), 10) == Body()
    touched = Request(EnvironBuilder(method="GET").get_environ())
    assert len(touched.form) == 0
    assert read_body(touched, 10) == Body()


@pytest.mark.parametrize(("sent", "status"), [(100, 200), (101, 413)])
def test_max_body_is_413_in_the_words_of_the_core(
    keys_dir: Path, client: OrchestratorClient, sent: int, status: int, backend: str
) -> None:
    app = agent_app(AgentAuth(keys_dir, max_body=100, backend=backend))
    answer = signed_call(app, client, b"x" * sent)
    assert answer.status == status
    if status == 413:
        assert answer.json["error"] == "Body Too Large"


@pytest.mark.parametrize(("sent", "status"), [(100, 200), (101, 413)])
def test_the_applications_own_limit_is_413_too(
    keys_dir: Path, client: OrchestratorClient, sent: int, status: int
) -> None:
    app = agent_app(AgentAuth(keys_dir))
    app.config["MAX_CONTENT_LENGTH"] = 100
    answer = signed_call(app, client, b"x" * sent)
    assert answer.status == status
    if status == 413:
        assert answer.code == "body_too_large"


@pytest.mark.parametrize("parsed_before", [True, False])
def test_a_form_parsed_before_is_body_unavailable(
    keys_dir: Path, client: OrchestratorClient, parsed_before: bool
) -> None:
    app = Flask("agent")
    auth = AgentAuth(keys_dir)

    @app.before_request
    def look() -> None:
        if parsed_before:
            assert request.form["query"] == "movies"

    @app.post("/agent")
    @auth.require_auth
    def agent() -> ResponseReturnValue:
        return jsonify(request.form.getlist("query"))

    headers = client.sign("POST", ORIGIN + "/agent", FORM)
    headers["Content-Type"] = "application/x-www-form-urlencoded"
    answer = call(app, headers, FORM)
    if parsed_before:
        assert (answer.status, answer.code) == (500, "body_unavailable")
    else:
        assert answer.json == ["movies", "series"]


def test_the_view_reads_json_and_any_bytes_as_before(
    keys_dir: Path, client: OrchestratorClient
) -> None:
    app = Flask("agent")
    auth = AgentAuth(keys_dir)

    @app.post("/agent")
    @auth.require_auth
    def agent() -> ResponseReturnValue:
        return jsonify(json=request.get_json(silent=True), hex=request.get_data().hex())

    for body in (BODY, b"", b"\x00\xff\xfe", "käse".encode()):
        headers = client.sign("POST", ORIGIN + "/agent", body)
        answer = call(app, {**headers, "Content-Type": "application/json"}, body)
        assert answer.json["hex"] == body.hex()
        assert answer.json["json"] == (json.loads(BODY) if body == BODY else None)


@pytest.mark.parametrize("touch", ["data", "form"])
def test_a_chunked_form_that_was_parsed_before_is_unavailable(touch: str) -> None:
    """Parsing leaves an empty text behind, for which a signature over nothing would do."""
    parsed = chunked(FORM)
    parsed.environ["CONTENT_TYPE"] = "application/x-www-form-urlencoded"
    getattr(parsed, touch)
    assert parsed.form.getlist("query") == ["movies", "series"]
    assert read_body(parsed, 1000) == Body(unavailable=True)


def test_a_chunked_text_that_was_read_before_is_still_known() -> None:
    read = chunked(FORM)
    assert read.get_data() == FORM
    assert read_body(read, 1000) == Body(FORM)


# What servers hand on of requests that say strange things of their body, or nothing.
STRANGE: dict[str, dict[str, Any]] = {
    "a length with a sign": {"CONTENT_LENGTH": "+5"},
    "a length with white space": {"CONTENT_LENGTH": "5 "},
    "no length, and a server that says that the stream does not end": {
        "wsgi.input_terminated": False
    },
    "HTTP/2 without a length": {"wsgi.input_terminated": True, "SERVER_PROTOCOL": "HTTP/2"},
    "no length in HTTP/1": {"wsgi.input_terminated": True},
    "an empty coding": {"HTTP_TRANSFER_ENCODING": "", "CONTENT_LENGTH": "5"},
    "a coding that is none": {"HTTP_TRANSFER_ENCODING": "identity", "CONTENT_LENGTH": "5"},
    "a coding that the server leaves to others": {"HTTP_TRANSFER_ENCODING": "chunked"},
    "a length of many digits": {"CONTENT_LENGTH": "5" * 5000},
    "a length of other digits": {"CONTENT_LENGTH": "\u0665"},
}


def seen_by_the_view(auth: AgentAuth, token: str, told: dict[str, Any], body: bytes) -> Any:
    environ = EnvironBuilder(method="POST", path="/agent", base_url=ORIGIN).get_environ()
    environ.pop("CONTENT_LENGTH", None)
    environ |= {"wsgi.input": io.BytesIO(body), "HTTP_AUTHORIZATION": token, **told}
    answer, status, _ = run_wsgi_app(agent_app(auth), environ)
    text = b"".join(answer)
    return json.loads(text)["body"] if status.startswith("200") else int(status[:3])


@pytest.mark.parametrize("told", STRANGE.values(), ids=STRANGE)
def test_the_view_never_sees_what_was_not_hashed(
    told: dict[str, Any], keys_dir: Path, client: OrchestratorClient
) -> None:
    auth = AgentAuth(keys_dir)
    empty = client.sign("POST", ORIGIN + "/agent", b"")["Authorization"]
    assert seen_by_the_view(auth, empty, told, b"EVIL!") in ("", 400, 401, 413)


def test_a_body_without_a_length_is_read_where_it_ends_by_itself(
    keys_dir: Path, client: OrchestratorClient
) -> None:
    auth = AgentAuth(keys_dir)
    token = client.sign("POST", ORIGIN + "/agent", b"right")["Authorization"]
    told = STRANGE["HTTP/2 without a length"]
    assert seen_by_the_view(auth, token, told, b"wrong") == 401
    assert seen_by_the_view(auth, token, told, b"right") == "right"


@pytest.mark.parametrize("look", ["stream", "form", "data"])
def test_a_stream_that_was_looked_at_before_passes_for_no_empty_one(
    look: str, keys_dir: Path, client: OrchestratorClient
) -> None:
    auth = AgentAuth(keys_dir)
    app = agent_app(auth)
    app.before_request(lambda: (getattr(request, look), None)[1])
    environ = EnvironBuilder(method="POST", path="/agent", base_url=ORIGIN).get_environ()
    environ.pop("CONTENT_LENGTH", None)
    empty = client.sign("POST", ORIGIN + "/agent", b"")["Authorization"]
    environ |= {"wsgi.input": io.BytesIO(b"EVIL!"), "HTTP_AUTHORIZATION": empty}
    environ |= STRANGE["HTTP/2 without a length"]
    _, status, _ = run_wsgi_app(app, environ)
    assert status.startswith("500")
