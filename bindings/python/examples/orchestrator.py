import asyncio
import sys
from pathlib import Path

import aiohttp

from tallystick import OrchestratorClient


async def main(url: str, private_key_pem: str) -> None:
    async with aiohttp.ClientSession() as session:
        answer = await OrchestratorClient.send_secure_request(
            session=session,
            url=url,
            payload={"query": "What movies are playing?"},
            issuer_id="my_orchestrator",
            private_key_pem=private_key_pem,
        )
    print(answer)


asyncio.run(main(sys.argv[1], Path(sys.argv[2]).read_text()))
