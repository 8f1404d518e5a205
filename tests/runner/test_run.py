"""A whole run of the embedded default, made small: what it leaves behind, and what it repeats."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from reft_lab.answers.outcome import KINDS
from reft_lab.compose.conf import compose
from reft_lab.config.check import check
from reft_lab.config.schema import Config
from reft_lab.errors import BadInput, RunFailed
from reft_lab.runner import run
from reft_lab.tracking.display import Silence
from tests.made_once import made_once
from tests.runner.leftovers import lines_of, result_of

SMALL = (
    "data.train_size=120",
    "data.dev_size=40",
    "data.test_size=50",
    "warmup.epochs=4",
    "sft.epochs=3",
    "ppo.iterations=3",
    "ppo.rollouts=24",
    "ppo.mini_batch=12",
    "ppo.eval_every=2",
    "tracker.wandb=offline",
    "tracker.report=false",
)


def config_of(*overrides: str) -> Config:
    return check(compose(*SMALL, *overrides))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """The directory of a run, and what the runner returned."""

    def make(folder: Path) -> None:
        returned = run(config_of("tracker.report=true"), folder / "default", display=Silence())
        (folder / "returned.json").write_text(json.dumps(returned))

    folder = made_once(tmp_path_factory, "finished_run", make)
    return folder / "default", json.loads((folder / "returned.json").read_text())


@pytest.fixture(scope="module")
def looking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the same run once more, alone, which looks at test as well."""

    def make(folder: Path) -> None:
        words = ("eval.both_rules=true", "baseline=null", "tracker.wandb=disabled")
        run(config_of(*words), folder / "run", display=Silence())

    return made_once(tmp_path_factory, "finished_run_again", make) / "run"


def test_result_is_complete_and_true_to_the_predictions(finished):
    directory, returned = finished
    result = result_of(directory)
    assert (result["status"], result["reason"], result["selection"]) == ("finished", None, "dev")
    for key in ("warmup", "final", "baseline_sft"):
        assert (result[key]["dev"]["n"], result[key]["test"]["n"]) == (40, 50)
        for score in result[key].values():
            low, high = score["ci95"]
            assert 0 <= low <= score["accuracy"] <= high <= 1
    predictions = lines_of(directory, "predictions.jsonl")
    kinds = [p["outcome"] for p in predictions]
    assert len({p["id"] for p in predictions}) == 50
    assert kinds.count("correct") / 50 == pytest.approx(result["final"]["test"]["accuracy"])
    assert [p["warmup"]["outcome"] for p in predictions].count("correct") / 50 == pytest.approx(
        result["warmup"]["test"]["accuracy"]
    )
    assert result["outcomes"] == {kind: kinds.count(kind) for kind in kinds}
    assert {"warmup", "reft", "evaluation", "total"} <= result["seconds"].keys()
    assert returned == result["final"]["dev"]["accuracy"]


def test_the_result_tells_questions_that_are_nearly_in_train_from_the_others(finished):
    directory, _ = finished
    result = result_of(directory)
    predictions = lines_of(directory, "predictions.jsonl")
    for likeness in ("normalised", "masked", "near"):
        for name, wanted in (("in_train", True), ("not_in_train", False)):
            right = [p["outcome"] == "correct" for p in predictions if p[f"{likeness}_in_train"] is wanted]
            part = result["test_by_overlap"][likeness][name]
            assert (part is None) == (not right)
            assert part is None or (part["n"], part["accuracy"]) == (len(right), pytest.approx(sum(right) / len(right)))
        if likeness != "near":
            among = sum(p[f"{likeness}_in_train"] for p in predictions)
            assert among == result["data"]["duplicates"][likeness]["train/test"]
    for likeness in ("normalised", "masked"):  # of the embedded problems none is in two splits, names aside
        part = result["test_by_overlap"][likeness]
        assert part["in_train"] is None
        assert part["not_in_train"]["n"] == len(predictions)


def test_metrics_have_one_step_axis_and_both_stages(finished):
    directory, _ = finished
    records = lines_of(directory)
    steps = [record["step"] for record in records]
    assert steps == sorted(set(steps))
    warmup = [r for r in records if "warmup/loss" in r]
    reft = [r for r in records if "rollout/reward" in r]
    assert len(warmup) == 4 * math.ceil(120 / 16)
    assert len(reft) == 3
    assert warmup[-1]["step"] < reft[0]["step"]
    assert [r["step"] for r in reft if "eval/accuracy" in r] == [reft[1]["step"], reft[2]["step"]]
    for record in reft:
        shares = [record[f"rollout/outcome/{kind}"] for kind in KINDS]
        assert sum(shares) == pytest.approx(1)
        assert record["rollout/accuracy"] == record["rollout/outcome/correct"]
        assert record["ppo/first_ratio_error"] < 1e-3
    assert warmup[-1]["warmup/loss"] < warmup[0]["warmup/loss"]


