"""Users sign in at an authority, under Flask and under ASGI, on real servers."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask
from werkzeug.serving import make_server

from mcp_servers import listening, running
from servers import Handler, serving
from tallystick import Authority, AuthSkill, InvalidArgumentError, InvalidConfigError
from tallystick.asgi import AuthEndpoints

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.medium

VERIFIER = "a-verifier-of-at-least-forty-three-characters"
BACK = "https://web.example/back"


@dataclass
class Upstream:
    """An OpenID provider at which everybody is signed in already."""

    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    asked: dict[str, dict[str, str]] = field(default_factory=dict)
    changes: dict[str, Any] = field(default_factory=dict)
    url: str = ""

    def __call__(self, handler: Handler) -> None:
        parts = urlsplit(handler.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/.well-known/openid-configuration":
            handler.json(
                {
                    "issuer": self.url,
                    "authorization_endpoint": self.url + "/signin",
                    "token_endpoint": self.url + "/token",
                    "jwks_uri": self.url + "/keys",
                }
            )
        elif parts.path == "/keys":
            public = jwt.algorithms.ECAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
            handler.json({"keys": [{**public, "kid": "k"}]})
        elif parts.path == "/signin":
            code = secrets.token_hex(8)
            self.asked[code] = query
            back = urlencode({"code": code, "state": query["state"]})
            handler.answer(status=302, location=f"{query['redirect_uri']}?{back}")
        else:
            self._token(handler)

    def _token(self, handler: Handler) -> None:
        form = {name: values[0] for name, values in parse_qs(handler.body.decode()).items()}
        asked = self.asked[form["code"]]
        assert challenge(form["code_verifier"]) == asked["code_challenge"]
        assert handler.headers["authorization"] == "Basic " + _base64(b"tallies:secret+word")
        now = int(time.time())
        claims = {"iss": self.url, "sub": "4711", "aud": "tallies", "iat": now, "exp": now + 60}
        claims |= {"nonce": asked["nonce"], "name": "Ada", **self.changes}
        token = jwt.encode(claims, self.key, "ES256", {"kid": "k"})
        handler.json({"access_token": "x", "token_type": "Bearer", "id_token": token})


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    provider = Upstream()
    with serving(provider) as site:
        provider.url = site.url
        yield provider


def providers(upstream: Upstream) -> dict[str, dict[str, str]]:
    company = {"issuer": upstream.url, "client_id": "tallies", "client_secret": "secret word"}
    return {"company": company}


@contextlib.contextmanager
def under_flask(make: Any) -> Iterator[tuple[Authority, str]]:
    app = Flask(__name__)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    url = f"http://127.0.0.1:{server.server_port}"
    with make(url) as authority:
        app.register_blueprint(authority.blueprint())
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield authority, url
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


@contextlib.contextmanager
def under_asgi(make: Any) -> Iterator[tuple[Authority, str]]:
    with (
        listening() as (listener, url),
        make(url) as authority,
        running(AuthEndpoints(authority), listener),
    ):
        yield authority, url


@pytest.fixture(params=[under_flask, under_asgi], ids=["flask", "asgi"])
def signing(
    request: pytest.FixtureRequest, upstream: Upstream, tmp_path: Path, backend: str
) -> Iterator[tuple[Authority, str]]:
    def make(url: str) -> Authority:
        return Authority(
            url,
            keys_dir=tmp_path / "authority",
            providers=providers(upstream),
            store=f"sqlite:///{tmp_path}/store.sqlite",
            backend=backend,
        )

    upstream.changes = {}
    with request.param(make) as found:
        yield found


def link(url: str, **changes: str) -> str:
    asked = {"response_type": "code", "client_id": "app", "redirect_uri": BACK, "state": "s"}
    asked |= {"code_challenge": challenge(VERIFIER), "code_challenge_method": "S256"}
    asked |= {"scope": "openid read", "target": "@bob", **changes}
    return f"{url}/auth/authorize?{urlencode(asked)}"


def walk(browser: httpx.Client, address: str) -> httpx.Response:
    """Follow redirects to the first page."""
    answer = browser.get(address)
    while answer.is_redirect:
        answer = browser.get(answer.headers["location"])
    return answer


def decided(browser: httpx.Client, url: str, page: httpx.Response) -> dict[str, str]:
    """Allow it, and return what the client is told."""
    form = dict(re.findall(r'name="(flow|csrf)" value="([^"]+)"', page.text))
    answer = browser.post(f"{url}/auth/authorize", data={**form, "decision": "allow"})
    assert answer.status_code == 303, answer.text
    place, _, query = answer.headers["location"].partition("?")
    assert place == BACK
    return {name: values[0] for name, values in parse_qs(query).items()}


def exchanged(url: str, code: str, **changes: str) -> httpx.Response:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK}
    form |= {"code_verifier": VERIFIER, "client_id": "app", **changes}
    return httpx.post(f"{url}/auth/token", data=form)


def test_a_user_signs_in_and_an_agent_knows_who_it_is(
    signing: tuple[Authority, str], tmp_path: Path, backend: str
) -> None:
    authority, url = signing
    made = authority.register_client("app", scopes=["read"], redirect_uris=[BACK], public=True)
    assert made.client_secret is None
    [listed] = authority.list_clients()
    assert (listed.authentication, listed.redirect_uris) == ("none", [BACK])
    with httpx.Client() as browser:
        page = walk(browser, link(url))
        assert "Ada" in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]
        told = decided(browser, url, page)
    assert (told["state"], told["iss"]) == ("s", url)
    wrong = exchanged(url, told["code"], code_verifier="x" * 43)
    assert (wrong.status_code, wrong.json()["error"]) == (400, "invalid_grant")
    answer = exchanged(url, told["code"]).json()
    assert answer["scope"] == "openid read"
    bob = {"authority": url, "agent_id": "bob", "dev_mode": True}
    with AuthSkill(bob, store="memory:", backend=backend, keys_dir=tmp_path / "bob") as skill:
        caller = skill.verify_token(answer["access_token"])
    assert (caller.user_id, caller.issuer_type, caller.agent_id) == ("company|4711", "user", None)
    assert (caller.client_id, caller.scopes) == ("app", ["read"])
    identity = jwt.decode(answer["id_token"], options={"verify_signature": False})
    assert (identity["sub"], identity["aud"]) == ("company|4711", "app")
    form = {"grant_type": "refresh_token", "client_id": "app"}
    first = answer["refresh_token"]
    again = httpx.post(f"{url}/auth/token", data={**form, "refresh_token": first}).json()
    second = again["refresh_token"]
    assert second != first
    revoked = httpx.post(f"{url}/auth/revoke", data={"client_id": "app", "token": second})
    assert revoked.status_code == 200
    over = httpx.post(f"{url}/auth/token", data={**form, "refresh_token": second})
    assert (over.status_code, over.json()["error"]) == (400, "invalid_grant")


def test_another_browser_gets_nothing(signing: tuple[Authority, str], upstream: Upstream) -> None:
    authority, url = signing
    authority.register_client("app", scopes=["read"], redirect_uris=[BACK], public=True)
    with httpx.Client() as browser, httpx.Client() as thief:
        away = browser.get(link(url)).headers["location"]
        back = browser.get(away).headers["location"]
        assert thief.get(back).status_code == 400
        page = walk(browser, back)
        form = dict(re.findall(r'name="(flow|csrf)" value="([^"]+)"', page.text))
        form["decision"] = "allow"
        assert thief.post(f"{url}/auth/authorize", data=form).status_code == 400
        evil = {"origin": "https://evil.example"}
        assert browser.post(f"{url}/auth/authorize", data=form, headers=evil).status_code == 400
        own = {"origin": url}
        assert browser.post(f"{url}/auth/authorize", data=form, headers=own).status_code == 303
        upstream.changes = {"nonce": "another"}
        assert walk(browser, link(url)).status_code == 502


def test_links_that_are_wrong(signing: tuple[Authority, str]) -> None:
    authority, url = signing
    authority.register_client("app", scopes=["read"], redirect_uris=[BACK], public=True)
    assert httpx.get(link(url, client_id="eve")).status_code == 400
    assert httpx.get(link(url, redirect_uri="https://evil.example/")).status_code == 400
    refused = httpx.get(link(url, scope="admin"))
    assert refused.headers["location"].startswith(BACK + "?error=invalid_scope")


def test_what_cannot_be_configured(tmp_path: Path, upstream: Upstream, backend: str) -> None:
    def make(**options: Any) -> Authority:
        return Authority("https://a.example", keys_dir=tmp_path, backend=backend, **options)

    class Own:
        def claim(self, id: str, seconds: int) -> bool:
            raise NotImplementedError

    with pytest.raises(InvalidArgumentError, match="keeps values"):
        make(providers=providers(upstream), store=Own())
    for wrong in (["company"], {"company": "x"}, {"company": {"secret": "x"}}):
        with pytest.raises(InvalidArgumentError, match="providers"):
            make(providers=wrong, store="memory:")
    for missing in ("issuer", "client_id", "client_secret"):
        company = {
            name: value for name, value in providers(upstream)["company"].items() if name != missing
        }
        with pytest.raises(InvalidConfigError, match=f"{missing} is missing"):
            make(providers={"company": company}, store="memory:")
    with make(providers=providers(upstream), store="memory:") as authority:
        for uri in ("http://web.example/", "https://a.example/#x", "javascript:alert(1)", "/back"):
            with pytest.raises(InvalidArgumentError, match="redirect_uris"):
                authority.register_client("app", redirect_uris=[uri])
        with pytest.raises(InvalidArgumentError, match="public client"):
            authority.register_client("app", public=True, secret="x" * 16, redirect_uris=[BACK])
        assert "secret word" not in repr(authority)
