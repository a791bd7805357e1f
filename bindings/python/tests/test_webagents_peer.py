"""Tokens of the real webagents 0.3.9, and what of its behaviour is refused here on purpose.

Each refusal is shown on both sides: 0.3.9 takes it, we do not, and a twin that differs in
the one thing is taken here.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import jwt
import pytest

from servers import Handler, serving
from tallystick import AuthSkill
from tallystick._access.token_endpoint import engine_of
from tallystick.errors import TallystickError
from webagents_support import Peer, peer, publish, webagents_interpreter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

THEIR_URL = "https://theirs.example/agents/theo"
OUR_URL = "https://ours.example/agents/olga"


@pytest.fixture(scope="module")
def theirs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Peer]:
    python = webagents_interpreter(request.config)
    with peer(python, tmp_path_factory.mktemp("peer")) as running:
        yield running


@pytest.fixture(scope="module")
def our_keys(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("ours"))


@pytest.fixture(scope="module")
def our_jwks(our_keys: str) -> Iterator[str]:
    """Where our keys are published."""
    with AuthSkill(base_url=OUR_URL, keys_dir=our_keys, store="memory:") as skill:
        document = skill.serve("GET", "/.well-known/jwks.json")
    assert document is not None
    with publish(document.body) as url:
        yield url


@pytest.fixture(scope="module")
def their_jwks(theirs: Peer, our_jwks: str) -> Iterator[str]:
    """Open 0.3.9's skill as ``theo``, who trusts us; publish its keys."""
    trusted = [{"issuer": OUR_URL, "jwks_uri": our_jwks}]
    opened = theirs.do(
        "open",
        skill="theo",
        name="theo",
        config={"base_url": THEIR_URL, "trusted_issuers": trusted},
    )
    with publish(json.dumps(opened["jwks"])) as url:
        yield url


@pytest.fixture(scope="module")
def ours(our_keys: str, their_jwks: str) -> Iterator[AuthSkill]:
    """``olga``, who trusts 0.3.9's ``theo``: the origin is its issuer."""
    trusted = [{"issuer": "https://theirs.example", "jwks_uri": their_jwks}]
    with AuthSkill(
        base_url=OUR_URL, keys_dir=our_keys, trusted_issuers=trusted, store="memory:"
    ) as skill:
        yield skill


def code_of(skill: AuthSkill, token: str) -> str:
    with pytest.raises(TallystickError) as refused:
        skill.verify_token(token)
    return refused.value.code


# Tokens of one side, read by the other


def test_their_token_is_read_here(theirs: Peer, ours: AuthSkill) -> None:
    token = theirs.do("generate", skill="theo", target=OUR_URL, scopes=["read", "admin"])
    caller = ours.verify_token(token)
    assert (caller.agent_id, caller.issuer) == ("theo", "https://theirs.example")
    assert caller.scopes == ["read"]
    assert caller.agent_url == THEIR_URL
    assert caller.name == "example.theirs.agents.theo"


def test_our_token_is_read_there(theirs: Peer, ours: AuthSkill, their_jwks: str) -> None:
    token = ours.generate_token(THEIR_URL, ["read", "admin:all"])
    caller = theirs.do("validate", skill="theo", token=token)
    assert (caller["agent_id"], caller["issuer"]) == ("olga", OUR_URL)
    assert caller["scopes"] == ["read"]
    assert caller["raw_claims"]["client_id"] == "olga"


def test_each_side_wants_its_own_audience(theirs: Peer, ours: AuthSkill) -> None:
    elsewhere = "https://elsewhere.example/agents/x"
    assert theirs.do("validate", skill="theo", token=ours.generate_token(elsewhere)) is None
    token = theirs.do("generate", skill="theo", target=elsewhere)
    assert code_of(ours, token) == "invalid_audience"


def test_both_name_an_agent_the_same(theirs: Peer, ours: AuthSkill) -> None:
    for reference in ("@bob", "bob", "https://x.example/agents/bob"):
        token = theirs.do("generate", skill="theo", target=reference)
        assert claims_of(token)["aud"] == engine_of(ours).resolve(reference)
        assert claims_of(token)["aud"] == claims_of(ours.generate_token(reference))["aud"]


def test_their_key_file_is_taken_over(theirs: Peer, tmp_path: Path, our_jwks: str) -> None:
    """A migrated agent goes on with the key that 0.3.9 made."""
    opened = theirs.do(
        "open", skill="old", name="max", config={"base_url": THEIR_URL, "keys_dir": str(tmp_path)}
    )
    modulus = next(key["n"] for key in opened["jwks"]["keys"] if key["kty"] == "RSA")
    config = {"base_url": THEIR_URL, "agent_id": "max", "keys_dir": str(tmp_path)}
    with AuthSkill(config, store="memory:") as migrated:
        document = migrated.serve("GET", "/.well-known/jwks.json")
        assert document is not None
        keys = json.loads(document.body)["keys"]
        assert modulus in [key["n"] for key in keys]
        header = jwt.get_unverified_header(migrated.generate_token("@bob"))
        assert header["kid"] == next(key["kid"] for key in keys if key["n"] == modulus)


