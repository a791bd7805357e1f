"""The demo's caller of two agents that share one store: a token of one is used up at the other."""

import asyncio
import sys
from collections import Counter
from pathlib import Path

import aiohttp

from signed_requests.orchestrator import BODY, Calls, report
from tallystick import KeyManager, OrchestratorClient


async def main(flask: str, node: str, keys_dir: str) -> None:
    private_pem, public_pem = KeyManager.generate_rsa_keypair()
    (Path(keys_dir) / "orchestrator.pem").write_text(public_pem)
    client = OrchestratorClient("orchestrator", private_pem)
    async with aiohttp.ClientSession() as session:
        agents = {"Flask": Calls(session, flask), "Node": Calls(session, node)}
        for first, second in (("Flask", "Node"), ("Node", "Flask")):
            headers = client.sign("POST", agents[first].endpoint, BODY)
            report(
                f"signed request to the {first} agent",
                "200 orchestrator",
                await agents[first].post(headers),
            )
            report(
                f"the same token to the {second} agent",
                "429 replay_detected",
                await agents[second].post(headers),
            )
        headers = client.sign("POST", agents["Node"].endpoint, BODY)
        said = Counter(
            await asyncio.gather(*(agent.post(headers) for agent in [*agents.values()] * 16))
        )
        counted = ", ".join(f"{count} times {answer}" for answer, count in sorted(said.items()))
        expected = "1 times 200 orchestrator, 31 times 429 replay_detected"
        report("one token to both agents, 32 times at once", expected, counted)


asyncio.run(main(*sys.argv[1:]))
