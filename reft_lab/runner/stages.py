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
        evaluation, accuracy, split = None, None, self.setup.config.selection
        with self.tracker.display.stage(name, stage.total_steps, "steps") as bar:
            while not stage.done:
                before = time.perf_counter()
                record = {f"{name}/{key}": value for key, value in stage.advance().items() if key != "tokens"}
                record[f"{name}/epoch"] = stage.step / stage.steps_per_epoch
                record["time/step_seconds"] = time.perf_counter() - before
                ended = stage.step % stage.steps_per_epoch == 0
                if ended and (stage.epoch % stage.config.eval_every == 0 or stage.done):
                    evaluation = self.evaluate(self.setup.policy, self.selection)
                    accuracy = evaluation.score.accuracy
                    record |= self._evaluation_metrics(evaluation)
                    self._keep_best(best, evaluation, f"epoch {stage.epoch}", record)
                self.tracker.log(offset + stage.step, record)
                if ended and self._checkpoint_is_due(stage.epoch, evaluated="eval/accuracy" in record):
                    self._checkpoint(stage, name, best)
                watched = {"epoch": record[f"{name}/epoch"], "loss": record[f"{name}/loss"]}
                bar.update(stage.step, **watched, **({} if accuracy is None else {split: accuracy}))
        self._add_seconds(name, started)
        return evaluation or self.evaluate(self.setup.policy, self.selection)

    def reinforce(self, stage: ReFT, problems: Sequence[Problem], best: Best) -> None:
        """ReFT to its end, evaluated every so many iterations."""
        started, offset = time.monotonic(), self.tracker.step
        accuracy = best.accuracy
        with self.tracker.display.stage("reft", stage.total_steps, "iterations") as bar:
            while not stage.done:
                iteration = stage.advance()
                record = dict(iteration.metrics)
                if stage.step % stage.config.eval_every == 0 or stage.done:
                    evaluation = self.evaluate(self.setup.policy, self.selection)
                    accuracy = evaluation.score.accuracy
                    record |= self._evaluation_metrics(evaluation)
                    self._keep_best(best, evaluation, f"iteration {stage.step}", record)
                    self._record_samples(iteration, problems, offset + stage.step)
                self.tracker.log(offset + stage.step, record)
                if self._checkpoint_is_due(stage.step, evaluated="eval/accuracy" in record):
                    self._checkpoint(stage, "reft", best)
                bar.update(
                    stage.step,
                    reward=record["rollout/reward"],
                    kl=record["ppo/kl_ref"],
                    length=record["rollout/length"],
                    **{f"{self.setup.config.selection}": accuracy},
                )
        self._add_seconds("reft", started)

    def evaluate(self, policy: Policy, problems: Sequence[Problem]) -> Evaluation:
        """Greedy evaluation with the settings of the run."""
        started = time.monotonic()
        config = self.setup.config
        evaluation = evaluate(
            policy,
            problems,
            self.setup.form,
            self.setup.codec,
            max_new_tokens=config.eval.max_new_tokens or config.ppo.max_new_tokens,
            batch_size=config.trainer.decode_batch,
        )
        self._add_seconds("evaluation", started)
        return evaluation

    def _keep_best(self, best: Best | None, evaluation: Evaluation, when: str, record: dict[str, float]) -> None:
        if best is None:
            return
        if evaluation.score.accuracy > best.accuracy:
            best.evaluation, best.when = evaluation, when
            saving.save(self.setup.policy, self.setup.codec.tokenizer, self.tracker.directory.checkpoints / "best")
        record["eval/best_accuracy"] = best.accuracy

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

    def _evaluation_metrics(self, evaluation: Evaluation) -> dict[str, float]:
        n = len(evaluation.outcomes)
        kinds = [outcome.kind for outcome in evaluation.outcomes]
        return {
            "eval/accuracy": evaluation.score.accuracy,
            "eval/length": sum(evaluation.lengths) / n,
            "eval/truncated_share": 1 - sum(evaluation.finished) / n,
        } | {f"eval/outcome/{kind}": kinds.count(kind) / n for kind in KINDS}

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