# What 0.3.9 does and we refuse


def their_token(theirs: Peer, claims: dict[str, Any] | None = None, target: str = OUR_URL) -> str:
    token = theirs.do("generate", skill="theo", target=target, scopes=["read"], claims=claims)
    return str(token)


def open_both(
    theirs: Peer, tmp_path: Path, their_jwks: str, **config: Any
) -> tuple[str, AuthSkill]:
    """Open both skills as the same agent with the same configuration."""
    trusted = [{"issuer": "https://theirs.example", "jwks_uri": their_jwks}]
    known = {"base_url": OUR_URL, "trusted_issuers": trusted, **config}
    theirs.do(
        "open",
        skill="olga",
        name="olga",
        config={**known, "keys_dir": str(tmp_path / "theirs")},
        rules=config.get("accept_from"),
    )
    return "olga", AuthSkill({**known, "keys_dir": str(tmp_path / "ours")}, store="memory:")


FOREVER = 400 * 86_400
CLAIMS: dict[str, tuple[dict[str, Any], str]] = {
    "a token that lives for a year": ({"exp": time.time() + FOREVER}, "invalid_claims"),
    "an identity in control characters": ({"sub": "theo\u0000\n"}, "invalid_claims"),
    "no subject": ({"sub": ""}, "invalid_claims"),
    "an agent URL of another host": (
        {"aoauth": {"mode": "self", "agent_url": "https://victim.example/agents/theo"}},
        "invalid_claims",
    ),
    "a space that is none between scopes": ({"scope": "read\u00a0admin"}, "invalid_claims"),
}


@pytest.mark.parametrize("what", list(CLAIMS))
def test_claims_that_they_take(theirs: Peer, tmp_path: Path, their_jwks: str, what: str) -> None:
    claims, code = CLAIMS[what]
    name, ours = open_both(theirs, tmp_path, their_jwks)
    with ours:
        token = their_token(theirs, claims)
        assert theirs.do("validate", skill=name, token=token) is not None
        assert code_of(ours, token) == code
        assert ours.verify_token(their_token(theirs)).agent_id == "theo"


TEXTS: dict[str, tuple[str, str]] = {
    "a member twice": ('"sub":"olaf","sub":"theo"', "malformed_token"),
    "a number that JSON does not have": ('"sub":"theo","x":NaN', "malformed_token"),
    "half a character": (r'"sub":"theo","x":"\ud800"', "malformed_token"),
    "a lifetime in another type": ('"sub":"theo","iat":true', "invalid_claims"),
}


def claims_text(members: str) -> str:
    now = int(time.time())
    return (
        f'{{"iss":"https://theirs.example","aud":"{OUR_URL}","exp":{now + 60},"jti":"{now}",'
        f'"scope":"read","client_id":"theo","token_type":"Bearer","agent_path":"/agents",{members}}}'
    )


def forged(theirs: Peer, members: str, header: dict[str, Any] | None = None) -> str:
    kid = jwt.get_unverified_header(their_token(theirs))["kid"]
    head = json.dumps({"alg": "RS256", "typ": "JWT", "kid": kid, **(header or {})})
    return str(theirs.do("forge", skill="theo", header=head, claims=claims_text(members)))


@pytest.mark.parametrize("what", list(TEXTS))
def test_texts_that_they_take(theirs: Peer, tmp_path: Path, their_jwks: str, what: str) -> None:
    members, code = TEXTS[what]
    name, ours = open_both(theirs, tmp_path, their_jwks)
    with ours:
        token = forged(theirs, members)
        assert theirs.do("validate", skill=name, token=token) is not None
        assert code_of(ours, token) == code
        assert ours.verify_token(forged(theirs, '"sub":"theo"')).agent_id == "theo"


def test_padding_that_they_take(theirs: Peer, tmp_path: Path, their_jwks: str) -> None:
    """Two spellings of one token (RFC 7515 section 2 has no padding)."""
    name, ours = open_both(theirs, tmp_path, their_jwks)
    with ours:
        token = their_token(theirs)
        assert theirs.do("validate", skill=name, token=token + "==") is not None
        assert code_of(ours, token + "==") == "malformed_token"
        assert ours.verify_token(token).agent_id == "theo"


