"""What all sides work on: a model folder and the tasks beside it, readable without reft_lab.

    model files         as transformers writes them
    tasks.json          settings of the loop (ppo, and grpo those without a critic), and for each question: prompt
                        (ids), opening (text of the program that the prompt ends with), answer (number)

The questions are those of the embedded default. A model gets a few steps of warm-up, so that its responses end.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from shapes import make

from reft_lab.compose.conf import compose
from reft_lab.config.check import check
from reft_lab.config.schema import Config
from reft_lab.methods import STAGES
from reft_lab.methods.stages.supervised import SupervisedFineTuning
from reft_lab.policy.loading import make_llama
from reft_lab.policy.model import Policy
from reft_lab.programs import ProgramRunner
from reft_lab.runner.setup import Setup, prepare


@dataclass(frozen=True)
class Workload:
    """A model and how it is trained.

    Attributes:
        title: what the table calls it.
        overrides: what `python run.py` would be told on top of the default experiment.
        warmup_steps: optimiser steps of supervised fine-tuning before anything is measured.
        vocabulary: rows of the embedding; None: as many as the tokenizer has tokens.
        shape: of `shapes.SIZES`, vocabulary included; None: that of the settings.
    """

    title: str
    overrides: tuple[str, ...] = ()
    warmup_steps: int = 0
    vocabulary: int | None = None
    shape: str | None = None


LLAMA_30M = (
    "model.scratch.hidden_size=384",
    "model.scratch.layers=8",
    "model.scratch.heads=6",
    "model.scratch.mlp_size=1408",
)
# A few steps at a high rate teach how often each token comes, which ends responses about where real ones end.
HASTE = ("warmup.lr=2e-3", "warmup.lr_warmup_fraction=0", "warmup.batch_size=8")
# Memory grows with the mini-batch; how many follow does not matter.
ONE_MINI_BATCH = ("ppo.rollouts=64", "ppo.mini_batch=64", "ppo.epochs=1")
PAPER_BATCH = ("ppo.rollouts=32", "ppo.mini_batch=32", "ppo.epochs=1")
TRAINER = ("trainer=cpu", "trainer.threads=1", "trainer.precision=fp32")
ALL_AT_ONCE = "trainer.tokens_per_micro_batch=8192"
# A pre-trained model's rate, by which its responses stay as long as they are; what it learns is not the question.
GENTLY = ("ppo.rollouts=32", "ppo.mini_batch=32", "ppo.lr=1e-6", "warmup.lr=1e-3", "trainer.precision=bf16")
WORKLOADS = {
    "tiny": Workload("tiny, the default", warmup_steps=400),
    "tiny-32k": Workload("tiny, 32k vocabulary, mini-batch 64", ONE_MINI_BATCH, vocabulary=32_000),
    "llama-30m": Workload("Llama of 30M, 32k vocabulary", (*LLAMA_30M, *HASTE), warmup_steps=16, vocabulary=32_000),
    "llama-30m-paper": Workload(
        "Llama of 30M, 32k vocabulary, mini-batch 32", (*LLAMA_30M, *PAPER_BATCH, ALL_AT_ONCE), vocabulary=32_000
    ),
    "llama-30m-in-parts": Workload(
        "Llama of 30M, 32k vocabulary, mini-batch 32 in micro-batches of 1,024 tokens",
        (*LLAMA_30M, *PAPER_BATCH, "trainer.tokens_per_micro_batch=1024"),
        vocabulary=32_000,
    ),
    "smollm2_135m": Workload("SmolLM2-135M's shape", (*HASTE, *GENTLY), warmup_steps=12, shape="135M"),
    "small": Workload("two layers of width 48", (*HASTE, *GENTLY), warmup_steps=4, shape="small"),
}


def title(benchmark: str, name: str, precision: str = "fp32") -> str:
    """What the figure of a benchmark on a workload is called."""
    return f"{benchmark}: {WORKLOADS[name].title}" + ("" if precision == "fp32" else f", {precision}")


def ready(name: str, folder: Path, say: Callable[[str], None]) -> Path:
    """The folder of a workload, made where it is not there yet."""
    place = folder / name
    if not (place / "tasks.json").exists():
        say(f"making the model: {WORKLOADS[name].title}")
        _make(WORKLOADS[name], place)
    return place


def setup(place: Path, programs: ProgramRunner, *others: str) -> Setup:
    """reft_lab's own view of a workload, with some other settings if wanted."""
    return prepare(config(place, *others), programs)


def config(place: Path, *others: str) -> Config:
    """The experiment of a workload."""
    overrides = json.loads((place / "tasks.json").read_text())["overrides"]
    return check(compose(f"model.path={place}", *overrides, *others))


def _make(workload: Workload, place: Path) -> None:
    overrides = ["baseline=null", "tracker=none", *TRAINER, *workload.overrides]
    settings, without_critic = check(compose(*overrides)), check(compose("method=grpo", *overrides))
    with ProgramRunner(settings.programs) as programs:
        made = prepare(settings, programs)
        if workload.vocabulary is not None:
            made = replace(made, policy=_widen(made, workload.vocabulary))
        if workload.shape is not None:
            made = replace(made, policy=_shaped(made, workload.shape))
        _warm_up(made, workload.warmup_steps)
    made.policy.lm.save_pretrained(place)
    made.codec.tokenizer.save_pretrained(place)
    problems, prompts = made.questions()
    tasks = [
        {"prompt": prompt, "opening": _opening(made.form.prompt(problem, "rl")), "answer": float(problem.answer)}
        for problem, prompt in zip(problems, prompts, strict=True)
    ]
    stored: dict[str, Any] = {
        "overrides": overrides,
        "ppo": asdict(settings.ppo),
        "grpo": asdict(without_critic.ppo),
        "tasks": tasks,
    }
    part = place / "tasks.json.part"
    part.write_text(json.dumps(stored))
    os.replace(part, place / "tasks.json")  # last, so that a folder that was broken off is made again


def _opening(prompt: str) -> str:
    return prompt.partition("Answer reasoning:\n")[2]


def _widen(made: Setup, vocabulary: int) -> Policy:
    """The same model with an embedding of `vocabulary` rows; the tokenizer stays as it is."""
    scratch = made.config.model.scratch
    lm = make_llama(scratch, made.codec.tokenizer, made.config.seed)
    lm.resize_token_embeddings(vocabulary, mean_resizing=False)
    return Policy(lm, value_grad_to_trunk=made.config.ppo.value_grad_to_trunk)


def _shaped(made: Setup, shape: str) -> Policy:
    """A model of a real one's shape, with most of its vocabulary unused."""
    tokenizer = made.codec.tokenizer
    ends = {"bos_token_id": None, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    config = made.config
    return Policy(
        make(shape, **ends), value_grad_to_trunk=config.ppo.value_grad_to_trunk, precision=config.trainer.precision
    )


def _warm_up(made: Setup, steps: int) -> None:
    if not steps:
        return
    stage = SupervisedFineTuning(
        made.policy,
        made.examples(made.config.warmup.max_tokens),
        made.config.warmup,
        kind=STAGES["warmup"],
        seed=made.config.seed,
        pad_id=made.codec.pad_id,
        tokens_per_micro_batch=made.config.trainer.tokens_per_micro_batch,
    )
    for _ in range(steps):
        stage.advance()
