"""Run directories written by hand, so that tests know what is in them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from reft_lab.compose.conf import compose

HOSTILE = "</script><b>bold</b><img src=x onerror=\"document.title='broken'\">&amp;'\"`{{7*7}}"
PASSPORT = {"started": "2026-01-02T03:04:05+00:00", "command": "python run.py", "seed": 0, "git": None}


def write_run(
    directory: Path,
    *words: str,
    accuracy: float | None = 0.5,
    iterations: int = 4,
    samples: Iterable[Mapping[str, Any]] = (),
    right: Iterable[bool] = (),
    asked: int = 1,
    **result: Any,
) -> Path:
    """A run that warmed up for 10 steps and then reinforced.

    Args:
        directory: where it goes.
        words: options of its experiment.
        accuracy: of its result, on both splits; None: it has no result.json.
        iterations: of ReFT.
        samples: records of samples.jsonl.
        right: whether each test problem was answered right in the end; after the warm-up none was.
        asked: a number in its test questions.
        result: more of result.json.
    """
    directory.mkdir(parents=True)
    config = plain()
    for word in (*words, *([f"name={json.dumps(result['name'])}"] if "name" in result else [])):
        key, _, value = word.partition("=")
        OmegaConf.update(config, key, yaml.safe_load(value))
    (directory / "config.yaml").write_text(OmegaConf.to_yaml(config, resolve=True))
    (directory / "passport.json").write_text(json.dumps(PASSPORT))
    write_lines(directory / "metrics.jsonl", metrics(iterations, accuracy or 0.0))
    write_lines(directory / "samples.jsonl", samples)
    if accuracy is not None:
        before = {"response": "return 1", "answer": "1", "outcome": "wrong", "detail": ""}
        outcomes = ["correct" if each else "wrong" for each in right]
        write_lines(
            directory / "predictions.jsonl",
            (
                {
                    "id": str(number),
                    "question": f"{number} and {asked}?",
                    "response": f"return x0 + {number}",
                    "answer": "2",
                    "gold": "2",
                    "reasoning": f"{number} <b>plus</b> {asked}",
                    "outcome": outcome,
                    "detail": "",
                    "warmup": before,
                }
                for number, outcome in enumerate(outcomes)
            ),
        )
        done = {
            "status": "finished",
            "reason": None,
            "name": config.name,
            "method": config.method,
            "seed": config.seed,
            "selection": "dev",
            "warmup": {"dev": score(0.3), "test": score(0.25)},
            "final": {"dev": score(accuracy), "test": score(accuracy)},
            "baseline_sft": None,
            "outcomes": {"correct": round(200 * accuracy), "wrong": 200 - round(200 * accuracy)},
            "seconds": {"warmup": 10.0, "reft": 20.0, "evaluation": 3.0, "checkpoints": 1.0, "total": 35.0},
            "chosen": "iteration 4",
            "notes": [],
        }
        (directory / "result.json").write_text(json.dumps(done | result))
    return directory


def plain() -> DictConfig:
    """The default experiment, without baseline and W&B."""
    return _composed().copy()


@cache
def _composed() -> DictConfig:
    return compose("tracker=none", "baseline=null")


def metrics(iterations: int, accuracy: float) -> list[dict[str, Any]]:
    """Lines of metrics.jsonl."""
    lines: list[dict[str, Any]] = []
    for step in range(1, 11):
        evaluated = {"eval/accuracy": 0.03 * step, "eval/outcome/correct": 0.03 * step, "eval/length": 20.0}
        lines.append(
            {"step": step, "seconds": float(step), "warmup/loss": 3 / step, **(evaluated if step % 5 == 0 else {})}
        )
    for iteration in range(1, iterations + 1):
        share = accuracy * iteration / iterations
        lines.append(
            {
                "step": 10 + iteration,
                "seconds": 10.0 + iteration,
                "rollout/reward": share,
                "rollout/accuracy": share,
                "rollout/length": 15.0,
                "rollout/outcome/correct": share,
                "rollout/outcome/wrong": 1 - share,
                "ppo/kl_ref": 0.1 * iteration,
                "ppo/value_loss": 0.1,
                "ppo/policy_loss": -0.1,
                "ppo/entropy_response": 3.0,
                "time/rollout_seconds": 1.0,
                "time/update_seconds": 2.0,
                "machine/cpu": 0.9,
                "machine/run_cpu": share,
                "machine/memory": 0.4,
                "machine/run_memory": 1.5,
                "alarm/kl": float(iteration in (2, 3)),
                "eval/accuracy": share,
                "position/kl/01": 0.1,
                "position/kl/10": 0.2,
                "position/value/01": 0.3,
            }
        )
    return lines


def score(accuracy: float) -> dict[str, Any]:
    """An entry of result.json."""
    return {"accuracy": accuracy, "n": 200, "ci95": [max(0.0, accuracy - 0.07), min(1.0, accuracy + 0.07)]}


def sample(step: int, text: list[str], *, outcome: str = "correct", **more: Any) -> dict[str, Any]:
    """A record of samples.jsonl, whose tokens are worth more the later they stand."""
    count = len(text)
    ramp = [2 * (index + 0.5) / count - 1 for index in range(count)]
    return {
        "step": step,
        "id": "p-1",
        "question": "How many?",
        "response": "".join(text),
        "answer": "3",
        "gold": "3",
        "outcome": outcome,
        "reward": 1.0,
        "tokens": {
            "text": text,
            "advantage": ramp,
            "kl": [-each for each in ramp],
            "value": [0.5] * count,
            "ratio": [1.0 + each / 2 for each in ramp],
        },
    } | more


def write_lines(file: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """A file of JSON lines."""
    file.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")
