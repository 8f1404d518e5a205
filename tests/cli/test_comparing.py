"""`reft compare`: what differs, and the answers problem by problem."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from reft_lab.analysis.resampling import difference_over_seeds_and_questions, mean_over_seeds_and_questions
from reft_lab.analysis.statistics import compare_problems
from reft_lab.numbers import interval, interval_in_points, p_in_words
from tests.cli.ended import OLD, Ended
from tests.cli.written import PROBLEMS, write_run

Reft = Callable[..., Ended]


def rows(ended: Ended) -> dict[str, list[str]]:
    """The cells of the tables, by the first one."""
    assert ended.code == 0, ended.err
    cells = ([cell.strip() for cell in line.split("  ") if cell.strip()] for line in ended.out.splitlines())
    return {row[0]: row[1:] for row in cells if len(row) > 1}


def test_settings_and_results_stand_side_by_side(reft: Reft) -> None:
    ended = reft("compare", "multirun/kl/0", "multirun/kl/1")
    assert ended.out.startswith("A: multirun/kl/0\nB: multirun/kl/1\n")
    table = rows(ended)
    assert table["ppo.kl_coef"] == ["0.0", "0.05"]
    assert "seed" not in table
    assert table["state"] == ["finished", "finished"]
    assert [cell.split()[0] for cell in table["chosen checkpoint, test"]] == ["40.0", "60.0"]
    assert table["after warm-up, test"][0] == table["after warm-up, test"][1]


def test_answers_are_compared_problem_by_problem(reft: Reft) -> None:
    found = compare_problems([2 <= problem < 8 for problem in range(PROBLEMS)], [p < 4 for p in range(PROBLEMS)])
    text = reft("compare", "multirun/kl/0", "multirun/kl/1").out
    assert f"B - A: +20.0 points on {PROBLEMS} test problems" in text
    assert f"McNemar p {p_in_words(found.p)})" in text
    assert f"interval {100 * found.low:+.1f} to {100 * found.high:+.1f}".replace("-", "−") in text
    assert "Right in both 2, only in A 2, only in B 4, in neither 2." in text


def test_a_run_without_predictions_is_compared_as_far_as_it_goes(reft: Reft) -> None:
    ended = reft("compare", "kl/0", "kl/2")
    assert rows(ended)["ppo.kl_coef"] == ["0.0", "0.2"]
    assert "Not compared problem by problem: " in ended.out


def test_runs_on_other_questions_are_not_compared_by_their_ids(reft: Reft, tmp_path: Path) -> None:
    for name, asked in (("a", 1), ("b", 2)):
        write_run(tmp_path / name, asked=asked)
    out = reft("compare", str(tmp_path / "a"), str(tmp_path / "b")).out
    (line,) = [line for line in out.splitlines() if line.startswith("Not compared problem by problem: ")]
    assert "under the same id, p0, one was asked '0 and 2?' and the other '0 and 1?'" in line
    assert "Problem by problem, B - A" not in out


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two settings, the second better on each of three seeds."""
    folder = tmp_path_factory.mktemp("study")
    for trial, kl in enumerate((0.0, 0.05)):
        for seed in range(3):
            words = ("tracker=none", f"ppo.kl_coef={kl}", f"seed={seed}")
            write_run(folder / str(trial) / f"seed-{seed}", *words, right=range(seed, 5 + 3 * trial))
    return folder


def answers(trial: int, seeds: int = 3) -> list[list[bool]]:
    return [[seed <= n < 5 + 3 * trial for n in range(PROBLEMS)] for seed in range(seeds)]


def test_two_settings_are_compared_over_seeds_and_problems(reft: Reft, study: Path) -> None:
    ended = reft("compare", str(study / "0"), str(study / "1"))
    assert ended.out.startswith(f"A: {study / '0'} (3 of 3 runs finished, 3 seeds)\nB: {study / '1'}")
    table = rows(ended)
    assert table["ppo.kl_coef"] == ["0.0", "0.05"]
    mean = mean_over_seeds_and_questions(answers(0))
    cell = f"40.0 ({interval(mean.low, mean.high)}, 3 seeds × {PROBLEMS} problems)"
    assert table["chosen checkpoint, test"][0] == cell
    change = difference_over_seeds_and_questions(answers(1), answers(0))
    ends = interval_in_points(change.low, change.high)
    assert f"B - A: +30.0 points over 3 seeds × {PROBLEMS} problems (95 % interval {ends}, p = " in ended.out
    assert "a difference of this size would need about " in ended.out


def test_two_seeds_give_no_interval(reft: Reft, study: Path, tmp_path: Path) -> None:
    for trial in ("0", "1"):
        for seed in ("seed-0", "seed-1"):
            shutil.copytree(study / trial / seed, tmp_path / trial / seed)
    ended = reft("compare", str(tmp_path / "0"), str(tmp_path / "1"))
    assert rows(ended)["chosen checkpoint, test"] == ["45.0 (2 seeds)", "75.0 (2 seeds)"]
    assert "B - A: +30.0 points (2 seeds: no interval). Two seeds give no interval: " in ended.out


def test_a_setting_may_be_compared_with_a_run(reft: Reft, study: Path) -> None:
    out = reft("compare", str(study / "0"), str(study / "1" / "seed-0")).out
    found = compare_problems(answers(1)[0], answers(0)[0])
    assert f"B - A: +30.0 points over {PROBLEMS} problems" in out
    assert f"p = {found.p:.3f})" in out


def test_folders_must_hold_one_setting(reft: Reft, study: Path) -> None:
    ended = reft("compare", str(study), str(study / "1"))
    assert ended.code == 2
    assert f"{study} holds 6 runs that differ in ppo.kl_coef; name one of them" in ended.sentence
    ended = reft("compare", str(study / "1"), str(study / "1"))
    assert "are the same run" in ended.sentence


@pytest.mark.parametrize("name", [OLD, OLD.partition("/")[2], "10-00-00-old", "10-00", "2026-01-01"])
def test_a_run_is_known_by_the_beginning_of_its_name(reft: Reft, name: str) -> None:
    assert reft("compare", name, "kl/1").out.startswith(f"A: {OLD}\n")


def test_a_run_elsewhere_is_known_by_its_directory(reft: Reft, made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / OLD, tmp_path / "copy")
    ended = reft("compare", OLD, str(tmp_path / "copy"))
    assert f"B: {tmp_path / 'copy'}\n" in ended.out
    assert "their settings are the same" in ended.out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["kl/0", "kl/00"], "no run is called kl/00; did you mean kl/0?"),
        (["kl/0", "xyzzy"], "no run is called xyzzy; `reft runs` lists those there are."),
        (["kl", "kl/0"], "kl may mean 3 runs: multirun/kl/"),
        (
            ["multirun", "kl/0"],
            "multirun holds 3 runs that differ in ppo.kl_coef; name one of them, such as multirun/kl/0, or a folder",
        ),
        (["kl/0", "multirun/kl/0"], "kl/0 and multirun/kl/0 are the same run, multirun/kl/0; name two different ones."),
        (["kl/0"], "Missing argument 'B'."),
    ],
)
def test_bad_input_is_one_sentence(reft: Reft, words: list[str], sentence: str) -> None:
    assert reft("compare", *words).sentence.startswith(sentence)
