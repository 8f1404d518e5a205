"""`reft audit` on a real run and on damaged ones, and `reft data`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.ended import Ended
from tests.real_run import copied
from tests.real_run import made as real

__all__ = ["real"]


def test_a_run_audits_itself_and_can_be_audited_again(real: Path, tmp_path: Path, reft: Callable[..., Ended]) -> None:
    at_its_end = json.loads((real / "audit.json").read_text())
    assert at_its_end["predictions"] == len((real / "predictions.jsonl").read_text().splitlines())
    assert at_its_end["samples"] == len((real / "samples.jsonl").read_text().splitlines())
    assert {"outcomes", "partial_reward", "second_reader"} <= {each["name"] for each in at_its_end["findings"]}
    assert " audit: " in (real / "log.txt").read_text()
    run = copied(real, tmp_path / "run")
    (run / "audit.json").unlink()
    ended = reft("audit", str(run))
    assert (ended.code, ended.err) == (0, "")
    assert json.loads((run / "audit.json").read_text()) == at_its_end
    assert ended.out.endswith(f"{run / 'audit.json'}\n{run / 'report.html'}\n")
    page = (run / "report.html").read_text()
    assert 'id="s-audit"' in page
    for each in at_its_end["findings"]:
        assert each["verdict"] in ended.out
        assert each["verdict"].replace("'", "&#39;") in page


def test_a_run_in_the_middle_with_damaged_lines(real: Path, tmp_path: Path, reft: Callable[..., Ended]) -> None:
    run = copied(real, tmp_path / "run")
    for name in ("result.json", "predictions.jsonl", "audit.json", "report.html"):
        (run / name).unlink()
    whole = (run / "samples.jsonl").read_bytes().splitlines(keepends=True)
    (run / "samples.jsonl").write_bytes(b"".join([b"{broken\n", *whole[:-1], b'{"step": 3}\n', whole[-1][:40]]))
    ended = reft("audit", str(run), "--examples", "0")
    assert (ended.code, ended.err) == (0, "")
    assert f"0 predictions, {len(whole) - 1} sampled responses, 1 damaged lines left out" in ended.out
    assert not (run / "report.html").exists()
    (run / "samples.jsonl").unlink()
    assert "holds no responses yet" in reft("audit", str(run)).sentence


def test_shuffling_takes_a_policy_and_options(real: Path, tmp_path: Path, reft: Callable[..., Ended]) -> None:
    run = copied(real, tmp_path / "run")
    assert "checkpoints/best is not there" in reft("audit", str(run), "--shuffle").sentence
    (run / "checkpoints").symlink_to(real / "checkpoints")
    assert "is not multiple choice" in reft("audit", str(run), "--shuffle").sentence


def test_the_data_of_an_experiment(tmp_path: Path, reft: Callable[..., Ended]) -> None:
    page = tmp_path / "data.html"
    ended = reft("data", "debug=quick", "ppo.max_new_tokens=30", "--page", str(page))
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("arithmetic: 64 train, 32 dev, 32 test\n")
    for words in ("Lengths in tokens of model=tiny", "ppo.max_new_tokens=30", "within train", "does not read back: 0"):
        assert words in ended.out
    assert ended.out.endswith(f"{page}\n")
    text = page.read_text()
    assert "Gold answers of test" in text
    assert 'id="length-0"' in text


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("data=gsm",), "data=gsm is not a choice"),
        (("data=gsm8k", "data.path=nowhere"), "data.path=nowhere"),
        (("ppo.lrr=1",), "ppo.lrr"),
        (("-m", "seed=0,1"), "the data of one experiment"),
        (("model.path=nowhere/model",), "nowhere/model"),
    ],
)
def test_words_that_are_no_experiment(words: tuple[str, ...], sentence: str, reft: Callable[..., Ended]) -> None:
    assert sentence in reft("data", *words).sentence
