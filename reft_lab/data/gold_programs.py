"""Gold programs, carried by the source or derived from what it carries: kept only if running them gives the answer."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from reft_lab.answers.compare import numbers_match
from reft_lab.data import derive_gsm8k, derive_mathqa, derive_svamp
from reft_lab.data.options import letters, option_number
from reft_lab.data.records import Record, Unusable

if TYPE_CHECKING:
    from reft_lab.programs import ProgramResult, ProgramRunner

_HEADER = re.compile(r"^def\s+solution\s*\(\s*\)\s*(?:->[^:\n]*)?:[ \t]*$", re.MULTILINE)

DERIVE: dict[str, Callable[[Record], str]] = {
    "gsm8k": derive_gsm8k.derive,
    "authors": derive_gsm8k.derive,
    "svamp": derive_svamp.derive,
    "mathqa": derive_mathqa.derive,
}
"""How the records of each format come to a program where they carry none."""


def gold_programs(records: Sequence[Record], runner: ProgramRunner) -> list[str | Unusable]:
    """For each record its gold program, or why there is none.

    Programs that a source carries are run as well: one that does not give its gold answer teaches the wrong thing.
    """
    written = [_write(record) for record in records]
    runnable = [index for index, program in enumerate(written) if isinstance(program, str)]
    results = runner.run([str(written[index]) for index in runnable])
    for index, result in zip(runnable, results, strict=True):
        fault = _fault(records[index], result)
        if fault is not None:
            written[index] = Unusable(fault)
    return written


def _write(record: Record) -> str | Unusable:
    try:
        return _canonical(record.program) if record.program is not None else DERIVE[record.format](record)
    except Unusable as unusable:
        return unusable


def _canonical(program: str) -> str:
    """A carried program with the header `def solution():` and nothing after its end."""
    return _HEADER.sub("def solution():", program.strip())


def _fault(record: Record, result: ProgramResult) -> str | None:
    """Why a program that came to `result` is no gold program for `record`, None if it is one."""
    if result.status != "ok":
        return f"whose program does not run ({result.status})"
    if result.value is None:
        right = result.letter == record.answer
    elif record.options:
        right = _is_right_option(result.value, record)
    else:
        right = numbers_match(result.value, float(record.answer))
    return None if right else "whose program gives another answer"


def _is_right_option(value: float, record: Record) -> bool:
    """Whether `value` is the number of the right option, and no nearer to that of another."""
    numbers = [option_number(option) for option in record.options]
    distances = [math.inf if number is None else abs(value - number) for number in numbers]
    place = letters(record.options).index(record.answer)
    right = numbers[place]
    return right is not None and numbers_match(value, right) and distances.index(min(distances)) == place
