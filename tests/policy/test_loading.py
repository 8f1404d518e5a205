"""A model is loaded whole or not at all: the names, shapes and numbers of its weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, LlamaForSequenceClassification

from reft_lab.errors import BadInput
from reft_lab.policy import loading, saving
from reft_lab.policy.model import Policy
from reft_lab.policy.settings import ModelConfig
from tests.policy.model_folders import WEIGHTS, copied, reconfigure, refused, rewrite


@pytest.mark.parametrize(
    ("prefix", "cause"),
    [
        ("_orig_mod.", "torch.compile put _orig_mod."),
        ("module.", "DDP or DeepSpeed put module."),
        ("base_model.model.", "PEFT put base_model.model."),
        ("_fsdp_wrapped_module.", "FSDP put"),
        ("pretrained_model.", "TRL saved the model with its value head"),
        ("student.", "something put student. before the names"),
    ],
)
@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_names_that_a_wrapper_changed_are_refused(
    made: Path, tmp_path: Path, family: str, prefix: str, cause: str
) -> None:
    model = copied(made, family, tmp_path)
    rewrite(model, lambda weights: {prefix + name: tensor for name, tensor in weights.items()})
    said = refused(model)
    assert cause in said
    assert f"unknown to the model ({prefix}" in said
    assert " more); " in said


@pytest.mark.parametrize(
    ("place", "cause"),
    [
        ("model.layers.1.", "torch.compile put _orig_mod."),
        ("", "torch.compile put _orig_mod."),
    ],
)
def test_a_part_that_was_compiled_is_enough(model: Path, place: str, cause: str) -> None:
    rewrite(
        model,
        lambda weights: {
            name.replace(place, f"{place}_orig_mod.", 1) if name.startswith(place) else name: tensor
            for name, tensor in weights.items()
        },
    )
    assert cause in refused(model)


@pytest.mark.parametrize("tied", [False, True])
def test_a_reward_model_is_no_base(model: Path, tied: bool) -> None:
    config = AutoConfig.from_pretrained(model, tie_word_embeddings=tied, num_labels=1)
    LlamaForSequenceClassification(config).save_pretrained(model)
    said = refused(model)
    assert "1 is unknown to the model (score.weight)" in said
    assert "this is a reward, value or classification model" in said


def test_a_base_model_without_its_output_layer_is_refused(model: Path) -> None:
    AutoModel.from_pretrained(model).save_pretrained(model)
    said = refused(model)
    assert "1 is missing (lm_head.weight)" in said
    assert "saved without its output layer" in said


def test_a_base_model_that_shares_its_output_layer_is_whole(made: Path, tmp_path: Path) -> None:
    """As the published GPT-2 is."""
    model = copied(made, "gpt2", tmp_path)
    whole = AutoModelForCausalLM.from_pretrained(model)
    AutoModel.from_pretrained(model).save_pretrained(model)
    assert not any(name.startswith("transformer.") for name in load_file(model / WEIGHTS))
    loading.check_source(ModelConfig(path=str(model)))
    lm, _ = loading.load(ModelConfig(path=str(model)), [], seed=0)
    assert all(torch.equal(one, other) for one, other in zip(lm.parameters(), whole.parameters(), strict=True))


def test_trls_value_head_beside_a_whole_model_is_left_aside(model: Path) -> None:
    """As the paper's authors released theirs."""
    head = {"v_head.summary.weight": torch.ones(1, 32), "v_head.summary.bias": torch.ones(1)}
    rewrite(model, lambda weights: weights | head)
    loading.check_source(ModelConfig(path=str(model)))
    loading.load(ModelConfig(path=str(model)), [], seed=0)

    rewrite(model, lambda weights: {f"pretrained_model.{name}": weight for name, weight in weights.items()} | head)
    assert "TRL saved the model with its value head; save the language model alone" in refused(model)


def test_weights_of_another_shape_are_refused(model: Path) -> None:
    reconfigure(model, intermediate_size=40)
    said = refused(model)
    assert "6 have another shape (model.layers.0.mlp.down_proj.weight: [32, 48] where the config says [32, 40]" in said


