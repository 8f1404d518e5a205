"""What is wrong with a model's files, config or tokenizer is said before anything else is done."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM, MambaConfig, Qwen2Config, Qwen2ForCausalLM

from reft_lab.errors import BadInput
from reft_lab.policy import loading
from reft_lab.policy.settings import ModelConfig
from tests.policy.model_folders import WEIGHTS, reconfigure, refused, rewrite

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
