"""The paper's tables with our runs in them: which cells stand side by side, what is gained, what differs."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from reft_lab.analysis.found import Found
from reft_lab.analysis.paper_tables import TABLES, Beside, beside, in_words, of_the_paper, tables_in
from reft_lab.analysis.published import published
from reft_lab.analysis.runs import Runs
from reft_lab.analysis.statistics import mean_over_seeds, paired_difference
from reft_lab.compose.conf import compose
from reft_lab.config.check import check
from reft_lab.errors import BadInput
from reft_lab.text import flatten
from tests.analysis.frames import found, runs_of
from tests.command.begun import begun

LLAMA = {"model.name": "codellama", "data.name": "gsm8k", "data.source": "paper"}
SFT, REFT = (0.5, 0.54, 0.55), (0.6, 0.66, 0.63)


def with_samples(run: Found, **accuracies: dict[int, float]) -> Found:
    """A run that was also evaluated by voting or reranking among several numbers of samples."""
    decoding = {
        kind: {str(k): {"accuracy": accuracy, "n": 100, "ci95": [0.0, 1.0]} for k, accuracy in by_k.items()}
        for kind, by_k in accuracies.items()
    }
    return replace(run, result={**run.result, "decoding": decoding})


def seeds(name: str, accuracies: tuple[float, ...], **facts: Any) -> list[Found]:
    return [found(f"{name}-{seed}", seed=seed, test=value, **facts) for seed, value in enumerate(accuracies)]


def cell(table: Beside, **what: str) -> dict[str, Any]:
    (one,) = [row for row in table.frame.to_dict("records") if all(row[key] == value for key, value in what.items())]
    return one


TINY = [*seeds("sft", SFT, method="sft"), *seeds("reft", REFT, warmup=0.4)]


def test_a_model_of_the_paper_stands_beside_its_own_number() -> None:
    runs = runs_of(found("reft", test=0.74, config=LLAMA), found("sft", method="sft", test=0.62, config=LLAMA))
    assert tables_in(runs) == ["main"]
    reft = cell(beside(runs, "main"), method="reft", model="codellama")
    assert (reft["paper"], reft["mean"], reft["n"]) == (0.7528, 0.74, 1)
    assert reft["difference"] == pytest.approx(0.74 - 0.7528)
    assert reft["paper_gain"] == pytest.approx(0.7528 - 0.6368)
    assert reft["gain"] == pytest.approx(0.12)
    assert math.isnan(reft["gain_low"])  # one seed


def test_another_model_stands_beside_a_number_that_it_is_not_measured_by() -> None:
    table = beside(runs_of(*TINY), "main")
    reft = cell(table, method="reft")
    assert (reft["paper"], reft["n"]) == (0.7528, 3)
    assert math.isnan(reft["difference"])
    expected, gained = mean_over_seeds(REFT), paired_difference(REFT, SFT)
    assert (reft["mean"], reft["low"], reft["high"]) == pytest.approx((expected.mean, expected.low, expected.high))
    assert (reft["gain"], reft["gain_low"]) == pytest.approx((gained.mean, gained.low))
    assert cell(table, method="online_st")["n"] == 0  # theirs alone
    assert list(table.frame["method"]) == ["warmup", "sft", "offline_st", "online_st", "reft"]
    assert any("tiny on arithmetic stands beside CodeLLaMA-7B on GSM8K" in note for note in table.notes)


def test_gains_are_paired_by_seed_alone() -> None:
    runs = runs_of(*TINY, found("more", seed=9, test=0.1))
    gained = cell(beside(runs, "main"), method="reft")
    assert gained["n"] == 4
    assert gained["gain"] == pytest.approx(paired_difference(REFT, SFT).mean)


def test_voting_and_reranking_take_the_most_samples() -> None:
    each = [with_samples(run, vote={1: 0.5, 64: 0.7}, rerank={64: 0.8}, **{"pass": {64: 0.9}}) for run in TINY]
    runs = runs_of(*each)
    assert tables_in(runs) == ["decoding"]
    table = beside(runs, "decoding")
    vote = cell(table, method="reft", decoding="vote@64")
    assert (vote["paper"], vote["mean"], vote["paper_gain"]) == pytest.approx((0.78, 0.7, 0.78 - 0.7528))
    assert vote["gain"] == pytest.approx(0.7 - mean_over_seeds(REFT).mean)  # over greedy decoding of the same policy
    assert cell(table, method="sft", decoding="rerank@64")["paper"] == 0.77
    assert not any("pass" in decoding for decoding in table.frame["decoding"])
    assert any(note.startswith("Samples: 64 a question here, 100 in the paper") for note in table.notes)


def test_a_policy_that_was_only_evaluated_counts_for_the_run_that_trained_it() -> None:
    evaluated = with_samples(found("later", method="evaluate", test=0.62, seed=7), vote={64: 0.7})
    policy = {"run": "reft-1", "name": "reft", "method": "reft", "seed": 1, "chosen": "reft"}
    runs = runs_of(*TINY, replace(evaluated, result={**evaluated.result, "policy": policy}))
    table = beside(runs, "decoding")
    assert set(table.frame["method"]) == {"warmup", "sft", "reft"}
    vote = cell(table, method="reft", decoding="vote@64")
    assert vote["gain"] == pytest.approx(0.7 - (REFT[1] + 0.62) / 2)  # seed 1, which was read twice


def test_a_policy_without_kl_penalty_stays_one_when_it_is_evaluated_alone(tmp_path: Path) -> None:
    """Else its accuracy would be taken for that of ReFT as it is."""
    trained = begun(tmp_path / "trained", "ablation=beta_0", "warmup.epochs=7", status="finished")

    def evaluated(run: str, number: int) -> Found:
        later = found(f"later-{number}", method="evaluate", test=0.02)
        policy = {"run": run, "name": "reft", "method": "reft", "seed": number, "chosen": "iteration 5"}
        return replace(later, result={**later.result, "policy": policy})

    runs = runs_of(*TINY, *seeds("kl", (0.1,), config={"ppo.kl_coef": 0.0}))
    runs = runs_of(*runs.found, evaluated("kl-0", 5), evaluated(str(trained), 6), evaluated("gone", 7))
    table = beside(runs, "ablation")
    assert cell(table, variant="beta 0")["n"] == 3  # seeds 0, 5 and 6
    assert cell(table, variant="beta 0")["mean"] == pytest.approx((0.1 + 0.02 + 0.02) / 3)
    assert cell(table, variant="")["n"] == 4  # of the one that is gone nothing else is known
    assert cell(beside(runs, "warmup"), variant="7 epochs", method="reft")["n"] == 1


def test_runs_with_more_samples_meet_the_others_at_fewer() -> None:
    votes = ({16: 0.4, 32: 0.5}, {16: 0.6, 32: 0.7, 64: 0.9}, {16: 0.8, 32: 0.9, 64: 0.9})
    each = [with_samples(run, vote=vote) for run, vote in zip(seeds("reft", REFT), votes, strict=True)]
    table = beside(runs_of(*each), "decoding")
    vote = cell(table, method="reft", decoding="vote@32")
    assert (vote["mean"], vote["n"]) == (pytest.approx(0.7), 3)
    assert "vote@64" not in set(table.frame["decoding"])


def test_ablations_are_known_by_their_options() -> None:
    each = [
        *seeds("full", REFT),
        *seeds("exact", SFT, reward="exact"),
        *seeds("kl", (0.7,), config={"ppo.kl_coef": 0.0}),
        *seeds("value", (0.6,), config={"model.value": "separate"}),
        *seeds("lambda", (0.65,), config={"ppo.lam_value": 1.0}),
        found("grpo", test=0.9, config={"label": "GRPO", "ppo.kl_coef": 0.0}),
    ]
    runs = runs_of(*each)
    assert tables_in(runs) == ["ablation"]
    table = beside(runs, "ablation")
    rows = table.frame[["variant", "paper", "n"]].itertuples(index=False, name=None)
    known = {variant: (paper, n) for variant, paper, n in rows}
    assert known["no partial reward"] == (0.744, 3)
    assert known[""] == (0.7528, 3)
    assert known["beta 0"] == (0.0, 1)
    assert math.isnan(known["decoupled lambda"][0])
    assert "GRPO" not in set(table.frame["method"])
    assert cell(table, variant="no partial reward")["gain"] == pytest.approx(paired_difference(SFT, REFT).mean)
    assert any("collapses in the paper" in note for note in table.notes)


def test_epochs_of_warmup_are_in_order_and_beside_their_warmup() -> None:
    runs = runs_of(
        *(found(f"{epochs}", test=0.6, warmup=epochs / 100, config={"warmup.epochs": epochs}) for epochs in (20, 5, 10))
    )
    assert tables_in(runs) == ["warmup"]
    table = beside(runs, "warmup")
    assert list(table.frame["variant"]) == ["5 epochs", "10 epochs", "20 epochs"] * 2
    assert cell(table, method="reft", variant="5 epochs")["gain"] == pytest.approx(0.55)
    assert "Paper" not in in_words(table)  # a curve without numbers


def test_every_published_number_is_in_a_table() -> None:
    assert all(any(table.takes(one) for table in TABLES.values()) for one in published())


def as_composed(*words: str) -> Found:
    """A finished run of this experiment."""
    return replace(found("run", test=0.7), config=flatten(asdict(check(compose(*words)))))


def test_settings_that_are_not_the_papers_are_named() -> None:
    exact = as_composed("experiment=paper/gsm8k_program_codellama")
    assert not [note for note in beside(runs_of(exact), "main").notes if note.startswith(("Settings", "Data"))]
    other = as_composed("experiment=paper/gsm8k_program_codellama", "data.source=hub", "ppo.lr=1e-6", "selection=test")
    notes = " ".join(beside(runs_of(other), "main").notes)
    assert "differs from experiment=paper/gsm8k_program_codellama in ppo.lr." in notes
    assert "GSM8K is the hub's" in notes
    assert "the best checkpoint on test, as in the paper" in notes


def test_a_page_shows_the_paper_where_the_study_is_one_of_its_own_or_ran_its_cells() -> None:
    def of_study(name: str, runs: Runs) -> Runs:
        return Runs([replace(run, config={**run.config, "tracker.group": name}) for run in runs.found], [])

    assert of_the_paper(of_study("kl", runs_of(*TINY))) == []
    assert [table.name for table in of_the_paper(of_study("paper_main", runs_of(*TINY)))] == ["main"]
    assert [table.name for table in of_the_paper(of_study("paper_small_models_2", runs_of(*TINY)))] == ["small_models"]
    assert of_the_paper(of_study("mine", runs_of(found("reft", test=0.74, config=LLAMA))))
    assert of_the_paper(runs_of(found("reft", state="running"))) == []


def test_runs_without_an_accuracy_make_no_table() -> None:
    with pytest.raises(BadInput, match="no finished run has an accuracy for the table ablation"):
        beside(runs_of(*seeds("sft", SFT, method="sft")), "ablation")
