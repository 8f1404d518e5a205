"""The loops around the stages: advance, record, evaluate on the selection split, keep the best."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reft_lab.algorithms.reft import Iteration, ReFT
from reft_lab.algorithms.sft import SFT
from reft_lab.answers.outcome import KINDS
from reft_lab.data import Problem
from reft_lab.evaluation.greedy import Evaluation, evaluate
from reft_lab.policy import saving
from reft_lab.policy.model import Policy
from reft_lab.runner import checkpoint
from reft_lab.runner.setup import Setup
from reft_lab.tracking.display import Silence
from reft_lab.tracking.tracker import Tracker


@dataclass
class Best:
    """The best evaluation on the selection split so far; its weights are in checkpoints/best.

    Attributes:
        evaluation: the evaluation, None before the first.
        when: "epoch 3", "iteration 40".
    """

    evaluation: Evaluation | None = None
    when: str = ""

    @property
    def accuracy(self) -> float:
        """Accuracy of the best, below any real one before the first evaluation."""
        return self.evaluation.score.accuracy if self.evaluation else -1.0


class Stages:
    """Runs stages one after the other on one policy, one step axis and one stopwatch.

    Attributes:
        seconds: wall time of each stage and of evaluation, by name.
    """

    def __init__(self, setup: Setup, tracker: Tracker):
        self.setup = setup
        self.tracker = tracker
        self.seconds: dict[str, float] = {}
        limit = setup.config.eval.dev_limit if setup.config.selection == "dev" else setup.config.eval.test_limit
        problems = setup.splits.dev if setup.config.selection == "dev" else setup.splits.test
        self.selection: Sequence[Problem] = problems[:limit]

    def supervise(self, stage: SFT, best: Best | None) -> Evaluation:
        """Supervised fine-tuning to its end, evaluated every so many epochs.

        Args:
            stage: the warm-up or the SFT baseline.
            best: where the best checkpoint is kept; None keeps the last weights (the warm-up).

        Returns:
            The last evaluation.
        """
        started, offset, name = time.monotonic(), self.tracker.step, stage.stage
        evaluation: Evaluation | None = None
        with self.tracker.display.stage(name, stage.total_steps, "steps") as bar:
            while not stage.done:
                before = time.perf_counter()
                done = stage.advance()
                took = time.perf_counter() - before
                record = {f"{name}/{key}": done[key] for key in ("loss", "grad_norm", "lr")}
                record[f"{name}/epoch"] = stage.step / stage.steps_per_epoch
                record |= {"time/step_seconds": took, "time/step_tokens_per_second": done["tokens"] / took}
                ended = stage.step % stage.steps_per_epoch == 0
                if ended and (stage.epoch % stage.config.eval_every == 0 or stage.done):
                    evaluation, metrics = self._select(best, f"epoch {stage.epoch}")
                    record |= metrics
                self.tracker.log(offset + stage.step, record)
                if ended and self._checkpoint_is_due(stage.epoch, evaluated="eval/accuracy" in record):
                    self._checkpoint(stage, name, best)
                watched = {"epoch": record[f"{name}/epoch"], "loss": record[f"{name}/loss"]}
                bar.update(stage.step, **watched, **self._accuracy(evaluation))
        self._add_seconds(name, started)
        return evaluation or self.evaluate(self.setup.policy, self.selection)

    def reinforce(self, stage: ReFT, problems: Sequence[Problem], best: Best) -> None:
        """ReFT to its end, evaluated every so many iterations."""
        started, offset = time.monotonic(), self.tracker.step
        evaluation = best.evaluation
        with self.tracker.display.stage("reft", stage.total_steps, "iterations") as bar:
            while not stage.done:
                iteration = stage.advance()
                record = dict(iteration.metrics)
                if stage.step % stage.config.eval_every == 0 or stage.done:
                    evaluation, metrics = self._select(best, f"iteration {stage.step}")
                    record |= metrics
                    self._record_samples(iteration, problems, offset + stage.step)
                self.tracker.log(offset + stage.step, record)
                if self._checkpoint_is_due(stage.step, evaluated="eval/accuracy" in record):
                    self._checkpoint(stage, "reft", best)
                watched = {"reward": record["rollout/reward"], "kl": record["ppo/kl_ref"]}
                watched["length"] = record["rollout/length"]
                bar.update(stage.step, **watched, **self._accuracy(evaluation))
        self._add_seconds("reft", started)

    def evaluate(self, policy: Policy, problems: Sequence[Problem], title: str | None = None) -> Evaluation:
        """Greedy evaluation with the settings of the run; with a bar of its own where it has a `title`."""
        started = time.monotonic()
        config = self.setup.config
        display = self.tracker.display if title else Silence()
        with display.stage(title or "", len(problems), "problems") as bar:
            evaluation = evaluate(
                policy,
                problems,
                self.setup.form,
                self.setup.codec,
                max_new_tokens=config.eval.max_new_tokens or config.ppo.max_new_tokens,
                batch_size=config.trainer.decode_batch,
                on_progress=bar.update,
            )
        self._add_seconds("evaluation", started)
        return evaluation

    def _select(self, best: Best | None, when: str) -> tuple[Evaluation, dict[str, float]]:
        """Evaluate on the selection split, and keep the weights where they are the best so far."""
        started = time.perf_counter()
        evaluation = self.evaluate(self.setup.policy, self.selection)
        took = time.perf_counter() - started
        n = len(evaluation.outcomes)
        kinds = [outcome.kind for outcome in evaluation.outcomes]
        metrics = {
            "eval/accuracy": evaluation.score.accuracy,
            "eval/length": sum(evaluation.lengths) / n,
            "eval/truncated_share": 1 - sum(evaluation.finished) / n,
            "time/eval_seconds": took,
            "time/eval_tokens_per_second": sum(evaluation.lengths) / took,
        } | {f"eval/outcome/{kind}": kinds.count(kind) / n for kind in KINDS}
        if best is not None:
            if evaluation.score.accuracy > best.accuracy:
                best.evaluation, best.when = evaluation, when
                saving.save(self.setup.policy, self.setup.codec.tokenizer, self.tracker.directory.checkpoints / "best")
            metrics["eval/best_accuracy"] = best.accuracy
        return evaluation, metrics

    def _accuracy(self, evaluation: Evaluation | None) -> dict[str, float]:
        return {} if evaluation is None else {self.setup.config.selection: evaluation.score.accuracy}

    def _checkpoint_is_due(self, count: int, *, evaluated: bool) -> bool:
        every = self.setup.config.checkpoint.every
        return evaluated if every is None else count % every == 0

    def _checkpoint(self, stage: SFT | ReFT, name: str, best: Best | None) -> None:
        started = time.monotonic()
        facts: dict[str, Any] = {"stage": name, "tracker_step": self.tracker.step, "seconds": self.seconds}
        if best is not None:
            facts["best"] = {"accuracy": best.accuracy, "when": best.when}
        checkpoint.save(self.tracker.directory.checkpoints / "last", stage, facts)
        self._add_seconds("checkpoints", started)

    def _record_samples(self, iteration: Iteration, problems: Sequence[Problem], step: int) -> None:
        rollouts = iteration.rollouts
        count = min(self.setup.config.tracker.samples, len(rollouts))
        texts = self.setup.codec.read(rollouts.responses[:count])
        records: list[dict[str, Any]] = []
        for i in range(count):
            problem, outcome = problems[iteration.questions[i]], rollouts.outcomes[i]
            records.append(
                {
                    "step": step,
                    "id": problem.id,
                    "question": problem.question,
                    "response": texts[i],
                    "answer": outcome.answer,
                    "gold": problem.answer,
                    "outcome": outcome.kind,
                    "reward": rollouts.scores[i].item(),
                }
            )
        self.tracker.samples(records)

    def _add_seconds(self, name: str, started: float) -> None:
        self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - started
