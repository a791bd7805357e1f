"""How contestants are timed: in turns, the best of several rounds."""

import sys
import time
from collections.abc import Callable, Mapping

ROUNDS = 7

Contestant = tuple[int, Callable[[int], object]]  # how often in a round, function of a number
Report = Callable[[str, float, str, float, float | None], None]
"""Takes what, its microseconds, the peer, the peer's microseconds, and the ratio to reach."""


def say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


def race(contestants: Mapping[str, Contestant], rounds: int = ROUNDS) -> dict[str, float]:
    """Time the contestants by name; return the best microseconds of each."""
    best = dict.fromkeys(contestants, float("inf"))
    for turn in range(rounds):
        for name, (count, run) in contestants.items():
            started = time.perf_counter()
            for n in range(turn * count, (turn + 1) * count):
                run(n)
            best[name] = min(best[name], (time.perf_counter() - started) / count * 1e6)
    return best
