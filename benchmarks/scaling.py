"""How cost grows with the work: batch, response length, vocabulary, training problems, finished runs on disk; and with
the processes that share it.

    python benchmarks/scaling.py                    # everything, about 15 minutes
    python benchmarks/scaling.py batch length       # some of it
    python benchmarks/scaling.py --quick            # a first look, few sizes
    python benchmarks/scaling.py --docs             # also redraw docs/pictures and the tables of docs/scaling.md and
                                                    # what is computed in docs/scale.md

One thread. Sizes take turns, round by round, so that a slow minute of the machine hits them alike; what takes long is
measured less often. Times are CPU seconds. An exponent is fitted over the upper half of the sizes: 0 is flat, 1 linear,
2 quadratic.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from growth.axes import AXES
from growth.axis import Axis, Measured
from growth.page import put, put_between, table
from growth.picture import draw
from growth.simulated import hours, simulated
from rich.progress import Progress

ROUNDS, ENOUGH = 5, 25.0
"""How often a size is measured: so many rounds, or fewer once it has taken so many seconds."""

DOCS = Path(__file__).resolve().parents[1] / "docs"


def measure(axis: Axis, quick: bool, progress: Progress) -> Measured:
    """Every size in turn, round by round."""
    sizes, rounds = (axis.quick_sizes, 1) if quick else (axis.sizes, ROUNDS)
    measured, took = Measured(axis), dict.fromkeys(sizes, 0.0)
    task = progress.add_task(axis.name, total=len(sizes) * rounds)
    with axis.open(sizes) as probes:
        for _ in range(rounds):
            for size, probe in probes.items():
                progress.update(task, description=f"{axis.name} {size:,}")
                if took[size] < ENOUGH:
                    before = time.monotonic()
                    measured.add(size, probe())
                    took[size] += time.monotonic() - before
                progress.advance(task)
    progress.update(task, description=axis.name)
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "axes", nargs="*", metavar="AXIS", help=f"what grows, of {' '.join(AXES)}; all if none is named"
    )
    parser.add_argument("--quick", action="store_true", help="few sizes, each once")
    parser.add_argument("--docs", action="store_true", help="redraw docs/pictures and the tables of docs/scaling.md")
    options = parser.parse_args()
    unknown = [name for name in options.axes if name not in AXES]
    if unknown:
        parser.error(f"{unknown[0]} is not measured; choose of {' '.join(AXES)}")
    os.environ["OMP_NUM_THREADS"] = "1"  # torch is not loaded yet, and processes started from here have it too
    with Progress() as progress:
        for name in options.axes or AXES:
            measured = measure(AXES[name], options.quick, progress)
            progress.console.print(f"\n{table(measured)}\n", markup=False, soft_wrap=True)
            if options.docs:
                put(DOCS / "scaling.md", measured)
                draw(measured, DOCS / "pictures" / f"scaling-{name}.svg")
    if options.docs:
        put_between(DOCS / "scale.md", "simulated: iterations", simulated())
        put_between(DOCS / "scale.md", "simulated: hours", hours())


if __name__ == "__main__":
    main()
