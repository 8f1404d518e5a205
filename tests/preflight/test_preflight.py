"""`preflight=true`: what it says, what it leaves, when it refuses; and what the run makes of it."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from reft_lab.command import launch as front_door
from reft_lab.compose.conf import compose
from reft_lab.config.check import check
from reft_lab.errors import BadInput
from reft_lab.preflight import preflight, trying
from reft_lab.preflight.decoding import Speed
from reft_lab.preflight.rehearsal import Count, count, go_through
from reft_lab.preflight.seconds import within_budget
from reft_lab.preflight.trying import typical
from reft_lab.programs import ProgramRunner
from reft_lab.report import run_report
from reft_lab.run_dir import preflights
from reft_lab.runner.setup import prepare
from tests.command.said import complaint
from tests.real_run import made
from tests.runner.small_runs import finish

__all__ = ["made"]

# Few data, so that a look takes a second.
FEW = (
    "debug=quick",
    "tracker=none",
    "tracker.report=false",
    "data.train_size=16",
    "data.dev_size=8",
    "data.test_size=8",
)


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(trying, "AFFORDABLE", 0.3)
    return tmp_path


def looked_at(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What a preflight of these options says."""
    preflight(check(compose(*FEW, *words)), Path("outputs/run"))
    return capsys.readouterr().out


def files(folder: Path) -> list[str]:
    return [str(file.relative_to(folder)) for file in sorted(folder.rglob("*")) if file.is_file()]


def test_a_command_line_is_looked_at_and_nothing_is_run(somewhere, capsys, monkeypatch):
    words = [*FEW, "baseline=sft", "preflight=true"]
    monkeypatch.setattr(sys, "argv", ["run.py", *words])
    front_door.launch(run=lambda *_: pytest.fail("a run began"))
    said = capsys.readouterr().out
    (kept,) = files(somewhere)
    assert re.fullmatch(r"outputs/preflight/[0-9a-f]{16}\.json", kept)
    for found in (
        r"arithmetic: 16 train, 8 dev, 8 test",
        r"train prompts +16 +\d+",
        r"judged correct \(answer .+\), reward 1\n",  # the gold response
        r"warm-up: training .* \d+ MiB",
        r"ReFT: updating .* \d+ MiB",
        r"warm-up +1 step",
        r"ReFT +2 iterations",
        r"beside it: SFT",
        r"checkpoints take up to",
        r"it fits: ",
    ):
        assert re.search(found, said), f"{found} is not in\n{said}"


@pytest.mark.parametrize(
    "words",
    [
        ("method=sft",),
        ("method=online_st", "baseline=null"),
        ("method=offline_st", "baseline=null"),
        ("method=reranker", "baseline=null"),
        ("method=vc_ppo", "baseline=null", "model.value=separate", "ppo.clip_grads=apart"),
        ("method=dapo", "baseline=null", "model.lora.rank=2", "budget.tokens=500"),
    ],
    ids=lambda words: words[0],
)
def test_every_method_can_be_looked_at(capsys, words):
    said = looked_at(capsys, *words)
    assert "it fits" in said
    assert "Time: " in said


def test_a_given_policy_can_be_looked_at(capsys, made):
    said = looked_at(capsys, "method=evaluate", "baseline=null", f"model.path={made}", "decode=vote", "decode.k=3")
    assert "evaluation: evaluating" in said
    assert re.search(r"decoding .* s", said)


def test_steps_and_evaluations_are_those_of_the_run(made):
    config = check(compose("debug=quick", "warmup.epochs=1", "ppo.iterations=3"))
    result = json.loads((made / "result.json").read_text())
    lines = [json.loads(line) for line in (made / "metrics.jsonl").read_text().splitlines()]
    found: list[Count] = []
    with ProgramRunner(config.programs) as programs:
        setup = prepare(config, programs)
        go_through(setup.method, setup, config, None, lambda stage: found.append(count(stage)))
    assert {each.kind.name: each.steps for each in found} == {
        stage: told["steps"] for stage, told in result["speed"].items()
    }
    assert sum(each.evaluations for each in found) == sum("eval/accuracy" in line for line in lines)
    assert [each.epoch for each in found] == [4, 4]  # 64 questions, 16 in a step


