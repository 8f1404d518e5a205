"""What preparing a run and training cost as the training set grows.

Each measurement is a process of its own, because memory is measured as well. The generated problems are those of the
default experiment; the ones in a file carry their programs, which are run once to see that they give the answer.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from .axis import Axis, Panel, Probe
from .training import cost_of_iteration, make_stage

ITERATIONS, SFT_STEPS = 3, 6
LEAST = 0.1
"""MiB that are told where preparing took no more than had been there."""

VOCABULARY = "vocabulary and model"
TRAINING = ("iteration of ReFT", "step of SFT")


def write_file(path: Path, count: int) -> None:
    """A file of `count` different problems with their programs, one JSON object a line."""
    draw = random.Random(count)
    with path.open("w", encoding="utf-8") as file:
        for index in range(count):
            a, b, c = (draw.randint(2, 99) for _ in range(3))
            thing = draw.choice(["apples", "marbles", "books", "tickets"])
            question = f"Shelf {index} holds {a} bags of {b} {thing}, and {c} more. How many {thing} are there?"
            body = f"    in_bags = {a} * {b}\n    result = in_bags + {c}\n    return result"
            program = f'def solution():\n    """{question}"""\n{body}'
            record = {"item_id": f"shelf-{index}", "question": question, "answer_cot": program}
            file.write(json.dumps(record | {"answer_value": a * b + c}) + "\n")


@contextmanager
def open_axis(sizes: tuple[int, ...]) -> Iterator[dict[int, Probe]]:
    """A probe for each size: two processes, one that generates its problems and one that reads them."""
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            write_file(Path(folder) / f"{size}.jsonl", size)
        write_file(Path(folder) / "test.jsonl", 500)
        yield {size: _probe(size, Path(folder)) for size in sizes}


def _probe(size: int, folder: Path) -> Probe:
    def probe() -> dict[str, float]:
        generated = _in_a_process(f"data.train_size={size}")
        files = (f"data.train={folder / f'{size}.jsonl'}", f"data.test={folder / 'test.jsonl'}")
        read = _in_a_process("data=svamp", "data.hub=null", *files)
        training = {name: generated.pop(name) for name in TRAINING}
        return (
            training
            | {f"{name}, generated": value for name, value in generated.items()}
            | {f"{name}, read": read[name] for name in ("loading", "whole", "memory")}
        )

    return probe


def _in_a_process(*overrides: str) -> dict[str, float]:
    paths = (str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH"))
    env = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in paths if path)}
    command = [sys.executable, "-P", "-m", "growth.data", *overrides]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=env)
    found: dict[str, float] = json.loads(answer.stdout)
    return found


def measure(overrides: list[str]) -> dict[str, float]:
    """CPU seconds of preparing a run, of an iteration and of a step, and the memory that preparing took in MiB."""
    from clock import timed

    from reft_lab.compose.conf import compose
    from reft_lab.config.check import check
    from reft_lab.programs import ProgramRunner
    from reft_lab.programs.settings import ProgramsConfig
    from reft_lab.runner import setup as room

    fixed = ("trainer=cpu", "trainer.threads=1", "tracker=none", "ppo.rollouts=32", "ppo.mini_batch=32")
    with ProgramRunner(ProgramsConfig()) as programs:  # what is imported and allocated once does not count
        room.prepare(check(compose(*fixed, "data.train_size=10")), programs)
    config = check(compose(*fixed, *overrides))
    seconds: dict[str, float] = {}
    made: list[Any] = []

    def prepare() -> float:
        seconds.clear()
        with (
            mock.patch.object(room, "load", _timed(room.load, "loading", seconds)),
            mock.patch.object(room.loading, "load_tokenizer", _timed(room.loading.load_tokenizer, VOCABULARY, seconds)),
            mock.patch.object(room.loading, "load_model", _timed(room.loading.load_model, VOCABULARY, seconds)),
            mock.patch.object(room, "encode_gold", _timed(room.encode_gold, "encoding", seconds)),
            ProgramRunner(config.programs) as programs,
        ):
            setup = room.prepare(config, programs)
        made.append(setup)
        made.append(_timed(lambda: (setup.examples(1024), setup.questions()), "encoding", seconds)())
        _timed(lambda: _hashes(setup), "hashes", seconds)()
        return len(setup.splits.train)

    turn = timed(prepare, trim=True)
    memory = max(turn.extra, LEAST)
    return seconds | {"whole": turn.cpu, "memory": memory} | _training(made[0])


def _hashes(setup: Any) -> tuple[str, str]:
    """What the passport holds of data and tokenizer."""
    from reft_lab.run_dir.passport import hash_problems, hash_text

    splits, words = setup.splits, setup.codec.tokenizer.get_vocab()
    return hash_problems(splits.train, splits.dev, splits.test), hash_text(str(sorted(words.items())))


def _training(setup: Any) -> dict[str, float]:
    """CPU seconds of an iteration of ReFT and of a step of SFT."""
    from reft_lab.answers.outcome import Outcome
    from reft_lab.methods import STAGES
    from reft_lab.methods.stages.supervised import SupervisedFineTuning

    stage = make_stage(setup, lambda questions, responses: [Outcome("wrong")] * len(questions), max_new_tokens=15)
    iterations = [cost_of_iteration(stage)["iteration"] for _ in range(ITERATIONS)]
    trainer = setup.config.trainer
    sft = SupervisedFineTuning(
        setup.policy,
        setup.examples(1024),
        setup.config.warmup,
        kind=STAGES["warmup"],
        seed=0,
        pad_id=setup.codec.pad_id,
        tokens_per_micro_batch=trainer.tokens_per_micro_batch,
    )
    steps: dict[str, float] = {}
    took = []
    for _ in range(SFT_STEPS):
        _timed(sft.advance, "step", steps)()
        took.append(steps["step"])
    return dict(zip(TRAINING, (statistics.median(iterations), statistics.median(took)), strict=True))


def _timed(work: Callable[..., Any], name: str, seconds: dict[str, float]) -> Callable[..., Any]:
    """`work`, which adds its CPU seconds to `seconds[name]`."""

    def timed(*args: Any, **options: Any) -> Any:
        before = time.process_time()
        result = work(*args, **options)
        seconds[name] = seconds.get(name, 0.0) + time.process_time() - before
        return result

    return timed


DATA = Axis(
    "data",
    "training problems",
    (10, 100, 1_000, 10_000, 100_000),
    (10, 100, 1_000, 10_000),
    (
        Panel(
            "preparing a run, generated problems",
            "s",
            tuple(f"{part}, generated" for part in ("loading", VOCABULARY, "encoding", "hashes", "whole")),
        ),
        Panel("preparing a run, problems with programs from a file", "s", ("loading, read", "whole, read")),
        Panel("memory that preparing takes", "MiB", ("memory, generated", "memory, read")),
        Panel("training", "s", TRAINING),
    ),
    open_axis,
)


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1:])))
