"""Models in GGUF files: loaded as they are, saved as ordinary ones, and refused in one sentence."""

from __future__ import annotations

import json
import os
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from reft_lab.policy import gguf as ours
from reft_lab.policy import loading, saving
from reft_lab.policy.model import Policy
from reft_lab.policy.settings import ModelConfig
from tests.policy.model_folders import refused
from tests.small_models import make_kind, make_tokenizer

TEXT = "Tom has 3 pens and buys 4 more."


@pytest.fixture(scope="module", autouse=True)
def packages() -> None:
    missing = [name for name in ours.NEEDED if find_spec(name) is None]
    if missing:
        assert not os.environ.get("CI"), f"`make test` installs {missing}"
        pytest.skip(f"{missing} are not installed; `make test` installs them")


def turned(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rows of queries or keys as llama.cpp has them, which turns neighbours."""
    return weight.reshape(heads, 2, len(weight) // heads // 2, -1).swapaxes(1, 2).reshape(weight.shape)


def write(file: Path, kind: str = "F32", *, tied: bool = True, scaled: object = None) -> dict[str, np.ndarray]:
    """A small Llama with its tokenizer; its weights as they are after `kind`."""
    import gguf

    tokenizer = make_tokenizer([TEXT], 300, ["<pad>", "<end>"])
    changes = {"vocab_size": len(tokenizer), "intermediate_size": 64, "tie_word_embeddings": tied}
    lm = make_kind("llama, one layer", **changes)
    config, writer = lm.config, gguf.GGUFWriter(file, "llama")
    writer.add_name("Tiny")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(1)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(5000.0)
    writer.add_vocab_size(len(tokenizer))
    if scaled == "type":
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    tokens = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get)
    writer.add_token_list(tokens)
    writer.add_token_types([3 if token in ("<pad>", "<end>") else 1 for token in tokens])
    merges = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]
    writer.add_token_merges([" ".join(pair) for pair in merges])
    writer.add_eos_token_id(1)
    writer.add_pad_token_id(0)

    names, type_ = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, 1), gguf.GGMLQuantizationType[kind]
    weights: dict[str, np.ndarray] = {}
    for name, tensor in lm.state_dict().items():
        weights[name] = weight = tensor.numpy()
        if name == "lm_head.weight" and tied:
            continue
        stem, ending = name.rsplit(".", 1)
        heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}.get(stem.split(".")[-1])
        packed = gguf.quants.quantize(weight, type_) if weight.ndim > 1 else weight
        weights[name] = gguf.quants.dequantize(packed, type_) if weight.ndim > 1 else weight
        data = packed if heads is None else turned(packed, heads)
        writer.add_tensor(f"{names.get_name(stem)}.{ending}", data, raw_dtype=type_ if weight.ndim > 1 else None)
    if tied:
        weights["lm_head.weight"] = weights["model.embed_tokens.weight"]
    if isinstance(scaled, float):
        writer.add_tensor("rope_freqs.weight", np.full(config.head_dim // 2, scaled, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return weights


@pytest.mark.parametrize(("kind", "tied"), [("F32", True), ("F32", False), ("Q8_0", True)])
def test_its_weights_are_loaded_and_saved_as_an_ordinary_model(tmp_path, kind, tied, capfd):
    weights = write(tmp_path / "tiny.gguf", kind, tied=tied)
    model = ModelConfig(path=str(tmp_path / "tiny.gguf"))
    loading.check_source(model)
    lm, tokenizer = loading.load(model, [], seed=0)
    assert capfd.readouterr().err == ""
    assert lm.state_dict().keys() == weights.keys()
    for name, tensor in lm.state_dict().items():
        assert tensor.dtype == torch.float32
        torch.testing.assert_close(tensor.numpy(), weights[name], rtol=0, atol=0, msg=name)
    assert lm.config.rope_parameters["rope_theta"] == 5000.0
    assert loading.end_ids(model, tokenizer) == (1,)
    whole = tokenizer(TEXT)["input_ids"]
    assert tokenizer.decode(whole) == TEXT
    assert whole == make_tokenizer([TEXT], 300, ["<pad>", "<end>"])(TEXT)["input_ids"]

    saving.save(Policy(lm), tokenizer, tmp_path / "best", {})
    again = ModelConfig(path=str(tmp_path / "best"))
    loading.check_source(again)
    _, tokens = loading.load(again, [], seed=0)
    assert isinstance(tokens, PreTrainedTokenizerFast)
    assert tokens(TEXT)["input_ids"] == whole
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "best")
    ids = torch.tensor([whole])
    with torch.no_grad():
        torch.testing.assert_close(plain(ids).logits, lm(ids).logits)


def test_what_cannot_be_read_is_refused(tmp_path, monkeypatch):
    file = tmp_path / "tiny.gguf"
    assert refused(file) == f"model.path={file} does not exist; give a GGUF file, a folder or a hub id."
    write(file)
    assert f"(it holds no config.json); give model.path={file}." in refused(tmp_path)
    content = file.read_bytes()
    for length in (40, len(content) // 4, len(content) - 100):
        file.write_bytes(content[:length])
        assert f"{file} is damaged or cut off" in refused(file)
    file.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n")
    assert f"{file} is a git-lfs pointer" in refused(file)
    file.write_bytes(b"PK" + content[2:])
    assert "is no GGUF file (it does not begin with GGUF)" in refused(file)
    monkeypatch.setattr(ours, "NEEDED", ("gguf", "not_there"))
    file.write_bytes(content)
    assert "not_there is not installed; install them with pip install -c constraints.txt -e '.[gguf]'" in refused(file)


@pytest.mark.parametrize(("scaled", "named"), [("type", "yarn"), (8.0, "rope_freqs.weight")])
def test_angles_that_transformers_would_not_scale_are_refused(tmp_path, scaled, named):
    write(tmp_path / "tiny.gguf", scaled=scaled)
    said = refused(tmp_path / "tiny.gguf")
    assert f"scales the angles of its rotary embeddings ({named})" in said


def test_angles_that_are_scaled_by_one_are_not(tmp_path):
    write(tmp_path / "tiny.gguf", scaled=1.0)
    loading.load(ModelConfig(path=str(tmp_path / "tiny.gguf")), [], seed=0)
