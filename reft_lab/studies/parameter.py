"""One option that a study varies, or several as one: their values for optuna and for a command line."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reft_lab.analysis.search import TOGETHER
from reft_lab.compose.words import as_text

if TYPE_CHECKING:
    from optuna.trial import BaseTrial


@dataclass(frozen=True)
class Parameter:
    """One dimension of the space: an option that a study varies, or several that are walked together.

    Attributes:
        key: the option (`ppo.lam`), or a group of choices (`reward`); of several, all of them (`ppo.lr & sft.lr`).
        kind: "float", "int" or "choice".
        low: smallest value of a float or int.
        high: largest value of a float or int, included.
        log: whether values are drawn uniformly in the logarithm.
        step: distance of neighbouring values; None: any value (float), 1 (int).
        choices: the values of a choice as Hydra parsed them: None, bool, int, float, str, list or dict; of several
            options, those of each in words (`0.001 & 0.01`).
        parts: the options that are walked together, each with as many values; empty for one alone.
    """

    key: str
    kind: str
    low: float | int | None = None
    high: float | int | None = None
    log: bool = False
    step: float | int | None = None
    choices: tuple[Any, ...] = ()
    parts: tuple[Parameter, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """The options that it sets."""
        return tuple(part.key for part in self.parts) or (self.key,)

    def suggest(self, trial: BaseTrial) -> Any:
        """The value that a trial of optuna has for it; choices that are lists or mappings are text (see `stored`)."""
        if self.kind == "choice":
            return trial.suggest_categorical(self.key, self.grid())
        low, high = self._ends()
        if self.kind == "int":
            return trial.suggest_int(self.key, int(low), int(high), log=self.log, step=int(self.step or 1))
        return trial.suggest_float(self.key, low, high, log=self.log, step=self.step)

    def overrides(self, value: Any) -> tuple[str, ...]:
        """The overrides that stand for `value`, one of the study's values: one for each option."""
        if self.parts:
            place = self.choices.index(value)
            return tuple(word for part in self.parts for word in part.overrides(part.grid()[place]))
        if self.kind == "choice":
            value = next((choice for choice in self.choices if _same(choice, value)), value)
        return (f"{self.key}={as_text(value)}",)

    def grid(self) -> tuple[Any, ...]:
        """All values in order, for a choice, an int, or a float with a step."""
        if self.kind == "choice":
            return tuple(stored(choice) for choice in self.choices)
        low, _ = self._ends()
        step = self.step or 1
        values = (low + number * step for number in range(int(self.size)))
        return tuple(int(value) if self.kind == "int" else clean(value) for value in values)

    @property
    def size(self) -> float:
        """How many values it has; infinity for a float without a step."""
        if self.kind == "choice":
            return len(self.choices)
        if self.kind == "float" and self.step is None:
            return math.inf
        low, high = self._ends()
        return int((high - low) / (self.step or 1) + 1e-9) + 1

    def takes(self, value: Any) -> bool:
        """Whether `value` is one of its values."""
        if self.kind == "choice":
            return any(_same(choice, value) for choice in self.choices)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return False
        low, high = self._ends()
        if not low <= value <= high or (self.kind == "int" and value != int(value)):
            return False
        steps = (value - low) / self.step if self.step else 0.0
        return abs(steps - round(steps)) < 1e-8

    def value(self, value: Any) -> Any:
        """One of its values as optuna stores it: 1 becomes 1.0 where the option is a float."""
        if self.kind == "choice":
            return next(stored(choice) for choice in self.choices if _same(choice, value))
        return int(value) if self.kind == "int" else float(value)

    def _ends(self) -> tuple[float, float]:
        assert self.low is not None
        assert self.high is not None
        return self.low, self.high

    def __str__(self) -> str:
        """As one types it: `interval(0.9, 1.0)`; of several options, `together(0.001 & 0.01, 0.002 & 0.02)`."""
        if self.parts:
            return f"together({', '.join(self.choices)})"
        if self.kind == "choice":
            return f"choice({', '.join(as_text(choice) for choice in self.choices)})"
        if self.step is not None:
            parts = f"low: {as_text(self.low)}, high: {as_text(self.high)}, step: {as_text(self.step)}"
            return f"{{{parts}{', log: true' if self.log else ''}}}"
        interval = f"interval({as_text(self.low)}, {as_text(self.high)})"
        return f"tag(log, {interval})" if self.log else interval


def together(parts: tuple[Parameter, ...]) -> Parameter:
    """The dimension of options that are walked together, each of which lists as many values."""
    rows = zip(*(map(as_text, part.grid()) for part in parts), strict=True)
    key, choices = TOGETHER.join(part.key for part in parts), tuple(TOGETHER.join(row) for row in rows)
    return Parameter(key, "choice", choices=choices, parts=parts)


def clean(value: float) -> float:
    """A float without the rounding error of added steps: 0.30000000000000004 becomes 0.3."""
    return float(f"{value:.12g}")


def stored(value: Any) -> Any:
    """A choice as optuna stores it: itself, or a list or mapping as the text of its override."""
    return as_text(value) if isinstance(value, (list, dict)) else value


def _same(one: Any, other: Any) -> bool:
    """Whether two values are stored as equal ones; 1 equals 1.0, but not true."""
    return isinstance(one, bool) == isinstance(other, bool) and bool(stored(one) == stored(other))
