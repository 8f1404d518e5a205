"""Programs the way the released code runs them: plain `exec` in a process pool that is started anew for each batch.

All that protects the machine is a limit on CPU time and a short list of builtins, so this is for programs that the
benchmark's own models write. Standard library only.
"""

from __future__ import annotations

import builtins
import math
import multiprocessing
import os
import resource
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

BUILTINS = (
    "abs bool divmod enumerate float int len list map max min pow range round sorted str sum tuple zip __import__"
)
LONGEST = 5
"""CPU seconds after which a process of the pool is ended."""


def run_plainly(program: str) -> float | None:
    """What `solution()` of a program returns, as a number; None where nothing of the kind comes back."""
    names: dict[str, object] = {"__builtins__": {name: getattr(builtins, name) for name in BUILTINS.split()}}
    try:
        exec(program, names)
        value = float(names["solution"]())  # type: ignore[operator]
    except Exception:
        return None
    return value if math.isfinite(value) else None


def run_in_fresh_pool(programs: Sequence[str], processes: int | None = None) -> list[float | None]:
    """Run `programs` in a pool that lives as long as this call; by default as many processes as there are cores.

    The released code starts 8, which costs more where there are fewer cores.
    """
    with ProcessPoolExecutor(
        processes or os.cpu_count(), mp_context=multiprocessing.get_context("fork"), initializer=_limit
    ) as fresh:
        futures = [fresh.submit(run_plainly, program) for program in programs]
        return [future.result(timeout=10) for future in futures]


def partial_reward(value: float | None, gold: float) -> float:
    """The paper's: 1 for the right answer, 0.1 for another number, 0 for none."""
    if value is None:
        return 0.0
    return 1.0 if abs(value - gold) <= 0.01 else 0.1


def _limit() -> None:
    used = math.ceil(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]))
    resource.setrlimit(resource.RLIMIT_CPU, (used + LONGEST, used + LONGEST))
