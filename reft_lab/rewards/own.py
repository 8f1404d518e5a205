"""A reward of the user's own: what it asks for by the names of its parameters, and what is wrong with what it gives."""

from __future__ import annotations

import functools
import inspect
import math
import numbers
from collections.abc import Callable, Sequence
from pathlib import Path
from types import CodeType
from typing import Any

from reft_lab.errors import BadInput, RewardFailed
from reft_lab.rewards.base import Judged, Reward
from reft_lab.text import did_you_mean, from_here, one_line

# What a function may ask for by name; all but `step` also in the plural, for a whole batch at once.
FACTS: dict[str, Callable[[Judged], Sequence[Any]]] = {
    "outcome": lambda batch: batch.outcomes,
    "question": lambda batch: [problem.question for problem in batch.problems],
    "response": lambda batch: batch.texts,
    "gold": lambda batch: [problem.answer for problem in batch.problems],
    "reasoning": lambda batch: [problem.cot for problem in batch.problems],
    "length": lambda batch: batch.lengths,
}
PLURALS = {f"{name}s": name for name in FACTS}
STEP = "step"
SHOWN = 60  # characters of a response in a sentence


class Own(Reward):
    """A function of the user's own.

    Attributes:
        name: its import path.
        function: the function.
        is_batch: whether it scores a whole batch at once.
    """

    def __init__(self, name: str, function: Any):
        """Raises:
        BadInput: it is no function, or asks for what there is not.
        """
        self.name = name
        self.function = function
        self._code = _code(function)
        self._asks, self._by_place, self.is_batch = self._parameters()

    @property
    def place(self) -> str:
        """`the reward NAME (FILE:LINE)`."""
        return f"the reward {self.name}{self._at(None)}"

    def scores(self, batch: Judged) -> list[float]:
        try:
            return self.score(batch)
        except Unusable as wrong:
            whose = describe(batch, wrong.index)
            raise RewardFailed(f"{self.place} {wrong} for {whose}; {RULE}") from wrong.__cause__

    def score(self, batch: Judged) -> list[float]:
        """The reward of each response.

        Raises:
            Unusable: the function raised, or gave what is no reward.
        """
        if not batch.outcomes:
            return []
        if self.is_batch:
            return self._together(batch)
        columns = [FACTS[name](batch) if name != STEP else [batch.step] * len(batch.outcomes) for name in self._asks]
        return [self._number(self._call(i, list(row)), i) for i, row in enumerate(zip(*columns, strict=True))]

    def _together(self, batch: Judged) -> list[float]:
        columns = [list(FACTS[PLURALS[name]](batch)) if name != STEP else batch.step for name in self._asks]
        try:
            given = self._call(None, columns)
        except Unusable as wrong:
            raise self._culprit(columns, wrong) from wrong.__cause__
        tolist = getattr(given, "tolist", None)  # an array or tensor
        listed = tolist() if callable(tolist) else given
        if not isinstance(listed, list | tuple):
            raise Unusable(f"gave {_shown(given)}, not a list of numbers,", None)
        if len(listed) != len(batch.outcomes):
            raise Unusable(f"gave {len(listed)} numbers for {len(batch.outcomes)} responses,", None)
        return [self._number(value, i) for i, value in enumerate(listed)]

    def _culprit(self, columns: list[Any], wrong: Unusable) -> Unusable:
        """The response on which a function of a batch raises an error by itself; `wrong`, of the batch, if none."""
        size = next(len(column) for column in columns if isinstance(column, list))
        for i in range(size):
            try:
                self._call(i, [column[i : i + 1] if isinstance(column, list) else column for column in columns])
            except Unusable as alone:
                return alone
        return wrong

    def _call(self, index: int | None, values: list[Any]) -> Any:
        named = dict(zip(self._asks, values, strict=True))
        by_place = [named.pop(name) for name in self._by_place]
        try:
            return self.function(*by_place, **named)
        except (Exception, SystemExit) as error:
            said = f": {one_line(error)}" if str(error) else ""
            where = f" in line {line}" if (line := self._line_of(error)) else ""
            raise Unusable(f"raised {type(error).__name__}{said}{where}", index) from error

    def _number(self, value: Any, index: int) -> float:
        is_scalar = isinstance(value, numbers.Real) or getattr(value, "ndim", None) == 0  # of an array library
        try:
            number = float(value) if is_scalar else math.nan
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            raise Unusable(f"gave {_shown(value)}", index)
        return number

    def _parameters(self) -> tuple[list[str], list[str], bool]:
        """What it asks for, which of that by place rather than by name, and whether it does so for a whole batch."""
        if not callable(self.function):
            raise BadInput(f"reward {self.name!r} must be a function, and is {_shown(self.function)}.")
        try:
            parameters = inspect.signature(self.function).parameters.values()
        except (TypeError, ValueError) as error:
            raise BadInput(f"{self.place} does not tell its parameters; wrap it in a function of your own.") from error
        known = (*FACTS, *PLURALS, STEP)
        asks, by_place = [], []
        for one in parameters:
            if one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD):
                continue
            if one.name in known:
                asks.append(one.name)
                by_place += [one.name] if one.kind is one.POSITIONAL_ONLY else []
                continue
            meant = did_you_mean(one.name, known)
            if one.default is one.empty or meant:  # a setting of its own keeps its default
                raise BadInput(
                    f"{self.place} asks for {one.name}{meant}; it may ask by name for "
                    f"{', '.join(FACTS)} and step, or for a whole batch in the plural ({', '.join(PLURALS)})."
                )
        singular, plural = [name for name in asks if name in FACTS], [name for name in asks if name in PLURALS]
        if singular and plural:
            raise BadInput(
                f"{self.place} asks for {singular[0]}, of one response, and for {plural[0]}, of a whole batch; ask for "
                "all in the singular, or for all in the plural."
            )
        if not singular and not plural:
            raise BadInput(f"{self.place} asks for nothing that tells responses apart; it may ask for {known[0]}.")
        return asks, by_place, bool(plural)

    def _at(self, line: int | None) -> str:
        """` (FILE:LINE)`, by default of its first line; empty where nobody knows."""
        if self._code is None:
            return ""
        return f" ({from_here(Path(self._code.co_filename))}:{line or self._code.co_firstlineno})"

    def _line_of(self, error: BaseException) -> int | None:
        """The line of its file that an error came through last."""
        found, at = None, error.__traceback__
        while at is not None:
            if self._code is not None and at.tb_frame.f_code.co_filename == self._code.co_filename:
                found = at.tb_lineno
            at = at.tb_next
        return found


