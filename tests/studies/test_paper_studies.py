"""The studies of sweeps/ that make a table: each command in their comments is one, of as many runs as it says."""

from __future__ import annotations

import re
import shlex

import pytest

from reft_lab.command.launch import check_command
from reft_lab.command.work import Study
from reft_lab.compose.composed import compose_command
from reft_lab.compose.search_path import REPO
from reft_lab.studies.definition import Definition
from reft_lab.studies.from_config import from_config

FOLDER = REPO / "sweeps"
OURS = ("controls", "methods", "methods_at_budget")
FILES = [*(FOLDER / "paper").iterdir(), *(FOLDER / f"{name}.yaml" for name in OURS)]
COMMAND = re.compile(r"#   python run\.py -m (?P<words>sweeps=.*?)(?:\s+# .*?(?P<runs>\d+) runs.*)?")


def commands() -> list[tuple[str, int]]:
    """The commands in the comments, and how many runs they say they are; a line without a number counts as 0."""
    found = []
    for file in sorted(FILES):
        lines = [line for line in file.read_text().splitlines() if line.startswith("#   python run.py -m ")]
        assert lines, file
        for line in lines:
            match = COMMAND.fullmatch(line)
            assert match, line
            found.append((match["words"], int(match["runs"] or 0)))
    return found


def runs_of(definition: Definition) -> int:
    return definition.trials * max(1, len(definition.seeds))


@pytest.mark.parametrize(("words", "runs"), commands())
def test_a_command_is_a_study_of_as_many_runs_as_it_says(words: str, runs: int) -> None:
    given = ["-m", *shlex.split(words)]
    # The others are composed run by run in tests/docs, test_sweep_groups and, for paper/main, tests/config.
    if runs > 50 or words.removeprefix("sweeps=") in OURS or "model=tiny" in words:
        definition = from_config(compose_command(given))
    else:
        study = check_command(given)
        assert isinstance(study, Study)
        definition = study.definition
    assert runs in (0, runs_of(definition))
    name = shlex.split(words)[0].removeprefix("sweeps=")
    assert definition.name == name.replace("/", "_") or f"sweeps.name={definition.name}" in words
    assert definition.seeds
    assert "baseline=null" in definition.fixed


def test_every_method_is_tuned_as_much() -> None:
    methods = from_config(compose_command(["-m", "sweeps=methods"])).space[0].choices
    files = {file.stem for file in (FOLDER / "tune").iterdir()}
    assert files == set(methods)
    for method in methods:
        study = from_config(compose_command(["-m", f"sweeps=tune/{method}"]))
        assert (study.name, study.trials, study.seeds, len(study.space)) == (f"tune_{method}", 8, (), 2)
        assert set(study.first[0]) == {parameter.key for parameter in study.space}
        assert (study.sampler.name, study.sampler.seed, study.confirm) == ("qmc", 0, 0)
        assert f"method={method}" in study.fixed
