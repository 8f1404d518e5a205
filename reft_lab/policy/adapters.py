"""Adapters of low rank beside the frozen weights of a language model (LoRA, 2106.09685), by peft.

A linear map W x becomes W x + alpha / rank B A x. B begins at zero, so that a model begins as it was. The layers are
put into the model itself, which stays what it is to everything else, and whose other weights any number of copies may
share.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from reft_lab.errors import BadInput, first_sentence, foreign_errors
from reft_lab.policy.adapter_files import WEIGHTS, adapter_folder, whole_model
from reft_lab.policy.settings import ModelConfig
from reft_lab.policy.whole import check_finite, check_loaded
from reft_lab.randomness import torch_seed

if TYPE_CHECKING:
    import peft
    from transformers import PreTrainedModel

NAME = "default"  # of the one adapter, as peft calls it
OWN = ".lora_"  # in the names of all weights that are an adapter's
IN_FILES = "base_model.model."  # before all names in a file of peft's


def with_adapter(lm: PreTrainedModel, model: ModelConfig, seed: int) -> PreTrainedModel:
    """`lm` with the adapter that `model` asks for, its other weights frozen; or with that of a folder added to them.

    Args:
        lm: the model that `whole_model` names, changed in place; as it is where there is nothing to do.
        model: which adapter: `model.lora`, and that in the folder of `model.path`, where there is one.
        seed: seed of a new adapter's weights.

    Raises:
        BadInput: the adapter does not fit the model, or is not the one that `model.lora` says.
    """
    folder, wanted = adapter_folder(model), model.lora
    if wanted.rank is None:
        return lm if folder is None else _with_it_added(lm, folder)
    from peft import inject_adapter_in_model

    config = _new(lm, model) if folder is None else _stored(folder, model)
    training = lm.training
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed(seed, "adapter"))
        with _quiet(), foreign_errors(lambda error: f"model.lora cannot adapt this model ({first_sentence(error)})."):
            inject_adapter_in_model(config, lm, NAME)
    config.target_modules = sorted(cast(Any, config.target_modules))  # a set would be written in any order
    if folder is not None:
        load_adapter(lm, folder)
    return lm.train(training)


def is_adapted(lm: PreTrainedModel) -> bool:
    """Whether a model has an adapter beside its weights."""
    return hasattr(lm, "peft_config")


def shared_weights(module: nn.Module) -> dict[int, Any]:
    """A memo for `copy.deepcopy`, by which a copy of an adapted model has these weights and an adapter of its own."""
    return {id(weight): weight for name, weight in module.named_parameters() if OWN not in name}


def merged_weight(layer: Any) -> Tensor:
    """The weight of a linear layer with what an adapter adds to it; that of a plain layer as it is."""
    weight: Tensor = layer.weight  # peft gives that of the layer below
    return weight + layer.get_delta_weight(NAME) if _is_adapter(layer) else weight


def plain_modules(module: nn.Module) -> Iterator[nn.Module]:
    """A module and all modules in it, adapted layers as they were before."""
    if _is_adapter(module):
        module = cast(Any, module).get_base_layer()
    yield module
    for child in module.children():
        yield from plain_modules(child)


def adapted_layers(module: nn.Module) -> dict[str, nn.Module]:
    """The layers that have an adapter, by their names."""
    return {name: layer for name, layer in module.named_modules() if _is_adapter(layer)}


def take_in(module: nn.Module, dtype: torch.dtype) -> None:
    """Put plain layers with merged weights of `dtype` in the place of adapted ones.

    No weight is changed: those that are merged are new ones, and all others stay shared with whom they were.
    """
    for name, layer in adapted_layers(module).items():
        module.set_submodule(name, merged_layer(layer, dtype))


def merged_layer(layer: nn.Module, dtype: torch.dtype) -> nn.Module:
    """The plain layer beneath an adapted one, which is of no use any more, with merged weights of `dtype`."""
    plain: Any = cast(Any, layer).get_base_layer()
    plain.weight = nn.Parameter(merged_weight(layer).detach().to(dtype), requires_grad=False)
    return cast(nn.Module, plain)


def take_out(lm: PreTrainedModel) -> PreTrainedModel:
    """The model without its adapter, on the same weights."""
    plain = copy.deepcopy(lm, {id(weight): weight for weight in lm.parameters()})
    for name, layer in adapted_layers(plain).items():
        plain.set_submodule(name, cast(Any, layer).get_base_layer())
    del plain.peft_config
    return plain


def base_name(lm: PreTrainedModel) -> str | None:
    """The model that an adapter belongs to: an absolute folder or hub id; None where it came from neither."""
    named: str | None = _config(lm).base_model_name_or_path
    return named


def name_base(lm: PreTrainedModel, folder: Path) -> None:
    """Say where the model that an adapter belongs to is."""
    _config(lm).base_model_name_or_path = str(folder.absolute())


def save_adapter(lm: PreTrainedModel, folder: Path) -> None:
    """Write the adapter alone, as `peft` loads it."""
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    weights = get_peft_model_state_dict(lm, adapter_name=NAME, save_embedding_layers=False)
    config = copy.copy(_config(lm))
    config.inference_mode = True
    config.save_pretrained(str(folder))
    named = {f"{IN_FILES}{name}": weight.detach().contiguous() for name, weight in weights.items()}
    save_file(named, folder / WEIGHTS, metadata={"format": "pt"})


def load_adapter(lm: PreTrainedModel, folder: Path) -> None:
    """Put the adapter that a folder holds in the place of that of `lm`, which has the same shape.

    Raises:
        BadInput: it is another one, or not all numbers.
    """
    from peft import set_peft_model_state_dict
    from safetensors.torch import load_file

    with foreign_errors(
        lambda error: (
            f"the adapter in {folder} does not fit the model that it is loaded into ({first_sentence(error)})."
        )
    ):
        found: Any = set_peft_model_state_dict(lm, load_file(folder / WEIGHTS), NAME)
    missing = [name for name in found.missing_keys if OWN in name]
    names = {"missing_keys": missing, "unexpected_keys": found.unexpected_keys, "mismatched_keys": ()}
    check_loaded(str(folder), names)
    check_finite(str(folder), lm)


def _config(lm: PreTrainedModel) -> peft.LoraConfig:
    found: peft.LoraConfig = cast(Any, lm).peft_config[NAME]
    return found


def _is_adapter(layer: nn.Module) -> bool:
    return hasattr(layer, "get_delta_weight")


def _new(lm: PreTrainedModel, model: ModelConfig) -> peft.LoraConfig:
    """A config for a new adapter."""
    from peft import LoraConfig

    wanted = model.lora
    layers = _linear_layers(lm)
    if not layers:
        raise BadInput(
            f"model.lora.rank={wanted.rank} is not possible: a model of type {lm.config.model_type} has no linear "
            "layers to adapt; leave it out."
        )
    ends = sorted({name.rpartition(".")[2] for name in layers})
    for target in wanted.targets or ():
        if not _matching(layers, [target]):
            raise BadInput(
                f"model.lora.targets names {target}, which no linear layer of this {lm.config.model_type} model is "
                f"called; there are {', '.join(ends)}."
            )
    targets = ends if wanted.targets is None else wanted.targets
    chosen = _matching(layers, targets)
    if _matching([name for name, _ in lm.named_modules()], targets) != chosen:
        targets = chosen  # the ends would name something else as well, such as the output head
    return LoraConfig(
        r=cast(int, wanted.rank),
        lora_alpha=wanted.alpha,
        lora_dropout=wanted.dropout,
        target_modules=list(targets),
        fan_in_fan_out=not any(isinstance(lm.get_submodule(name), nn.Linear) for name in chosen),  # GPT-2's layers
        task_type="CAUSAL_LM",
        base_model_name_or_path=_source(model),
        revision=None if _is_folder(model) else model.revision,
    )


def _stored(folder: Path, model: ModelConfig) -> peft.LoraConfig:
    """The config of the adapter in a folder, to go on with."""
    from peft import LoraConfig

    config, wanted = _config_in(folder), model.lora
    is_plain = isinstance(config, LoraConfig) and not (
        config.use_dora or config.modules_to_save or config.bias != "none" or config.trainable_token_indices
    )
    if not isinstance(config, LoraConfig) or not is_plain:
        raise BadInput(
            f"the adapter in {folder} is not one of linear layers alone, so it cannot be trained further by itself; "
            "leave out model.lora.rank, and it is added to the weights of its model."
        )
    for option, has, asked in (("rank", config.r, wanted.rank), ("alpha", config.lora_alpha, wanted.alpha)):
        if has != asked:
            raise BadInput(
                f"model.lora.{option}={asked}, and the adapter in {folder} has {has:g}; give "
                f"model.lora.{option}={has:g} to go on with it, or leave out model.lora.rank to train all weights "
                "with it added to them."
            )
    base = whole_model(model)
    config.base_model_name_or_path = _source(base)
    config.lora_dropout = wanted.dropout
    config.inference_mode = False
    return config


@contextmanager
def _quiet() -> Iterator[None]:
    """Inside, peft warns of nothing: of what it calls by an old name, or sets by itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _config_in(folder: Path) -> peft.PeftConfig:
    from peft import PeftConfig

    with foreign_errors(lambda error: f"peft does not know the adapter in {folder} ({first_sentence(error)})."):
        return PeftConfig.from_pretrained(str(folder))


