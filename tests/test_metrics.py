"""The catalogue of metrics is complete and true: it has what real runs record, no more and no less."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from reft_lab import metrics
from reft_lab.answers.outcome import KINDS
from reft_lab.config.alarms import AlarmsConfig
from reft_lab.methods import METHODS, RECORDS, STAGES
from reft_lab.metrics import CATALOGUE, Metric, find, members, recorded, watched
from reft_lab.runner.alarms import RULES, Alarms
from tests.real_run import REPO, made

__all__ = ["made"]

ENTRIES = list(CATALOGUE.values())


@pytest.mark.parametrize(("folder", "method"), [("", "reft"), ("baseline_sft", "sft")])
def test_a_run_records_what_the_catalogue_says(made: Path, folder: str, method: str) -> None:
    lines = (made / folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    names = {name for line in lines for name in json.loads(line)}
    assert names == {"step", "seconds", *recorded(METHODS[method].records)}


def test_without_a_critic_nothing_is_said_of_values() -> None:
    less = set(recorded(RECORDS)) - set(recorded(RECORDS, critic=False))
    assert less == {
        "rollout/value",
        "ppo/value_loss",
        "ppo/explained_variance",
        "ppo/policy_grad_norm",
        "ppo/value_grad_norm",
        *members("position/value/TENTH"),
    }


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_an_entry_says_what_it_is_of(entry: Metric) -> None:
    assert entry.label
    assert entry.label[0].isupper()
    assert entry.meaning
    assert entry.computed
    assert entry.group in [section for name, section in vars(metrics).items() if name.isupper()]
    assert entry.better in (metrics.UP, metrics.DOWN, None)
    assert entry.needs in (metrics.CRITIC, metrics.GPU, "")
    assert not entry.along or entry.along in {other.section for other in ENTRIES}


def test_no_name_stands_for_two_entries() -> None:
    names = [name for entry in ENTRIES for name in members(entry.name, RECORDS)]
    assert len(set(names)) == len(names)


def test_labels_tell_the_metrics_of_a_group_apart() -> None:
    labels = [(entry.group, entry.label) for entry in ENTRIES]
    assert len(set(labels)) == len(labels)


def test_a_name_is_found_in_its_family() -> None:
    for name in recorded(RECORDS):
        assert find(name).label != name
        assert find(name).name == name
    assert find("eval/outcome/timeout").label == find("eval/outcome/KIND").label
    assert (find("sft/lr").group, find("ppo/lr").group) == (metrics.SUPERVISED, metrics.UPDATE)
    assert [find(f"position/kl/{tenth}").unit for tenth in ("01", "10")] == ["nats a token"] * 2
    assert find("position/kl/11") == Metric("position/kl/11", "position/kl/11")
    assert find("eval/outcome/lost") == Metric("eval/outcome/lost", "eval/outcome/lost")
    assert members("eval/outcome/KIND") == tuple(f"eval/outcome/{kind}" for kind in KINDS)


def test_alarms_are_those_of_the_runner() -> None:
    assert {f"alarm/{rule.name}" for rule in RULES} == {entry.name for entry in metrics.of_group(metrics.ALARMS)}
    assert Alarms(AlarmsConfig()).metrics().keys() == {entry.name for entry in metrics.of_group(metrics.ALARMS)}


def test_the_terminal_shows_few_numbers_under_short_names() -> None:
    iteration = {"rollout/reward": 0.5, "rollout/length": 20.0, "rollout/accuracy": 0.4, "ppo/kl_ref": 2.0, "ppo/lr": 1}
    assert watched(iteration) == {"reward": 0.5, "length": 20.0, "kl": 2.0}
    assert watched({"sft/epoch": 1.5, "sft/loss": 0.2, "sft/lr": 0.1}) == {"epoch": 1.5, "loss": 0.2}


def test_names_in_the_code_are_in_the_catalogue() -> None:
    """Of plain text; names that are put together are seen in the real run."""
    sections = "|".join({entry.section for entry in ENTRIES} - {metrics.STAGE} | STAGES.keys())
    name = re.compile(rf"(?:{sections})/[A-Za-z_]+(?:/\w+)?")
    known = {*CATALOGUE, *recorded(RECORDS)}
    found = {
        (node.value, file.name)
        for file in (REPO / "reft_lab").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and name.fullmatch(node.value)
    }
    found |= {
        (text, file.name)
        for file in (REPO / "analysis").glob("*.ipynb")
        for cell in json.loads(file.read_text(encoding="utf-8"))["cells"]
        if cell["cell_type"] == "code"
        for text in re.findall(r'"([^"\n]+)"', "".join(cell["source"]))
        if name.fullmatch(text)
    }
    assert len(found) > 50
    assert not [where for where in found if where[0] not in known and not where[0].startswith("warmup/model")]
