"""What README, CONTRIBUTING and docs/ say is what the code does."""

from __future__ import annotations

import importlib
import json
import re
import shlex
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

from reft_lab.answers.numbers import parse_number
from reft_lab.answers.outcome import KINDS
from reft_lab.command.launch import check_command
from reft_lab.command.resume import split_resume
from reft_lab.compose.conf import Conf, compose, register_schema
from reft_lab.config.check import check
from reft_lab.config.options import options, sections, study_options, study_sections
from reft_lab.config.wording import shown
from reft_lab.errors import Missing
from tests.docs.pages import PAGES, REPO, anchors, code_spans, commands, prose, rows, section, text_of
from tests.real_data import Loaded, loaded
from tests.real_run import made

__all__ = ["loaded", "made"]

DOCS = REPO / "docs"
OPTION = re.compile(r"([a-z_]+(?:\.[a-z_]+)*)(?:=(\S*))?")


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def names_in(cells: list[str]) -> set[str]:
    return {name for cell in cells for name in code_spans(cell)}


def test_every_file_of_a_run_is_described(made: Path) -> None:
    page = DOCS / "run-directory.md"
    described = names_in([row[0] for row in rows(text_of(page).split("\n## ")[0])])
    assert {entry.name + "/" * entry.is_dir() for entry in made.iterdir()} == described
    folders = names_in([row[0] for row in rows(section(page, "checkpoints/"))])
    found = {re.sub(r"step-\d+", "step-NUMBER", entry.name) for entry in (made / "checkpoints").iterdir()}
    assert found == folders


def test_every_key_of_a_run_s_files_is_described(made: Path) -> None:
    page = DOCS / "run-directory.md"

    def described(heading: str) -> set[str]:
        return names_in([row[0] for row in rows(section(page, heading))])

    for name in ("samples.jsonl", "predictions.jsonl"):
        records = lines(made / name)
        assert records
        assert {frozenset(record) for record in records} == {frozenset(described(name))}
    sampled = lines(made / "samples.jsonl")
    assert {frozenset(record["tokens"]) for record in sampled} == {frozenset(described("The tokens of a sample"))}
    for name in ("passport.json", "result.json"):
        assert set(json.loads((made / name).read_text())) == described(name)


def test_the_seconds_of_a_run_are_described(made: Path) -> None:
    text = next(row[1] for row in rows(section(DOCS / "run-directory.md", "result.json")) if row[0] == "`seconds`")
    seconds = {
        name
        for file in (made / "result.json", made / "baseline_sft" / "result.json")
        for name in json.loads(file.read_text())["seconds"]
    }
    assert seconds == set(code_spans(text))


def test_what_training_took_is_described(made: Path) -> None:
    described = names_in([row[0] for row in rows(section(DOCS / "run-directory.md", "What training took"))])
    assert set(json.loads((made / "result.json").read_text())["cost"]) == described


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_name_in_the_code_exists(page: Path) -> None:
    for name in code_spans(prose(page)):
        if re.fullmatch(r"reft_lab(\.\w+)+", name):
            assert _resolve(name) is not None, f"{page.name} names {name}, which does not exist"


