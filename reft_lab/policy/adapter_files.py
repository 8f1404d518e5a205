"""Folders that hold an adapter, as peft writes them: whether one is whole, and which model it belongs to."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from reft_lab.errors import BadInput, first_sentence, foreign_errors
from reft_lab.policy.settings import ModelConfig

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
BASE = "base"  # beside the adapters of a run whose model was no folder and on no hub


def need_peft(what: str) -> None:
    """Raise BadInput where peft is not installed, which `what` needs."""
    if find_spec("peft") is None:
        raise BadInput(f"{what} needs the package peft: pip install 'reft_lab[lora]'.")


def adapter_folder(model: ModelConfig) -> Path | None:
    """The folder of `model.path` where that holds an adapter, None where it names anything else."""
    if model.path is None:
        return None
    with foreign_errors(lambda error: f"model.path={model.path} cannot be looked at ({first_sentence(error)})."):
        folder = Path(model.path).expanduser()
        return folder if is_adapter(folder) else None


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter rather than a whole model."""
    return (folder / CONFIG).is_file()


def whole_model(model: ModelConfig) -> ModelConfig:
    """The model that `model` begins with: the one that the adapter in `model.path` belongs to, else `model` itself.

    Raises:
        BadInput: peft is missing, the adapter's files are damaged, or its model is not to be found.
    """
    folder = adapter_folder(model)
    if folder is None:
        return model
    need_peft(f"the adapter in {folder}")
    config = check_adapter(folder)
    named, revision = config.get("base_model_name_or_path"), config.get("revision")
    if not named or not isinstance(named, str):
        raise BadInput(
            f"the adapter in {folder} does not say which model it belongs to; write that model's folder or hub id into "
            f"{CONFIG} as base_model_name_or_path."
        )
    is_folder = named.startswith((".", "/", "~"))
    if is_folder and not Path(named).expanduser().exists():
        beside = folder.absolute().parent / BASE  # of a run directory that was moved
        if not beside.is_dir():
            raise BadInput(
                f"the adapter in {folder} belongs to the model in {named}, which is not there; bring it back, or write "
                f"where it is now into {folder / CONFIG} as base_model_name_or_path."
            )
        named = str(beside)
    if is_adapter(Path(named).expanduser()):
        raise BadInput(
            f"the adapter in {folder} belongs to another adapter, in {named}; merge that one into its model first "
            "(merge_and_unload and save_pretrained of peft), and give its folder as base_model_name_or_path."
        )
    return replace(model, path=named, revision=revision if not is_folder and isinstance(revision, str) else None)


def check_adapter(folder: Path) -> dict[str, Any]:
    """The config of the adapter in a folder, whose weights are there by their first bytes.

    Raises:
        BadInput: a file is damaged or missing.
    """
    file, weights = folder / CONFIG, folder / WEIGHTS
    with foreign_errors(
        lambda error: f"{file} is damaged (it is not JSON: {first_sentence(error)}); fetch the adapter again."
    ):
        config = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(config, dict):
        raise BadInput(f"{file} is damaged (it holds no JSON object); fetch the adapter again.")
    if not weights.is_file():
        raise BadInput(
            f"the adapter in {folder} has no {WEIGHTS}; fetch it, or load the adapter once with peft and write it with "
            "save_pretrained."
        )
    from safetensors import safe_open

    with (
        foreign_errors(lambda error: f"{weights} is damaged or cut off ({first_sentence(error)}); fetch it again."),
        safe_open(weights, framework="np") as opened,
    ):
        opened.keys()
    return config
