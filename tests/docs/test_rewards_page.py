"""docs/rewards.md: its functions are rewards, and what it says a reward may ask for is what there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from reft_lab.answers.outcome import Outcome
from reft_lab.rewards import NAMES, RewardConfig, choose
from reft_lab.rewards.own import FACTS, PLURALS, STEP
from tests.docs.pages import REPO, blocks, code_spans, rows, section, text_of
from tests.rewarding import judged

PAGE = REPO / "docs" / "rewards.md"


def test_every_choice_has_a_row() -> None:
    table = rows(text_of(PAGE).split("\n## ")[0])
    names = [code_spans(row[0])[0].split()[0].removeprefix("reward=") for row in table]
    assert sorted(names) == sorted([*NAMES, "my_module.my_function"])


def test_every_name_that_a_function_may_ask_for_has_a_row() -> None:
    table = {code_spans(row[0])[0]: code_spans(row[1]) for row in rows(section(PAGE, "One of your own"))}
    assert table == {name: [plural] for plural, name in PLURALS.items()} | {STEP: []}
    assert list(table) == [*FACTS, STEP]


def test_the_functions_do_what_they_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = blocks(PAGE, "python")
    (tmp_path / "my_page_rewards.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    right, wrong = Outcome("correct", "3", 3.0, 3.0), Outcome("wrong", "4", 4.0, 3.0)
    batch = judged(("x" * 100, right), ("x" * 1000, right), ("3", right), ("x" * 100, wrong))
    assert choose(RewardConfig("my_page_rewards.brief")).scores(batch) == pytest.approx([0.75, 0.1, 0.9975, 0.0])
    assert choose(RewardConfig("my_page_rewards.shows_its_work")).scores(batch) == [1.0, 1.0, 0.0, 0.0]