def _with_it_added(lm: PreTrainedModel, folder: Path) -> PreTrainedModel:
    """The model with the adapter of a folder added to its weights: LoRA in any form that peft can add."""
    from peft import LoraConfig, get_peft_model

    config, training = _config_in(folder), lm.training
    if not isinstance(config, LoraConfig):
        raise BadInput(
            f"the adapter in {folder} is of peft's type {config.peft_type}, not LORA; "
            "merge it with peft (merge_and_unload, save_pretrained), and give the folder of the whole model."
        )
    with (
        _quiet(),
        foreign_errors(
            lambda error: (
                f"the adapter in {folder} cannot be added to the weights of its model ({first_sentence(error)}); merge "
                "it with peft, and give the folder of the whole model as model.path=."
            )
        ),
    ):
        adapted: Any = get_peft_model(lm, config, NAME)
        load_adapter(adapted, folder)
        whole: Any = adapted.merge_and_unload()
        if is_adapted(whole):
            del whole.peft_config
    merged: PreTrainedModel = whole.requires_grad_(True).train(training)
    return merged


def _linear_layers(lm: PreTrainedModel) -> list[str]:
    """Names of all linear layers but the output head."""
    from transformers.pytorch_utils import Conv1D

    head = lm.get_output_embeddings()
    kinds = (nn.Linear, Conv1D)
    return [name for name, module in lm.named_modules() if isinstance(module, kinds) and module is not head]


def _matching(layers: list[str], targets: list[str]) -> list[str]:
    return [name for name in layers if any(f".{name}".endswith(f".{target}") for target in targets)]


def _source(model: ModelConfig) -> str | None:
    """What transformers loads a model by, from wherever; None for one that was made here, or comes from a file."""
    if model.path is None or Path(model.path).expanduser().is_file():
        return None
    return str(Path(model.path).expanduser().absolute()) if _is_folder(model) else model.path


def _is_folder(model: ModelConfig) -> bool:
    return model.path is not None and Path(model.path).expanduser().is_dir()
