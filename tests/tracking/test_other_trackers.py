"""What arrives in Trackio and in TensorBoard, read as their users read it."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from reft_lab import runner
from reft_lab.compose.conf import compose
from reft_lab.config.check import check
from reft_lab.config.running import TrackerConfig
from reft_lab.config.schema import Config
from reft_lab.errors import BadInput
from reft_lab.run_dir.directory import RunDirectory
from reft_lab.tracking.display import Silence
from reft_lab.tracking.recorders import check_recorders
from reft_lab.tracking.tracker import Tracker
from tests.tracking.small_run import SAMPLES_EVERY, STATE_EVERY
from tests.tracking.test_wandb_resume import STEPS, SmallRuns

ODD = "a | b\n<b>bold</b> `x` \\ <<3+4=7>>"
SUMMARY = {"status": "finished", "reason": None, "result/final/test_accuracy": 0.625, "result/final/test_n": 8}


def lines_of(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def session(path: Path, config: Config, steps: range, state: int = 0) -> Tracker:
    """A session of a run in this process, which goes on from `state` and ends with the last of `steps`."""
    with closing(RunDirectory(path, resume=state > 0)) as directory:
        directory.rewind(state)
        directory.write_config(config)
        tracker = Tracker(config, directory, Silence(), step=state, seconds=2.0 * state)
        for step in steps:
            sample = {"question": "what?", "response": ODD, "reward": 0.5, "outcome": "wrong", "tokens": {}}
            tracker.log(step, {"loss": 1 / step, "eval/accuracy": step / 20}, [sample] if step % 4 == 0 else [])
    return tracker


def test_tensorboard_has_one_curve_config_samples_and_results(tmp_path: Path) -> None:
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run = tmp_path / "run"
    config = Config(tracker=TrackerConfig(wandb="disabled", tensorboard=True))
    session(run, config, range(1, 12))  # never closed, as by a kill after step 11
    (torn,) = (run / "tensorboard").glob("events.*")
    torn.write_bytes(torn.read_bytes()[:-7])
    tracker = session(run, config, range(8, 17), state=7)
    tracker.finish(SUMMARY, exit_code=0)

    found = accumulators.EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0, "tensors": 0})
    found.Reload()
    lines = lines_of(run)
    assert [line["step"] for line in lines] == list(range(1, 17))
    for name in ("loss", "eval/accuracy", "seconds"):
        curve = found.Scalars(name)
        assert [event.step for event in curve] == list(range(1, 17))
        assert [event.value for event in curve] == pytest.approx([line[name] for line in lines])
        assert [event.wall_time for event in curve] == sorted(event.wall_time for event in curve)
    (accuracy,) = found.Scalars("result/final/test_accuracy")
    assert (accuracy.step, accuracy.value) == (16, 0.625)

    def text(tag: str) -> dict[int, str]:
        return {event.step: event.tensor_proto.string_val[0].decode() for event in found.Tensors(f"{tag}/text_summary")}

    assert "| ppo.kl_coef | 0.01 |" in text("config")[0]
    assert "| status | finished |" in text("result")[16]
    samples = text("samples")
    assert sorted(samples) == [4, 8, 12, 16]
    assert "a &#124; b<br>&lt;b&gt;bold&lt;/b&gt; &#96;x&#96; &#92; &lt;&lt;3+4=7&gt;&gt;" in samples[16]
    assert {line.count("|") for line in samples[16].splitlines()} == {8}  # seven columns in each row
    plugins = pytest.importorskip("tensorboard.plugins.hparams.plugin_data_pb2")
    data = plugins.HParamsPluginData.FromString(
        found.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    )
    assert data.session_start_info.hparams["ppo.kl_coef"].number_value == 0.01
    assert data.session_start_info.hparams["model.path"].string_value == "null"


def test_trackio_has_one_curve_after_a_kill(tmp_path: Path, repo: Path) -> None:
    pytest.importorskip("trackio")
    runs = SmallRuns(repo, tmp_path)
    runs.environment |= {"TRACKIO_DIR": str(tmp_path / "trackio")}
    runs.kill("trackio", lambda: runs.recorded > STATE_EVERY * 5)
    said = runs.finish("trackio")
    name = json.loads((runs.path / "passport.json").read_text())["trackio"]["name"]
    assert said.splitlines()[0] == f"Trackio: {name}; trackio show --project reft_lab"

    rows = asked(runs, "select run_name, step, metrics from metrics order by rowid")
    assert {row["run_name"] for row in rows} == {name}
    lines = lines_of(runs.path)
    metrics = [(row["step"], json.loads(row["metrics"])) for row in rows]
    *curve, (last, result) = metrics
    assert [step for step, _ in curve] == [line["step"] for line in lines] == list(range(1, STEPS + 1))
    assert [found["loss"] for _, found in curve] == [line["loss"] for line in lines]
    assert [found["seconds"] for _, found in curve] == [line["seconds"] for line in lines]
    tables = {step: found["samples"]["_value"] for step, found in curve if "samples" in found}
    assert list(tables) == list(range(SAMPLES_EVERY, STEPS + 1, SAMPLES_EVERY))
    assert [row["question"] for row in tables[20]] == ["what is 20 + 0?", "what is 20 + 1?"]
    assert (last, result["result"]["_value"]) == (STEPS, [{"": "status", "result": "finished"}])
    (config,) = asked(runs, "select config from configs")
    assert json.loads(config["config"])["ppo.kl_coef"] == 0.01


def asked(runs: SmallRuns, sql: str) -> list[dict[str, Any]]:
    """What Trackio's own command says to a query of its database."""
    command = [sys.executable, "-m", "trackio.cli", "query", "project", "--project", "reft_lab", "--sql", sql, "--json"]
    ended = subprocess.run(command, env=runs.environment, capture_output=True, text=True, timeout=120, check=True)
    return json.loads(ended.stdout)["rows"]


@pytest.mark.parametrize("name", ["trackio", "tensorboard"])
def test_a_missing_package_is_said_before_anything_is_written(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)  # Python's way to say that there is no such module
    config = check(compose(f"tracker={name}"))
    with pytest.raises(BadInput, match=rf"tracker\.{name}=true needs .* pip install 'reft_lab\[{name}\]'"):
        runner.run(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_trackio_stays_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("trackio")
    monkeypatch.setenv("TRACKIO_SPACE_ID", "me/runs")
    with pytest.raises(BadInput, match="TRACKIO_SPACE_ID is set"):
        check_recorders(check(compose("tracker=trackio")))


def test_a_choice_of_tracker_leaves_out_the_others() -> None:
    for name in ("trackio", "tensorboard", "none"):
        tracker = check(compose("tracker.wandb=offline", f"tracker={name}")).tracker
        assert (tracker.trackio, tracker.tensorboard) == (name == "trackio", name == "tensorboard")
    both = check(compose("tracker=wandb", "tracker.tensorboard=true")).tracker
    assert (both.wandb, both.tensorboard) == ("auto", True)
