"""fork=RUN_DIR@STEP: a run of its own from another one's state, the same bit for bit where nothing is changed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from reft_lab.compose.conf import compose
from reft_lab.config.check import check
from reft_lab.errors import BadInput, Interrupted
from reft_lab.run_dir.forked import check_fork, origin_of
from reft_lab.runner import resume, run
from reft_lab.runner.fork import Fork
from reft_lab.runner.loop import Loop
from reft_lab.tracking.display import Silence
from tests.runner.leftovers import assert_same, lines_of, result_of
from tests.runner.small_runs import SMALL, WARMUP, finish

PARENT = (*SMALL, "ppo.iterations=2", "ppo.rollouts=8", "ppo.eval_every=1", "checkpoint.keep=9")
NAME = "tiny-arithmetic-program-reft"
CHANGES = ("ppo.kl_coef=0.5", "seed=7")


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run that kept all its states. Tests only read it."""
    directory = finish(tmp_path_factory.mktemp("parent") / "run", *PARENT)
    (directory / ".hydra").mkdir()
    return directory


def passport(directory: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((directory / "passport.json").read_text())
    return found


def log(directory: Path) -> str:
    return (directory / "log.txt").read_text()


def complaint(*words: str) -> str:
    with pytest.raises(BadInput) as caught:
        check_fork(check(compose(*words)))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture(scope="module")
def changed(parent: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fork with other options, finished. Tests only read it."""
    directory = tmp_path_factory.mktemp("changed") / "run"
    run(check(compose(f"fork={parent}@{WARMUP + 1}", *CHANGES)), directory, display=Silence())
    (directory / ".hydra").mkdir()
    return directory


@pytest.mark.parametrize("moment", [WARMUP // 2, WARMUP + 1, "warmup"])
def test_without_a_change_it_goes_on_as_its_run_did(parent: Path, tmp_path: Path, moment: int | str) -> None:
    """From within the warm-up, from within ReFT, and from the policy after the warm-up."""
    run(check(compose(f"fork={parent}@{moment}", f"name={NAME}")), tmp_path / "run", display=Silence())
    assert_same(parent, tmp_path / "run")
    told = passport(tmp_path / "run")["fork"]
    assert (told["run"], told["step"], told["changed"]) == (str(parent), WARMUP if moment == "warmup" else moment, {})
    assert told["optimizer"] == ("new" if moment == "warmup" else "taken over")
    assert told["accuracies"] == "taken over"


def test_with_a_change_the_lineage_says_so(parent: Path, changed: Path) -> None:
    told = passport(changed)["fork"]
    assert told["changed"] == {"seed": "0 -> 7", "ppo.kl_coef": "0.01 -> 0.5"}
    assert (told["moment"], told["lineage"]) == ("iteration 1 of ReFT", [f"{parent}@{WARMUP + 1}"])
    assert "ppo.kl_coef: 0.01 -> 0.5" in log(changed)
    ours, theirs = lines_of(changed), lines_of(parent)
    assert [line["step"] for line in ours] == [line["step"] for line in theirs]
    assert ours[: WARMUP + 1] == theirs[: WARMUP + 1]
    assert ours[-1]["ppo/entropy"] != theirs[-1]["ppo/entropy"]
    again = check(compose(f"fork={changed}", "ppo.iterations=3"))
    fork = Fork.of(again)
    assert fork is not None
    assert fork.lineage()["lineage"] == [f"{parent}@{WARMUP + 1}", f"{changed}@{WARMUP + 2}"]
    assert (again.seed, again.ppo.kl_coef, again.name) == (7, 0.5, f"{NAME}-fork")
    assert again.fork == f"{changed}@{WARMUP + 2}"


def test_stopped_before_its_first_step_it_goes_on_without_its_run(
    parent: Path, changed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = shutil.copytree(parent, tmp_path / "parent")
    config = check(compose(f"fork={source}@{WARMUP + 1}", *CHANGES))
    with monkeypatch.context() as patch:
        patch.setattr(Loop, "_step", lambda *_, **__: (_ for _ in ()).throw(Interrupted(2)))
        with pytest.raises(Interrupted):
            run(config, tmp_path / "run", display=Silence())
    shutil.rmtree(source)
    resume(config, tmp_path / "run", display=Silence())
    assert_same(changed, tmp_path / "run")


def test_a_policy_whose_state_is_gone_goes_on_with_a_new_optimiser(tmp_path: Path) -> None:
    source = finish(tmp_path / "parent", *PARENT, "method=sft", "sft.epochs=3")
    (source / ".hydra").mkdir()
    best = origin_of(f"{source}@best").moment
    assert (best.is_full, best.step, str(best)) == (True, 3, "step 3 of SFT")
    shutil.rmtree(best.folder)
    gone = origin_of(f"{source}@best").moment
    assert (gone.is_full, gone.folder.name) == (False, "best")
    for key in ("counters", "tracker_step", "stage", "best", "costs", "latest"):
        assert gone.facts[key] == best.facts[key]
    config = check(compose(f"fork={source}@best", "sft.epochs=2"))
    run(config, tmp_path / "run", display=Silence())
    told = passport(tmp_path / "run")["fork"]
    assert (told["optimizer"], told["accuracies"], told["moment"]) == ("new", "taken over", "step 3 of SFT")
    lines = lines_of(tmp_path / "run")
    assert [line["step"] for line in lines] == list(range(1, 7))
    theirs = lines_of(source)
    assert lines[3]["sft/loss"] == theirs[3]["sft/loss"]  # the same weights and batch
    assert lines[5]["sft/loss"] != theirs[5]["sft/loss"]


def test_on_other_data_accuracies_begin_anew_and_the_tokenizer_stays(parent: Path, tmp_path: Path) -> None:
    words = (f"fork={parent}@{WARMUP + 1}", "data.train_size=64", "data.dev_size=12")
    run(check(compose(*words)), tmp_path / "run", display=Silence())
    ours, theirs = passport(tmp_path / "run"), passport(parent)
    assert ours["fork"]["accuracies"] == "forgotten"
    assert ours["hashes"]["tokenizer"] == theirs["hashes"]["tokenizer"]
    assert ours["hashes"]["data"] != theirs["hashes"]["data"]
    result = result_of(tmp_path / "run")
    assert (result["chosen"], result["final"]["dev"]["n"], result["warmup"]["dev"]["n"]) == ("iteration 2", 12, 12)


def test_a_critic_that_is_given_up_and_one_that_comes(parent: Path, tmp_path: Path) -> None:
    run(check(compose(f"fork={parent}@{WARMUP + 1}", "method=grpo")), tmp_path / "run", display=Silence())
    assert passport(tmp_path / "run")["fork"]["optimizer"] == "new"
    state = load_file(tmp_path / "run/checkpoints/last/state.safetensors")
    assert not any(name.startswith("policy.value_head") for name in state)
    (tmp_path / "run" / ".hydra").mkdir()
    run(check(compose(f"fork={tmp_path / 'run'}", "ppo.iterations=3", "ppo.credit=gae")), tmp_path / "again")
    assert passport(tmp_path / "again")["fork"]["optimizer"] == "new"
    state = load_file(tmp_path / "again/checkpoints/last/state.safetensors")
    assert any(name.startswith("policy.value_head") for name in state)


def test_what_cannot_be_otherwise_is_one_sentence(parent: Path) -> None:
    fork = f"fork={parent}@{WARMUP + 1}"
    text = complaint(fork, "model.scratch.layers=2", "warmup.lr=1e-3", "ppo.lr=1e-3")
    assert "model.scratch.layers: 3 -> 2 (the weights are those of the run)" in text
    assert "(the warm-up is over); leave them out, or start a new run." in text
    assert "ppo.lr" not in text
    assert "method: reft -> online_st (it was at ReFT already)" in complaint(fork, "method=online_st")
    assert "2 iterations were done" in complaint(f"fork={parent}", "ppo.iterations=1")
    assert "trains nothing, and fork=" in complaint(fork, "method=evaluate")


def test_a_moment_that_is_not_kept_is_one_sentence(parent: Path, tmp_path: Path) -> None:
    text = complaint(f"fork={parent}@{WARMUP + 40}")
    assert f"keeps nothing called {WARMUP + 40}; did you mean {WARMUP + 2}? It keeps" in text
    assert f"{WARMUP + 1} (iteration 1 of ReFT)" in text
    assert "warmup (the end of the warm-up)" in text
    assert "did you mean best?" in complaint(f"fork={parent}@bst")
    assert "does not exist" in complaint(f"fork={tmp_path}/nowhere@3")
    (tmp_path / "new" / ".hydra").mkdir(parents=True)
    shutil.copy(parent / "config.yaml", tmp_path / "new")
    assert "keeps no state yet" in complaint(f"fork={tmp_path}/new")


def test_a_damaged_state_is_said_before_anything_is_written(parent: Path, tmp_path: Path) -> None:
    source = shutil.copytree(parent, tmp_path / "parent")
    (source / f"checkpoints/step-{WARMUP + 1}/state.safetensors").write_bytes(b"")
    with pytest.raises(BadInput, match="name another moment of the run"):
        run(check(compose(f"fork={source}@{WARMUP + 1}")), tmp_path / "run", display=Silence())
    assert not (tmp_path / "run").exists()
