"""Answers: reading them, comparing them, and the outcome of a response."""

from reft_lab.answers.compare import judge_letter, judge_number, judge_number_by_options, numbers_match, option_of
from reft_lab.answers.letters import option_letters, read_letter
from reft_lab.answers.numbers import Number, number_text, parse_number, read_number, read_whole
from reft_lab.answers.outcome import KINDS, Outcome

__all__ = [
    "KINDS",
    "Number",
    "Outcome",
    "judge_letter",
    "judge_number",
    "judge_number_by_options",
    "number_text",
    "numbers_match",
    "option_letters",
    "option_of",
    "parse_number",
    "read_letter",
    "read_number",
    "read_whole",
]
