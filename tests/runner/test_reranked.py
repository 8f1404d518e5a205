"""decode=rerank by a model on disk: each sample is scored after its own prompt, and the best of a question counts."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from reft_lab.errors import BadInput
from reft_lab.evaluation import outcome_model
from reft_lab.evaluation.settings import DecodeConfig
from reft_lab.policy import saving
from reft_lab.runner.decoding import decode
from reft_lab.runner.given import check_reranker
from reft_lab.runner.progress import Progress
from reft_lab.tracking.display import Silence
from tests.runner.lots import PROBLEMS, Lot, make_codec, make_policy

K = 6


@pytest.fixture(scope="module")
def lot(tmp_path_factory: pytest.TempPathFactory) -> Lot:
    """A policy, and beside its pools an outcome model that tells responses apart."""
    codec, home = make_codec(), tmp_path_factory.mktemp("reranked")
    model = make_policy(codec, seed=7, critic=True)
    with torch.no_grad():
        model.value_head.weight.normal_(0, 0.1, generator=torch.Generator().manual_seed(0))
    saving.save(model, codec.tokenizer, home / "run" / "checkpoints" / "best", {"stage": outcome_model.RERANKER})
    return Lot(codec, make_policy(codec), home)


def test_the_sample_with_the_highest_score_is_the_answer(lot: Lot) -> None:
    config = DecodeConfig(vote=True, rerank=True, k=K, reranker=str(lot.home / "run"))
    setup = lot.setup(decode=config)
    run = SimpleNamespace(setup=setup, progress=Progress(), tracker=SimpleNamespace(display=Silence()))
    found = decode(run, lot.pools(setup), lot.policy, PROBLEMS, "rl")
    assert found is not None

    model = outcome_model.load(lot.home / "run", "decode.reranker")
    prompts = lot.codec.prompts([problem.question for problem in PROBLEMS])
    samples = lot.samples(K)
    for k in (1, 2, 4, K):
        shares = []
        for prompt, of_one in zip(prompts, samples, strict=True):
            scores = [model.scores([prompt], [sample.tokens])[0] for sample in of_one]
            chosen = [max(some, key=lambda i: scores[i]) for some in combinations(range(K), k)]
            shares.append(np.mean([of_one[i].outcome.kind == "correct" for i in chosen]))
        assert found.result["decoding"]["rerank"][str(k)]["accuracy"] == pytest.approx(np.mean(shares))
    right = np.mean([sample.outcome.kind == "correct" for of_one in samples for sample in of_one])
    assert 0 < right < 1  # else any choice would do
    assert run.progress.seconds["reranking"] > 0


def test_a_model_of_other_tokens_is_refused_before_anything_is_trained(lot: Lot, tmp_path: Path) -> None:
    config = lot.setup(decode=DecodeConfig(rerank=True, reranker=str(lot.home / "run"))).config
    check_reranker(config, lot.codec)
    other = make_codec()
    other.tokenizer.add_tokens(["another"])
    with pytest.raises(BadInput, match="reads other tokens than the policy writes"):
        check_reranker(config, other)
    config.decode.reranker = str(tmp_path)
    with pytest.raises(BadInput, match="is no outcome model"):
        check_reranker(config, lot.codec)
