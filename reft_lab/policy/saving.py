"""Policies on disk: a plain transformers folder, or one of peft's where there is an adapter, with the value head in a
file of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reft_lab.errors import BadInput, first_sentence, foreign_errors
from reft_lab.policy.adapter_files import check_adapter, is_adapter
from reft_lab.policy.adapters import base_name, load_adapter, name_base, save_adapter, take_out
from reft_lab.policy.model import Policy
from reft_lab.policy.model_files import check_files
from reft_lab.policy.whole import check_finite, check_loaded
from reft_lab.sealed import damage, sealed

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

VALUE_FILE = "value_model.safetensors"
FACTS_FILE = "evaluation.json"


def save(policy: Policy, tokenizer: PreTrainedTokenizerBase, folder: Path, facts: dict[str, Any]) -> None:
    """Write model, tokenizer, value model and `facts` to `folder`, replacing what is there when all is written.

    `AutoModelForCausalLM.from_pretrained(folder)` and `AutoTokenizer.from_pretrained(folder)` load it. Of a policy with
    an adapter that alone is written, which `AutoPeftModelForCausalLM.from_pretrained(folder)` loads with its model.
    """
    from safetensors.torch import save_file

    value = {name: tensor for name, tensor in policy.own_state().items() if name.startswith("value_")}
    with sealed(folder) as part:
        if policy.is_adapted:
            save_adapter(policy.lm, part)
        else:
            policy.lm.save_pretrained(part)
        tokenizer.save_pretrained(part)
        if value:
            save_file({name: tensor.contiguous() for name, tensor in value.items()}, part / VALUE_FILE)
        (part / FACTS_FILE).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def keep_base(policy: Policy, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """See that the model beneath an adapter can be loaded by its name: one that was made here, or came from a single
    file, is written to `folder`, once."""
    if not policy.is_adapted or base_name(policy.lm) is not None:
        return
    if damage(folder):
        with sealed(folder) as part:
            take_out(policy.lm).save_pretrained(part)
            tokenizer.save_pretrained(part)
    name_base(policy.lm, folder)


def facts(folder: Path) -> dict[str, Any]:
    """The facts that `save` wrote; none where there is no such folder."""
    try:
        stored: dict[str, Any] = json.loads((folder / FACTS_FILE).read_text(encoding="utf-8"))
        return stored
    except (OSError, ValueError):
        return {}


def load_weights(policy: Policy, folder: Path, *, needs_values: bool = True) -> None:
    """Put the weights of a folder that `save` wrote into `policy`, which has the same shape.

    A policy without a critic leaves the value model in the folder aside; one with a critic `needs_values` of the
    folder, or else keeps its own where there are none.

    Raises:
        BadInput: they are not all there, or not all numbers.
    """
    if is_adapter(folder):
        _load_adapter(policy, folder)
    else:
        _load_model(policy, folder)
    if policy.value_head is not None and (needs_values or (folder / VALUE_FILE).exists()):
        load_values(policy, folder)


def load_values(policy: Policy, folder: Path) -> None:
    """Put the value model of a folder that `save` wrote into `policy`, which has a critic.

    Raises:
        BadInput: it is not there, or another one.
    """
    from safetensors.torch import load_file

    with foreign_errors(lambda error: f"the policy in {folder} cannot be loaded ({first_sentence(error)})."):
        value = load_file(folder / VALUE_FILE)
    with foreign_errors(lambda error: f"the policy in {folder} is another model ({first_sentence(error)})."):
        rest = policy.load_state_dict(value, strict=False)
    # What was saved before a separate value model was made has no value trunk.
    expected = "value_" if any(name.startswith("value_trunk.") for name in value) else "value_head."
    own = policy.own_state()
    missing = [name for name in rest.missing_keys if name.startswith(expected) and name in own]
    unknown = [name for name in rest.unexpected_keys if not name.startswith("value_")]
    names = {"missing_keys": missing, "unexpected_keys": unknown, "mismatched_keys": ()}
    check_loaded(str(folder / VALUE_FILE), names)


def _load_adapter(policy: Policy, folder: Path) -> None:
    check_adapter(folder)
    if not policy.is_adapted:
        raise BadInput(f"{folder} holds an adapter, and the policy has none; give the run's own model.lora options.")
    load_adapter(policy.lm, folder)


def _load_model(policy: Policy, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    check_files(folder)
    with foreign_errors(lambda error: f"the policy in {folder} cannot be loaded ({first_sentence(error)})."):
        options: dict[str, Any] = {"output_loading_info": True, "ignore_mismatched_sizes": True}  # told by check_loaded
        loaded: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, use_safetensors=True, **options)
        stored, info = loaded
    check_loaded(str(folder), info)
    check_finite(str(folder), stored)
    with foreign_errors(lambda error: f"the policy in {folder} is another model ({first_sentence(error)})."):
        policy.lm.load_state_dict(stored.state_dict())
