"""A run in a chat template: what it trains on, keeps and hands on, and what stops it before anything is loaded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from transformers import AutoTokenizer, GenerationConfig

from reft_lab.compose.conf import compose
from reft_lab.config.check import check
from reft_lab.data.arithmetic import generate
from reft_lab.errors import BadInput
from reft_lab.run_dir.reading import read_yaml
from reft_lab.runner import resume, run
from reft_lab.tracking.display import Silence
from tests.chat_templates import CHATML, KINDS
from tests.runner.leftovers import lines_of, result_of
from tests.runner.small_runs import finish
from tests.small_models import make_model

SMALL = (
    "debug=quick",
    "tracker.wandb=disabled",
    "tracker.report=false",
    "baseline=null",
    "data.train_size=16",
    "data.dev_size=4",
    "data.test_size=6",
    "ppo.iterations=1",
    "ppo.rollouts=4",
    "ppo.mini_batch=4",
    "ppo.max_prompt_tokens=400",
)
CHAT = ("cot=natural", "cot.prompt=chat", "cot.system='Be brief.'")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small Llama of nobody's training, with more embeddings than tokens."""
    folder = tmp_path_factory.mktemp("chatting") / "model"
    train, _, _ = generate(64, 8, 12, 0, "mixed", "natural")
    tokenizer = KINDS["ChatML"].tokenizer([f"{problem.question}\n{problem.cot}" for problem in train])
    make_model("llama", len(tokenizer) + 7).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def whole(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finish(tmp_path_factory.mktemp("chat") / "run", *SMALL, *CHAT, f"model.path={model}")


def test_what_it_keeps(whole: Path) -> None:
    assert result_of(whole)["status"] == "finished"
    best = whole / "checkpoints" / "best"
    tokenizer = AutoTokenizer.from_pretrained(best)
    assert tokenizer.chat_template == CHATML
    ends = GenerationConfig.from_pretrained(best).eos_token_id
    assert tokenizer.convert_ids_to_tokens(ends) == ["<|im_end|>", "</s>"]
    saved = read_yaml(whole / "config.yaml")["cot"]
    assert (saved["prompt"], saved["system"]) == ("chat", "Be brief.")


def test_an_evaluation_asks_as_it_was_trained(whole: Path, tmp_path: Path) -> None:
    given = finish(tmp_path / "given", "method=evaluate", f"model.path={whole}", "tracker=none", "tracker.report=false")
    assert read_yaml(given / "config.yaml")["cot"] == read_yaml(whole / "config.yaml")["cot"]
    said = [[line["response"] for line in lines_of(run, "predictions.jsonl")] for run in (given, whole)]
    assert len(said[0]) == 6
    assert said[0] == said[1]


def test_a_run_does_not_go_on_in_another_template(whole: Path, model: Path) -> None:
    file = model / "chat_template.jinja"
    written = file.read_text()
    assert written == CHATML
    config = check(compose(*SMALL, *CHAT, f"model.path={model}", "ppo.iterations=2"))
    before = json.loads((whole / "passport.json").read_text())["hashes"]
    try:
        file.write_text(written.replace("<|im_start|>assistant", "<|im_start|>model"))
        with pytest.raises(BadInput, match=r"begin an answered question with the prompt"):
            resume(config, whole, display=Silence())
        file.write_text(written.replace("'\n'", "'\n\n'"))
        with pytest.raises(BadInput, match=rf"the tokenizer is not what the run .+ was {before['tokenizer']}"):
            resume(config, whole, display=Silence())
    finally:
        file.write_text(written)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("cot.prompt=chat",),
            r"^cot\.prompt=chat goes with a model that came with a chat template, and model=tiny is",
        ),
        (("cot.system=Hello",), r"^cot\.system goes with cot\.prompt=chat only, and this is cot\.prompt=plain\.$"),
    ],
)
def test_options_that_do_not_go_together(words: tuple[str, ...], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        check(compose(*words))


def test_without_a_template_nothing_else_is_looked_at(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    make_model("llama", 700).save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.chat_template = None
    tokenizer.save_pretrained(folder)
    (tmp_path / "data.json").write_text("neither questions nor answers")
    words = (*SMALL, *CHAT, f"model.path={folder}", "data=svamp", f"data.path={tmp_path / 'data.json'}")
    with pytest.raises(BadInput, match=rf"^the tokenizer of {folder} has no chat template"):
        run(check(compose(*words)), tmp_path / "run", display=Silence())


def test_tokens_that_the_model_does_not_have_are_said(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "small"
    tokenizer = AutoTokenizer.from_pretrained(model)
    make_model("llama", len(tokenizer)).save_pretrained(folder)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|new|>"]})
    tokenizer.chat_template = CHATML.replace("<|im_start|>", "<|new|>")
    tokenizer.save_pretrained(folder)
    with pytest.raises(BadInput, match=r"writes tokens that the model has no embedding for \(\d+, and it has \d+\)"):
        run(check(compose(*SMALL, *CHAT, f"model.path={folder}")), tmp_path / "run", display=Silence())
