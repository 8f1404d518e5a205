"""How fast programs run: our sandbox next to what the released code does.

    python benchmarks/programs.py            # about three minutes
    python benchmarks/programs.py --rounds 3 --batches 20

The baseline starts a process pool anew for every batch, of 8 processes as in the released code, and runs each program
there with plain `exec`, without any protection (and without the released code's `import sympy` in every program, which
would slow it down further); smaller pools are there for comparison. Each side runs in a process of its own that has
torch loaded, as a trainer has, with the same distinct programs in batches of 32; sides take turns, and every ratio is
of neighbours in time. Our cache of results is off. The fallback gets programs that only it can run.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from clock import Turn, cpu_seconds
from figures import Figure, rates
from plain_programs import run_in_fresh_pool
from turns import alternate

BATCH = 32
SIDES = {
    "sandbox": "reft_lab sandbox, 1 worker",
    "pool-8": "fresh pool per batch, plain exec, 8 processes",
    "pool-2": "fresh pool per batch, plain exec, 2 processes",
    "pool-1": "fresh pool per batch, plain exec, 1 process",
    "jail": "fallback, 1 worker: programs that import fractions",
    "jail-sympy": "fallback, 1 worker: programs that solve an equation with sympy",
}
# What the programs of a side import, and their last step.
NEEDS = {
    "jail": ("from fractions import Fraction\n", "Fraction(total, 2)"),
    "jail-sympy": ("from sympy import Eq, Symbol, solve\n", "solve(Eq(2 * Symbol('x'), total))[0]"),
}


def make_programs(count: int, seed: int, side: str) -> list[str]:
    """Distinct programs like the annotated ones of SVAMP: a question, a few assignments, a result."""
    draw = random.Random(seed)
    programs = []
    for index in range(count):
        a, b, c = (draw.randint(2, 99) for _ in range(3))
        sign, thing = draw.choice("+-*"), draw.choice(["apples", "marbles", "books", "tickets"])
        start, result = NEEDS.get(side, ("", "round(total / 2, 2)"))
        programs.append(
            f'{start}def solution():\n    """Box {index} holds {a} bags of {b} {thing} each, and {c} are put beside '
            f'it. How many {thing} are there?"""\n'
            f"    bags = {a}\n    each = {b}\n    beside = {c}\n"
            f"    total = bags * each {sign} beside\n    result = {result}\n    return result"
        )
    return programs


def one_turn(run: Callable[[Sequence[str]], list[float | None]], batches: int, side: str) -> Turn:
    """Batches of 32 distinct programs, after one for warming up; the values are checked afterwards.

    Its wall-clock time is the median batch times the number of batches.
    """
    programs = make_programs((batches + 1) * BATCH, batches, side)
    values = run(programs[:BATCH])
    cpu, seconds = cpu_seconds(), []
    for start in range(BATCH, len(programs), BATCH):
        begin = time.perf_counter()
        values += run(programs[start : start + BATCH])
        seconds.append(time.perf_counter() - begin)
    cpu = cpu_seconds() - cpu
    if values != [run_unbound(program) for program in programs]:
        raise SystemExit("A side returned wrong values.")
    return Turn(batches * BATCH, cpu, statistics.median(seconds) * batches)


def run_unbound(program: str) -> float | None:
    """What a program must come to: plain `exec`, no limits."""
    names: dict[str, object] = {}
    exec(program, names)
    return float(names["solution"]())  # type: ignore[operator]


def measure_side(side: str, batches: int) -> Turn:
    """A turn of one side, in this process."""
    import torch

    torch.zeros(1)
    if side.startswith("pool-"):
        processes = int(side.removeprefix("pool-"))
        return one_turn(lambda batch: run_in_fresh_pool(batch, processes), batches, side)

    from reft_lab.programs import ProgramRunner
    from reft_lab.programs.settings import ProgramsConfig

    fallback = "jail" if side.startswith("jail") else None
    with ProgramRunner(ProgramsConfig(workers=1, batch=BATCH, cache=0, fallback=fallback)) as runner:
        return one_turn(lambda batch: [result.value for result in runner.run(batch)], batches, side)


def apart(side: str, batches: int) -> Turn:
    """A turn of one side, in a process of its own."""
    command = [sys.executable, __file__, "--side", side, "--batches", str(batches)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return Turn(**json.loads(answer.stdout))


def in_turns(sides: Sequence[str], rounds: int, batches: int, say: Callable[[str], None]) -> dict[str, list[Turn]]:
    """Turns of some sides; those that take long get a quarter of the batches."""
    counts = {side: batches if side not in NEEDS else max(1, batches // 4) for side in sides}
    return alternate({side: partial(apart, side, counts[side]) for side in sides}, rounds, say)


def measure(folder: Path, quick: bool, say: Callable[[str], None]) -> list[Figure]:
    """The sandbox next to the released code's pool, and to the pool that costs least here."""
    del folder
    turns = in_turns(("sandbox", "pool-8", "pool-1"), 2 if quick else 9, 20 if quick else 60, say)
    return [
        rates(f"programs, next to {peer}", "programs", turns["sandbox"], SIDES[peer], turns[peer])
        for peer in ("pool-8", "pool-1")
    ]


def spread(values: Sequence[float], form: str) -> str:
    """`median (lowest to highest)`."""
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side")
    parser.add_argument("--batches", type=int, default=60, help="batches of 32 in a turn")
    parser.add_argument("--side", choices=SIDES, help="measure this side here and print its seconds per batch")
    options = parser.parse_args()
    if options.side:
        print(json.dumps(asdict(measure_side(options.side, options.batches))))
        return

    taken = in_turns(list(SIDES), options.rounds, options.batches, lambda what: print(what, file=sys.stderr))
    turns = {side: [turn.wall * BATCH / turn.work for turn in taken[side]] for side in SIDES}  # seconds a batch

    print("| batch of 32 distinct programs | ms a batch | programs/s | sandbox is faster by |")
    print("|---|---|---|---|")
    for side, words in SIDES.items():
        milliseconds = spread([1000 * turn for turn in turns[side]], ".2f")
        rate = spread([BATCH / turn for turn in turns[side]], ",.0f")
        ratio = spread([theirs / ours for theirs, ours in zip(turns[side], turns["sandbox"], strict=True)], ".0f")
        print(f"| {words} | {milliseconds} | {rate} | {'' if side == 'sandbox' else ratio + ' x'} |")
    load = os.getloadavg()[2] if hasattr(os, "getloadavg") else float("nan")
    print(
        f"\nMedian (lowest to highest) of {options.rounds} interleaved turns of {options.batches} batches "
        f"(fallback: a quarter); {os.cpu_count()} cores, load {load:.1f} over the last 15 minutes."
    )


if __name__ == "__main__":
    main()
