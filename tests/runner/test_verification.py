"""`reft verify`: a run again from its passport, equal or not, and from where on not."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from reft_lab.cli import main
from reft_lab.run_dir.passport import apart, command_line
from reft_lab.runner.verification import compare
from tests.runner.leftovers import lines_of
from tests.runner.small_runs import finish

TINY = (
    *("tracker=none", "tracker.report=false", "baseline=null", "method=sft", "sft.epochs=2"),
    *("data.train_size=32", "data.dev_size=8", "data.test_size=8"),
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run. Tests only read it."""
    directory = finish(tmp_path_factory.mktemp("verified") / "run", *TINY)
    (directory / ".hydra").mkdir()
    return directory


def reft(*words: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(words)
    return int(end.value.code or 0)


def test_a_run_is_equal_to_itself_run_again(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert reft("verify", str(finished), "--to", str(tmp_path / "again")) == 0
    out = capsys.readouterr().out
    assert "equal      metrics: all of 4 steps" in out
    assert "equal      predictions: all of 8 problems" in out
    assert "equal      weights: all of " in out
    assert "DIFFERENT" not in out
    assert "note:" not in out
    assert [line["step"] for line in lines_of(tmp_path / "again")] == [1, 2, 3, 4]


def test_what_was_tampered_with_is_found_and_what_is_new_is_said_first(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = shutil.copytree(finished, tmp_path / "run")
    passport = json.loads((directory / "passport.json").read_text())
    passport["versions"]["torch"] = "1.0"
    passport["git"] = {"commit": "0" * 40, "diff_hash": None}
    passport["hashes"]["data"] = "0" * 16
    (directory / "passport.json").write_text(json.dumps(passport))
    records = lines_of(directory)
    records[2]["sft/loss"] += 1.0
    (directory / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    assert reft("verify", str(directory)) == 1
    out = capsys.readouterr().out
    assert out.index("note: commit: 000") < out.index("note: torch: 1.0 -> ") < out.index("DIFFERENT  inputs")
    assert f"the hash of the data was {'0' * 16} and is " in out
    assert f"DIFFERENT  metrics: they part at step 3: sft/loss was {records[2]['sft/loss']}" in out
    assert "; 2 steps before are equal" in out
    assert "equal      predictions" in out
    assert "equal      weights" in out
    kept = Path(out.partition("the new run is in ")[2].strip())
    assert (kept / "result.json").exists()
    shutil.rmtree(kept.parent)


def spoil_weights(directory: Path) -> None:
    file = directory / "checkpoints/best/model.safetensors"
    tensors = load_file(file)
    tensors["model.norm.weight"] = tensors["model.norm.weight"] + 0.25
    save_file(tensors, file)


def spoil_predictions(directory: Path) -> None:
    lines = (directory / "predictions.jsonl").read_text().splitlines(keepends=True)
    (directory / "predictions.jsonl").write_text("".join(lines[:-1]))


def spoil_metrics(directory: Path) -> None:
    lines = (directory / "metrics.jsonl").read_text().splitlines(keepends=True)
    (directory / "metrics.jsonl").write_text("".join(lines[:-1]))


@pytest.mark.parametrize(
    ("spoil", "part", "sentence"),
    [
        (spoil_weights, "weights", "tensors differ, by up to 0.25, first best/model.safetensors:model.norm.weight"),
        (spoil_predictions, "predictions", "1 of 8 differ, first arithmetic-test-7"),
        (spoil_metrics, "metrics", "equal up to 3 steps; the run alone has step 4"),
    ],
)
def test_each_part_is_held_against_its_own(
    finished: Path, tmp_path: Path, spoil: Callable[[Path], None], part: str, sentence: str
) -> None:
    other = shutil.copytree(finished, tmp_path / "run")
    spoil(other)
    assert [verdict.part for verdict in compare(finished, other) if not verdict.is_equal] == [part]
    assert sentence in next(verdict.sentence for verdict in compare(finished, other) if verdict.part == part)


def test_a_run_that_has_not_finished_is_refused(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = shutil.copytree(finished, tmp_path / "run")
    (directory / "result.json").unlink()
    assert reft("verify", str(directory)) == 2
    assert "has not finished" in capsys.readouterr().err


def test_nothing_is_apart_here_and_the_command_can_be_pasted(finished: Path, tmp_path: Path) -> None:
    passport = json.loads((finished / "passport.json").read_text())
    assert apart(passport) == []
    assert passport["command"] == command_line() == shlex.join([sys.executable, *sys.argv])
    hostile = ["name='a b'", "reward.settings={a: $HOME}", "it's"]
    script = "import sys; from reft_lab.run_dir.passport import command_line; print(command_line())"
    (tmp_path / "say it.py").write_text(script)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    first = subprocess.run(
        [sys.executable, str(tmp_path / "say it.py"), *hostile], env=environment, capture_output=True, text=True
    )
    pasted = subprocess.run(["sh", "-c", first.stdout], env=environment, capture_output=True, text=True, check=True)
    assert pasted.stdout == first.stdout
    assert shlex.split(first.stdout)[2:] == hostile
