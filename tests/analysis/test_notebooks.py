"""Every notebook in analysis/ runs from top to bottom on a small study; files of W&B will do as well."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient
from nbformat import NotebookNode

from tests.analysis.small_study import make_study, wandb_files
from tests.made_once import made_once

REPO = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted(path.stem for path in (REPO / "analysis").glob("*.ipynb"))
Run = Callable[[str, Path], NotebookNode]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study."""
    return made_once(tmp_path_factory, "small_study", make_study)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Runs a notebook on a source. One kernel serves all, emptied in between: importing is most of the work."""
    manager = KernelManager()
    home = tmp_path_factory.mktemp("ipython")
    manager.start_kernel(cwd=str(REPO / "analysis"), env={**os.environ, "IPYTHONDIR": str(home)})

    def run_one(name: str, source: Path) -> NotebookNode:
        notebook = nbformat.read(REPO / "analysis" / f"{name}.ipynb", as_version=4)
        fresh = f"get_ipython().reset()\nimport os\nos.environ['REFT_SOURCE'] = {str(source)!r}\ndel os"
        notebook.cells.insert(0, nbformat.v4.new_code_cell(fresh))
        NotebookClient(notebook, km=manager, timeout=300).execute()
        del notebook.cells[0]
        return notebook

    yield run_one
    manager.shutdown_kernel(now=True)


def shown(notebook: NotebookNode, kind: str) -> list[Any]:
    """Everything of a MIME type that the cells show."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [output.data[kind] for cell in cells for output in cell.outputs if kind in output.get("data", {})]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_it_runs_on_a_study(name: str, study: Path, run: Run) -> None:
    notebook = run(name, study)
    (summary,) = shown(notebook, "text/markdown")
    assert summary.startswith("**7 runs**" if name != "main_table" else "**8 runs**")  # with the baseline
    assert "`2/seed-0`: failed (the loss was not a number)" in summary
    assert "2 seeds" in summary
    assert "**Mind:**" in summary  # the two settings differ in more than one notebook compares
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs for cell in cells)
    pictures = shown(notebook, "image/svg+xml")
    assert len(pictures) >= 1
    # As wide as the column of a page of 1,100 pixels, and in the words of the pages.
    assert [
        width for picture in pictures if (width := float(re.findall(r'<svg[^>]* width="([\d.]+)"', picture)[0])) > 970
    ] == []
    assert not re.search(r"\d%<", "".join(pictures))
    errors = [output for cell in cells for output in cell.outputs if output.get("name") == "stderr"]
    assert not errors


def test_what_wandb_lacks_is_said(study: Path, run: Run, tmp_path: Path) -> None:
    source = wandb_files(study, tmp_path / "files")
    audit = run("reward_audit", source)
    assert "**2 runs**: 2 finished" in shown(audit, "text/markdown")[0]
    assert "**One seed proves nothing**" in shown(audit, "text/markdown")[0]
    bars, wrong, scatter, *_ = shown(audit, "image/svg+xml")
    assert "There are no samples here" in bars
    assert "There are no samples here" in wrong
    assert "accuracy of the rollouts" in scatter
    table = run("main_table", source)
    assert "There are none here: they need predictions" in "".join(shown(table, "text/html"))
    assert "warm-up" in shown(table, "text/html")[0]


def test_the_table_to_paste_holds_both_columns(study: Path, run: Run) -> None:
    printed = [
        output.text
        for cell in run("main_table", study).cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "stream"
    ]
    markdown, latex = printed
    assert "| arithmetic" in markdown
    assert "\\toprule" in latex
    for method in ("warm-up", "SFT", "ReFT"):
        assert method in markdown
        assert method in latex
    result = json.loads((study / "0" / "seed-0" / "baseline_sft" / "result.json").read_text())
    assert f"{100 * result['final']['test']['accuracy']:.1f}" in markdown
