"""`reft compare`: what differs, and the answers problem by problem."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from reft_lab.analysis.statistics import compare_problems
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
    assert f"McNemar p = {found.p:.2g})" in text
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
        (["multirun", "kl/0"], "multirun holds 3 runs; name one of them, such as multirun/kl/"),
        (["kl/0", "multirun/kl/0"], "kl/0 and multirun/kl/0 are the same run, multirun/kl/0; name two different ones."),
        (["kl/0"], "Missing argument 'B'."),
    ],
)
def test_bad_input_is_one_sentence(reft: Reft, words: list[str], sentence: str) -> None:
    assert reft("compare", *words).sentence.startswith(sentence)
