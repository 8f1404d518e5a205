"""Runs of method=reranker: killed and gone on with, what they leave, and their outcome model as a reward."""

from __future__ import annotations

from pathlib import Path

import pytest

from reft_lab.errors import BadInput, RunFailed
from reft_lab.evaluation.outcome_model import find, load
from reft_lab.methods import METHODS
from reft_lab.metrics import recorded
from reft_lab.rewards import RewardConfig, choose
from tests.runner.leftovers import assert_same, lines_of, result_of
from tests.runner.processes import Run
from tests.runner.small_runs import finish
from tests.small_models import make_tokenizer

SMALL = (
    "tracker=none",
    "tracker.report=false",
    "baseline=null",
    "data.train_size=48",
    "data.dev_size=12",
    "data.test_size=12",
    "warmup.epochs=1",
    "ppo.max_new_tokens=24",
)
RERANKER = (
    *SMALL,
    "method=reranker",
    "reranker.samples=4",
    "reranker.k=3",
    "reranker.gold=true",
    "reranker.epochs=2",
    "reranker.batch_size=16",
    "checkpoint.every=2",
)
WARMUP, STEPS = 3, 15  # 96 graded responses: 48 questions with their gold reasoning and a wrong sample each


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was never stopped."""
    folder = tmp_path_factory.mktemp("whole")
    return finish(folder / "run", *RERANKER, f"pool.folder={folder / 'pools'}")


def test_a_run_that_is_killed_ends_like_one_that_was_not(whole: Path, repo: Path, tmp_path: Path) -> None:
    killed = Run(repo, tmp_path, *RERANKER, f"pool.folder={whole.parent / 'pools'}")
    for step in (WARMUP, WARMUP + 5):
        session = killed.start()
        session.until(lambda step=step: killed.step >= step)
        session.kill()
    killed.finish()
    assert [record["step"] for record in killed.metrics] == list(range(1, STEPS + 1))
    assert_same(whole, killed.path)


def test_a_run_has_the_generator_s_greedy_answers_beside_the_chosen_ones(whole: Path) -> None:
    result = result_of(whole)
    assert result["chosen"] in ("epoch 1", "epoch 2")
    assert {(part, result[part][split]["n"]) for part in ("warmup", "final") for split in ("dev", "test")} == {
        ("warmup", 12),
        ("final", 12),
    }
    assert "the reranker is trained on 96 responses, half of them right, half of them wrong." in result["notes"]
    lines = lines_of(whole)
    names = {name for line in lines for name in line}
    # No candidate may be right after so short a warm-up; there is nothing to rank then.
    wanted = {"step", "seconds", *recorded(METHODS["reranker"].records)}
    assert names | {"reranker/eval_auc"} == wanted
    best = max(line["eval/accuracy"] for line in lines if line["step"] > WARMUP and "eval/accuracy" in line)
    assert result["final"]["dev"]["accuracy"] == best
    assert len((whole / "predictions.jsonl").read_text().splitlines()) == 12


def test_its_outcome_model_is_found_in_the_run_and_in_the_checkpoint(whole: Path) -> None:
    best = whole / "checkpoints" / "best"
    assert find(whole, "decode.reranker") == find(best, "decode.reranker") == best
    one, other = load(whole, "decode.reranker"), load(best, "decode.reranker", tokens_per_micro_batch=64)
    responses = [[i, i + 1, one.tokenizer.eos_token_id] for i in range(10, 20)]
    scores = one.scores([[7, 8]] * 10, responses)
    assert scores == pytest.approx(other.scores([[7, 8]] * 10, responses), abs=1e-6)
    assert all(0 < score < 1 for score in scores)
    assert len(set(scores)) == 10
    one.check_tokenizer(other.tokenizer)
    with pytest.raises(BadInput, match=r"the outcome model of decode\.reranker=.* reads other tokens than the policy"):
        one.check_tokenizer(make_tokenizer(["some text"], 300, ["<eos>"], eos_token="<eos>"))


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("nowhere", r"^reward\.reranker=\S*nowhere does not exist \(seen from "),
        ("run/checkpoints/warmup", r"^reward\.reranker=\S*warmup is no outcome model; give the run directory of a "),
        ("run/checkpoints", r"^reward\.reranker=\S*checkpoints is no outcome model; "),
    ],
)
def test_what_is_no_outcome_model_is_refused_before_anything_loads(whole: Path, path: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        choose(RewardConfig("outcome_model", reranker=str(whole.parent / path)))


def test_it_can_be_the_reward(whole: Path, tmp_path: Path) -> None:
    words = ("reward=outcome_model", f"reward.reranker={whole}", "ppo.iterations=1", "ppo.rollouts=16")
    finish(tmp_path / "run", *SMALL, *words, "ppo.mini_batch=16")
    records = lines_of(tmp_path / "run", "samples.jsonl")
    assert records
    assert all(0 < record["reward"] < 1 for record in records)
    assert len({record["reward"] for record in records}) > 1


def test_a_policy_with_another_tokenizer_cannot_have_it_for_a_reward(whole: Path, tmp_path: Path) -> None:
    words = ("reward=outcome_model", f"reward.reranker={whole}", "model.scratch.min_count=1")
    with pytest.raises(BadInput, match="because their tokenizers differ; train it from the same model"):
        finish(tmp_path / "run", *SMALL, *words)
    assert not (tmp_path / "run").exists()


def test_a_run_decodes_by_it_what_the_same_policy_wrote(whole: Path, tmp_path: Path) -> None:
    """rerank@k of its generator's candidates is the accuracy of the run that made it."""
    warmup = whole / "checkpoints" / "warmup"
    words = ("method=evaluate", f"model.path={warmup}", "decode=rerank", f"decode.reranker={whole}", "decode.k=3")
    pools = f"pool.folder={whole.parent / 'pools'}"
    evaluated = Run(Path(__file__).parents[2], tmp_path, *words, pools, "tracker=none")
    evaluated.finish()
    made = result_of(whole)
    result = evaluated.result
    assert result["decoding"]["rerank"]["3"]["accuracy"] == pytest.approx(made["final"]["test"]["accuracy"])
    assert result["final"]["test"]["accuracy"] == made["warmup"]["test"]["accuracy"]


def test_its_cost_has_the_samples_in_it_and_not_the_candidates(whole: Path) -> None:
    cost = result_of(whole)["cost"]
    assert cost["optimizer_steps"] == STEPS
    assert cost["questions"] == 48 + 48 + 2 * 96  # of the warm-up, asked for samples, and read in two epochs
    assert 48 * 4 <= cost["sampled_tokens"] <= 48 * 4 * 24


def test_a_budget_that_the_warm_up_uses_up_leaves_no_reranker(whole: Path, tmp_path: Path) -> None:
    words = (*RERANKER, "budget.tokens=100", f"pool.folder={whole.parent / 'pools'}")
    with pytest.raises(RunFailed, match="the budget was used up by the warm-up, so there is no reranker"):
        finish(tmp_path / "run", *words)
    assert result_of(tmp_path / "run")["status"] == "failed"
