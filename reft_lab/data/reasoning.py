"""Gold reasoning in the form that a run asks for: programs that give the answer, or words."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from reft_lab.answers.compare import numbers_match
from reft_lab.answers.letters import option_letters
from reft_lab.data import derive_gsm8k, derive_mathqa, derive_svamp
from reft_lab.data.formats import FORMATS, listed
from reft_lab.data.options import option_number
from reft_lab.data.problem import Record, Unusable
from reft_lab.text import did_you_mean, in_words

if TYPE_CHECKING:
    from reft_lab.programs import ProgramResult, ProgramRunner

_HEADER = re.compile(r"^def\s+solution\s*\(\s*\)\s*(?:->[^:\n]*)?:[ \t]*$", re.MULTILINE)

DERIVE: dict[str, Callable[[Record], str]] = {
    "gsm8k": derive_gsm8k.derive,
    "authors": derive_gsm8k.derive,
    "svamp": derive_svamp.derive,
    "mathqa": derive_mathqa.derive,
}
"""How a program is derived for the records of each format where they carry none."""


def gold_programs(records: Sequence[Record], runner: ProgramRunner) -> list[str | Unusable]:
    """For each record its gold program, or why there is none.

    Programs that a source carries are run too: one that does not give the gold answer would teach the wrong thing.
    """
    written = [_or_why_not(_program, record) for record in records]
    runnable = [index for index, program in enumerate(written) if isinstance(program, str)]
    results = runner.run([str(written[index]) for index in runnable])
    for index, result in zip(runnable, results, strict=True):
        fault = _fault(records[index], result)
        if fault is not None:
            written[index] = Unusable(fault)
    return written


def gold_reasoning(records: Sequence[Record], cot: str, runner: ProgramRunner) -> list[str | Unusable]:
    """For each record its gold reasoning of the kind `cot` (natural, program), or why there is none."""
    return gold_programs(records, runner) if cot == "program" else [_or_why_not(natural_cot, each) for each in records]


def _or_why_not(write: Callable[[Record], str], record: Record) -> str | Unusable:
    try:
        return write(record)
    except Unusable as unusable:
        return unusable


def _program(record: Record) -> str:
    """The program that a record carries, with the header `def solution():`, or the one derived from it."""
    if record.program is None:
        return DERIVE[record.format](record)
    return _HEADER.sub("def solution():", record.program.strip())


def _fault(record: Record, result: ProgramResult) -> str | None:
    """Why a program with this result is not a gold program for `record`; None if it is one."""
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
    """Whether `value` is the number of the right option and not nearer to that of another."""
    numbers = [option_number(option) for option in record.options]
    distances = [math.inf if number is None else abs(value - number) for number in numbers]
    place = option_letters(len(record.options)).index(record.answer)
    right = numbers[place]
    return right is not None and numbers_match(value, right) and distances.index(min(distances)) == place


_CALCULATION = re.compile(r"<<[^<>]*>>")
_RELEASED_END = re.compile(
    r"\s*(?:(?:so|therefore|thus|hence),?\s+)?the (?:final )?answer is:?\s*(?:<[^<>\n]*>|\S+?)?\s*\.?\s*$",
    re.IGNORECASE,
)
_LETTER_END = re.compile(
    r"[\s,;.:=>\u2013-]*\b(?:(?:so|hence|thus|therefore),?\s+)?(?:the )?(?:correct )?"
    r"(?:ans(?:wer)?|option)\s*(?:is|choice is|[:=,\u2013-])*\s*(?:option\s*)?[('\"]*\s*[a-e]\s*[)'\"]*[\s.!\"]*$",
    re.IGNORECASE,
)


def natural_cot(record: Record) -> str:
    """The gold reasoning of `record` in words.

    Calculator annotations are removed from GSM8K, quotes and the closing "answer : c" from MathQA, and the closing
    "Therefore, the answer is <203>." from the authors' files.

    Raises:
        Unusable: the record has no reasoning in words.
    """
    if record.reasoning is None:
        raise Unusable("without reasoning in words")
    text = _CLEAN[record.format](record.reasoning)
    if not text:
        raise Unusable("with nothing but the answer for reasoning")
    return f"{text}\nTherefore, the answer is: {record.answer}"


def _gsm8k(text: str) -> str:
    return _CALCULATION.sub("", text).strip()


def _mathqa(text: str) -> str:
    text = text.strip().strip('"').strip()
    text = _LETTER_END.sub("", text).strip()
    return "" if len(text) == 1 else text


def _authors(text: str) -> str:
    return _RELEASED_END.sub("", _CALCULATION.sub("", text).strip()).strip()


_CLEAN = {"gsm8k": _gsm8k, "mathqa": _mathqa, "authors": _authors, "svamp": _authors}


_TRIED = 200  # training problems that are searched for the other kind of reasoning


def no_reasoning(
    data: str,
    cot: str,
    train: Sequence[Record],
    dropped: Mapping[str, int],
    keys: Collection[str],
    runner: ProgramRunner,
) -> str:
    """One sentence: why no training problem is usable, and what would help.

    The other kind of reasoning is suggested only where it exists.

    Args:
        data: the data set's name.
        cot: the kind that was asked for.
        train: the training records.
        dropped: why they were left out: reason -> count.
        keys: of the first training record, as its source has them.
    """
    reasons = "; ".join(f"{count} {reason}" for reason, count in sorted(dropped.items(), key=lambda item: -item[1])[:3])
    sentence = f"no training problem of data={data} has reasoning for cot={cot} ({reasons})"
    other = "natural" if cot == "program" else "program"
    if any(isinstance(each, str) for each in gold_reasoning(train[:_TRIED], other, runner)):
        return f"{sentence}; try cot={other}"
    if not train or any(each.formula or each.reasoning or each.program for each in train):
        return f"{sentence}, nor for cot={other}; repair the data, or give another training file with data.train="
    form = FORMATS[train[0].format]
    known = {key.lower() for key in form.keys | form.any_of | form.more}
    guesses = [guess for key in keys if key.lower() not in known and (guess := did_you_mean(key, form.carriers))]
    hint = guesses[0] if guesses else "; give a training file that has it with data.train="
    return (
        f"{sentence}, nor for cot={other}: it would be under the key {in_words(form.carriers)}, but the records "
        f"have {listed(keys)}{hint}"
    )
