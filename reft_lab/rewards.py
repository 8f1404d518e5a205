"""The terminal reward: from the outcome of a response to a number (paper, section 3.2).

A reward of your own is two lines in a module of your own, `def my_function(outcome): return ...`, and
`reward=my_module.my_function` on the command line.
"""

from __future__ import annotations

import importlib
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from reft_lab.answers.outcome import Outcome
from reft_lab.errors import BadInput
from reft_lab.fields import STRICT, doc
from reft_lab.text import did_you_mean


@dataclass
class RewardConfig:
    """The terminal reward (paper, section 3.2)."""

    __pydantic_config__ = STRICT
    function: Annotated[
        str, doc("exact, partial, proximity, released, or the import path module.function of your own", min_length=1)
    ] = "partial"


Reward = Callable[[Outcome], float]

PARTIAL_REWARD = 0.1
NEAREST_REWARD = 0.9


def exact(outcome: Outcome) -> float:
    """1 for the right answer, 0 for anything else (the paper's ablation without partial reward)."""
    return 1.0 if outcome.kind == "correct" else 0.0


def partial(outcome: Outcome) -> float:
    """1 for the right answer, 0.1 for a wrong number, 0 for no answer (the paper's default).

    A wrong letter, nan, infinity and a program that failed earn nothing.
    """
    return PARTIAL_REWARD if _wrong_number(outcome) is not None else exact(outcome)


def proximity(outcome: Outcome) -> float:
    """As `partial`, but a wrong number a earns more the nearer it is to the gold answer y: from 0.1 to below 0.9.

    0.1 + 0.8 / (1 + 10 d), where d = |a - y| / |y| is the relative error (|a - y| where y = 0): 0.9 in the limit of
    no error, 0.5 for an error of 10 %, 0.17 for 100 %, 0.1 far away. Where the gold answer is a letter: 0.1.
    """
    number = _wrong_number(outcome)
    if number is None or outcome.gold is None:
        return partial(outcome)
    error = abs(number - outcome.gold) / (abs(outcome.gold) or 1.0)
    return PARTIAL_REWARD + (NEAREST_REWARD - PARTIAL_REWARD) / (1 + 10 * error)


def released(outcome: Outcome) -> float:
    """As `partial`, but in multiple choice everything that is not right earns 0.1, as in the authors' released code.

    There a failed program counts as the answer "none", and any text but the right letter as a wrong answer.
    """
    is_choice = outcome.gold is None
    return PARTIAL_REWARD if is_choice and outcome.kind != "correct" else partial(outcome)


REWARDS: dict[str, Reward] = {"exact": exact, "partial": partial, "proximity": proximity, "released": released}


def resolve(name: str) -> Reward:
    """The reward called `name`: a key of REWARDS, or the import path `module.function` of a function of one Outcome.

    Raises:
        BadInput: there is no reward of that name, its module cannot be imported, or it does not take one argument.
    """
    if name in REWARDS:
        return REWARDS[name]
    module_name, _, function_name = name.rpartition(".")
    if not (module_name and function_name):
        raise BadInput(
            f"reward {name!r} is none of {', '.join(REWARDS)}{did_you_mean(name, REWARDS)}; "
            "give one of them, or the import path module.function of your own."
        )
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise BadInput(
            f"reward {name!r}: the module {module_name!r} cannot be imported ({type(error).__name__}: {error}); "
            "check the path, and that the module is in the current folder or installed."
        ) from error
    function = getattr(module, function_name, None)
    if function is None:
        callables = [key for key, value in vars(module).items() if callable(value)]
        raise BadInput(
            f"reward {name!r}: the module {module_name!r} has no {function_name!r}"
            f"{did_you_mean(function_name, callables)}."
        )
    if not _takes_one_argument(function):
        raise BadInput(f"reward {name!r} must be a function of one argument, the outcome.")
    return function


def _wrong_number(outcome: Outcome) -> float | None:
    """The finite number that was answered instead of the right one; None where there is none."""
    is_number = outcome.kind == "wrong" and outcome.value is not None and math.isfinite(outcome.value)
    return outcome.value if is_number else None


def _takes_one_argument(function: object) -> bool:
    if not callable(function):
        return False
    try:
        inspect.signature(function).bind(Outcome("correct"))
    except TypeError:
        return False
    except ValueError:  # a built-in without a signature
        return True
    return True
