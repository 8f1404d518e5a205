"""The wheel: built from the tree, its files alone on the path, in an empty folder."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from omegaconf import OmegaConf

BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.egg-info")


@pytest.fixture(scope="module")
def wheel(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the wheel holds, as pip would lay it into site-packages."""
    tree, site = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("site")
    for name in ("reft_lab", "conf", "sweeps"):
        shutil.copytree(repo / name, tree / name, ignore=LEFT_OUT)
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(repo / name, tree)
    subprocess.run([sys.executable, "-c", BUILD, str(tree)], cwd=tree, check=True, capture_output=True, timeout=300)
    (built,) = tree.glob("*.whl")
    with zipfile.ZipFile(built) as files:
        files.extractall(site)
    return site


def python(site: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_it_holds_every_file_that_is_read(wheel: Path, repo: Path) -> None:
    for folder, inside in (("conf", "reft_lab/conf"), ("sweeps", "reft_lab/sweeps")):
        expected = {file.relative_to(repo / folder) for file in (repo / folder).rglob("*") if file.is_file()}
        assert {file.relative_to(wheel / inside) for file in (wheel / inside).rglob("*") if file.is_file()} == expected
    templates = {file.name for file in (repo / "reft_lab/report/templates").iterdir()}
    assert {file.name for file in (wheel / "reft_lab/report/templates").iterdir()} == templates
    assert {path.name for path in wheel.iterdir() if not path.name.endswith(".dist-info")} == {"reft_lab"}


def test_help_names_its_own_command_and_choices(wheel: Path, tmp_path: Path) -> None:
    ended = python(wheel, tmp_path, "-m", "reft_lab", "--help")
    assert ended.returncode == 0, ended.stderr
    assert "python -m reft_lab debug=quick" in ended.stdout
    assert "run.py" not in ended.stdout
    assert "paper/gsm8k_program_codellama" in ended.stdout
    assert "reft_search" in ended.stdout
    assert list(tmp_path.iterdir()) == []


def test_ones_own_choices_stand_beside_those_inside(wheel: Path, tmp_path: Path) -> None:
    (tmp_path / "own" / "experiment").mkdir(parents=True)
    (tmp_path / "own" / "experiment" / "low.yaml").write_text("# @package _global_\nppo:\n  lam: 0.9\n")
    words = ("--cfg", "job", "--resolve", "--config-dir=own", "experiment=low", "data=svamp", "debug=quick")
    ended = python(wheel, tmp_path, "-m", "reft_lab", *words)
    assert ended.returncode == 0, ended.stderr
    printed = OmegaConf.create(ended.stdout)
    assert (printed.ppo.lam, printed.data.name, printed.warmup.epochs) == (0.9, "svamp", 1)


def test_a_study_is_found_and_its_trials_start_by_the_module(wheel: Path, tmp_path: Path) -> None:
    ended = python(wheel, tmp_path, "-m", "reft_lab", "-m", "sweeps=kl", "ppo.clip=0")
    assert (ended.returncode, ended.stdout) == (2, ""), ended.stderr
    assert ended.stderr.startswith("error: ppo.clip=0.0 is not possible")
    ended = python(wheel, tmp_path, "-c", "from reft_lab import installed; print(installed.HOME, installed.words())")
    assert ended.stdout == f"{wheel / 'reft_lab'} ['-m', 'reft_lab']\n", ended.stderr
