"""`experiment=FILE.yaml`: an experiment in a file of one's own, such as the best one of a study."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf

from reft_lab.compose.conf import Conf
from reft_lab.compose.words import as_text, parse, plain
from reft_lab.errors import BadInput
from reft_lab.text import leaves, not_there, one_line

GROUP = "experiment="
HEADER = "# @package _global_"
CHOICE = "override /"


def with_files_read(words: Sequence[str]) -> list[str]:
    """A command line in which `experiment=FILE.yaml` is what the file says; what is given beside it comes first.

    Raises:
        BadInput: there is no such file, or it is not an experiment.
    """
    asked = [word for word in words if word.startswith(GROUP) and word.endswith((".yaml", ".yml"))]
    if not asked:
        return list(words)
    others = [word for word in words if word not in asked]
    given = {word.partition("=")[0] for word in others}
    said: dict[str, str] = {}
    for word in asked:
        said |= _read(Path(word.removeprefix(GROUP)).expanduser())
    return [f"{key}={value}" for key, value in said.items() if key not in given] + others


def as_file(words: Sequence[str], about: Sequence[str]) -> str:
    """The content of such a file.

    Args:
        words: overrides, of which the last of each option counts.
        about: lines that say what it is.
    """
    conf = Conf()
    choices: dict[str, Any] = {}
    values = OmegaConf.create({})
    for override in parse([word for word in words if "=" in word and not word.startswith(("-", "hydra."))], conf):
        if override.key_or_group in conf.groups:
            choices[override.key_or_group] = override.value()
        else:
            OmegaConf.update(values, override.key_or_group, plain(override.value()), merge=False)
    lines = [HEADER, *(f"# {line}" for line in about)]
    defaults = {"defaults": [{f"{CHOICE}{group}": choice} for group, choice in choices.items()]} if choices else {}
    content = defaults | OmegaConf.to_container(values)  # type: ignore[operator]
    return "\n".join(lines) + "\n\n" + yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def _read(file: Path) -> dict[str, str]:
    """What a file says, as option or choice and the right-hand side of its override."""
    if not file.is_file():
        raise BadInput(not_there("experiment", file))
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
        choices = content.pop("defaults", [])
        said = {key.removeprefix(CHOICE): value for entry in choices for key, value in entry.items()}
        return {key: as_text(value) for key, value in [*said.items(), *leaves(content)]}
    except (OSError, ValueError, yaml.YAMLError, AttributeError, TypeError) as error:
        raise BadInput(
            f"experiment={file} is not an experiment ({one_line(error)}); see conf/experiment for examples."
        ) from error
