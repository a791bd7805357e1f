"""How the demo's Python caller calls an agent, and tells what came back."""

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

import aiohttp

BODY = json.dumps({"query": "What movies are playing?"}).encode()
ROTATION_CALLS = 100
ROTATION_LANES = 4
ROTATION_LIMIT = 30  # seconds


class Answer(NamedTuple):
    said: str  # 200 and whom the agent saw, or the status and the code of the refusal
    members: dict[str, Any]
    worker: str


Call = Callable[[], Awaitable[Answer]]


def report(sent: str, expected: str, got: str | None) -> None:
    print(json.dumps({"sent": sent, "expected": expected, "got": got}), flush=True)


async def have(deed: str) -> None:
    """Have the demo do something, and wait until it is done."""
    print(json.dumps({"do": deed}), flush=True)
    await asyncio.to_thread(sys.stdin.readline)


async def post(
    session: aiohttp.ClientSession,
    url: str,
    authorization: str | None = None,
    *,
    body: bytes = BODY,
    middlewares: Sequence[aiohttp.ClientMiddlewareType] = (),
) -> Answer:
    headers = {"Content-Type": "application/json"}
    if authorization:
        headers["Authorization"] = authorization
    async with session.post(url, data=body, headers=headers, middlewares=middlewares) as response:
        members = await response.json()
        said = f"{response.status} {members.get('code') or members.get('caller')}"
        return Answer(said, members, response.headers["X-Worker"])


async def by_every_worker(workers: int, call: Call) -> str:
    """Call ten at a time until every worker has answered."""
    said: set[str] = set()
    seen: set[str] = set()
    for _ in range(50):
        for answer in await asyncio.gather(*(call() for _ in range(10))):
            said.add(answer.said)
            seen.add(answer.worker)
        if len(seen) == workers:
            break
    return f"{', '.join(said)} by {len(seen)}"


async def through_rotation(
    workers: int, call: Call, rotate: Callable[[], Awaitable[None]]
) -> tuple[int, str]:
    """Call without a pause while the key is rotated, until every worker has seen both keys."""
    said: Counter[str] = Counter()
    seen: dict[str | None, set[str]] = {}  # workers by key
    last = time.monotonic() + ROTATION_LIMIT
    count = 0

    def going_on(calls: float, keys: int) -> bool:
        everywhere = len(seen) >= keys and all(len(by) == workers for by in seen.values())
        return (count < calls or not everywhere) and time.monotonic() < last

    async def lane() -> None:
        nonlocal count
        while going_on(ROTATION_CALLS, 2):
            count += 1
            answer = await call()
            said[answer.said] += 1
            seen.setdefault(answer.members.get("key"), set()).add(answer.worker)

    async def turn() -> None:
        while going_on(ROTATION_CALLS / 2, 1):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        await rotate()

    await asyncio.gather(turn(), *(lane() for _ in range(ROTATION_LANES)))
    words = ", ".join(f"{times} times {text}" for text, times in said.items())
    return count, f"{words}, with {len(seen)} keys by {min(map(len, seen.values()))}"
