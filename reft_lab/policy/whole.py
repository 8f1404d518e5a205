"""Whether a model has every weight that it needs, and no other: what is missing would be random numbers."""

from __future__ import annotations

import copy
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reft_lab.errors import BadInput, first_sentence, foreign_errors
from reft_lab.policy.model_files import Shapes

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

SHOWN = 3  # names of weights in a sentence
MOST_MISSING = 2e8  # numbers that may be missing for the exact check, which draws them anew: 1.5 s, 0.8 GB
FLOATS = ("F64", "F32", "F16", "BF16")

# Buffers that earlier versions of transformers wrote with the weights of Llama, GPT-2, GPT-NeoX, GPT-J, CodeGen and
# OPT: causal masks, rotary frequencies, positions, a version. They are computed, so nothing is lost with them.
COMPUTED = re.compile(
    r"(^|\.)(rotary_emb\.inv_freq|rotary_emb\.(cos|sin)_cached|(attn|attention|crossattention|self_attn)\.bias|"
    r"masked_bias|causal_mask|embed_positions\.weights|(attn|attention)\.embed_positions|position_ids|"
    r"decoder\.version)$"
)

# A value head that TRL saved beside a whole language model, as the paper's authors released theirs: it is left aside.
VALUE_HEAD = re.compile(r"^v_head\.")

# What a part of a name says of who wrote it, and what to do; the first that is found counts.
SIGNS = (
    (r"(^|\.)_orig_mod\.", "torch.compile put _orig_mod. into the names; save model._orig_mod, or strip it"),
    (r"lora_|modules_to_save|\.base_layer\.", "an adapter is beside the weights; merge it first (merge_and_unload)"),
    (r"^base_model\.model\.", "PEFT put base_model.model. before the names; merge the adapter first and save that"),
    (r"(^|\.)_fsdp_wrapped_module\.", "FSDP put _fsdp_wrapped_module. into the names; save its full state dict"),
    (r"(^|\.)_checkpoint_wrapped_module\.", "activation checkpointing put _checkpoint_wrapped_module. into the names"),
    (r"^module\.", "DDP or DeepSpeed put module. before the names; save model.module, or strip it"),
    (
        r"^(pretrained_model\.|v_head\.)|(^|\.)v_head\.",
        "TRL saved the model with its value head; save the language model alone (model.pretrained_model)",
    ),
    (
        r"^(score|classifier|reward_head|value_head|rm_head|regression_head|qa_outputs)\.",
        "this is a reward, value or classification model; take the language model it was made from",
    ),
    (r"\.(qweight|qzeros|scales|absmax|SCB|quant_map|weight_scale|weight_scale_inv)$", "the weights are quantised"),
    (r"(^|\.)(tok_embeddings|attention\.wq|feed_forward\.w1)\b", "these are Meta's own names; convert the model first"),
    (r"^(vision|visual|image|audio|encoder)|(^|\.)(vision_tower|vision_model|encoder)\.", "it reads more than text"),
)


def check_names(source: str, config: PreTrainedConfig, found: Shapes) -> None:
    """See, by names and shapes alone, that a model of this config would get every weight; takes a second or two.

    Args:
        source: what the user calls the model.
        config: the model's.
        found: the weights that its files hold.

    Raises:
        BadInput: weights are missing, too many or of another shape, or nothing can be built by the config.
    """
    import torch
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING

    whole_numbers = [name for name, (_, kind) in found.items() if kind not in FLOATS and not COMPUTED.search(name)]
    if whole_numbers:  # read as they are, they would pass for weights
        raise BadInput(
            f"the weights of {source} are quantised ({found[whole_numbers[0]][1]}: {_some(whole_numbers)}) and cannot "
            "be trained; take the model that they were made from."
        )
    kind: Any = MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]
    with foreign_errors(
        lambda error: (
            f"no model can be built by the config of {source} ({first_sentence(error)}); take the config.json that the "
            "model came with."
        )
    ):
        with torch.device("meta"):
            lm = kind(copy.deepcopy(config))
        asked = {name: tensor.numel() for name, tensor in lm.state_dict().items()}
        base = f"{lm.base_model_prefix}."
        missing = [
            name
            for name in asked
            if not {name, name.removeprefix(base)} & found.keys() and name not in lm.all_tied_weights_keys
        ]
        if sum(asked[name] for name in missing) <= MOST_MISSING:
            # Every weight is one zero, repeated; transformers knows what it renames, joins and ties.
            zeros = {name: torch.zeros(()).expand(shape) for name, (shape, _) in found.items()}
            options: dict[str, Any] = {"output_loading_info": True, "ignore_mismatched_sizes": True}
            _, info = kind.from_pretrained(
                None, config=copy.deepcopy(config), state_dict=zeros, dtype=torch.float32, **options
            )
            check_loaded(source, info)
            return
    unexpected = [name for name in found if name not in asked and not _can_be_spared(name, missing)]
    if not unexpected or _known_cause(missing, unexpected):  # else transformers may rename them; loading will tell
        check_loaded(source, {"missing_keys": missing, "unexpected_keys": unexpected, "mismatched_keys": ()})