def test_names_from_the_last_segment_of_an_issuer(
    theirs: Peer, tmp_path: Path, our_keys: str
) -> None:
    """``allow: ["@alice"]``: whoever has a host may call a path of it ``alice``."""
    held: list[AuthSkill] = []

    def answer(handler: Handler) -> None:
        found = held[0].serve("GET", handler.path.removeprefix("/agents/alice"))
        handler.answer(found.body.encode() if found else b"", found.status if found else 404)

    config = {"base_url": OUR_URL, "allow": ["@alice"], "keys_dir": str(tmp_path / "ours")}
    with serving(answer) as evil:
        issuer = f"{evil.url}/agents/alice"
        held.append(AuthSkill(base_url=issuer, keys_dir=str(tmp_path / "evil"), store="memory:"))
        with held[0]:
            token = held[0].generate_token(OUR_URL, ["read"])
            # 0.3.9 itself says whom it lets in; it would fetch from https alone.
            theirs.do("open", skill="named", name="olga", config=config)
            assert theirs.do("allowed", skill="named", issuer=issuer) is True
            with AuthSkill(config, dev_mode=True, store="memory:") as ours:
                assert code_of(ours, token) == "unknown_issuer"
            config["allow"] = [f"@{held[0].name}"]
            with AuthSkill(config, dev_mode=True, store="memory:") as ours:
                assert ours.verify_token(token).name == held[0].name


def test_a_deny_list_that_spelling_gets_around(
    theirs: Peer, tmp_path: Path, their_jwks: str
) -> None:
    """A trusted issuer is taken before the deny list is looked at."""
    name, ours = open_both(theirs, tmp_path, their_jwks, deny=["https://theirs.example/**"])
    token = their_token(theirs)
    assert theirs.do("validate", skill=name, token=token) is not None
    with ours:
        assert code_of(ours, token) == "issuer_denied"
    _, other = open_both(theirs, tmp_path, their_jwks, deny=["https://other.example/**"])
    with other:
        assert other.verify_token(token).agent_id == "theo"


def test_rules_for_callers_without_client_id(theirs: Peer, tmp_path: Path, their_jwks: str) -> None:
    """``accept_from`` of 0.3.9 is for tokens with ``client_id``; the caller writes the token."""
    name, ours = open_both(theirs, tmp_path, their_jwks, accept_from=["@bob"])
    token = their_token(theirs, {"client_id": ""})
    connected = theirs.do("connect", skill=name, headers={"Authorization": f"Bearer {token}"})
    assert connected == {"authenticated": True}
    with ours:
        assert code_of(ours, token) in {"trust_denied", "invalid_claims"}
        assert code_of(ours, their_token(theirs)) == "trust_denied"


@pytest.mark.parametrize(
    ("rule", "subject"), [("@bob", "bob"), ("platform", "bob"), ("family", "olga")]
)
def test_rules_by_a_subject_that_the_caller_chose(
    theirs: Peer, tmp_path: Path, their_jwks: str, rule: str, subject: str
) -> None:
    """The rule admits whoever writes such a ``sub`` into a token that he signs himself."""
    name, ours = open_both(theirs, tmp_path, their_jwks, accept_from=[rule])
    token = their_token(theirs, {"sub": subject})
    connected = theirs.do("connect", skill=name, headers={"Authorization": f"Bearer {token}"})
    assert connected == {"authenticated": True}
    with ours:
        assert code_of(ours, token) == "trust_denied"
    verified = f"@example.theirs.agents.{subject}"
    _, right = open_both(theirs, tmp_path, their_jwks, accept_from=[verified])
    with right:
        assert right.verify_token(token).agent_id == subject


def test_going_on_without_identity(theirs: Peer, tmp_path: Path, their_jwks: str) -> None:
    name, ours = open_both(theirs, tmp_path, their_jwks)
    token = their_token(theirs, {"exp": time.time() - 3600})
    header = f"Bearer {token}"
    connected = theirs.do("connect", skill=name, headers={"Authorization": header})
    assert connected == {"authenticated": False}
    with ours:
        with pytest.raises(TallystickError) as refused:
            ours.verify([header], method="GET", path="/agents/olga")
        assert refused.value.code == "token_expired"
        accepted = f"Bearer {their_token(theirs)}"
        assert ours.verify([accepted], method="GET", path="/agents/olga").authenticated


def test_any_secret_at_the_token_endpoint(theirs: Peer, ours: AuthSkill) -> None:
    form = {"grant_type": "client_credentials", "client_id": "eve", "client_secret": "guess"}
    given = theirs.do("token_endpoint", skill="theo", form=form)
    claims = claims_of(given["access_token"])
    assert (claims["sub"], claims["client_id"], claims["aud"]) == ("theo", "eve", THEIR_URL)
    answer = ours.serve(
        "POST",
        "/auth/token",
        content_type="application/x-www-form-urlencoded",
        body="&".join(f"{name}={value}" for name, value in form.items()).encode(),
    )
    assert answer is not None
    assert (answer.status, json.loads(answer.body)["error"]) == (401, "invalid_client")


def test_tokens_for_anybody_at_the_token_endpoint(theirs: Peer, ours: AuthSkill) -> None:
    """A stranger gets a token in the agent's own name, for a third agent."""
    form = {"grant_type": "client_credentials", "client_id": "eve", "target": "@bank"}
    given = theirs.do("token_endpoint", skill="theo", form=form)
    claims = claims_of(given["access_token"])
    assert (claims["sub"], claims["aud"]) == ("theo", "https://robutler.ai/agents/bank")
    assert claims["scope"] == "read write"


def claims_of(token: str) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return found