@pytest.mark.parametrize(("layers", "what"), [(3, "9 are missing (model.layers.2."), (1, "9 are unknown to the model")])
def test_more_or_fewer_layers_than_the_config_says(model: Path, layers: int, what: str) -> None:
    reconfigure(model, num_hidden_layers=layers)
    said = refused(model)
    assert what in said
    assert "take the config.json and the weights from the same place" in said


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_no_numbers_are_refused(model: Path, number: float) -> None:
    def spoil(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        weights["model.layers.1.mlp.up_proj.weight"][3, 5] = number
        return weights

    rewrite(model, spoil)
    with pytest.raises(BadInput, match=r"not all finite numbers \(model\.layers\.1\.mlp\.up_proj\.weight\)"):
        loading.load(ModelConfig(path=str(model)), [], seed=0)


@pytest.mark.parametrize(
    ("family", "names"),
    [
        ("llama", ["model.layers.0.self_attn.rotary_emb.inv_freq", "model.rotary_emb.inv_freq"]),
        ("gpt2", ["transformer.h.0.attn.bias", "transformer.h.0.attn.masked_bias", "h.1.attn.bias"]),
        ("codegen", ["transformer.h.0.attn.causal_mask", "transformer.h.1.attn.masked_bias"]),
        ("opt", ["model.decoder.version"]),
    ],
)
def test_what_published_checkpoints_carry_beside_their_weights_does_no_harm(
    made: Path, tmp_path: Path, family: str, names: list[str]
) -> None:
    """Masks and frequencies that were once saved with Llama 2, CodeParrot, CodeGen and OPT."""
    model = copied(made, family, tmp_path)
    rewrite(model, lambda weights: weights | {name: torch.ones(1, 1, 4, 4, dtype=torch.uint8) for name in names})
    loading.check_source(ModelConfig(path=str(model)))
    loading.load(ModelConfig(path=str(model)), [], seed=0)


def test_quantised_weights_are_told(model: Path) -> None:
    reconfigure(model, quantization_config={"quant_method": "gptq", "bits": 4})
    with pytest.raises(BadInput, match=r"are quantised \(gptq\)"):
        loading.check_source(ModelConfig(path=str(model)))
    reconfigure(model, quantization_config=None)
    rewrite(model, lambda weights: {name: (100 * tensor).to(torch.int8) for name, tensor in weights.items()})
    with pytest.raises(BadInput, match=r"are quantised \(I8: "):
        loading.check_source(ModelConfig(path=str(model)))


def test_a_checkpoint_of_a_run_is_a_model(model: Path, tmp_path: Path) -> None:
    lm, tokenizer = loading.load(ModelConfig(path=str(model)), [], seed=0)
    policy = Policy(lm)
    policy.separate_values()
    saving.save(policy, tokenizer, tmp_path / "best", {"step": 3})
    loading.check_source(ModelConfig(path=str(tmp_path / "best")))
    again, _ = loading.load(ModelConfig(path=str(tmp_path / "best")), [], seed=0)
    assert all(torch.equal(one, other) for one, other in zip(again.parameters(), lm.parameters(), strict=True))


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda weights: {f"module.{name}": tensor for name, tensor in weights.items()}, "DDP or DeepSpeed"),
        (lambda weights: {name: tensor * torch.nan for name, tensor in weights.items()}, "not all finite"),
    ],
)
def test_the_weights_of_a_checkpoint_go_back_whole(
    model: Path,
    tmp_path: Path,
    spoil: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]],
    expected: str,
) -> None:
    lm, tokenizer = loading.load(ModelConfig(path=str(model)), [], seed=0)
    policy = Policy(lm)
    saving.save(policy, tokenizer, tmp_path / "best", {})
    rewrite(tmp_path / "best", spoil)
    with pytest.raises(BadInput, match=expected):
        saving.load_weights(policy, tmp_path / "best")


def test_a_value_head_that_is_missing_is_told(model: Path, tmp_path: Path) -> None:
    lm, tokenizer = loading.load(ModelConfig(path=str(model)), [], seed=0)
    policy = Policy(lm)
    saving.save(policy, tokenizer, tmp_path / "best", {})
    save_file({"value_head.bias": torch.zeros(1)}, tmp_path / "best" / saving.VALUE_FILE)
    with pytest.raises(BadInput, match=r"1 is missing \(value_head\.weight\)"):
        saving.load_weights(policy, tmp_path / "best")
