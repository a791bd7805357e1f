"""How contestants are timed: in turns, the best of several rounds."""

import sys
import time

ROUNDS = 7


def say(text):
    print(f"  {text}", file=sys.stderr, flush=True)


def race(contestants, rounds=ROUNDS):
    """Time (count, function of a number) by name; return the best microseconds of each."""
    best = dict.fromkeys(contestants, float("inf"))
    for turn in range(rounds):
        for name, (count, run) in contestants.items():
            started = time.perf_counter()
            for n in range(turn * count, (turn + 1) * count):
                run(n)
            best[name] = min(best[name], (time.perf_counter() - started) / count * 1e6)
    return best
