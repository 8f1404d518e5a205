"""A model is loaded whole or not at all, and what is wrong with its files is said before anything else is done."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    LlamaForSequenceClassification,
    MambaConfig,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from reft_lab.config.inputs import ModelConfig
from reft_lab.errors import BadInput
from reft_lab.policy import loading, saving
from reft_lab.policy.model import Policy
from tests.small_models import FAMILIES, save_checkpoint

TEXTS = ["Tom has 3 pens and buys 4 more."]
WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    for family in FAMILIES:
        save_checkpoint(folder / family, family, TEXTS, ["<pad>", "</s>"], pad_token="<pad>", eos_token="</s>")
    return folder


@pytest.fixture
def model(made: Path, tmp_path: Path) -> Path:
    """A Llama in a folder of its own."""
    return copied(made, "llama", tmp_path)


def copied(made: Path, family: str, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made / family, tmp_path / family))


def refused(model: Path) -> str:
    """What both the check of a start and loading itself say."""
    config, said = ModelConfig(path=str(model)), []
    for use in (loading.check_source, lambda config: loading.load(config, [], seed=0)):
        with pytest.raises(BadInput) as caught:
            use(config)
        said.append(str(caught.value))
    assert said[0] == said[1]
    assert "\n" not in said[0]
    assert said[0].endswith(".")
    return said[0]


def rewrite(model: Path, change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> None:
    weights = change(load_file(model / WEIGHTS))
    save_file(
        {name: tensor.contiguous().clone() for name, tensor in weights.items()}, model / WEIGHTS, {"format": "pt"}
    )


def reconfigure(model: Path, **changes: object) -> None:
    content = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(content | changes))


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


POINTER = (
    "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32\nsize 12345\n"
)


@pytest.mark.parametrize("name", [WEIGHTS, "tokenizer.json", "config.json", "tokenizer_config.json"])
@pytest.mark.parametrize(
    ("content", "expected"),
    [(POINTER, "is a git-lfs pointer"), ("", "is empty"), ('{"a": ', "is damaged"), ("[" * 100, "is damaged")],
)
def test_a_damaged_file_is_named(model: Path, name: str, content: str, expected: str) -> None:
    (model / name).write_text(content)
    said = refused(model)
    assert f"{model / name} {expected}" in said
    assert ("git lfs pull" in said) == (content == POINTER)


def test_weights_that_were_cut_off_are_told(model: Path) -> None:
    content = (model / WEIGHTS).read_bytes()
    for kept in (4, 100, len(content) // 2, len(content) - 1):
        (model / WEIGHTS).write_bytes(content[:kept])
        assert f"{model / WEIGHTS} is damaged or cut off" in refused(model)


def in_parts(model: Path) -> Path:
    """The model's list of weights, which are in several files."""
    AutoModelForCausalLM.from_pretrained(model).save_pretrained(model, max_shard_size="20KB")
    (model / WEIGHTS).unlink(missing_ok=True)
    return model / "model.safetensors.index.json"


def test_weights_in_several_files(model: Path) -> None:
    index = in_parts(model)
    loading.check_source(ModelConfig(path=str(model)))
    first = sorted(set(json.loads(index.read_text())["weight_map"].values()))[0]
    content = (model / first).read_bytes()
    (model / first).write_text(POINTER)
    assert f"{model / first} is a git-lfs pointer" in refused(model)
    (model / first).write_bytes(content[:-5])
    assert f"{model / first} is damaged or cut off" in refused(model)
    (model / first).unlink()
    assert f"{model / first} is missing, and the list of weights names it" in refused(model)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"weight_map": {}}', '{"weight_map": {"a": 3}}', POINTER])
def test_a_damaged_list_of_weights(model: Path, content: str) -> None:
    index = in_parts(model)
    index.write_text(content)
    said = refused(model)
    assert str(index) in said
    assert "fetch" in said


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"model_type": "llama9"}, "cannot load the config of model"),
        ({"model_type": None}, "cannot load the config of model"),
        ({"hidden_size": "wide"}, "cannot load the config of model"),
        ({"hidden_size": -4}, "no model can be built by the config of"),
        ({"num_attention_heads": 0}, "the config of"),
        ({"model_type": "t5"}, "does not continue a text by itself"),
        ({"model_type": "vit"}, "does not continue a text by itself"),
        ({"is_encoder_decoder": True}, "does not continue a text by itself"),
    ],
)
def test_a_config_that_is_none(model: Path, changes: dict[str, object], expected: str) -> None:
    reconfigure(model, **changes)
    with pytest.raises(BadInput) as caught:
        loading.check_source(ModelConfig(path=str(model)))
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_adapter_is_no_model(model: Path) -> None:
    (model / "adapter_config.json").write_text("{}")
    assert "holds an adapter (PEFT, LoRA)" in refused(model)
    (model / "config.json").unlink()
    assert "merge it into its base model first" in refused(model)


