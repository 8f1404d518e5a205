"""Adapter folders: peft reads ours, we read peft's, and what cannot be read is said in a sentence."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from peft import AutoPeftModelForCausalLM, PeftModel, get_peft_model
from peft import LoraConfig as PeftLora
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from reft_lab.errors import BadInput
from reft_lab.evaluation import outcome_model
from reft_lab.policy import adapter_files, loading, saving
from reft_lab.policy.model import Policy
from reft_lab.policy.scoring import score
from reft_lab.policy.settings import LoraConfig, ModelConfig
from reft_lab.runner.pool import weights_hash
from tests.policy.model_folders import refused, rewrite

LORA = LoraConfig(rank=4, alpha=6)
IDS = torch.tensor([[5, 6, 7, 8, 9, 10]])
PROMPTS, RESPONSES = [[5, 6, 7], [8, 9, 10, 11]], [[3, 4, 1], [7, 1]]


def trained(model: Path) -> Policy:
    """A policy with a critic and an adapter that says something, on the model in a folder."""
    lm, _ = loading.load(ModelConfig(path=str(model), lora=LORA), [], seed=0)
    policy = Policy(lm, value_seed=1)
    torch.manual_seed(4)
    with torch.no_grad():
        for weight in policy.trained_parameters():
            weight.add_(torch.randn_like(weight), alpha=0.1)
    return policy


@pytest.fixture
def saved(model: Path, tmp_path: Path) -> tuple[Policy, Path]:
    policy, folder = trained(model), tmp_path / "saved"
    saving.save(policy, loading.load_tokenizer(ModelConfig(path=str(model)), []), folder, {"stage": "reranker"})
    return policy, folder


def logits(lm) -> torch.Tensor:
    with torch.no_grad():
        return lm.eval()(IDS).logits


def loaded(folder: Path, **options):
    return loading.load(ModelConfig(path=str(folder), **options), [], seed=3)[0]


def test_peft_loads_what_is_saved(saved: tuple[Policy, Path], model: Path) -> None:
    policy, folder = saved
    assert not (folder / "config.json").exists()
    assert not list(folder.glob("model*"))
    assert {name.split("_")[0] for name in load_file(folder / "value_model.safetensors")} == {"value"}
    for theirs in (
        AutoPeftModelForCausalLM.from_pretrained(folder),
        PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(model), folder),
    ):
        torch.testing.assert_close(logits(theirs), logits(policy.lm), atol=1e-6, rtol=1e-6)
    config = json.loads((folder / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == str(model)
    assert config["target_modules"] == sorted(config["target_modules"])


def test_a_folder_is_the_model_with_the_adapter_in_it(saved: tuple[Policy, Path]) -> None:
    policy, folder = saved
    loading.check_source(ModelConfig(path=str(folder)))
    whole = loaded(folder)
    assert whole.state_dict().keys() == policy.merged().lm.state_dict().keys()
    assert all(weight.requires_grad for weight in whole.parameters())
    assert weights_hash(Policy(whole)) == weights_hash(policy)  # so samples of the one serve for the other
    torch.testing.assert_close(logits(whole), logits(policy.lm), atol=1e-5, rtol=1e-5)


def test_training_goes_on_with_it(saved: tuple[Policy, Path], model: Path) -> None:
    policy, folder = saved
    lm = loaded(folder, lora=LoraConfig(rank=4, alpha=6, dropout=0.5))
    assert lm.state_dict().keys() == policy.lm.state_dict().keys()
    assert all(torch.equal(tensor, policy.lm.state_dict()[name]) for name, tensor in lm.state_dict().items())
    on_it = Policy(lm)
    assert {id(p) for p in on_it.trained_parameters()} == {id(p) for n, p in lm.named_parameters() if "lora_" in n}
    for options, said in (({"rank": 8, "alpha": 6}, "rank=4"), ({"rank": 4}, "alpha=6")):
        with pytest.raises(BadInput, match=rf"give model\.lora\.{said} to go on with it"):
            loaded(folder, lora=LoraConfig(**options))


def test_weights_come_back_bit_by_bit(saved: tuple[Policy, Path], model: Path) -> None:
    policy, folder = saved
    other = Policy(loaded(model, lora=LORA))
    saving.load_weights(other, folder)
    assert all(torch.equal(tensor, policy.state_dict()[name]) for name, tensor in other.state_dict().items())
    with pytest.raises(BadInput, match="holds an adapter, and the policy has none"):
        saving.load_weights(Policy(loaded(model)), folder)
    fewer = Policy(loaded(model, lora=LoraConfig(rank=4, alpha=6, targets=["q_proj"])))
    with pytest.raises(BadInput, match="not those that its config asks for"):
        saving.load_weights(fewer, folder)
    wider = Policy(loaded(model, lora=LoraConfig(rank=5)))
    with pytest.raises(BadInput, match="does not fit the model that it is loaded into"):
        saving.load_weights(wider, folder)


def test_a_separate_value_trunk_is_stored_without_the_base(saved: tuple[Policy, Path], tmp_path: Path) -> None:
    policy, _ = saved
    policy.separate_values()
    with torch.no_grad():
        for weight in policy.value_parameters():
            weight.add_(0.01)
    tokenizer = loading.load_tokenizer(ModelConfig(path=str(tmp_path / "llama")), [])
    saving.save(policy, tokenizer, tmp_path / "separate", {})
    stored = load_file(tmp_path / "separate" / "value_model.safetensors")
    assert all("lora_" in name or name.startswith("value_head.") for name in stored)
    other = trained(tmp_path / "llama")
    other.separate_values()
    saving.load_weights(other, tmp_path / "separate")
    with torch.no_grad():
        one, two = (score(each, PROMPTS, RESPONSES, pad_id=0) for each in (policy, other))
    assert torch.equal(one.values, two.values)
    saving.save(policy.merged(torch.float32), tokenizer, tmp_path / "merged", {})
    plain = Policy(loaded(tmp_path / "merged"))
    plain.separate_values()
    saving.load_weights(plain, tmp_path / "merged")
    with torch.no_grad():
        torch.testing.assert_close(score(plain, PROMPTS, RESPONSES, pad_id=0).values, one.values, atol=1e-5, rtol=1e-5)


def test_an_outcome_model_may_be_an_adapter(saved: tuple[Policy, Path]) -> None:
    policy, folder = saved
    found = outcome_model.load(folder, "decode.reranker").scores(PROMPTS, RESPONSES)
    expected = outcome_model.probabilities(policy.eval(), PROMPTS, RESPONSES, 8192)
    assert found == pytest.approx(expected, abs=1e-5)


def test_one_that_peft_made_of_another_kind_is_added(model: Path, tmp_path: Path) -> None:
    theirs = get_peft_model(
        AutoModelForCausalLM.from_pretrained(model), PeftLora(r=2, target_modules=["q_proj", "up_proj"], use_dora=True)
    )
    torch.manual_seed(0)
    with torch.no_grad():
        for name, weight in theirs.named_parameters():
            if "lora_B" in name:
                weight.normal_(0, 0.1)
    theirs.save_pretrained(tmp_path / "dora")
    config = ModelConfig(path=str(tmp_path / "dora"))  # without a tokenizer, so that of its model is taken
    loading.check_source(config)
    torch.testing.assert_close(logits(loading.load(config, [], 0)[0]), logits(theirs), atol=1e-5, rtol=1e-5)
    with pytest.raises(BadInput, match="not one of linear layers alone"):
        loaded(tmp_path / "dora", lora=LoraConfig(rank=2))


def test_a_base_that_came_from_nowhere_is_kept_beside_its_adapters(tmp_path: Path) -> None:
    config = ModelConfig(lora=LORA)
    lm, tokenizer = loading.load(config, ["Tom has 3 pens and buys 4 more."], seed=0)
    policy, checkpoints = Policy(lm), tmp_path / "run" / "checkpoints"
    for name in ("warmup", "best"):
        saving.keep_base(policy, tokenizer, checkpoints / "base")
        saving.save(policy, tokenizer, checkpoints / name, {})
    plain = AutoModelForCausalLM.from_pretrained(checkpoints / "base")
    assert torch.equal(logits(plain), logits(loading.load(ModelConfig(), ["Tom has 3 pens and buys 4 more."], 0)[0]))
    AutoPeftModelForCausalLM.from_pretrained(checkpoints / "best")
    shutil.move(tmp_path / "run", tmp_path / "moved")
    assert f"give model.path={tmp_path / 'moved' / 'checkpoints' / 'best'} (or" in refused(tmp_path / "moved")
    assert torch.equal(logits(loaded(tmp_path / "moved" / "checkpoints" / "best")), logits(plain))
    shutil.rmtree(tmp_path / "moved" / "checkpoints" / "base")
    said = refused(tmp_path / "moved" / "checkpoints" / "best")
    assert f"belongs to the model in {checkpoints / 'base'}, which is not there" in said


def test_what_cannot_be_read_is_one_sentence(saved: tuple[Policy, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    _, folder = saved
    whole = {file.name: file.read_bytes() for file in folder.iterdir()}

    def spoilt(name: str, content: bytes | None) -> str:
        for file, bytes_ in whole.items():
            (folder / file).write_bytes(bytes_)
        (folder / name).unlink() if content is None else (folder / name).write_bytes(content)
        return refused(folder)

    assert "is damaged (it is not JSON" in spoilt("adapter_config.json", b"{")
    assert "does not say which model it belongs to" in spoilt("adapter_config.json", b"{}")
    assert "has no adapter_model.safetensors" in spoilt("adapter_model.safetensors", None)
    assert "is damaged or cut off" in spoilt("adapter_model.safetensors", whole["adapter_model.safetensors"][:-9])
    named = json.dumps({"base_model_name_or_path": str(folder)}).encode()
    assert "belongs to another adapter" in spoilt("adapter_config.json", named)
    monkeypatch.setattr(adapter_files, "find_spec", lambda name: None)
    assert "needs the package peft: pip install 'reft_lab[lora]'." in spoilt("evaluation.json", b"{}")


def test_weights_that_are_no_numbers_are_named(saved: tuple[Policy, Path], model: Path) -> None:
    _, folder = saved
    file = folder / adapter_files.WEIGHTS
    file.rename(folder / "model.safetensors")
    rewrite(folder, lambda weights: {name: weight / 0 for name, weight in weights.items()})
    (folder / "model.safetensors").rename(file)
    with pytest.raises(BadInput, match="not all finite numbers"):
        loaded(folder)
