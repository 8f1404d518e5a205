"""Models that this package would compute wrongly are refused, and those that it computes right are not."""

from __future__ import annotations

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    BertConfig,
    CohereConfig,
    FalconH1Config,
    MambaConfig,
    PreTrainedConfig,
    PreTrainedModel,
    RwkvConfig,
)

from reft_lab.errors import BadInput
from reft_lab.policy.family import check_family
from reft_lab.policy.logits import ordinary_ids
from tests.small_models import FAMILIES, make_model

SHAPE = {"vocab_size": 61, "hidden_size": 32, "num_hidden_layers": 2}
ATTENTION = SHAPE | {"intermediate_size": 48, "num_attention_heads": 4, "num_key_value_heads": 2, "pad_token_id": 0}


def made(config: PreTrainedConfig) -> PreTrainedModel:
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config).eval()


def without_row_0(lm: PreTrainedModel) -> PreTrainedModel:
    """As where token 0 is the padding."""
    with torch.no_grad():
        lm.get_input_embeddings().weight[0] = 0.0
    return lm


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("change", [lambda lm: lm, without_row_0])
def test_a_family_that_works_passes(family, change):
    check_family(change(make_model(family)))


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_of_the_model_is_changed(family):
    lm = make_model(family)
    before = {name: tensor.clone() for name, tensor in lm.state_dict().items()}
    ids = torch.arange(5, 25)[None]
    logits = lm(ids).logits
    check_family(lm)
    assert all(torch.equal(tensor, before[name]) for name, tensor in lm.state_dict().items())
    assert torch.equal(lm(ids).logits, logits)


def test_logits_that_are_made_in_an_unknown_way_are_refused():
    """Also where token 0 says nothing."""
    lm = without_row_0(made(CohereConfig(**ATTENTION, logit_scale=0.0625)))
    lm.logit_scale = 0.3  # which its config does not name
    with pytest.raises(BadInput, match="models of type cohere are not supported: their logits"):
        check_family(lm)


@pytest.mark.parametrize(
    "config",
    [
        MambaConfig(**SHAPE, state_size=8),
        RwkvConfig(**SHAPE, context_length=64),
        FalconH1Config(**ATTENTION, mamba_n_heads=8, mamba_d_head=8, mamba_d_state=8, mamba_d_ssm=64, head_dim=8),
    ],
    ids=lambda config: config.model_type,
)
def test_a_memory_that_is_no_cache_of_keys_and_values_is_refused(config):
    with pytest.raises(BadInput, match=f"models of type {config.model_type} are not supported: what they remember"):
        check_family(made(config))


def test_a_trunk_that_does_not_fill_the_cache_is_refused(monkeypatch):
    lm = make_model("llama")
    forward = lm.model.forward

    def forgetful(input_ids, attention_mask=None, position_ids=None, past_key_values=None, **rest):
        return forward(input_ids=input_ids, position_ids=position_ids, use_cache=False)

    monkeypatch.setattr(lm.model, "forward", forgetful)
    with pytest.raises(BadInput, match="each token would be sampled without what was before it"):
        check_family(lm)


def test_a_trunk_that_looks_ahead_is_refused():
    with pytest.raises(BadInput, match="models of type bert are not supported"):
        check_family(made(BertConfig(**SHAPE, num_attention_heads=4, intermediate_size=48)))


def test_empty_weights_are_refused():
    lm = make_model("llama")
    with torch.no_grad():
        lm.lm_head.weight.zero_()
    with pytest.raises(BadInput, match="are all zero or not finite"):
        check_family(lm)
    with torch.no_grad():
        lm.model.embed_tokens.weight.zero_()
    with pytest.raises(BadInput, match="input embeddings of this llama model are all zero"):
        check_family(lm)


def test_tokens_are_tried_from_all_over_the_vocabulary_and_none_is_special():
    lm = without_row_0(make_model("llama", vocabulary=1000))
    lm.config.eos_token_id, lm.config.bos_token_id = [1, 3], 999
    ids = ordinary_ids(lm).tolist()
    assert len(set(ids)) == 12
    assert not {0, 1, 3, 999} & set(ids)
    assert min(ids) < 50
    assert max(ids) > 950
