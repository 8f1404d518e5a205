"""Workspaces and reports arrive at the server through the real library; a second save changes what is there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reft_lab.dashboard import preview, save
from reft_lab.errors import BadInput
from tests.dashboard.loopback_views import LoopbackViews
from tests.tracking.loopback_wandb import serving

KEY = "0" * 40


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackViews]:
    """A W&B server that one is logged in at."""
    import wandb

    for name in [name for name in os.environ if name.startswith("WANDB")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    with serving(LoopbackViews()) as listening:
        monkeypatch.setenv("WANDB_BASE_URL", listening.url)
        wandb.teardown()
        yield listening
        wandb.teardown()


def sections_of(view: dict[str, Any]) -> list[dict[str, Any]]:
    return list(view["spec"]["section"]["panelBankConfig"]["sections"])


def grids_of(spec: dict[str, Any]) -> list[dict[str, Any]]:
    return [block["metadata"] for block in spec["blocks"] if block["type"] == "panel-grid"]


def panels_of(grid: dict[str, Any]) -> list[dict[str, Any]]:
    return list(grid["panelBankSectionConfig"]["panels"])


def test_a_second_save_changes_the_views_of_the_first(server: LoopbackViews, study: str) -> None:
    others = [("project-view", "mine"), ("project-view", "his"), ("project-view", "hers"), ("runs", "reft_lab")]
    for place, (kind, title) in enumerate(others):  # more than fit in one answer
        server.views[f"v{place}"] = {"id": f"v{place}", "name": title, "displayName": title, "type": kind, "spec": {}}
    first = save("someone/reft_lab", study)
    before = dict(server.views)
    assert server.titles()[len(others) :] == ["reft_lab", "Study kl"]
    assert all(address.startswith(f"{server.url}/someone/reft_lab") for address in first)
    assert save("someone/reft_lab", study) == first
    assert server.views.keys() == before.keys()
    workspace, report = list(server.views.values())[-2:]
    assert (workspace["type"], report["type"]) == ("project-view", "runs")
    # W&B finds a workspace by its name in the address, so that stays as well.
    assert workspace["name"] == list(before.values())[-2]["name"]
    assert workspace["spec"] == list(before.values())[-2]["spec"]
    assert all(view["spec"] == {} for view in list(server.views.values())[: len(others)])
    assert server.projects == ["reft_lab"]


def test_what_is_saved_is_what_the_preview_shows(server: LoopbackViews, study: str) -> None:
    save("someone/reft_lab", study)
    workspace, report = server.views.values()
    shown = preview("someone/reft_lab", study).content
    assert workspace["spec"] == shown["workspace"]["spec"]
    for grid in grids_of(report["spec"]):
        for runs in grid["runSets"]:  # only the server knows the id of the project
            assert runs.pop("project") == {
                "id": "internal reft_lab",
                "name": "reft_lab",
                "entityName": "someone",
            }
    assert report["spec"] == shown["report"]["spec"]
    assert shown["report"]["displayName"] == report["displayName"]


def test_a_workspace_has_no_sections_of_methods_that_the_project_has_not(server: LoopbackViews) -> None:
    for number, method in enumerate(("reft", "sft")):
        server.runs[f"r{number}"] = {"project": "reft_lab", "config": json.dumps({"method": {"value": method}})}
        server.history[f"r{number}"] = []
    save("someone/reft_lab")
    (workspace,) = server.views.values()
    names = [section["name"] for section in sections_of(workspace)]
    assert "value" in names
    assert "reranker" not in names
    server.runs["r2"] = {"project": "reft_lab", "config": json.dumps({"method": {"value": "reranker"}})}
    server.history["r2"] = []
    save("someone/reft_lab")
    (workspace,) = server.views.values()
    names = [section["name"] for section in sections_of(workspace)]
    assert names.index("reranker") > names.index("value")


def test_the_report_of_a_study_groups_seeds_and_shows_its_options(study: str) -> None:
    report = preview("someone/reft_lab", study).content["report"]["spec"]
    curves, mattered = grids_of(report)
    for grid in (curves, mattered):
        (filters,) = [runs["filters"]["filters"] for runs in grid["runSets"]]
        assert [(each["key"]["name"], each["op"], each["value"]) for each in filters] == [
            ("group", "=", "kl"),
            ("tags", "NIN", ["confirms"]),
        ]
    assert [key["name"] for key in curves["runSets"][0]["grouping"]] == ["ppo.value.kl_coef"]
    assert mattered["runSets"][0]["grouping"] == []
    assert all(panel["config"]["groupArea"] == "minmax" for panel in panels_of(curves))
    kinds = {panel["viewType"]: panel["config"] for panel in panels_of(mattered)}
    assert kinds.keys() == {"Parallel Coordinates Plot", "Parameter Importance", "Run Comparer"}
    columns = [column["accessor"] for column in kinds["Parallel Coordinates Plot"]["columns"]]
    assert columns == ["config:ppo.value.kl_coef", "config:seed.value", "summary:result/final/test_accuracy"]


def test_the_ablation_table_has_means_over_seeds(study: str) -> None:
    report = preview("someone/reft_lab", study).content["report"]["spec"]
    (text,) = [block["content"] for block in report["blocks"] if block["type"] == "markdown-block"]
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    assert [row[:3] for row in table if row[0] in ("0", "0.05") and row[1] == "2"] == [
        ["0.05", "2", "75.0"],
        ["0", "2", "35.0"],
    ]
    # Both seeds are 40 points better with 0.05.
    assert ["0.05", "0", "2", "+40.0"] in [row[:4] for row in table]


def test_a_study_that_is_not_here_is_read_from_w_and_b(server: LoopbackViews) -> None:
    for number, coefficient in enumerate((0.0, 0.05, 0.2)):
        config = {"ppo": {"value": {"kl_coef": coefficient}}, "seed": {"value": 0}}
        if coefficient == 0.2:  # it confirms the search, and is not one of its trials
            config["study"] = {"value": {"confirms": "first"}}
        server.runs[f"r{number}"] = {"project": "reft_lab", "groupName": "far", "config": json.dumps(config)}
        server.summaries[f"r{number}"] = {"status": "finished", "result/final/test_accuracy": 0.5 + coefficient}
        server.history[f"r{number}"], server.exit_codes[f"r{number}"] = [], 0
    save("someone/reft_lab", "far")
    _, report = server.views.values()
    assert [key["name"] for key in grids_of(report["spec"])[0]["runSets"][0]["grouping"]] == ["ppo.value.kl_coef"]
    (text,) = [block["content"] for block in report["spec"]["blocks"] if block["type"] == "markdown-block"]
    assert "| 0.05 " in text
    assert "| 0.2 " not in text
    with pytest.raises(BadInput, match="no runs in wandb:someone/reft_lab/farther"):
        save("someone/reft_lab", "farther")
    assert server.titles() == ["reft_lab", "Study far"]


def test_a_project_that_is_not_there_is_not_made(server: LoopbackViews) -> None:
    with pytest.raises(BadInput, match=r"^W&B has no project someone/other, or it is not open to you"):
        save("someone/other")
    assert server.projects == ["reft_lab"]
    assert server.views == {}


def test_a_refusal_is_one_sentence(server: LoopbackViews) -> None:
    server.refuses_views = True
    with pytest.raises(BadInput, match=r"^someone/reft_lab: the W&B server http://\S+ refuses: .+\.$") as refused:
        save("someone/reft_lab")
    assert "permission denied" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_without_a_login_there_is_one_sentence_and_no_question(
    server: LoopbackViews, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_API_KEY")
    with pytest.raises(BadInput, match=r"^someone/reft_lab: there is no login at W&B"):
        save("someone/reft_lab")


def test_a_server_that_is_not_there_is_one_sentence(server: LoopbackViews, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    with pytest.raises(BadInput, match=r"^someone/reft_lab: the W&B server http://127.0.0.1:9 cannot be reached \(.+"):
        save("someone/reft_lab")


@pytest.mark.parametrize("project", ["reft_lab", "a/b/c", "a/", "", "a b/c"])
def test_a_project_has_two_names(project: str) -> None:
    with pytest.raises(BadInput, match="write ENTITY/PROJECT"):
        preview(project)


@pytest.mark.parametrize("name", ["it's", 'say "kl"', "a=b", "a<b", ""])
def test_a_study_that_a_filter_cannot_name_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match=re.escape(repr(name))):
        preview("someone/reft_lab", name)


def test_a_preview_of_a_study_that_is_not_here_says_what_to_do(study: str) -> None:
    with pytest.raises(BadInput, match=r"there is no study multirun/lk .*leave --preview out"):
        preview("someone/reft_lab", "lk")


ALONE = """
import json, socket
def refuse(*_): raise AssertionError("the network was used")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from reft_lab.dashboard import preview
print(json.dumps(preview("someone/reft_lab", "kl").content))
"""


def test_a_preview_needs_no_login_and_no_network_and_is_the_same_each_time(
    study: str, tmp_path: Path, repo: Path
) -> None:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
    done = subprocess.run(
        [sys.executable, "-c", ALONE],
        env=plain | {"PYTHONPATH": str(repo), "HOME": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stderr == ""
    assert json.loads(done.stdout) == preview("someone/reft_lab", study).content
