"""CONTRIBUTING, tried as written: its files are put where it says, its commands are run."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from reft_lab.data.arithmetic import generate
from tests.docs.pages import REPO, commands, text_of
from tests.small_models import save_checkpoint

PAGE = REPO / "CONTRIBUTING.md"
FILE = re.compile(r"`(?P<path>[\w./]+)`:\n\n```\w+\n(?P<content>.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository with the files of CONTRIBUTING in it, and the checkpoint that one of them names."""
    folder = tmp_path_factory.mktemp("contributing")
    for name in ("conf", "reft_lab"):
        shutil.copytree(REPO / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPO / "run.py", folder)
    for file in FILE.finditer(text_of(PAGE)):
        path = folder / file["path"]
        assert not path.exists()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file["content"], encoding="utf-8")
    problems, _, _ = generate(50, 0, 0, 0, "mixed", "program")
    texts = [text for problem in problems for text in (problem.question, problem.cot)]
    save_checkpoint(folder / "checkpoints" / "my_llama", "llama", texts, ["</s>"])
    return folder


def run(command: str, checkout: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command.split()],
        cwd=checkout,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_there_is_a_file_for_each_extension(checkout: Path) -> None:
    for path in ("conf/data/school.yaml", "data/school/train.jsonl", "my_rewards.py", "conf/model/my_llama.yaml"):
        assert (checkout / path).is_file()


@pytest.mark.parametrize(
    ("choice", "name", "setting", "rewards"),
    [
        ("data=school", "tiny-school-program-reft", ("data", "name", "school"), {0.0, 0.1, 1.0}),
        (
            "reward=my_rewards.strict",
            "tiny-arithmetic-program-reft",
            ("reward", "function", "my_rewards.strict"),
            {-0.5, -0.1, 1.0},
        ),
        (
            "model=my_llama",
            "my_llama-arithmetic-program-reft",
            ("model", "path", "checkpoints/my_llama"),
            {0.0, 0.1, 1.0},
        ),
    ],
)
def test_an_extension_runs(
    choice: str, name: str, setting: tuple[str, str, str], rewards: set[float], checkout: Path
) -> None:
    (command,) = [command for command in commands(PAGE) if choice in command.split()]
    ended = run(command, checkout)
    assert ended.returncode == 0, ended.stderr
    (directory,) = checkout.glob(f"outputs/*/*-{name}")
    section, option, value = setting
    assert OmegaConf.load(directory / "config.yaml")[section][option] == value
    assert json.loads((directory / "result.json").read_text())["status"] == "finished"
    samples = [json.loads(line) for line in (directory / "samples.jsonl").read_text().splitlines()]
    assert samples
    assert {round(sample["reward"], 6) for sample in samples} <= rewards


def test_new_choices_are_offered(checkout: Path) -> None:
    ended = run("run.py --help", checkout)
    assert "Problems from our school" in ended.stdout
    assert "Our own small Llama" in ended.stdout


def test_the_command_of_every_extension_is_tried() -> None:
    tried = ("data=school", "reward=my_rewards.strict", "model=my_llama")
    extensions = [command for command in commands(PAGE) if "debug=quick" in command]
    assert len(extensions) == len(tried)
    assert all(any(choice in command.split() for choice in tried) for command in extensions)
