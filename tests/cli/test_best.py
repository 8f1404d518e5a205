"""`reft best`: which run, and the card beside the copy of its checkpoint."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from reft_lab.report.card import licence_of
from tests.cli.ended import Ended
from tests.cli.written import write_run

Reft = Callable[..., Ended]


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reft: Reft) -> Reft:
    """`reft` in a folder with a study, the best run of which is number 1."""
    for number, (kl, right) in enumerate([(0.0, range(4)), (0.05, range(6)), (0.1, range(6))]):
        run = write_run(
            tmp_path / "multirun" / "kl" / str(number),
            f"ppo.kl_coef={kl}",
            "tracker.group=kl",
            right=right,
            minutes_ago=20 - number,
        )
        policy = run / "checkpoints" / "best"
        policy.mkdir(parents=True)
        (policy / "model.safetensors").write_bytes(b"weights")
        (policy / "manifest.json").write_text("{}")
        facts = {"when": "iteration 40", "step": 140, "prompts": "rl", "split": "dev", "accuracy": 0.6, "n": 10}
        facts |= {"ci95": [0.313, 0.832], "chosen_for": "the highest accuracy on dev so far"}
        (policy / "evaluation.json").write_text(json.dumps(facts))
        (run / "passport.json").write_text(json.dumps({"started": f"2026-01-0{number + 1}T00:00:00+00:00"}))
    write_run(tmp_path / "multirun" / "kl" / "3", "tracker.group=kl", right=None)
    monkeypatch.chdir(tmp_path)
    return reft


def test_the_best_by_dev_is_printed_the_earliest_where_equal(study: Reft) -> None:
    for name in ("kl", "multirun/kl"):
        ended = study("best", name)
        assert ended.code == 0, ended.err
        first, dev, test, choice, checkpoint = ended.out.splitlines()
        assert first.startswith("multirun/kl/1: ")
        assert dev == test.replace("test", "dev ") == "dev   60.0 %  95 % interval 31.3 to 83.2  n 10"
        assert choice.startswith("It is the first of 3 finished runs in ")
        assert "accuracy on dev is on the high side; test had no say." in choice
        assert checkpoint == (
            "multirun/kl/1/checkpoints/best: iteration 40, step 140: dev 60.0 %, 95 % interval 31.3 to 83.2, n 10; "
            "kept for the highest accuracy on dev so far"
        )
    assert study("best", "kl", "--by", "ppo.kl_coef").out.startswith("multirun/kl/2: ")
    assert study("best", "kl", "--by=-ppo.kl_coef").out.startswith("multirun/kl/0: ")


def test_the_copy_has_a_card(study: Reft, tmp_path: Path) -> None:
    ended = study("best", "kl", "--to", "mine")
    assert ended.out.splitlines()[-1] == "mine/README.md"
    assert sorted(file.name for file in Path("mine").iterdir()) == [
        *("README.md", "evaluation.json", "model.safetensors"),
    ]
    card = ModelCard.load(Path("mine/README.md"))
    assert card.data.library_name == "transformers"
    assert (card.data.get("license"), card.data.get("base_model")) == (None, None)
    text = card.text
    assert "ReFT on `arithmetic` (generated word problems), from a model made from scratch" in text
    assert "iteration 40, seed 0" in text
    assert "| after ReFT | test | 60.0 | 31.3 to 83.2 | 10 |" in text
    assert "| after warm-up | dev | 20.0 |" in text
    assert "ppo.kl_coef=0.05" in text
    assert "tracker.group" not in text
    assert "AutoModelForCausalLM.from_pretrained(folder)" in text
    (code,) = (part.partition("```")[0] for part in text.split("```python\n")[1:])
    compile(code, "card", "exec")
    assert "x0 and x1?" in code  # as the policy is asked, with slots for numbers
    assert study("best", "kl", "--to", "mine").sentence == "--to mine exists already; name a new folder."


def test_the_licence_of_a_base_is_that_of_its_card(tmp_path: Path) -> None:
    assert licence_of(None) is None
    assert licence_of("nobody/nothing-that-is-cached") is None
    for head, licence in (
        ("license: apache-2.0", "apache-2.0"),
        ("license: other\nlicense_name: llama2", "llama2"),
        ("tags: [a]", None),
        ("license: [", None),
    ):
        (tmp_path / "README.md").write_text(f"---\n{head}\n---\n# A model\n")
        assert licence_of(str(tmp_path)) == licence


def test_what_there_is_not_is_one_sentence(study: Reft, tmp_path: Path) -> None:
    assert study("best", "kll").sentence == "there is no study or folder kll; did you mean kl?"
    assert "no run in multirun/kl/3 has finished (1 crashed)" in study("best", "multirun/kl/3").sentence
    assert "no run has an option or column" in study("best", "kl", "--by", "ppo.lamda").sentence
    for file in Path("multirun/kl/1/checkpoints/best").iterdir():
        file.unlink()
    Path("multirun/kl/1/checkpoints/best").rmdir()
    assert "has no checkpoint to copy" in study("best", "kl", "--to", "other").sentence
    assert not Path("other").exists()
