"""MathQA-numeric: multiple-choice questions whose right option is a number, asked without their options."""

from __future__ import annotations

from dataclasses import replace

from reft_lab.data.formats import plain_number
from reft_lab.data.options import letters, option_number, split_question
from reft_lab.data.records import Record, Unusable


def as_numeric(record: Record) -> Record:
    """`record` with the number of its right option as the answer; one that is numeric already is returned as it is.

    Raises:
        Unusable: the right option is no number.
    """
    if not record.options:
        return record
    number = option_number(record.options[letters(record.options).index(record.answer)])
    answer = plain_number(number)
    if answer is None:
        raise Unusable("whose right option is no number")
    stem, _ = split_question(record.question)
    return replace(record, question=stem, answer=answer, options=())