def _resolve(name: str) -> object | None:
    """The module or object of a dotted name, None where there is none."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        for part in parts[count:]:
            found = getattr(found, part, None)
        return found
    return None


def test_every_test_that_is_named_exists() -> None:
    named = [
        match.groups()
        for page in PAGES
        for span in code_spans(prose(page))
        if (match := re.fullmatch(r"(tests/[\w/]+\.py)::(\w+)", span))
    ]
    assert len(named) > 40
    for file, name in named:
        assert f"\ndef {name}(" in (REPO / file).read_text(encoding="utf-8"), f"{file} has no test {name}"


def test_the_index_of_the_paper_names_code_in_every_row() -> None:
    for row in rows(section(DOCS / "paper.md", "Index")):
        assert any(name.startswith(("reft_lab.", "experiment=")) for name in code_spans(row[2])), row


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_option_and_choice_exists(page: Path) -> None:
    register_schema()
    conf = Conf()
    known = {**options(), **sections(), **study_options(), **study_sections()}
    known_sections = {name.partition(".")[0] for name in known}
    for span in code_spans(prose(page)):
        match = OPTION.fullmatch(span)
        if match is None or match[1].startswith(("hydra.", "reft_lab.")):
            continue
        key, value = match.groups()
        if value is None and not ("." in key and key.partition(".")[0] in known_sections):
            continue  # a plain word, or the name of a file
        if value is None and ((page.parent / key).exists() or key.endswith((".csv", ".html", ".json", ".log"))):
            continue
        assert key in known or key in conf.groups or _is_code(span), (page.name, span)
        if value and value.isidentifier() and value.islower() and key in conf.groups:
            assert value in conf.choices(key) or value == "null", f"{page.name} names {span}"


def _is_code(span: str) -> bool:
    """Whether a span of the form a=b is no option but a piece of code, as in `format="authors"`."""
    return "=" in span and '"' in span


def test_the_disagreements_are_as_configured() -> None:
    published = "experiment=paper/gsm8k_program_codellama"
    settings = {
        "default": compose(published),
        "paper_text": compose(published, "preset=paper_text"),
        "released_code": compose(published, "preset=released_code"),
    }
    table = rows(section(DOCS / "paper.md", "Where paper and released code disagree"))
    described = {}
    for row in table:
        for switch in code_spans(row[3]):
            described[switch] = tuple(code_spans(cell)[0] for cell in row[4:7])
            assert described[switch] == tuple(_get(cfg, switch) for cfg in settings.values()), switch
    # Whatever a preset changes is in the table.
    for key in options():
        if len({_get(cfg, key) for cfg in settings.values()}) > 1:
            assert key in described, key


def _get(cfg: DictConfig, key: str) -> str:
    value = OmegaConf.select(cfg, key)
    return shown(OmegaConf.to_container(value) if OmegaConf.is_config(value) else value)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if target.startswith(("https://", "http://")):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{page.name} links to {target}"
        assert not anchor or anchor in anchors(there), f"{page.name} links to {target}"


COMMANDS = sorted({command for page in PAGES if page.name != "CONTRIBUTING.md" for command in commands(page)})


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_line_can_be_run(command: str) -> None:
    """Composed and checked as run.py does; the files in it are made up."""
    words = shlex.split(command)[1:]
    if "--help" in words or any(
        word.rpartition("=")[2] == "NAME" or word.isupper() or "OPTION" in word for word in words
    ):
        return
    if study := re.fullmatch(r"run\.py -m sweeps=(\w+)", command):
        assert (REPO / "sweeps" / f"{study[1]}.yaml").is_file()  # test_sweep_groups composes each of them
        return
    _, words = split_resume(words)
    register_schema()
    with suppress(Missing):  # what another command makes first
        check_command([word for word in words if not re.match(r"data\.(path|train|dev|test)=|model\.path=FILE", word)])


def test_there_are_commands_to_try() -> None:
    assert len(COMMANDS) > 15


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^([\w-]+):", (REPO / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        assert set(re.findall(r"^make ([a-z-]+)", text_of(page), re.MULTILINE)) <= targets


def test_numbers_are_read_as_the_page_says() -> None:
    table = [row for row in rows(section(DOCS / "answers.md", "Reading an answer")) if row]
    assert len(table) > 10
    for text, number in table:
        assert parse_number(code_spans(text)[0]) == (None if number == "none" else float(number)), text


def test_every_outcome_is_described() -> None:
    assert [code_spans(row[0])[0] for row in rows(section(DOCS / "answers.md", "Outcomes"))] == list(KINDS)


def test_the_shares_of_programs_are_as_measured(loaded: Loaded) -> None:
    table = [row for row in rows(section(DOCS / "data.md", "Gold reasoning")) if row[2].endswith("%")]
    assert len(table) == 4
    for data, total, share, _ in table:
        report = loaded(code_spans(data)[0].removeprefix("data="), "program")[0].report
        assert report.kept + sum(report.dropped.values()) == int(total.replace(",", ""))
        measured = 100 * report.kept / int(total.replace(",", ""))
        assert measured == pytest.approx(float(share.removesuffix("%")), abs=0.1)


def test_the_default_experiment_is_as_described() -> None:
    """Numbers in README's account of the default run."""
    config = check(compose())
    text = " ".join(section(REPO / "README.md", "What the default shows").split())
    assert f"{config.data.train_size} word problems" in text
    assert f"for {config.warmup.epochs} epochs" in text
    assert f"for {config.ppo.iterations} iterations" in text
    assert config.baseline == "sft"