def test_config_and_passport_tell_where_it_came_from(finished):
    from omegaconf import OmegaConf

    directory, _ = finished
    stored = OmegaConf.to_container(OmegaConf.load(directory / "config.yaml"))
    assert stored["ppo"]["iterations"] == 3
    passport = json.loads((directory / "passport.json").read_text())
    assert passport["seed"] == 0
    assert {"git", "command", "versions", "hardware", "hashes"} <= passport.keys()
    assert passport["versions"]["torch"]
    assert all(len(h) == 16 for h in passport["hashes"].values())


def test_samples_are_readable(finished):
    directory, _ = finished
    samples = lines_of(directory, "samples.jsonl")
    assert len(samples) == 2 * 8
    keys = {"step", "id", "question", "response", "answer", "gold", "outcome", "reward", "tokens"}
    assert all(s.keys() == keys and s["outcome"] in KINDS for s in samples)
    for tokens in (sample["tokens"] for sample in samples):
        assert tokens.keys() == {"text", "advantage", "kl", "value", "ratio"}
        assert len({len(of) for of in tokens.values()}) == 1
    assert all("".join(sample["tokens"]["text"]) == sample["response"] for sample in samples)


def test_what_samples_say_of_tokens_is_what_metrics_say_of_the_iteration(finished, tmp_path):
    """All rollouts of two iterations are kept, so the metrics can be computed from their tokens with plain loops."""
    options = (f"model.path={finished[0] / 'checkpoints' / 'warmup'}", "warmup.epochs=0", "baseline=null")
    options += ("tracker.wandb=disabled", "tracker.samples=100", "ppo.eval_every=1", "ppo.iterations=2")
    options += ("ppo.lr=1e-2", "ppo.lr_warmup_steps=0", "ppo.kl_coef=1")  # there is something to whiten without rewards
    run(config_of(*options), tmp_path / "run", display=Silence())
    assert not (tmp_path / "run" / "report.html").exists()
    samples = lines_of(tmp_path / "run", "samples.jsonl")
    for record in lines_of(tmp_path / "run")[-2:]:
        mine = [sample["tokens"] for sample in samples if sample["step"] == record["step"]]
        assert len(mine) == 24

        def every(name: str, mine: list = mine) -> list[float]:
            return [x for tokens in mine for x in tokens[name]]

        n = len(every("kl"))
        assert n / 24 == pytest.approx(record["rollout/length"])
        assert sum(every("kl")) / n == pytest.approx(record["ppo/kl_ref_token"], abs=1e-3)
        assert sum(every("value")) / n == pytest.approx(record["rollout/value"], abs=1e-3)
        assert sum(every("advantage")) / n == pytest.approx(0, abs=1e-3)  # whitened
        assert max(abs(x - 1) for x in every("ratio")) > 1e-3  # of the policy after the update
        for name in ("kl", "value"):
            tenths: dict[str, list[float]] = {}
            for tokens in mine:
                for i, x in enumerate(tokens[name]):
                    part = 10 * (2 * i + 1) // (2 * len(tokens[name])) + 1
                    tenths.setdefault(f"position/{name}/{part:02d}", []).append(x)
            expect = {key: pytest.approx(sum(xs) / len(xs), abs=1e-3) for key, xs in tenths.items()}
            assert {key: x for key, x in record.items() if key.startswith(f"position/{name}/")} == expect
    assert sum(x * x for x in every("advantage")) / n == pytest.approx(1, abs=1e-2)  # of the last iteration


def test_positions_are_recorded_where_the_run_is_evaluated(finished):
    directory, _ = finished
    for record in lines_of(directory):
        is_evaluated = "rollout/reward" in record and "eval/accuracy" in record
        assert any(key.startswith("position/") for key in record) == is_evaluated


@pytest.mark.parametrize("name", ["warmup", "best"])
def test_checkpoints_load_with_plain_transformers(finished, name):
    directory, _ = finished
    model = AutoModelForCausalLM.from_pretrained(directory / "checkpoints" / name)
    tokenizer = AutoTokenizer.from_pretrained(directory / "checkpoints" / name)
    ids = tokenizer("Question:\nSam had x0 apples.", return_tensors="pt")
    assert model.generate(**ids, max_new_tokens=3).shape[1] == ids["input_ids"].shape[1] + 3
    assert tokenizer.eos_token_id == model.config.eos_token_id


