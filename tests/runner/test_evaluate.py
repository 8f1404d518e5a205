"""method=evaluate: a policy as it is given, greedy and from several samples, killed, extended and seen on its page."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from reft_lab.analysis import load
from reft_lab.compose.conf import compose
from reft_lab.config.check import check
from reft_lab.data import Problem
from reft_lab.data.arithmetic import generate
from reft_lab.runner import run
from reft_lab.tracking.display import Silence
from tests.made_once import made_once
from tests.runner.leftovers import MEASURED, lines_of, result_of
from tests.runner.processes import Run, Session
from tests.runner.small_runs import finish
from tests.small_models import save_checkpoint

SMALL = (
    "tracker.wandb=disabled",
    "debug=quick",
    "eval.dev_limit=8",
    "eval.test_limit=12",
    "cot=natural",
    "trainer.decode_batch=8",
)
DECODED = ("decode=[vote,pass]", "decode.k=24")


def problems() -> list[Problem]:
    train, dev, test = generate(64, 8, 12, 0, "mixed", "natural")
    return [*train, *dev, *test]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small Llama of nobody's training, as a folder."""

    def make(folder: Path) -> None:
        texts = [f"{problem.question}\n{problem.cot or ''}" for problem in problems()]
        save_checkpoint(folder / "model", "llama", texts, ["<s>", "</s>"], bos_token="<s>", eos_token="</s>")

    return made_once(tmp_path_factory, "evaluated_model", make) / "model"


