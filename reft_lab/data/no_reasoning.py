"""What to tell somebody whose training problems have no reasoning of the kind that was asked for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from reft_lab.data.formats import FORMATS, listed
from reft_lab.data.gold_programs import gold_programs
from reft_lab.data.natural import natural_cot
from reft_lab.data.records import Record, Unusable
from reft_lab.text import did_you_mean, in_words

if TYPE_CHECKING:
    from reft_lab.programs import ProgramRunner

_TRIED = 200  # training problems that are looked at for the other kind of reasoning


def no_reasoning(
    data: str,
    cot: str,
    train: Sequence[Record],
    dropped: Mapping[str, int],
    keys: Collection[str],
    runner: ProgramRunner,
) -> str:
    """One sentence: why no training problem is usable, and what would help.

    The other kind of reasoning is advised only where it is there.

    Args:
        data: the data set's name.
        cot: the kind that was asked for.
        train: the training records.
        dropped: why they fell out: reason -> count.
        keys: of the first training record, as its source has them.
    """
    reasons = "; ".join(f"{count} {reason}" for reason, count in sorted(dropped.items(), key=lambda item: -item[1])[:3])
    sentence = f"no training problem of data={data} has reasoning for cot={cot} ({reasons})"
    other = "natural" if cot == "program" else "program"
    if _has(other, train[:_TRIED], runner):
        return f"{sentence}; try cot={other}"
    if not train or any(each.formula or each.reasoning or each.program for each in train):
        return f"{sentence}, nor for cot={other}; mend the data, or give another training file with data.train="
    form = FORMATS[train[0].format]
    known = {key.lower() for key in form.keys | form.any_of | form.more}
    guesses = [guess for key in keys if key.lower() not in known and (guess := did_you_mean(key, form.carriers))]
    hint = guesses[0] if guesses else "; give a training file that has it with data.train="
    return (
        f"{sentence}, nor for cot={other}: it would stand under the key {in_words(form.carriers)}, but the records "
        f"have {listed(keys)}{hint}"
    )


def _has(cot: str, records: Sequence[Record], runner: ProgramRunner) -> bool:
    if cot == "program":
        return any(isinstance(program, str) for program in gold_programs(records, runner))
    return any(map(_has_words, records))


def _has_words(record: Record) -> bool:
    try:
        return bool(natural_cot(record))
    except Unusable:
        return False
