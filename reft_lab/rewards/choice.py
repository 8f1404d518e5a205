"""Which reward a config asks for."""

from __future__ import annotations

import importlib

from reft_lab.errors import BadInput
from reft_lab.rewards.base import OfOutcome, Reward
from reft_lab.rewards.built_in import OF_OUTCOME
from reft_lab.rewards.controls import CONTROLS, Control
from reft_lab.rewards.own import Own
from reft_lab.rewards.probes import probe
from reft_lab.rewards.settings import RewardConfig
from reft_lab.text import did_you_mean

OUTCOME_MODEL = "outcome_model"
NAMES = (*OF_OUTCOME, *CONTROLS, OUTCOME_MODEL)

_probed: dict[str, object] = {}  # functions that have passed: a command checks its experiments more than once


def choose(config: RewardConfig) -> Reward:
    """The reward that `config` names. A function of the user's own is imported, and probed with made-up responses.

    Raises:
        BadInput: there is no reward of that name, or it cannot be used.
    """
    name = config.function
    if name in OF_OUTCOME:
        return OfOutcome(OF_OUTCOME[name])
    if name in CONTROLS:
        return Control(CONTROLS[name], config.probability)
    if name == OUTCOME_MODEL:
        from reft_lab.rewards.outcome_model import OfModel

        return OfModel(config.reranker)
    own = Own(name, _imported(name))
    if _probed.get(name) is not own.function:
        probe(own)
        _probed[name] = own.function
    return own


def _imported(name: str) -> object:
    module_name, _, function_name = name.rpartition(".")
    if not (module_name and function_name):
        raise BadInput(
            f"reward {name!r} is none of {', '.join(NAMES)}{did_you_mean(name, NAMES)}; "
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
    return function