def test_a_run_says_what_was_expected_of_it_and_what_it_took(somewhere, capsys):
    words = (*FEW, "baseline=null")
    config = check(compose(*words))
    preflight(config, Path("outputs/run"))
    told = preflights.kept(check(compose(*words, "seed=7", "name=another", "tracker.samples=3")))
    assert told is not None
    assert preflights.kept(check(compose(*words, "ppo.rollouts=32"))) is None
    result = json.loads((finish(somewhere / "run", *words) / "result.json").read_text())
    assert result["preflight"] == told
    assert told["speed"].keys() == result["speed"].keys() == {"warmup", "reft"}
    memory = result["memory"]
    assert memory["measured"] == max(p["measured"] for p in memory["phases"].values() if p["measured"] is not None)
    assert memory["expected"] == max(p["expected"] for p in memory["phases"].values() if p["expected"] is not None)
    assert {"training", "sampling", "scoring", "updating", "evaluating"} <= memory["phases"].keys()
    for stage, parts in told["speed"].items():
        taken = result["speed"][stage]
        assert parts.keys() == taken.keys()
        assert parts["steps"] == taken["steps"]
    page = run_report(somewhere / "run").read_text()
    assert "Expected and taken" in page
    assert "ReFT: sampling" in page
    assert "There was no preflight of this run" not in page


def test_a_run_without_a_preflight_says_so(made):
    page = (made / "report.html").read_text()
    assert "at the peak" in page
    assert "There was no preflight of this run" in page


def test_what_does_not_fit_is_refused_with_what_to_change(somewhere, capsys):
    words = ("ppo.rollouts=3000000", "ppo.mini_batch=8", "trainer.decode_batch=3000000", "baseline=null")
    with pytest.raises(
        BadInput, match=r"does not fit: ReFT, sampling, takes .*; with trainer.decode_batch=\d+ it fits"
    ):
        looked_at(capsys, *words)
    said = capsys.readouterr().out
    assert "Time: " not in said
    assert re.search(r"trainer.decode_batch=\d+ +speed of sampling +[\d.]+ [GM]iB", said)
    assert files(somewhere) == []


def test_a_model_that_is_too_large_is_not_loaded(capsys):
    words = ("model.scratch.hidden_size=65536", "model.scratch.layers=100", "model.scratch.mlp_size=262144")
    with pytest.raises(BadInput, match=r"the weights of tiny take [\d.,]+ GiB in fp32, and .* has .*smaller model"):
        looked_at(capsys, *words)
    assert "ReFT: updating" in capsys.readouterr().out


@pytest.mark.parametrize("words", [("-m", "seed=0,1"), ("-m", "sweeps=kl"), ("-m",)])
def test_several_runs_are_refused(words):
    assert "preflight=true looks at one run" in complaint(*words, "preflight=true")


def test_a_run_that_goes_on_is_refused(made, capsys, monkeypatch):
    for place in (made, "auto"):
        monkeypatch.setattr(sys, "argv", ["run.py", f"resume={place}", "preflight=true"])
        with pytest.raises(SystemExit) as ended:
            front_door.launch()
        assert ended.value.code == 2
        assert "leave one of them out" in capsys.readouterr().err


def test_a_budget_ends_stages_where_it_is_spent():
    warmup, reft = (Count(kind, steps, 1.0, 10) for kind, steps in (("warm-up", 100), ("ReFT", 50)))

    def left(*words: str) -> list[tuple[int, int]]:
        counts = within_budget([warmup, reft], [2.0, 10.0], [50.0, 1000.0], check(compose(*words)))
        return [(each.steps, each.evaluations) for each in counts]

    assert left() == [(100, 10), (50, 10)]
    assert left("budget.seconds=300") == [(100, 10), (10, 2)]
    assert left("budget.tokens=15000") == [(100, 10), (10, 2)]
    assert left("budget.seconds=100") == [(50, 5), (0, 0)]


def test_seconds_of_decoding_add_up():
    speed = Speed(start=1.0, token=0.01, step=0.1, row=0.001)
    lengths = [(10, 5)] * 8
    assert speed.seconds(lengths, 8) == pytest.approx(1 + 8 * 10 * 0.01 + 5 * (0.1 + 8 * 0.001))
    assert speed.seconds(lengths, 4) == pytest.approx(1 + 8 * 10 * 0.01 + 2 * 5 * (0.1 + 4 * 0.001))
    assert speed.seconds(lengths, 8, group=4) == pytest.approx(1 + 2 * 10 * 0.01 + 5 * (0.1 + 8 * 0.001))


def test_typical_ones_are_as_long_as_all_on_average():
    lengths = [(i * i % 97, i % 13) for i in range(300)]
    mean = sum(map(sum, lengths)) / 300
    for few in (4, 16, 300):
        chosen = typical(lengths, few)
        assert len(set(chosen)) == few
        assert sum(sum(lengths[i]) for i in chosen) / few == pytest.approx(mean, rel=0.1)
