"""``tallystick.webagents.AuthSkill`` in the real server of webagents, beside 0.3.9's own."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from support import DEADLINE
from tallystick import AuthSkill
from tallystick._core.core import call_json
from tallystick._core.loading import load_core
from webagents_support import Served, publish, run_in, served, webagents_interpreter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support import Answer

    Serve = Callable[..., Served]

pytestmark = pytest.mark.slow

ALICE = "https://alice.example/agents/alice"
MESSAGES = {"messages": [{"role": "user", "content": "who am I?"}]}
TOKEN = "grant_type=client_credentials&client_id=eve&client_secret=anything&scope=read"

VALIDATE = """
import asyncio, sys
from tallystick import AuthSkill as Tokens
from tallystick.webagents import AuthError, AuthSkill
url = "https://bob.example/agents/bob"
options = {"base_url": url, "keys_dir": sys.argv[1], "store": "memory:", "dev_mode": True}
skill = AuthSkill({"base_url": url, "keys_dir": sys.argv[1], "dev_mode": True})
gone = Tokens(base_url="http://localhost:9", agent_id="gone", keys_dir=sys.argv[1])
for token in (gone.generate_token(url), "x", None, 5, Tokens(**options).generate_token(url)):
    try: found = asyncio.run(skill.validate_token(token))
    except AuthError as unknown: print(unknown.status_code, unknown.code, sep=":")
    else: print(None if found is None else found.agent_id)
try: asyncio.run(skill.validate_token_command(gone.generate_token(url)))
except AuthError as unknown: print(unknown.status_code, unknown.code, sep=":")
"""


@pytest.fixture(scope="module")
def webagents_python(request: pytest.FixtureRequest) -> Path:
    return webagents_interpreter(request.config)


@pytest.fixture(scope="module")
def alice(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AuthSkill]:
    """Who calls, with a token of its own."""
    folder = str(tmp_path_factory.mktemp("alice"))
    with AuthSkill(base_url=ALICE, keys_dir=folder, store="memory:") as skill:
        yield skill


@pytest.fixture(scope="module")
def alice_keys(alice: AuthSkill, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where alice's keys are: ``jwks_uri`` of a server on loopback."""
    document = alice.serve("GET", "/.well-known/jwks.json")
    assert document is not None
    with publish(document.body) as url:
        yield url


@pytest.fixture(scope="module")
def config(alice_keys: str) -> dict[str, Any]:
    return {
        "base_url": "{url}/bob",
        "trusted_issuers": [{"issuer": ALICE, "jwks_uri": alice_keys}],
    }


