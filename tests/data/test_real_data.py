"""The real data sets, in the mix of formats they come in."""

import re
import time

import pytest

from reft_lab.config.inputs import CotConfig, DataConfig, ProgramsConfig
from reft_lab.data import load
from reft_lab.programs import ProgramRunner


@pytest.fixture(scope="module")
def runner():
    with ProgramRunner(ProgramsConfig()) as runner:
        yield runner


@pytest.fixture(scope="module")
def loaded(shared_data, runner):
    memory = {}

    def load_once(name, cot):
        if (name, cot) not in memory:
            config = DataConfig(name=name, path=str(shared_data / name.split("_")[0]))
            started = time.monotonic()
            memory[name, cot] = load(config, CotConfig(name=cot), runner), time.monotonic() - started
        return memory[name, cot]

    return load_once


def kept_share(report):
    return report.kept / (report.kept + sum(report.dropped.values()))


def test_gsm8k_programs(loaded):
    splits, seconds = loaded("gsm8k", "program")
    assert kept_share(splits.report) >= 0.92
    assert (len(splits.dev), len(splits.test)) == (200, 1319)
    assert len(splits.train) + len(splits.dev) + sum(splits.report.dropped.values()) == 7473
    assert seconds < 30


def test_mathqa_numeric_programs(loaded):
    splits, _ = loaded("mathqa_numeric", "program")
    assert kept_share(splits.report) >= 0.60
    assert splits.report.kept + sum(splits.report.dropped.values()) > 3900


def test_mathqa_choice(loaded):
    splits, _ = loaded("mathqa", "natural")
    assert len(splits.test) == 1605
    assert all(len(p.options) == 5 and p.answer in "abcde" for p in splits.train + splits.dev + splits.test)
    assert kept_share(splits.report) > 0.99


@pytest.mark.parametrize(("cot", "total"), [("program", 3043), ("natural", 3076)])
def test_svamp(loaded, cot, total):
    splits, _ = loaded("svamp", cot)
    assert len(splits.test) == 1000
    assert splits.report.kept >= total - 200 - 5
    assert all(p.cot.startswith("def solution():\n") == (cot == "program") for p in splits.train)


@pytest.mark.parametrize("name", ["gsm8k", "svamp", "mathqa", "mathqa_numeric"])
@pytest.mark.parametrize("cot", ["natural", "program"])
def test_every_split_is_sound(loaded, name, cot):
    splits, _ = loaded(name, cot)
    problems = splits.train + splits.dev + splits.test
    assert len({p.id for p in problems}) == len(problems)
    assert not {p.question for p in splits.train} & {p.question for p in splits.dev}
    for problem in problems:
        assert problem.is_choice or re.fullmatch(r"-?\d+(\.\d*[1-9])?", problem.answer)
    assert all(
        "<<" not in p.cot and p.cot.endswith(f"\nTherefore, the answer is: {p.answer}")
        for p in splits.train
        if cot == "natural"
    )
    assert splits.report.broken == []


def test_dev_is_much_the_same_for_words_and_programs(loaded):
    words, programs = ({p.question for p in loaded("svamp", cot)[0].dev} for cot in ("natural", "program"))
    assert len(words & programs) > 180
