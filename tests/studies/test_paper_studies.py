"""The studies of sweeps/ that make a table: each command in their comments is one, of as many runs as it says."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from reft_lab.command.launch import check_command
from reft_lab.command.work import Study
from reft_lab.compose.composed import compose_command
from reft_lab.compose.conf import register_schema
from reft_lab.studies.definition import Definition
from reft_lab.studies.from_config import from_config
from tests.command.said import complaint
from tests.real_run import REPO

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
    # Those of decodings read what others have left, of which the next test is.
    is_composed = runs > 50 or words.removeprefix("sweeps=") in OURS or "model=tiny" in words
    if is_composed or words.startswith("sweeps=paper/decoding"):
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


WORDS = ("-m", "sweeps=paper/decoding", "model=tiny", "data=arithmetic", "cot=program", "sweeps.seeds=[0,7]")


def test_the_reranker_of_every_seed_is_there_before_the_first_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_it = (
        "make it first: python run.py -m sweeps=paper/rerankers model=tiny data=arithmetic cot=program "
        "sweeps.name=paper_rerankers_tiny_program"
    )
    home = tmp_path / "multirun" / "paper_rerankers_tiny_program" / "0"
    for seed in (0, 7):
        said = complaint(*WORDS)
        assert f"decode.reranker=multirun/paper_rerankers_tiny_program/0/seed-{seed} does not exist" in said
        assert said.endswith(make_it)
        best = home / f"seed-{seed}" / "checkpoints" / "best"
        best.mkdir(parents=True)
        assert "is no outcome model; make it first" in complaint(*WORDS)  # it did not get that far
        (best / "evaluation.json").write_text(json.dumps({"stage": "reranker"}))
    study = check_command(WORDS)
    assert isinstance(study, Study)
    assert study.definition.seeds == (0, 7)
    # The command is one that would make it.
    made = check_command(shlex.split(make_it.partition("run.py ")[2]))
    assert isinstance(made, Study)
    assert (made.definition.folder / "0").absolute() == home


def test_other_ways_to_decode_keep_the_reranker_and_the_samples() -> None:
    fixed = from_config(compose_command([*WORDS, "decode=[rerank,pass]"])).fixed
    assert any(word.startswith("decode.reranker=") for word in fixed)
    assert "decode.k=100" in fixed
    assert "decode=[rerank,pass]" in fixed
    assert not any(word.startswith("decode=[vote") for word in fixed)


def test_a_single_run_and_a_multirun_miss_their_reranker_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    register_schema()
    for words in (["decode=rerank"], ["-m", "seed=0,1", "decode=rerank"]):
        said = complaint(*words, "decode.reranker=nowhere")
        assert said.startswith("decode.reranker=nowhere does not exist")
        assert said.endswith("give the run directory of a finished method=reranker run, or its checkpoints/best.")


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