def test_a_folder_without_weights(model: Path) -> None:
    (model / WEIGHTS).rename(model / "consolidated.safetensors")
    assert "holds no weights: there is no model.safetensors" in refused(model)
    assert "(only consolidated.safetensors)" in refused(model)


def test_other_kinds_of_weights_are_named(model: Path) -> None:
    (model / WEIGHTS).rename(model / "model.Q4_K_M.gguf")
    assert "(only model.Q4_K_M.gguf)" in refused(model)


def test_a_model_nearby_is_named(model: Path) -> None:
    assert refused(model / WEIGHTS) == f"model.path={model / WEIGHTS} is a file; give its folder: model.path={model}."
    above = model.parent
    assert refused(above).endswith(f"(it holds no config.json); give model.path={model}.")
    run = above / "run"
    for name in ("best", "last/best"):
        shutil.copytree(model, run / "checkpoints" / name)
    assert refused(run).endswith(f"give model.path={run / 'checkpoints' / 'best'}.")
    assert "(or one of 1 more in it)" in refused(run / "checkpoints")
    assert f"model.path={above / 'nowhere'} does not exist; give a folder" in refused(above / "nowhere")


def test_a_model_that_brings_code_of_its_own(model: Path) -> None:
    reconfigure(model, model_type="mine", auto_map={"AutoConfig": "c.Mine", "AutoModelForCausalLM": "m.Mine"})
    with pytest.raises(BadInput, match="it is computed by code that comes with it, which is not run here; choose"):
        loading.check_source(ModelConfig(path=str(model)))


def test_a_config_in_a_folder_is_no_matter_of_the_network(model: Path) -> None:
    reconfigure(model, model_type="llama9")
    with pytest.raises(BadInput, match=r"`llama9`.*config\.json is damaged, or of a newer version") as caught:
        loading.check_source(ModelConfig(path=str(model)))
    assert "network" not in str(caught.value)


def test_fewer_rows_than_tokens_are_told_before_weights_are_loaded(model: Path) -> None:
    rewrite(
        model,
        lambda weights: {
            name: tensor[:200] if "embed" in name or "lm_head" in name else tensor for name, tensor in weights.items()
        },
    )
    reconfigure(model, vocab_size=200)
    assert "tokens, more than the 200 the model knows" in refused(model)


def test_a_sign_that_a_tokenizers_class_adds_needs_no_row(model: Path) -> None:
    """The class of Qwen 2 names a sign for what is unknown, which its byte-level vocabulary never needs."""
    lm = AutoModelForCausalLM.from_pretrained(model)
    sizes = {name: getattr(lm.config, name) for name in ("vocab_size", "hidden_size", "intermediate_size")}
    config = Qwen2Config(**sizes, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2)
    Qwen2ForCausalLM(config).save_pretrained(model)
    loading.check_source(ModelConfig(path=str(model)))
    _, tokenizer = loading.load(ModelConfig(path=str(model)), [], seed=0)
    assert len(tokenizer) > config.vocab_size


def test_a_tokenizer_of_a_newer_library(model: Path) -> None:
    content = json.loads((model / "tokenizer.json").read_text())
    content["model"]["type"] = "SuperBPE"
    (model / "tokenizer.json").write_text(json.dumps(content))
    said = refused(model)
    assert f"cannot load the tokenizer of model {model}" in said
    assert "of a newer version than transformers" in said


def test_a_tokenizer_that_is_missing(model: Path) -> None:
    (model / "tokenizer.json").unlink()
    assert "tokenizer" in refused(model)
    reconfigure(model, model_type="llama")
    (model / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "LlamaTokenizer", "eos_token": "</s>", "unk_token": "<unk>"})
    )
    assert "knows no text, as where its files are missing" in refused(model)


def test_a_family_with_another_memory_is_refused_by_its_config(model: Path) -> None:
    MambaConfig(vocab_size=61, hidden_size=32, num_hidden_layers=2, state_size=8).save_pretrained(model)
    with pytest.raises(BadInput, match="models of type mamba are not supported: what they remember"):
        loading.check_source(ModelConfig(path=str(model)))


def test_a_lack_of_memory_is_not_taken_for_a_damaged_file(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*_: object, **__: object) -> None:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", no_room)
    with pytest.raises(RuntimeError, match="DefaultCPUAllocator"):
        loading.load(ModelConfig(path=str(model)), [], seed=0)


def test_a_run_says_so_before_it_reads_data_and_leaves_nothing(repo: Path, model: Path, tmp_path: Path) -> None:
    (model / WEIGHTS).write_text(POINTER)
    words = ["debug=quick", f"model.path={model}", "data=svamp", f"data.path={tmp_path}", "tracker=none"]
    done = subprocess.run(
        [sys.executable, repo / "run.py", *words], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {model / WEIGHTS} is a git-lfs pointer")
    assert done.stderr.count("\n") == 1
    assert not any(path.is_file() for path in (tmp_path / "outputs").rglob("*"))