def test_wandb_files_stay_in_the_run_directory(finished):
    directory, _ = finished
    assert list((directory / "wandb").glob("offline-run-*/*.wandb"))
    outside = [p for p in directory.parent.rglob("*wandb*") if directory not in p.parents and p != directory]
    assert not outside


def test_the_baseline_is_a_run_of_its_own_from_the_same_start(finished):
    directory, _ = finished
    baseline = directory / "baseline_sft"
    result = result_of(baseline)
    main = result_of(directory)
    assert result["method"] == "sft"
    assert result["final"] == main["baseline_sft"]
    ours, theirs = (json.loads((d / "passport.json").read_text())["hashes"] for d in (directory, baseline))
    assert ours == theirs


def test_the_same_seed_gives_the_same_run(finished, looking):
    """Whether it looks at test as well or not."""
    directory, _ = finished
    for name in ("predictions.jsonl", "samples.jsonl"):
        assert (looking / name).read_text() == (directory / name).read_text()
    first, second = (
        AutoModelForCausalLM.from_pretrained(d / "checkpoints" / "best").state_dict() for d in (directory, looking)
    )
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_warmed_up_runs_go_on_from_a_checkpoint_of_ours(finished, tmp_path):
    """warmup.epochs=0 starts ReFT where another run's warm-up ended, with the same result as in one go."""
    directory, _ = finished
    checkpoint = directory / "checkpoints" / "warmup"
    overrides = (f"model.path={checkpoint}", "warmup.epochs=0", "baseline=null", "tracker.wandb=disabled")
    run(config_of(*overrides), tmp_path / "on", display=Silence())
    assert (tmp_path / "on" / "predictions.jsonl").read_text() == (directory / "predictions.jsonl").read_text()


def test_a_run_directory_is_never_used_twice(finished):
    directory, _ = finished
    before = (directory / "result.json").read_text()
    with pytest.raises(BadInput, match="already holds a run"):
        run(config_of("baseline=null"), directory, display=Silence())
    assert (directory / "result.json").read_text() == before


def test_selection_on_the_test_set_is_said(tmp_path):
    overrides = ("selection=test", "baseline=null", "tracker.wandb=disabled", "ppo.iterations=1", "warmup.epochs=1")
    returned = run(config_of(*overrides), tmp_path / "run", display=Silence())
    result = result_of(tmp_path / "run")
    assert result["selection"] == "test"
    assert returned == result["final"]["test"]["accuracy"]
    assert result["final"]["dev"]["n"] == 40
    rules = result["selection_rules"]
    assert rules["test"] == result["final"]["test"]
    assert rules["inflation"] >= 0
    assert rules["candidates"] == 2  # the warm-up, and an iteration
    lines = lines_of(tmp_path / "run")
    assert all(("eval/dev_accuracy" in line) == ("eval/accuracy" in line) for line in lines)
    assert not any("eval/test_accuracy" in line for line in lines)


def test_both_rules_of_selection_are_told_of_the_same_run(finished, looking, tmp_path):
    """Looking at test as well changes nothing of the run, and says what a run that picks on test comes to."""
    words = ("selection=test", "baseline=null", "tracker.wandb=disabled")
    run(config_of(*words), tmp_path / "picking", display=Silence())
    before, looked, picking = (result_of(directory) for directory in (finished[0], looking, tmp_path / "picking"))
    assert before["selection_rules"] is None
    for key in ("warmup", "final", "chosen", "outcomes"):
        assert looked[key] == before[key]
    both = [(record, "eval/test_accuracy") for record in lines_of(looking)]
    both = [(record["eval/accuracy"], record[name]) for record, name in both if name in record]
    kept = both[-3:]  # the warm-up as it ended, iterations 2 and 3
    rules = looked["selection_rules"]
    assert rules["candidates"] == len(kept)
    assert rules["dev"]["accuracy"] == max(kept, key=lambda pair: pair[0])[1]
    assert rules["test"]["accuracy"] == max(test for _, test in kept)
    assert rules["inflation"] == rules["test"]["accuracy"] - rules["dev"]["accuracy"] >= 0
    assert rules["chosen"]["dev"] == looked["chosen"]
    assert picking["selection_rules"] == rules
    assert (picking["chosen"], picking["final"]["test"]) == (rules["chosen"]["test"], rules["test"])


def test_a_failed_run_says_why(tmp_path):
    overrides = (
        "warmup.lr=1",
        "warmup.max_grad_norm=1e30",
        "baseline=null",
        "tracker.wandb=disabled",
        "warmup.epochs=30",
    )
    with pytest.raises(RunFailed):
        run(config_of(*overrides, "warmup.weight_decay=1e30"), tmp_path / "run", display=Silence())
    result = result_of(tmp_path / "run")
    assert result["status"] == "failed"
    assert "lower the learning rate" in result["reason"]