@pytest.fixture(scope="module")
def whole(repo: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An evaluation with 24 samples of each question, in one go."""

    def make(folder: Path) -> None:
        words = ("method=evaluate", f"model.path={model}", "tracker.report=true")
        Run(repo, folder, *SMALL, *DECODED, *words).finish()

    return made_once(tmp_path_factory, "whole_evaluation", make) / "run"


def told(path: Path) -> dict[str, Any]:
    """What an evaluation found, without its time and memory."""
    result = result_of(path)
    found = {key: value for key, value in result.items() if key not in (*MEASURED, "cost")}
    return found | {"predictions": (path / "predictions.jsonl").read_text()}


def sampled(folder: Path) -> int:
    """Lines in the pools below a folder."""
    return sum(file.read_bytes().count(b"\n") for file in folder.glob("outputs/pools/*/samples.jsonl"))


def test_what_an_evaluation_leaves(whole: Path, model: Path) -> None:
    result = result_of(whole)
    assert (result["status"], result["method"], result["chosen"]) == ("finished", "evaluate", "as given")
    assert result["policy"]["path"] == str(model)
    assert result["policy"]["run"] is None
    assert (result["final"]["dev"]["n"], result["final"]["test"]["n"]) == (8, 12)
    assert result["warmup"] is None
    assert result["cost"]["optimizer_steps"] == 0
    assert not (whole / "checkpoints").exists()
    pool = {key: result["pool"][key] for key in ("samples", "temperature", "top_k", "top_p", "precision")}
    assert pool == {"samples": 24, "temperature": 1.0, "top_k": None, "top_p": None, "precision": "fp32"}
    for way in ("vote", "pass"):
        assert list(result["decoding"][way]) == ["1", "2", "4", "8", "16", "24"]
    lines = lines_of(whole, "predictions.jsonl")
    right = [line["samples"]["right"] for line in lines]
    assert {line["samples"]["of"] for line in lines} == {24}
    assert result["decoding"]["pass"]["1"]["accuracy"] == pytest.approx(sum(right) / (24 * 12))
    assert result["decoding"]["pass"]["24"]["accuracy"] == sum(count > 0 for count in right) / 12
    votes = [line["samples"]["vote"]["outcome"] == "correct" for line in lines]
    assert result["decoding"]["vote"]["24"]["accuracy"] == sum(votes) / 12


def test_it_is_read_back_and_has_a_page(whole: Path) -> None:
    runs = load(whole)
    row = runs.table.iloc[0]
    result = result_of(whole)
    assert (row["method"], row["state"], row["vote_k"]) == ("evaluate", "finished", 24)
    assert row["pass_accuracy"] == result["decoding"]["pass"]["24"]["accuracy"]
    curve = runs.decoding()
    assert list(curve["k"][curve["way"] == "vote"]) == [1, 2, 4, 8, 16, 24]
    page = (whole / "report.html").read_text()
    assert "any of k right" in page
    assert "24 samples of each question were drawn from the policy&#39;s full distribution, in fp32." in page
    assert "Learning curves" not in page


def test_one_that_is_killed_and_stopped_goes_on_where_it_was(repo: Path, whole: Path, model: Path, tmp_path) -> None:
    killed = Run(repo, tmp_path, *SMALL, *DECODED, "method=evaluate", f"model.path={model}")

    def begun(session: Session, lines: int) -> None:
        session.until(lambda: sampled(tmp_path) > lines, pause=0.001)

    session = killed.start()
    begun(session, 0)
    session.kill()
    kept = sampled(tmp_path)
    assert 0 < kept < 12
    session = killed.start()
    begun(session, kept)
    session.send(signal.SIGTERM, whole_group=False)
    assert session.wait() == 128 + signal.SIGTERM, session.output
    assert killed.result["status"] == "interrupted"
    killed.finish()
    assert told(killed.path) == told(whole)
    assert sampled(tmp_path) == 12  # each question was drawn once


def test_more_samples_later_are_those_of_one_go(repo: Path, whole: Path, model: Path, tmp_path: Path) -> None:
    first = Run(repo, tmp_path, *SMALL, "decode=vote", "decode.k=8", "method=evaluate", f"model.path={model}")
    first.finish()
    again = first.start("decode.k=8")
    assert again.wait() == 0
    assert "a larger decode.k makes it longer" in again.output
    first.finish("decode.k=24", "decode=[vote,pass]")
    assert told(first.path) == told(whole)
    (pool,) = tmp_path.glob("outputs/pools/*/samples.jsonl")
    numbers = [
        (record["problem"], sample["number"])
        for record in map(json.loads, pool.read_text().splitlines())
        for sample in record["samples"]
    ]
    assert len(numbers) == len(set(numbers)) == 12 * 24


@pytest.mark.parametrize("where", ["run", "run/checkpoints/best"])
def test_the_policy_of_a_run_is_asked_as_in_the_run(where: str, tmp_path: Path, monkeypatch) -> None:
    """Greedy answers and samples are those that the run itself found."""
    monkeypatch.chdir(tmp_path)
    small = ("debug=quick", "tracker.wandb=disabled", "tracker.report=false", "data.train_size=48", "eval.test_limit=6")
    words = (*small, "method=sft", "cot.sft_trigger=false", "cot.number_slots=false", "decode=pass", "decode.k=4")
    finish(Path("run"), *words)
    (Path("run") / ".hydra").mkdir()
    config = check(
        compose("method=evaluate", f"model.path={where}", "tracker.wandb=disabled", "decode=pass", "decode.k=4")
    )
    assert (config.cot.sft_trigger, config.cot.number_slots, config.data.train_size) == (False, False, 48)
    run(config, Path("evaluation"), display=Silence())
    trained, evaluated = (result_of(Path(folder)) for folder in ("run", "evaluation"))
    assert evaluated["policy"]["method"] == "sft"
    assert evaluated["policy"]["prompts"] == "sft"
    for key in ("final", "decoding", "pool", "outcomes", "chosen"):
        assert evaluated[key] == trained[key]
    assert len(list(Path("outputs/pools").iterdir())) == 1


def as_released(model: Path, home: Path) -> None:
    """A cache of the hub that has the model as the authors put theirs there: pickles in several files."""
    revision = "0" * 40
    cached = home / "hub" / "models--someone--Small-ReFT-GSM8k"
    folder = cached / "snapshots" / revision
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text(revision)
    shutil.copytree(model, folder)
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    where = {name: f"pytorch_model-0000{1 + number % 2}-of-00002.bin" for number, name in enumerate(weights)}
    for file in set(where.values()):
        torch.save({name: tensor for name, tensor in weights.items() if where[name] == file}, folder / file)
    index = {"metadata": {"total_size": 1}, "weight_map": where}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))


def test_checkpoints_laid_out_as_the_authors_released_theirs(repo: Path, model: Path, tmp_path: Path) -> None:
    """The documented command, but for the names of model and data."""
    as_released(model, tmp_path / "hf")
    words = ("experiment=paper/gsm8k_program_codellama", "preset=released_code", "method=evaluate")
    mine = ("model.path=someone/Small-ReFT-GSM8k", "data=arithmetic", "data.source=hub", "debug=quick")
    released = Run(
        repo, tmp_path / "there", *words, *mine, "programs.fallback=null", "tracker.wandb=disabled", forked=False
    )
    released.environment |= {"HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1"}
    released.finish()
    assert released.result["selection"] == "test"
    assert released.result["final"]["test"]["n"] == 32
    assert released.result["policy"]["path"] == "someone/Small-ReFT-GSM8k"
    assert released.result["policy"]["prompts"] == "rl"