def check_loaded(source: str, info: Mapping[str, Any]) -> None:
    """See that `from_pretrained` found every weight and no other.

    Args:
        source: what the user calls the model.
        info: what it returned for output_loading_info=True.

    Raises:
        BadInput: naming some of the weights and the likely cause.
    """
    missing = sorted(info["missing_keys"])
    unexpected = sorted(name for name in info["unexpected_keys"] if not _can_be_spared(name, missing))
    reshaped = sorted(info["mismatched_keys"])
    parts = [_named(missing, "missing")] if missing else []
    parts += [_named(unexpected, "unknown to the model")] if unexpected else []
    parts += [_reshaped(reshaped)] if reshaped else []
    parts += [first_sentence(RuntimeError(message)) for message in info.get("error_msgs", ())]
    if parts:
        raise BadInput(
            f"the weights of {source} are not those that its config asks for, and what is missing would be random: "
            f"{'; '.join(parts)}; {_cause(missing, unexpected)}."
        )


def check_finite(source: str, lm: PreTrainedModel) -> None:
    """See that every weight is a number.

    Raises:
        BadInput: naming some that are not.
    """
    broken = [name for name, weight in lm.named_parameters() if not _is_finite(weight)]
    if broken:
        raise BadInput(
            f"the weights of {source} are not all finite numbers ({_some(broken)}), so nothing can be computed with "
            "them; take an earlier checkpoint, or fetch the model again."
        )


def _can_be_spared(name: str, missing: Collection[str]) -> bool:
    """Whether nothing is lost where a stored weight has no place in the model."""
    return bool(COMPUTED.search(name) or (VALUE_HEAD.search(name) and not missing))


def _is_finite(weight: Any) -> bool:
    import torch

    weight = weight.to_local() if hasattr(weight, "to_local") else weight
    if not weight.numel():
        return True
    ends = torch.stack(weight.detach().aminmax())  # keeps nan, and needs no memory beside the weights
    return bool(ends.isfinite().all())


def _named(names: Sequence[str], what: str) -> str:
    return f"{len(names)} {'is' if len(names) == 1 else 'are'} {what} ({_some(names)})"


def _some(names: Collection[str]) -> str:
    shown = list(names)[:SHOWN]
    return ", ".join(shown) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _reshaped(keys: Iterable[tuple[str, Sequence[int], Sequence[int]]]) -> str:
    listed = [f"{name}: {list(there)} where the config says {list(asked)}" for name, there, asked in keys]
    return f"{len(listed)} {'has' if len(listed) == 1 else 'have'} another shape ({_some(listed)})"


def _cause(missing: Sequence[str], unexpected: Sequence[str]) -> str:
    if known := _known_cause(missing, unexpected):
        return known
    if missing and all(re.search(r"^(lm_head|embed_out)\.|output", name) for name in missing):
        return (
            "it was saved without its output layer, as a base or reward model is; take the language model itself, or, "
            'if it shares the input embedding, write "tie_word_embeddings": true into its config.json'
        )
    return "take the config.json and the weights from the same place, and write them with save_pretrained"


def _known_cause(missing: Sequence[str], unexpected: Sequence[str]) -> str:
    """What the names in the file give away; empty where they do not."""
    for sign, cause in SIGNS:
        if any(re.search(sign, name) for name in unexpected):
            return cause
    prefix = _prefix(missing, unexpected)
    return f"something put {prefix} before the names; strip it and save the model again" if prefix else ""


def _prefix(missing: Sequence[str], unexpected: Sequence[str]) -> str:
    """What stands before the names of missing weights in the file; empty where that is not so."""
    name = max(missing, key=len, default="")
    return next((other[: -len(name)] for other in unexpected if name and other.endswith(name) and other != name), "")
