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
from concurrent.futures import ProcessPoolExecutor

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


def run_plainly(program: str) -> float | None:
    """One program the unsafe way, in a process of the pool."""
    names: dict[str, object] = {}
    try:
        exec(program, names)
        return float(names["solution"]())  # type: ignore[operator]
    except Exception:
        return None


def seconds_per_batch(run: Callable[[Sequence[str]], list[float | None]], batches: int, side: str) -> list[float]:
    """Seconds for each batch of 32 distinct programs, after one for warming up; the values are checked."""
    programs = make_programs((batches + 1) * BATCH, batches, side)
    seconds = []
    for start in range(0, len(programs), BATCH):
        batch = programs[start : start + BATCH]
        begin = time.perf_counter()
        values = run(batch)
        seconds.append(time.perf_counter() - begin)
        if values != [run_plainly(program) for program in batch]:
            raise SystemExit("A side returned wrong values.")
    return seconds[1:]


def measure(side: str, batches: int) -> list[float]:
    """Seconds per batch of one side, in this process."""
    import torch

    torch.zeros(1)
    if side.startswith("pool-"):
        processes = int(side.removeprefix("pool-"))

        def pool(batch: Sequence[str]) -> list[float | None]:
            with ProcessPoolExecutor(processes) as fresh:
                futures = [fresh.submit(run_plainly, program) for program in batch]
                return [future.result(timeout=10) for future in futures]

        return seconds_per_batch(pool, batches, side)

    from reft_lab.config.inputs import ProgramsConfig
    from reft_lab.programs import ProgramRunner

    fallback = "jail" if side.startswith("jail") else None
    with ProgramRunner(ProgramsConfig(workers=1, batch=BATCH, cache=0, fallback=fallback)) as runner:
        return seconds_per_batch(lambda batch: [result.value for result in runner.run(batch)], batches, side)


def median_of_a_turn(side: str, batches: int) -> float:
    """Median seconds per batch of one side, in a process of its own."""
    command = [sys.executable, __file__, "--side", side, "--batches", str(batches)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return statistics.median(json.loads(answer.stdout))


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
        print(json.dumps(measure(options.side, options.batches)))
        return

    turns: dict[str, list[float]] = {side: [] for side in SIDES}
    for _ in range(options.rounds):
        for side in SIDES:
            batches = options.batches if side not in NEEDS else max(1, options.batches // 4)  # they take long
            turns[side].append(median_of_a_turn(side, batches))

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
