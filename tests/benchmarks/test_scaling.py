"""The measurements of growth say what they claim; nothing here is timed."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.growth.axes import AXES
from benchmarks.growth.axis import Axis, Measured, Panel, exponent
from benchmarks.growth.data import write_file
from benchmarks.growth.page import put, table
from benchmarks.growth.processes import PROCESSES, together
from benchmarks.growth.runs import write_runs
from benchmarks.growth.simulated import (
    LINKS,
    PLANS,
    ROLLOUT,
    SCORE,
    TOKENS_A_SECOND,
    UPDATE,
    Iteration,
    hours,
    simulated,
)
from reft_lab.command.unfinished import newest_first
from reft_lab.compose.conf import compose
from reft_lab.config.check import check
from reft_lab.data import load
from reft_lab.memory.table import MODELS, WAYS, peak, shape_of, smallest
from reft_lab.programs import ProgramRunner
from reft_lab.runner.setup import prepare

SIZES = (10, 30, 100, 300, 1000, 3000)


def measured(power: float, name: str = "toys") -> Measured:
    """Made-up numbers that grow by `power`, with one slow and one fast outlier in three rounds."""
    panels = (Panel("playing", "s", ("time",)), Panel("keeping", "MiB", ("room",)))
    found = Measured(Axis(name, "toys per child", SIZES, SIZES[:2], panels, lambda sizes: pytest.fail("not opened")))
    for factor in (0.5, 1.0, 7.0):
        for size in SIZES:
            found.add(size, {"time": factor * 1e-3 * size**power, "room": 2.0})
    return found


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 1.7, 2.0])
def test_the_exponent_is_found(power):
    assert exponent({size: 3e-4 * size**power for size in SIZES}) == pytest.approx(power)
    assert measured(power).exponent("time") == pytest.approx(power)


def test_what_does_not_grow_does_not_hide_what_does():
    assert exponent({size: 5.0 + 1e-3 * size**2 for size in SIZES}) == pytest.approx(2, abs=0.1)


def test_what_is_nothing_has_no_exponent():
    found = measured(1.0)
    for size in SIZES:
        found.values["room"][size] = [0.0]
    assert table(found).splitlines()[-1] == "| exponent | 1.00 |  |"


def test_two_sizes_are_enough():
    assert exponent({10: 1.0, 1000: 100.0}) == pytest.approx(1)


def test_the_table_holds_median_range_and_exponent():
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table(measured(1.0)).splitlines()]
    assert rows[0] == ["toys per child", "time, s", "room, MiB"]
    assert rows[2] == ["10", "0.01 (0.005 to 0.07)", "2 (2 to 2)"]
    assert [row[0] for row in rows[2:]] == ["10", "30", "100", "300", "1,000", "3,000", "exponent"]
    assert rows[-1][1:] == ["1.00", "0.00"]


def test_a_table_replaces_the_one_between_its_marks(tmp_path):
    page = tmp_path / "page.md"
    marks = {name: f"<!-- measured: {name} -->" for name in ("toys", "games")}
    page.write_text("".join(f"# {name}\n{mark}\nold {name}\n{mark}\nend\n" for name, mark in marks.items()))
    put(page, measured(1.0))
    assert page.read_text() == (
        f"# toys\n{marks['toys']}\n{table(measured(1.0))}\n{marks['toys']}\nend\n"
        f"# games\n{marks['games']}\nold games\n{marks['games']}\nend\n"
    )
    with pytest.raises(SystemExit, match="measured: books"):
        put(page, measured(1.0, "books"))


def test_a_picture_shows_every_quantity(tmp_path):
    pytest.importorskip("matplotlib", reason="pictures need the extra `bench`")
    from benchmarks.growth.picture import draw

    draw(measured(1.7), tmp_path / "pictures" / "toys.svg")
    text = (tmp_path / "pictures" / "toys.svg").read_text()
    assert text.startswith("<?xml")
    for words in ("time (exponent 1.70)", "room (exponent 0.00)", "linear", "toys per child", "CPU seconds", "MiB"):
        assert f">{words}<" in text


def test_the_page_shows_what_is_measured(repo):
    page = (repo / "docs" / "scaling.md").read_text()
    for axis in AXES.values():
        assert f"(pictures/scaling-{axis.name}.svg)" in page
        assert (repo / "docs" / "pictures" / f"scaling-{axis.name}.svg").is_file()
        shown = page.split(f"<!-- measured: {axis.name} -->")[1]
        wanted = [f"{quantity}, {panel.unit}" for panel in axis.panels for quantity in panel.quantities]
        assert shown.strip().splitlines()[0] == f"| {axis.label} | " + " | ".join(wanted) + " |"
        sizes = [row.split("|")[1].strip() for row in shown.strip().splitlines()[2:-1]]
        assert sizes == [f"{size:,}" for size in axis.sizes]


def test_every_problem_of_the_made_up_file_is_used(tmp_path):
    for name, count in (("train", 60), ("test", 20)):
        write_file(tmp_path / f"{name}.jsonl", count)
    files = [f"data.{name}={tmp_path / name}.jsonl" for name in ("train", "test")]
    config = check(compose("data=svamp", "data.hub=null", *files))
    with ProgramRunner(config.programs) as programs:
        splits = load(config.data, config.cot.name, programs)
    assert len(splits.train) + len(splits.dev) == 60
    assert len(splits.test) == 20
    assert not splits.report.dropped
    assert not splits.report.broken


def test_the_made_up_runs_are_seen_as_runs(tmp_path: Path):
    write_runs(tmp_path, 25)
    runs = list(newest_first([(tmp_path / "outputs", 2)]))
    assert len(runs) == 25
    assert sum((run / "result.json").is_file() for run in runs) == 22


def test_what_exchanges_cost_is_what_the_last_process_spends_in_them():
    seen = [
        {"wall": 2.0, "cpu": 1.9, "in exchanges": 0.1, "bytes": 2**20},
        {"wall": 2.1, "cpu": 1.2, "in exchanges": 0.8, "bytes": 2**19},
    ]
    assert together(seen) == pytest.approx(
        {"iteration": 2.1, "CPU of a process": 1.9, "waiting": 0.7, "exchange": 0.1, "exchanged": 1.0}
    )


@pytest.mark.long
def test_gradients_are_what_processes_exchange():
    """4 bytes for each weight in each optimiser step, and little beside; this is what the simulation counts with."""
    with PROCESSES.open((2,)) as probes:
        found = probes[2]()
    config = check(compose("trainer=cpu", "trainer.precision=fp32", "tracker=none"))
    with ProgramRunner(config.programs) as programs:
        weights = prepare(config, programs).policy.trained_parameters()
    gradients = 4 * sum(weight.numel() for weight in weights) * 2 * config.ppo.epochs / 2**20
    assert gradients <= found["exchanged"] < 1.1 * gradients


def test_one_gpu_takes_what_it_was_measured_to_take(repo):
    text = (repo / "docs" / "gpu.md").read_text()
    assert f"rollout {ROLLOUT:.2f}, score {SCORE:.2f}, update {UPDATE:.2f}" in text
    assert f"{TOKENS_A_SECOND:,}" in text
    for link in LINKS.values():
        assert Iteration(1, 32).seconds(link) == pytest.approx(ROLLOUT + SCORE + UPDATE)


def test_more_gpus_and_faster_links_take_less_time():
    fast, middle, slow = LINKS.values()
    for strategy in ("ddp", "fsdp", "adapters"):
        times = [Iteration(gpus, 256, strategy).seconds(fast) for gpus in (1, 2, 4, 8)]
        assert times == sorted(times, reverse=True)
        eight = Iteration(8, 256, strategy)
        assert eight.seconds(fast) <= eight.seconds(middle) <= eight.seconds(slow)


def test_the_page_on_scale_shows_what_is_simulated(repo):
    page = (repo / "docs" / "scale.md").read_text()
    for name, text in (("iterations", simulated()), ("hours", hours())):
        assert page.split(f"<!-- simulated: {name} -->")[1].strip() == text, "run `python benchmarks/scaling.py --docs`"


def test_the_gpus_of_a_plan_have_the_memory_for_it():
    shape = shape_of(MODELS["CodeLlama-7B"])
    ways = {"ddp": WAYS[0], "fsdp": WAYS[0], "adapters": WAYS[2]}
    for plan in PLANS:
        strategy = "fsdp" if plan.strategy == "fsdp" else "ddp"
        assert smallest(peak(shape, ways[plan.strategy], plan.gpus, strategy, plan.rows)) <= plan.needs
