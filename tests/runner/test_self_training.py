"""method=offline_st and method=online_st: what they learn from, and that they end the same however often they stop."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from reft_lab.methods import METHODS
from reft_lab.metrics import recorded
from tests.runner.easy_sums import COUNTS, write_sums
from tests.runner.leftovers import assert_same, lines_of, result_of
from tests.runner.processes import Run
from tests.runner.small_runs import finish

LABELS = {"offline_st": "Offline-ST", "online_st": "Online-ST"}
SAMPLES, KEEP, ITERATIONS = 8, 2, 4
SMALL = (
    "tracker=none",
    "baseline=null",
    "data=svamp",
    "cot.number_slots=true",
    "warmup.epochs=8",
    "warmup.batch_size=8",
    "warmup.lr=4e-3",
    "ppo.max_new_tokens=32",
    f"offline_st.samples={SAMPLES}",
    f"offline_st.keep={KEEP}",
    "offline_st.epochs=2",
    f"online_st.iterations={ITERATIONS}",
    "online_st.rollouts=32",
    "online_st.mini_batch=16",
    "online_st.eval_every=2",
)
WARMUP = 64  # steps


@pytest.fixture(scope="module")
def sums(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sums(tmp_path_factory.mktemp("data") / "sums")


@pytest.fixture(scope="module")
def trained(sums: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run of each method, with the pools of the one that has some beside it."""
    directories = {name: tmp_path_factory.mktemp(name) for name in LABELS}
    for name, directory in directories.items():
        begin(name, sums, directory)
    return {name: directory / "run" for name, directory in directories.items()}


def words(name: str, sums: Path, directory: Path, *more: str) -> list[str]:
    return [f"method={name}", *SMALL, f"data.path={sums}", f"pool.folder={directory / 'pools'}", *more]


def begin(name: str, sums: Path, directory: Path, *more: str, run_in: str = "run") -> Path:
    return finish(directory / run_in, *words(name, sums, directory, *more))


@pytest.mark.parametrize("name", LABELS)
def test_it_finishes_under_its_name_and_records_what_the_catalogue_says(trained: dict[str, Path], name: str) -> None:
    found = result_of(trained[name])
    assert (found["status"], found["label"]) == ("finished", LABELS[name])
    names = {metric for line in lines_of(trained[name]) for metric in line}
    assert names == {"step", "seconds", *recorded(METHODS[name].records, critic=False)}
    assert f"after {LABELS[name]}" in (trained[name] / "report.html").read_text()


def test_both_set_out_from_the_same_warm_up(trained: dict[str, Path]) -> None:
    offline, online = (result_of(trained[name]) for name in LABELS)
    assert offline["warmup"] == online["warmup"]
    warmed_up = [line for line in lines_of(trained["offline_st"])[:WARMUP] if "eval/accuracy" in line][-1]
    assert offline["warmup"]["dev"]["accuracy"] == warmed_up["eval/accuracy"]


# Offline


def test_offline_begins_again_with_the_base_model(trained: dict[str, Path]) -> None:
    records = lines_of(trained["offline_st"])
    assert records[WARMUP - 1]["warmup/loss"] < 1
    # A new model gives every token about the same probability; whichever batch comes first, the loss is the same.
    assert records[WARMUP]["offline_st/loss"] == pytest.approx(records[0]["warmup/loss"], rel=0.02)


def test_offline_keeps_some_of_what_was_right_and_says_how_much(trained: dict[str, Path]) -> None:
    first = lines_of(trained["offline_st"])[WARMUP]
    sampled, right, distinct, kept = (first[f"pool/{name}"] for name in ("sampled", "right", "distinct", "kept"))
    assert sampled == SAMPLES >= right >= distinct >= kept > 0
    assert kept <= KEEP
    (said,) = [note for note in result_of(trained["offline_st"])["notes"] if "Offline-ST sampled" in note]
    assert f"sampled {SAMPLES * COUNTS['train']} responses to {COUNTS['train']} training questions" in said
    steps = sum("offline_st/loss" in line for line in lines_of(trained["offline_st"]))
    examples = COUNTS["train"] * (1 + kept)
    assert steps == 2 * -(-examples // 16)
    cost = result_of(trained["offline_st"])["cost"]
    assert cost["questions"] == 8 * COUNTS["train"] + COUNTS["train"] + 2 * round(examples)


def test_a_pool_is_made_once_for_all_runs_of_the_same_warm_up(sums: Path, trained: dict[str, Path]) -> None:
    """A second run keeps fewer of them, samples nothing, and is charged the samples all the same."""
    home = trained["offline_st"].parent
    (pool,) = (home / "pools").iterdir()
    before = (pool / "samples.jsonl").read_bytes()
    other = begin("offline_st", sums, home, "offline_st.keep=1", "offline_st.epochs=1", run_in="other")
    assert [each.name for each in (home / "pools").iterdir()] == [pool.name]
    assert (pool / "samples.jsonl").read_bytes() == before
    one, two = (result_of(directory)["cost"]["sampled_tokens"] for directory in (trained["offline_st"], other))
    assert one == two > 0
    assert lines_of(other)[WARMUP]["pool/kept"] <= 1


# Online


def test_online_takes_the_same_steps_whatever_is_right(trained: dict[str, Path]) -> None:
    iterations = lines_of(trained["online_st"])[WARMUP:]
    assert len(iterations) == ITERATIONS
    assert all((line["online/sampled_share"] > 0) == (line["rollout/accuracy"] > 0) for line in iterations)
    assert any(line["rollout/accuracy"] > 0 for line in iterations)
    cost = result_of(trained["online_st"])["cost"]
    assert cost["optimizer_steps"] == WARMUP + ITERATIONS * 2
    assert cost["questions"] == 8 * COUNTS["train"] + ITERATIONS * 32
    assert cost["sampled_tokens"] == round(sum(line["rollout/length"] * 32 for line in iterations))


def test_online_records_samples(trained: dict[str, Path]) -> None:
    records = lines_of(trained["online_st"], "samples.jsonl")
    assert {record["step"] for record in records} == {WARMUP + 2, WARMUP + 4}
    keys = {"step", "id", "question", "response", "answer", "gold", "outcome", "reward"}
    assert all(record.keys() == keys for record in records)


# Stopped


@pytest.mark.parametrize("name", LABELS)
def test_a_run_that_is_killed_again_and_again_ends_the_same(
    repo: Path, sums: Path, trained: dict[str, Path], tmp_path: Path, name: str
) -> None:
    """In its warm-up, while a pool is sampled, and in its second stage."""
    killed, dice = Run(repo, tmp_path / "killed", *words(name, sums, tmp_path)), random.Random()
    session = killed.start()
    session.until(lambda: killed.step >= dice.randrange(1, WARMUP))
    session.kill()
    if name == "offline_st":
        session = killed.start()
        session.until_at("sampling a pool")
        session.kill()
    session = killed.start()
    session.until(lambda: killed.step >= WARMUP + dice.randrange(1, ITERATIONS))
    session.kill()
    session = killed.finish()
    assert LABELS[name] in session.output
    assert_same(trained[name], killed.path)