RULE = "a reward must be a finite number"


class Unusable(Exception):
    """No reward; the message goes on from the name of the function.

    Attributes:
        index: the response of the batch that it happened with; None where it is the batch as a whole.
    """

    def __init__(self, message: str, index: int | None):
        super().__init__(message)
        self.index = index


def describe(batch: Judged, index: int | None, *, is_made_up: bool = False) -> str:
    """One response of a batch (None: all of it) in words."""
    made_up = "made-up " if is_made_up else ""
    if index is None:
        return f"a batch of {len(batch.outcomes)} {made_up}responses"
    problem, outcome = batch.problems[index], batch.outcomes[index]
    asked = "" if is_made_up else f" to question {problem.id}"
    answered = "no answer" if outcome.answer is None else f"answer {outcome.answer[:SHOWN]}"
    text = " ".join(batch.texts[index].split())
    shown = f"{text[:SHOWN].rstrip()}..." if len(text) > SHOWN else text
    return f'a {made_up}response{asked} (outcome {outcome.kind}, {answered}, gold {problem.answer}, text "{shown}")'


def _shown(value: Any) -> str:
    """A value in a sentence: what it is, and its type where that does not show."""
    if value is None or isinstance(value, numbers.Real):
        return one_line(value)
    return f"{one_line(repr(value))[:SHOWN]}, a {type(value).__name__}"


def _code(function: Any) -> CodeType | None:
    """Where a function was written, through what was wrapped around it."""
    while isinstance(function, functools.partial):
        function = function.func
    found = inspect.unwrap(function) if callable(function) else function
    of_class = vars(type(found)).get("__call__")  # of an object that can be called
    return getattr(found, "__code__", None) or getattr(of_class, "__code__", None)
