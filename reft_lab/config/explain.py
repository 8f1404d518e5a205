"""Errors of Hydra and OmegaConf in one sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hydra.errors import MissingConfigException
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    ConfigTypeError,
    InterpolationKeyError,
    InterpolationResolutionError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)

from reft_lab.config.options import every_option
from reft_lab.config.wording import unknown_option, wrong_value


def explain(error: BaseException) -> str:
    """One sentence on an error that was raised while a config was read, composed or resolved."""
    text = str(error)
    # Hydra names the file at fault first: In 'experiment/x': ...
    file = text.split("'")[1] if text.startswith("In '") else ""
    where = f"in {'' if file.startswith('sweeps/') else 'conf/'}{file}.yaml: " if file else ""
    for cause in _chain(error):
        if isinstance(cause, OmegaConfBaseException) and cause.full_key:
            return where + _explain_option(cause, re.sub(r"\[\d+\]", "", cause.full_key))  # entries of lists
    lines = [line.strip() for line in text.splitlines() if line.strip()] or [type(error).__name__]
    # YAML spreads a sentence over several lines; Hydra's first line is the sentence, search paths and links follow.
    launcher = re.search(r"hydra/launcher/((submitit|joblib)\w*)", text)
    if isinstance(error, MissingConfigException) and launcher:
        name, extra = launcher.groups()
        return f"hydra/launcher={name} needs a package that is not installed: pip install 'reft_lab[{extra}]'."
    if isinstance(error, MissingConfigException) and error.options:
        return f"{lines[0]}; there is {', '.join(error.options)}."
    return " ".join(lines) if type(error).__module__.startswith("yaml") else lines[0]


def _explain_option(error: OmegaConfBaseException, key: str) -> str:
    if isinstance(error, (InterpolationKeyError, InterpolationResolutionError, MissingMandatoryValue)):
        return f"{key} has no value: {str(error.msg).splitlines()[0]}."
    if isinstance(error, (ConfigAttributeError, ConfigKeyError)):
        return unknown_option(key)
    known = every_option()
    if key in known and (isinstance(error, ConfigTypeError) or isinstance(error.value, dict)):
        return f"{key} must be {known[key].allowed}."
    return wrong_value(key, error.value)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