@pytest.fixture(scope="module")
def serve(webagents_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Start servers that live until the module's end."""
    with contextlib.ExitStack() as stack:

        def start(skill: str, config: dict[str, Any], **settings: Any) -> Served:
            folder = tmp_path_factory.mktemp("server")
            return stack.enter_context(served(webagents_python, folder, skill, config, **settings))

        yield start


@pytest.fixture(scope="module")
def ours(serve: Serve, config: dict[str, Any]) -> Served:
    return serve("tallystick", config)


@pytest.fixture(scope="module")
def theirs(serve: Serve, config: dict[str, Any]) -> Served:
    """The same program with 0.3.9's own skill."""
    return serve("webagents", config)


@pytest.fixture
def token(alice: AuthSkill, ours: Served) -> str:
    return alice.generate_token(f"{ours.url}/bob", ["read"])


def changed(token: str) -> str:
    head, claims, signature = token.split(".")
    return f"{head}.{claims}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"


# Documents from the first request on


def test_the_first_request_finds_the_documents(serve: Serve, config: dict[str, Any]) -> None:
    for path in ("/bob/.well-known/openid-configuration", "/bob/.well-known/jwks.json"):
        fresh = serve("tallystick", config)
        answer = fresh.get(path)
        assert answer.status == 200
        assert "json" in answer.headers["content-type"]
        assert "max-age" in answer.headers["cache-control"]
    assert serve("webagents", config).get("/bob/.well-known/openid-configuration").status == 500


def test_the_documents_agree(ours: Served, alice: AuthSkill) -> None:
    discovery = ours.get("/bob/.well-known/openid-configuration").json
    assert discovery["issuer"] == f"{ours.url}/bob"
    assert discovery["jwks_uri"] == f"{ours.url}/bob/.well-known/jwks.json"
    assert discovery["token_endpoint"] == f"{ours.url}/bob/auth/token"
    keys = ours.get("/bob/.well-known/jwks.json").json["keys"]
    rsa = [key for key in keys if key["kty"] == "RSA"]
    status = ours.post("/bob/command/auth", {}, "anything").json["result"]
    assert status["kid"] in [key["kid"] for key in rsa]
    assert len(rsa) == 2
    assert all(len(key["kid"]) == 43 for key in rsa)
    assert not [key for key in keys if {"d", "p", "q"} & set(key)]


def test_the_platform_still_finds_the_identity_key(ours: Served, theirs: Served) -> None:
    for server in (ours, theirs):
        keys = server.get("/bob/.well-known/jwks.json").json["keys"]
        assert [key["crv"] for key in keys if key["kty"] == "OKP"] == ["Ed25519"]


def test_an_etag_where_the_document_is_ours_alone(serve: Serve, config: dict[str, Any]) -> None:
    server = serve("tallystick", config, server={"agent_card": False})
    first = server.get("/bob/.well-known/jwks.json")
    again = server.ask(
        "GET", "/bob/.well-known/jwks.json", {"If-None-Match": first.headers["etag"]}
    )
    assert (first.status, again.status, again.body) == (200, 304, b"")


# Callers


def test_a_verified_caller_is_known(ours: Served, token: str) -> None:
    answer = ours.get("/bob/who", token)
    assert answer.status == 200
    assert answer.json == {"agent": "alice", "scopes": ["read"], "issuer": ALICE}


def test_no_token_no_entry(ours: Served) -> None:
    assert ours.get("/bob/who").status == 401
    assert ours.get("/bob/open").json == {"open": True}


def test_an_invalid_token_is_refused_with_the_cause(ours: Served, token: str) -> None:
    answer = ours.get("/bob/who", changed(token))
    assert (answer.status, answer.code) == (401, "invalid_signature")
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert ours.get("/bob/who", token).status == 200


def test_no_verified_caller_is_an_owner(ours: Served, token: str) -> None:
    assert ours.get("/bob/mine", token).status == 403


@pytest.mark.parametrize("stream", [False, True])
def test_a_turn_with_an_invalid_token_is_refused(
    ours: Served, theirs: Served, alice: AuthSkill, stream: bool
) -> None:
    asked = {**MESSAGES, "stream": stream}
    for server, refused in ((ours, 401), (theirs, 200)):
        token = changed(alice.generate_token(f"{server.url}/bob", ["read"]))
        answer = server.post("/bob/chat/completions", asked, token)
        assert answer.status == refused
        if server is theirs:
            assert said_by(answer)["agent"] is None


def test_a_turn_knows_its_caller(ours: Served, token: str) -> None:
    answer = ours.post("/bob/chat/completions", MESSAGES, token)
    assert (answer.status, said_by(answer)["agent"]) == (200, "alice")


def said_by(answer: Answer) -> Any:
    """Return what the agent's model answered, from a completion or a stream of chunks."""
    text = answer.body.decode()
    found = re.search(r'"content": ?("(?:[^"\\]|\\.)*")', text)
    assert found is not None, text
    return json.loads(json.loads(found[1]))


def test_another_scheme_is_no_identity(ours: Served) -> None:
    answer = ours.ask("GET", "/bob/who", {"Authorization": "Basic Ym9iOmJvYg=="})
    assert (answer.status, answer.code) == (401, "missing_authorization")


def test_two_headers_are_refused(ours: Served, token: str) -> None:
    """Which of them counts, two programs may see differently."""
    for times, status in ((1, 200), (2, 400)):
        connection = http.client.HTTPConnection("127.0.0.1", ours.port, timeout=DEADLINE)
        connection.putrequest("GET", "/bob/who")
        for _ in range(times):
            connection.putheader("Authorization", f"Bearer {token}")
        connection.endheaders()
        with contextlib.closing(connection), connection.getresponse() as answer:
            assert answer.status == status


def test_keys_that_cannot_be_had_are_503(serve: Serve, alice: AuthSkill) -> None:
    closed = {"issuer": ALICE, "jwks_uri": "http://127.0.0.1:9/keys"}
    server = serve("tallystick", {"base_url": "{url}/bob", "trusted_issuers": [closed]})
    token = alice.generate_token(f"{server.url}/bob")
    for answer in (
        server.get("/bob/who", token),
        server.post("/bob/chat/completions", MESSAGES, token),
    ):
        assert answer.status == 503
    assert int(server.get("/bob/who", token).headers["retry-after"]) > 0


def test_a_bound_token(ours: Served, alice: AuthSkill) -> None:
    body = json.dumps({"words": "hello"}).encode()
    target = f"{ours.url}/bob"

    def headers() -> dict[str, str]:
        url = f"{target}/tell?x=1"
        bound = alice.authorize(target, method="POST", url=url, body=body, bind=True)[
            "Authorization"
        ]
        return {"Authorization": bound, "Content-Type": "application/json"}

    once = headers()
    answer = ours.ask("POST", "/bob/tell?x=1", once, body)
    assert (answer.status, answer.json["agent"], answer.json["words"]) == (200, "alice", "hello")
    assert ours.ask("POST", "/bob/tell?x=1", once, body).code == "replay_detected"
    assert ours.ask("POST", "/bob/tell?x=1", headers(), body + b" ").code == "body_tampered"
    assert ours.ask("POST", "/bob/tell?x=2", headers(), body).code == "wrong_target"
    assert ours.ask("POST", "/bob/tell?x=1", headers(), body).status == 200


def test_a_bound_token_starts_one_turn(ours: Served, alice: AuthSkill) -> None:
    body = json.dumps(MESSAGES).encode()
    target = f"{ours.url}/bob"
    bound = alice.authorize(
        target, method="POST", url=f"{target}/chat/completions", body=body, bind=True
    )["Authorization"]
    headers = {"Authorization": bound, "Content-Type": "application/json"}
    answer = ours.ask("POST", "/bob/chat/completions", headers, body)
    assert (answer.status, said_by(answer)["agent"]) == (200, "alice")
    assert ours.ask("POST", "/bob/chat/completions", headers, body).status == 429


def test_a_bound_token_is_used_up_once_in_a_request(ours: Served, alice: AuthSkill) -> None:
    """A scoped endpoint that runs the agent: both ask for the caller."""
    target = f"{ours.url}/bob"
    bound = alice.authorize(target, method="POST", url=f"{target}/turn", body="{}", bind=True)[
        "Authorization"
    ]
    headers = {"Authorization": bound, "Content-Type": "application/json"}
    answer = ours.ask("POST", "/bob/turn", headers, b"{}")
    assert (answer.status, said_by(answer)["agent"]) == (200, "alice")
    assert ours.ask("POST", "/bob/turn", headers, b"{}").code == "replay_detected"


def test_a_bound_token_is_not_for_another_spelling(ours: Served, alice: AuthSkill) -> None:
    """``/bob%2Ftell/x`` is routed as ``/bob/tell/x``; it must not pass as ``/bob/x``."""
    target = f"{ours.url}/bob"
    for path, code in (("/bob%2Fwho", "wrong_target"), ("/bob/who", None)):
        signed = target if code else f"{target}/who"
        bound = alice.authorize(target, method="GET", url=signed, bind=True)["Authorization"]
        answer = ours.ask("GET", path, {"Authorization": bound})
        assert (answer.status, answer.json.get("code")) == (401 if code else 200, code)


# Rules of the agent


@pytest.mark.parametrize(
    ("rules", "status"),
    [
        (["@example.alice.agents.alice"], 200),
        (["@alice"], 403),
        (["everyone"], 200),
        ({"allow": ["everyone"], "deny": ["@example.alice.**"]}, 403),
        ([], 403),
    ],
)
def test_accept_from(
    serve: Serve, config: dict[str, Any], alice: AuthSkill, rules: Any, status: int
) -> None:
    server = serve("tallystick", config, rules=rules)
    answer = server.get("/bob/who", alice.generate_token(f"{server.url}/bob"))
    assert answer.status == status
    if status == 403:
        assert answer.code == "trust_denied"


# The token endpoint


def test_a_form_that_is_too_large(serve: Serve, config: dict[str, Any]) -> None:
    server = serve("tallystick", {**config, "base_url": "{url}"}, server={"root_agent": "bob"})
    for path in ("/auth/token", "/bob/auth/token"):
        assert server.post(path, "a=" + "b" * 70_000).status == 413
        assert server.post(path, "a=" + "b" * 60_000).status == 401


def test_the_token_endpoint_knows_its_clients(
    serve: Serve, config: dict[str, Any], theirs: Served
) -> None:
    assert theirs.post("/bob/chat/completions", MESSAGES, "x").status == 200  # initialises it
    assert "access_token" in theirs.post("/bob/auth/token", TOKEN).json
    secret, hashed = client_secret()
    client = {"client_id": "eve", "secret_hash": hashed, "scopes": ["read"]}
    ours = serve("tallystick", {**config, "clients": [client]})
    refused = ours.post("/bob/auth/token", TOKEN)
    assert (refused.status, refused.json["error"]) == (401, "invalid_client")
    given = ours.post("/bob/auth/token", TOKEN.replace("anything", secret))
    assert (given.status, given.headers["cache-control"]) == (200, "no-store")
    known = ours.get("/bob/who", given.json["access_token"])
    assert (known.status, known.json["agent"]) == (200, "eve")


def client_secret() -> tuple[str, str]:
    made = call_json(load_core(), "client.secret", {})
    return made["secret"], made["secret_hash"]


def test_the_token_endpoint_takes_post_alone(ours: Served) -> None:
    assert ours.get("/bob/auth/token").status == 405
    assert ours.post("/bob/auth/token", "grant_type=password").status == 401


def test_a_refusal_is_no_success(theirs: Served, ours: Served) -> None:
    for server, status in ((theirs, 200), (ours, 401)):
        answer = server.post("/bob/auth/token", "grant_type=password")
        assert answer.status == status
        assert "error" in answer.json


# Commands


def test_commands_over_http(ours: Served, token: str) -> None:
    status = ours.post("/bob/command/auth", {}, token).json["result"]
    assert (status["mode"], status["agent_id"]) == ("self-issued", "bob")
    assert "display" in status
    valid = ours.post("/bob/command/auth/validate", {"token": token}, token).json["result"]
    assert (valid["valid"], valid["auth"]["agent_id"]) == (True, "alice")
    invalid = ours.post("/bob/command/auth/validate", {"token": changed(token)}, token).json
    assert invalid["result"]["valid"] is False
    cache = ours.post("/bob/command/auth/jwks", {}, token).json["result"]
    assert cache["total_entries"] == 1


def test_the_owner_alone_makes_tokens(ours: Served, token: str) -> None:
    assert ours.post("/bob/command/auth/token", {"target": "@x"}, token).status == 403


def test_the_owner_gets_one(ours: Served, bob_reader: AuthSkill) -> None:
    made = ours.get(f"/bob/as-owner?command=/auth/token&target={ALICE}").json
    assert bob_reader.verify_token(made["token"]).agent_id == "bob"
    assert made["token"] not in made["display"]


def test_a_command_takes_single_words(ours: Served) -> None:
    asked = "/bob/as-owner?command=/auth/token&target="
    assert ours.get(f"{asked}{ALICE}").status == 200
    for wrong in (f"{ALICE}%20--show", "--show"):
        answer = ours.get(asked + wrong)
        assert answer.status == 400
        assert answer.json["detail"]["error"]["code"] == "invalid_argument"


# Requests that the agent makes


@pytest.fixture(scope="module")
def bob_reader(ours: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AuthSkill]:
    """Alice, who reads bob's tokens with the keys that his server publishes."""
    bob = f"{ours.url}/bob"
    trusted = [{"issuer": bob, "jwks_uri": f"{bob}/.well-known/jwks.json"}]
    folder = str(tmp_path_factory.mktemp("reader"))
    with AuthSkill(
        base_url=ALICE, keys_dir=folder, trusted_issuers=trusted, store="memory:"
    ) as skill:
        yield skill


@pytest.mark.parametrize(
    "asked",
    [
        f"target_agent={ALICE}",
        f"target_url={ALICE}",
        f"target_agent={ALICE}&target_url={ALICE}/deeper",
    ],
)
def test_the_hook_attaches_a_token(ours: Served, bob_reader: AuthSkill, asked: str) -> None:
    header = ours.get(f"/bob/outgoing?{asked}").json["Authorization"]
    caller = bob_reader.verify([header], method="GET", path="/")
    assert (caller.agent_url, caller.scopes) == (f"{ours.url}/bob", ["read"])


def test_the_hook_sends_no_token_elsewhere(ours: Served) -> None:
    asked = f"/bob/outgoing?target_agent={ALICE}&target_url=https://evil.example/agents/alice"
    assert ours.get(asked).json == {}
    assert ours.get("/bob/outgoing").json == {}


# Where the agent is


def test_the_name_alone_is_a_reference(serve: Serve) -> None:
    server = serve("tallystick", {})
    discovery = server.get("/bob/.well-known/openid-configuration").json
    assert discovery["issuer"] == "https://robutler.ai/agents/bob"


def test_a_public_url_is_the_base(serve: Serve) -> None:
    options = {"public_url": "https://agents.example", "url_prefix": "/agents"}
    server = serve("tallystick", {}, server=options)
    path = "/agents/bob/.well-known/openid-configuration"
    assert server.get(path).json["issuer"] == "https://agents.example/agents/bob"
    assert server.get("/agents/bob/.well-known/jwks.json").status == 200


def test_a_bound_token_below_a_prefix(
    serve: Serve, config: dict[str, Any], alice: AuthSkill
) -> None:
    options = {"public_url": "{url}", "url_prefix": "/agents"}
    server = serve("tallystick", {**config, "base_url": None}, server=options)
    target = f"{server.url}/agents/bob"
    for signed, status in ((f"{target}/who", 200), (f"{server.url}/bob/who", 401)):
        bound = alice.authorize(target, method="GET", url=signed, bind=True)["Authorization"]
        answer = server.ask("GET", "/agents/bob/who", {"Authorization": bound})
        assert answer.status == status


def test_an_agent_at_the_root(serve: Serve, config: dict[str, Any], alice: AuthSkill) -> None:
    server = serve("tallystick", {**config, "base_url": "{url}"}, server={"root_agent": "bob"})
    assert server.get("/.well-known/openid-configuration").json["issuer"] == server.url
    assert len(server.get("/.well-known/jwks.json").json["keys"]) == 3
    answer = server.post("/chat/completions", MESSAGES, alice.generate_token(server.url))
    assert said_by(answer)["agent"] == "alice"
    body = json.dumps(MESSAGES).encode()
    bound = alice.authorize(
        server.url, method="POST", url=f"{server.url}/chat/completions", body=body, bind=True
    )["Authorization"]
    headers = {"Authorization": bound, "Content-Type": "application/json"}
    assert server.ask("POST", "/chat/completions", headers, body).status == 200


def test_agents_that_are_made_when_asked_for(
    serve: Serve, config: dict[str, Any], alice: AuthSkill
) -> None:
    server = serve("tallystick", config, dynamic=True)
    assert server.get("/bob/.well-known/openid-configuration").status == 200
    assert len(server.get("/bob/.well-known/jwks.json").json["keys"]) == 2
    assert server.get("/nobody/.well-known/jwks.json").status == 404
    token = alice.generate_token(f"{server.url}/bob")
    assert server.get("/bob/who", token).json["agent"] == "alice"
    assert server.get("/bob/who", changed(token)).code == "invalid_signature"
    assert live(server, token) == {"agent": "alice", "scopes": ["read", "write"], "issuer": ALICE}
    assert live(server, changed(token)) == 401


def live(server: Served, token: str) -> Any:
    """Open the agent's socket; return what it says, or the status of the refusal."""

    async def listen() -> Any:
        url = f"{server.url}/bob/live?token={token}"
        async with aiohttp.ClientSession() as session:
            try:
                async with session.ws_connect(url) as socket:
                    return await socket.receive_json()
            except aiohttp.WSServerHandshakeError as refused:
                return refused.status

    return asyncio.run(listen())


def test_several_agents_are_strangers_to_each_other(
    serve: Serve, alice: AuthSkill, alice_keys: str
) -> None:
    trusted = {"trusted_issuers": [{"issuer": ALICE, "jwks_uri": alice_keys}]}
    server = serve("tallystick", trusted, agents=["bob", "carol"], server={"public_url": "{url}"})
    token = alice.generate_token(f"{server.url}/bob")
    assert server.get("/bob/who", token).status == 200
    assert server.get("/carol/who", token).code == "invalid_audience"
    kids = [
        {key["kid"] for key in server.get(f"/{name}/.well-known/jwks.json").json["keys"]}
        for name in ("bob", "carol")
    ]
    assert kids[0].isdisjoint(kids[1])


def test_a_refusal_is_a_line_in_the_log(serve: Serve, config: dict[str, Any], token: str) -> None:
    """webagents writes some fifty lines for what it takes for a failure."""
    server = serve("tallystick", config)
    assert server.post("/bob/chat/completions", MESSAGES, changed(token)).status == 401
    assert "refused: invalid_signature" in server.log
    assert "Traceback" not in server.log


def test_no_token_is_logged(ours: Served, token: str) -> None:
    ours.get("/bob/who", changed(token))
    ours.post("/bob/chat/completions", MESSAGES, changed(token))
    ours.post("/bob/command/auth/validate", {"token": changed(token)}, token)
    assert "refused: invalid_signature" in ours.log
    for part in token.split(".")[1:]:
        assert part[5:40] not in ours.log


def test_a_mistake_in_the_configuration_is_named(webagents_python: Path) -> None:
    program = (
        "from tallystick.webagents import AuthSkill\n"
        "try: AuthSkill({'alow': ['@x']})\n"
        "except Exception as wrong: print(wrong.code, wrong)\n"
        "AuthSkill({'allow': ['@x']})\n"
    )
    ran = subprocess.run(
        [webagents_python, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout.startswith("invalid_config")
    assert "allow" in ran.stdout


def test_without_an_answer_nobody_gets_in(serve: Serve, alice: AuthSkill) -> None:
    """A skill that cannot be opened refuses every token, and webagents does not go on."""
    server = serve("tallystick", {"base_url": "{url}/bob", "keys_dir": "/dev/null/keys"})
    token = alice.generate_token(f"{server.url}/bob")
    assert server.get("/bob/who", token).status == 500
    assert server.post("/bob/chat/completions", MESSAGES, token).status == 500
    assert server.get("/bob/open").status == 200


def test_no_verdict_is_no_refusal(webagents_python: Path, tmp_path: Path) -> None:
    # Keys that cannot be had, no token, none at all, a wrong type; then a good one.
    done = run_in(webagents_python, tmp_path, VALIDATE, str(tmp_path / "k"))
    down, no_token, none, wrong_type, good, command = done.stdout.split()
    assert (down, command) == ("503:keys_unavailable", "503:keys_unavailable"), done.stderr
    assert (no_token, none, good) == ("None", "None", "bob")
    assert wrong_type == "500:internal"
    assert "keys_unavailable" in done.stderr
