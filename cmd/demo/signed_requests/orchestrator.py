"""The demo's Python orchestrator: makes each call and writes one JSON line about it."""

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import aiohttp

from tallystick import KeyManager, OrchestratorClient
from tallystick._core.loading import load_core

BODY = json.dumps({"query": "What movies are playing?"}).encode()


def report(sent: str, expected: str, got: str) -> None:
    print(json.dumps({"sent": sent, "expected": expected, "got": got}), flush=True)


class Calls:
    def __init__(self, session: aiohttp.ClientSession, agent: str) -> None:
        self.session = session
        self.endpoint = f"{agent}/agent"

    async def post(
        self, headers: Mapping[str, str], url: str | None = None, body: bytes = BODY
    ) -> str:
        """Return what the agent says: 200 and whom it saw, or the code of the refusal."""
        sent = {"Content-Type": "application/json", **headers}
        async with self.session.post(url or self.endpoint, data=body, headers=sent) as response:
            answer = await response.json()
            return f"{response.status} {answer.get('code') or answer.get('caller')}"


def expired(private_pem: str, url: str) -> dict[str, str]:
    request = {
        "issuer": "orchestrator",
        "private_key": private_pem,
        "now": time.time() - 61,
        "method": "POST",
        "url": url,
    }
    answer = json.loads(load_core().call("request.sign", json.dumps(request).encode(), BODY))
    return {"Authorization": answer["ok"]["authorization"]}


async def main(agent: str, keys_dir: str) -> None:
    folder = Path(keys_dir)
    private_pem, public_pem = KeyManager.generate_rsa_keypair()
    stranger_pem, stranger_public = KeyManager.generate_rsa_keypair()
    (folder / "orchestrator.pem").write_text(public_pem)
    client = OrchestratorClient("orchestrator", private_pem)
    newcomer = OrchestratorClient("newcomer", stranger_pem)
    impostor = OrchestratorClient("orchestrator", stranger_pem)

    async with aiohttp.ClientSession() as session:
        calls = Calls(session, agent)
        url = calls.endpoint
        welcome = await OrchestratorClient.send_secure_request(
            session, agent, json.loads(BODY), "orchestrator", private_pem
        )
        report(
            "signed request",
            "200 orchestrator",
            welcome.get("error") or f"200 {welcome.get('caller')}",
        )
        tampered = BODY.replace(b"movies", b"bombs")
        headers = client.sign("POST", url, BODY)
        report(
            "body changed on the way",
            "401 body_tampered",
            await calls.post(headers, body=tampered),
        )
        headers = client.sign("POST", url, BODY)
        report("another signed request", "200 orchestrator", await calls.post(headers))
        said = set(await asyncio.gather(*(calls.post(headers) for _ in range(10))))
        report("the same token again, ten times", "429 replay_detected", ", ".join(said))
        report(
            "token of 61 seconds ago",
            "401 token_expired",
            await calls.post(expired(private_pem, url)),
        )
        headers = newcomer.sign("POST", url, BODY)
        report("unknown issuer", "401 unknown_issuer", await calls.post(headers))
        (folder / "newcomer.pem").write_text(stranger_public)
        await asyncio.sleep(1.1)  # the folder is read again at most once a second
        headers = newcomer.sign("POST", url, BODY)
        report(
            "the same issuer, its key dropped into the folder",
            "200 newcomer",
            await calls.post(headers),
        )
        headers = impostor.sign("POST", url, BODY)
        report("signature by another key", "401 invalid_signature", await calls.post(headers))
        other = "http://other-agent.example/agent"
        headers = client.sign("POST", other, BODY)
        report(
            f"signed for another agent's URL, {other}",
            "401 wrong_target",
            await calls.post(headers),
        )
        headers = client.sign("POST", f"{url}?limit=1", BODY)
        report(
            "query changed on the way",
            "401 wrong_target",
            await calls.post(headers, url=f"{url}?limit=1000"),
        )
        report("no Authorization header", "401 missing_authorization", await calls.post({}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
