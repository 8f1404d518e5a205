"""Figures: what is compared with what, the table, and the check against a stored baseline."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import bench
import pytest
from clock import Turn
from figures import HEAD, MARK, Figure, Results, Spread, costs, drops, markdown, put, rates
from programs import in_turns

from tests.docs.pages import REPO, rows, text_of


def figure(name: str = "rollouts", ratio: float = 2.0) -> Figure:
    ours = [Turn(300, 1.0, 3.0), Turn(100 * ratio, 1.0, 2.0), Turn(100 * ratio, 1.0, 2.0)]
    return rates(name, "tokens", ours, "generate", [Turn(100, 1.0, 1.0)] * 3, goal=2)


def test_a_ratio_is_of_neighbours_and_work_per_second() -> None:
    found = figure()
    assert found.ratio == Spread(2.0, 2.0, 3.0, 3)
    assert found.ratio_wall == Spread(1.0, 1.0, 1.0, 3)
    assert found.ours == Spread(200, 200, 300, 3)
    assert found.unit == "tokens a CPU second"


def test_what_should_be_low_is_better_when_it_is() -> None:
    assert costs("memory", "MiB", [10, 20], "plain", [60, 120], 6.0).ratio.median == 6


def test_a_drop_of_more_than_15_percent_is_named() -> None:
    baseline = [figure("rollouts", 2.0), figure("iterations", 2.0), figure("memory", 2.0)]
    now = [figure("rollouts", 1.69), figure("iterations", 1.71), figure("new", 0.1)]
    assert drops(now, baseline) == {"rollouts": "rollouts: the ratio is 1.69, 16 % below the baseline's 2.00."}


def test_a_benchmark_that_is_run_alone_leaves_the_others_as_they_are(tmp_path: Path) -> None:
    old = Results({"cores": 2}, False, [figure("a", 2.0), figure("b", 2.0)])
    old.write(tmp_path / "results.json")
    stored = Results.read(tmp_path / "results.json")
    assert stored == old
    renewed = stored.renewed(Results({"cores": 4}, True, [figure("b", 3.0), figure("c", 1.0)]))
    assert [(f.name, f.ratio.median) for f in renewed.figures] == [("a", 2.0), ("b", 3.0), ("c", 1.0)]
    assert renewed.machine == {"cores": 4}


def test_the_table_can_be_read_back_and_put_on_a_page(tmp_path: Path) -> None:
    figures = [figure("a"), replace(figure("b", 1.5), goal=None, ratio_wall=None)]
    (first, second) = rows(markdown(figures))
    assert len(first) == len(HEAD)
    assert first[0] == "a"
    assert first[5] == "2.00 (2.00 to 3.00)"
    assert first[-1] == "2 reached"
    assert (second[0], second[6], second[7]) == ("b", "", "")
    page = tmp_path / "page.md"
    page.write_text(f"before\n{MARK}\nold\n{MARK}\nafter\n")
    put(page, figures)
    assert page.read_text() == f"before\n{MARK}\n{markdown(figures)}\n{MARK}\nafter\n"


@pytest.fixture
def bench_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """bench.py with files of its own and one more benchmark, `sums`."""
    (tmp_path / "page.md").write_text(f"{MARK}\n{MARK}")
    for name in ("RESULTS", "BASELINE", "PAGE"):
        monkeypatch.setattr(bench, name, tmp_path / (name.lower() + (".md" if name == "PAGE" else ".json")))
    (tmp_path / "sums.py").write_text(
        "from clock import timed\n"
        "from figures import rates\n"
        "def measure(folder, quick, say):\n"
        "    turns = [timed(lambda: sum(range(10**6)))]\n"
        "    return [rates('sums', 'numbers', turns, 'itself', turns)]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(bench.BENCHMARKS, "sums", "numbers/s")
    return tmp_path


def run_bench(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["bench.py", *words])
    return bench.main()


def test_check_exits_1_with_a_sentence_where_a_ratio_fell(
    bench_in: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_bench(monkeypatch, "sums", "--update-baseline") == 0
    stored = Results.read(bench_in / "baseline.json")
    assert [figure.name for figure in stored.figures] == ["sums"]
    assert rows((bench_in / "page.md").read_text())[0][0] == "sums"
    assert json.loads((bench_in / "results.json").read_text())["machine"]["cores"] > 0
    assert run_bench(monkeypatch, "sums", "--check") == 0

    out_of_reach = replace(stored.figures[0], ratio=Spread.of([2.0]))
    replace(stored, figures=[out_of_reach]).write(bench_in / "baseline.json")
    capfd.readouterr()
    assert run_bench(monkeypatch, "sums", "--check") == 1
    said = capfd.readouterr().err
    assert "below the baseline, and measured again: sums\n" in said
    assert said.endswith("sums: the ratio is 1.00, 50 % below the baseline's 2.00.\n")


def test_one_bad_measurement_is_forgiven(
    bench_in: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The second of two counts, and is what is stored."""
    run_bench(monkeypatch, "sums", "--update-baseline")
    (bench_in / "uneven.py").write_text(
        "from pathlib import Path\n"
        "from clock import Turn\n"
        "from figures import rates\n"
        "def measure(folder, quick, say):\n"
        "    calls = Path(__file__).with_suffix('.calls')\n"
        "    calls.touch()\n"
        "    calls.write_text(calls.read_text() + '.')\n"
        "    ours = [Turn(len(calls.read_text()) - 1.5, 1.0, 1.0)]\n"
        "    return [rates('uneven', 'numbers', ours, 'itself', [Turn(1, 1.0, 1.0)])]\n"
    )
    monkeypatch.setitem(bench.BENCHMARKS, "uneven", "numbers/s")
    stored = Results.read(bench_in / "baseline.json")
    replace(stored, figures=[*stored.figures, figure("uneven", 0.5)]).write(bench_in / "baseline.json")
    assert run_bench(monkeypatch, "sums", "uneven", "--check") == 0
    assert "measured again: uneven\n" in capfd.readouterr().err
    found = {each.name: each.ratio.median for each in Results.read(bench_in / "results.json").figures}
    assert found == {"sums": 1.0, "uneven": 0.5}


def test_a_benchmark_that_there_is_not_gets_one_sentence(
    bench_in: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for words, sentence in ((["speed"], "no benchmark speed"), (["--check"], "no baseline yet")):
        with pytest.raises(SystemExit) as ended:
            run_bench(monkeypatch, *words)
        assert ended.value.code == 2
        assert sentence in capfd.readouterr().err


def test_programs_run_faster_than_in_a_fresh_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(REPO))
    turns = in_turns(("sandbox", "pool-1"), 1, 4, lambda _: None)
    assert {name: turn.work for name, (turn,) in turns.items()} == {"sandbox": 128, "pool-1": 128}
    assert turns["sandbox"][0].wall < turns["pool-1"][0].wall


def test_the_page_shows_the_stored_baseline() -> None:
    page, stored = REPO / "docs" / "performance.md", Results.read(REPO / "benchmarks" / "baseline.json")
    assert stored.figures
    shown = rows(text_of(page).split(MARK)[1])
    assert shown == [[cell.strip() for cell in figure.cells()] for figure in stored.figures]
