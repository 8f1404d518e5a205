"""Warm-ups that are kept: a run that begins from one ends as if it had trained its own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from reft_lab.compose.conf import compose
from reft_lab.config.check import check
from reft_lab.errors import Interrupted
from reft_lab.run_dir.json_lines import line
from reft_lab.run_dir.reading import read_lines
from reft_lab.runner import resume, run
from reft_lab.runner.loop import Loop
from reft_lab.tracking.display import Silence
from tests.runner.leftovers import assert_same
from tests.runner.small_runs import finish

COMMON = (
    "data.train_size=64",
    "data.dev_size=16",
    "data.test_size=16",
    "warmup.epochs=2",
    "ppo.iterations=2",
    "ppo.rollouts=16",
    "ppo.mini_batch=8",
    "ppo.max_new_tokens=32",
    "ppo.eval_every=1",
    "tracker=none",
    "tracker.report=false",
    "baseline=null",
)


def run_of(folder: Path, *options: str, warmups: Path | None = None) -> Path:
    kept = () if warmups is None else (f"checkpoint.warmups={warmups}",)
    return finish(folder, *COMMON, *options, *kept)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder of warm-ups with the one of a run of ReFT, and that run."""
    folder = tmp_path_factory.mktemp("kept")
    return folder / "warmups", run_of(folder / "reft", warmups=folder / "warmups")


def log(folder: Path) -> str:
    return (folder / "log.txt").read_text()


@pytest.mark.parametrize("options", [("method=grpo", "ppo.lr=1e-4"), ("model.value=separate", "ppo.lam=0.9")])
def test_a_run_that_begins_from_a_kept_warmup_is_the_one_that_trains_it(
    kept: tuple[Path, Path], tmp_path: Path, options: tuple[str, ...]
) -> None:
    """Whatever the run that kept it trained afterwards, with a critic or without one."""
    warmups, maker = kept
    from_kept = run_of(tmp_path / "kept", *options, warmups=warmups)
    assert f"the warm-up is the one that {maker} trained" in log(from_kept)
    assert " warm-up: " not in log(from_kept).replace("after warm-up: ", "")  # its bar never moved
    own = run_of(tmp_path / "own", *options)
    assert_same(own, from_kept)
    costs = [json.loads((folder / "result.json").read_text())["cost"] for folder in (own, from_kept)]
    assert costs[0] | {"seconds": 0} == costs[1] | {"seconds": 0}
    assert costs[1]["trained_tokens"] > 0
    assert costs[1]["seconds"] > 0


@pytest.mark.parametrize(
    "other", ["seed=1", "warmup.lr=1e-3", "data.train_size=63", "model.scratch.layers=2", "ppo.value_init=random"]
)
def test_another_warmup_is_another(kept: tuple[Path, Path], tmp_path: Path, other: str) -> None:
    warmups = tmp_path / "warmups"
    shutil.copytree(kept[0], warmups)
    assert "the warm-up is the one" not in log(run_of(tmp_path / "run", other, "ppo.iterations=0", warmups=warmups))
    assert len([folder for folder in warmups.iterdir() if folder.is_dir()]) == 2


def test_a_budget_that_ends_within_the_warmup_does_so(kept: tuple[Path, Path], tmp_path: Path) -> None:
    warmups, _ = kept
    whole = sum(record.get("warmup/epoch", 0) == 1 for record in read_lines(kept[1] / "metrics.jsonl"))
    assert whole == 1
    for tokens, begins in ((1000, False), (10**6, True)):
        folder = run_of(tmp_path / str(tokens), f"budget.tokens={tokens}", warmups=warmups)
        assert ("the warm-up is the one" in log(folder)) is begins


def test_a_damaged_one_is_trained_and_kept_anew(kept: tuple[Path, Path], tmp_path: Path) -> None:
    warmups = tmp_path / "warmups"
    shutil.copytree(kept[0], warmups)
    (state,) = warmups.glob("*/last/state.safetensors")
    state.write_bytes(state.read_bytes()[:-1])
    first = run_of(tmp_path / "first", warmups=warmups)
    assert "the warm-up is the one" not in log(first)
    assert "the warm-up is the one" in log(run_of(tmp_path / "second", warmups=warmups))


def test_a_run_that_began_from_one_goes_on_without_it(
    kept: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped before its first step, when the state of the warm-up is all it has, and then the folder is lost."""
    warmups = tmp_path / "warmups"
    shutil.copytree(kept[0], warmups)
    config = check(compose(*COMMON, f"checkpoint.warmups={warmups}"))
    with monkeypatch.context() as patch:
        patch.setattr(Loop, "_step", lambda *_, **__: (_ for _ in ()).throw(Interrupted(2)))
        with pytest.raises(Interrupted):
            run(config, tmp_path / "run", display=Silence())
    shutil.rmtree(warmups)
    resume(config, tmp_path / "run", display=Silence())
    assert_same(kept[1], tmp_path / "run")


def test_the_lines_of_a_kept_warmup_are_those_of_its_run(kept: tuple[Path, Path]) -> None:
    warmups, maker = kept
    (path,) = warmups.glob("*/metrics.jsonl")
    records = list(read_lines(path))
    assert records
    assert (maker / "metrics.jsonl").read_text().startswith("".join(map(line, records)))
