"""Reasoning in words, brought to one form: its last line is `Therefore, the answer is: ANSWER`."""

from __future__ import annotations

import re

from reft_lab.data.records import Record, Unusable

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

    GSM8K loses its calculator annotations, MathQA its quotes and its closing "answer : c", the authors' files their
    closing "Therefore, the answer is <203>.".

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
