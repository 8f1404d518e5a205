"""Notebooks are committed without outputs and without traces of a machine, and what they tell one to type works."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import nbformat
import pytest

from reft_lab.command.launch import check_command
from reft_lab.compose.conf import register_schema
from reft_lab.config.options import options, study_options
from tests.docs.pages import commands, prose, text_of

REPO = Path(__file__).resolve().parents[2]
FOLDER = REPO / "analysis"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
NAMES = {
    "ablation_kl",
    "ablation_reward",
    "ablation_warmup",
    "lambda_gamma",
    "main_table",
    "reward_audit",
    "training_dynamics",
}
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
README = FOLDER / "README.md"


def complaints(notebook: dict) -> list[str]:
    """What a notebook must not be committed with."""
    found = []
    if notebook["metadata"] != {"kernelspec": KERNEL, "language_info": {"name": "python"}}:
        found.append(f"metadata of a machine: {notebook['metadata']}")
    for cell in notebook["cells"]:
        if cell.get("outputs"):
            found.append(f"cell {cell.get('id')} has outputs")
        if cell.get("execution_count") is not None:
            found.append(f"cell {cell.get('id')} has an execution count")
        if cell["metadata"]:
            found.append(f"cell {cell.get('id')} has metadata")
        if not re.fullmatch(r"[a-z]+(-[a-z]+)*", cell.get("id", "")):
            found.append(f"cell {cell.get('id')} has no name for an id")
    return found


def typed(notebook: Path) -> list[str]:
    """The `run.py ...` command lines in the words of a notebook."""
    words = [cell.source for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "markdown"]
    return [line.removeprefix("python ") for text in words for line in text.splitlines() if line.startswith("python ")]


COMMANDS = sorted({command for notebook in NOTEBOOKS for command in typed(notebook)} | set(commands(README)))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_holds_cells_only(path: Path) -> None:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    nbformat.validate(nbformat.read(path, as_version=4))
    assert complaints(notebook) == []


def test_what_must_not_be_committed_is_found() -> None:
    notebook = json.loads(NOTEBOOKS[0].read_text(encoding="utf-8"))
    code = next(cell for cell in notebook["cells"] if cell["cell_type"] == "code")
    code["execution_count"], code["outputs"] = 3, [{"output_type": "stream", "name": "stdout", "text": "1"}]
    code["metadata"] = {"collapsed": True}
    code["id"] = "a8f5c2"
    notebook["metadata"]["language_info"]["version"] = "3.11.9"
    assert len(complaints(notebook)) == 5


def test_all_notebooks_are_there_and_described() -> None:
    assert {path.stem for path in NOTEBOOKS} == NAMES
    assert set(re.findall(r"\[(\w+)\.ipynb\]\(\1\.ipynb\)", text_of(README))) == NAMES


def test_commands_name_what_there_is() -> None:
    groups = {path.name for path in (REPO / "conf").iterdir() if path.is_dir()}
    known = {*options(), *study_options(), *groups, "sweeps"}
    for command in COMMANDS:
        program, *words = shlex.split(command)
        assert program == "run.py"
        given = dict(word.split("=", 1) for word in words if word != "-m")
        assert set(given) <= known, command
        for group, folder in (("sweeps", REPO / "sweeps"), ("experiment", REPO / "conf" / "experiment")):
            assert group not in given or (folder / f"{given[group]}.yaml").is_file(), command


@pytest.mark.parametrize("command", [command for command in COMMANDS if "experiment=" in command])
def test_the_papers_settings_compose_in_a_study(command: str) -> None:
    register_schema()
    check_command(shlex.split(command)[1:])


def test_each_notebook_says_what_makes_its_runs() -> None:
    assert all(typed(path) for path in NOTEBOOKS)
    assert "sweeps=lambda_gamma" in prose(README)
