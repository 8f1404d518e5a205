"""The stages of a run as the loop goes through them, and evaluation with the settings of the run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from reft_lab.answers.outcome import KINDS
from reft_lab.cot import Stage
from reft_lab.data import Problem
from reft_lab.errors import phase
from reft_lab.evaluation.greedy import Evaluation, evaluate
from reft_lab.methods.reft import ReFT
from reft_lab.methods.rollouts import position_metrics
from reft_lab.methods.sft import SFT
from reft_lab.metrics import watched
from reft_lab.policy import saving
from reft_lab.policy.model import Policy
from reft_lab.runner.checkpoint import BEST
from reft_lab.runner.loop import Course, Loop
from reft_lab.runner.progress import Best, Pending
from reft_lab.runner.samples import sample_records
from reft_lab.runner.setup import Setup
from reft_lab.tracking.display import Silence


class Stages:
    """Runs stages one after the other on one policy.

    Attributes:
        setup: what the stages work with.
        loop: what takes a stage to its end, and knows how far the run is.
        selection: the problems that pick the best checkpoint.
    """

    def __init__(self, setup: Setup, loop: Loop):
        self.setup = setup
        self.loop = loop
        self.progress = loop.progress
        self.tracker = loop.tracker
        limit = setup.config.eval.dev_limit if setup.config.selection == "dev" else setup.config.eval.test_limit
        problems = setup.splits.dev if setup.config.selection == "dev" else setup.splits.test
        self.selection: Sequence[Problem] = problems[:limit]
        self._eval_seconds = 0.0

    def supervise(self, stage: SFT, *, picks_best: bool) -> None:
        """Supervised fine-tuning to its end, evaluated every so many epochs.

        Args:
            stage: the warm-up or the SFT baseline.
            picks_best: keep the best checkpoint; without it the last weights count (the warm-up).
        """
        name = stage.stage

        def advance() -> Pending:
            before = time.perf_counter()
            with phase("training"):
                done = stage.advance()
            took = time.perf_counter() - before
            metrics = {f"{name}/{key}": done[key] for key in ("loss", "grad_norm", "lr")}
            metrics[f"{name}/epoch"] = stage.step / stage.steps_per_epoch
            metrics |= {"time/step_seconds": took, "time/step_tokens_per_second": done["tokens"] / took}
            return Pending(metrics)

        def is_evaluated() -> bool:
            ended = stage.step % stage.steps_per_epoch == 0
            return ended and (stage.epoch % stage.config.eval_every == 0 or stage.done)

        def keep(evaluation: Evaluation) -> dict[str, float]:
            return self._keep(evaluation, f"epoch {stage.epoch}" if picks_best else None, "sft")

        def select() -> Evaluation:
            return self._select("sft")

        self.loop.run(Course(stage, name, "steps", advance, is_evaluated, select, keep, self._watched, picks_best))

    def reinforce(self, stage: ReFT, problems: Sequence[Problem]) -> None:
        """ReFT to its end, evaluated every so many iterations."""

        def is_evaluated() -> bool:
            return stage.is_evaluated

        def advance() -> Pending:
            iteration = stage.advance()
            for note in iteration.notes:
                self.tracker.display.note(note)
            if not is_evaluated():
                return Pending(iteration.metrics)
            count = self.setup.config.tracker.samples
            samples = sample_records(stage, iteration, problems, self.setup.codec, count)
            return Pending(iteration.metrics | position_metrics(iteration.rollouts), samples)

        def keep(evaluation: Evaluation) -> dict[str, float]:
            return self._keep(evaluation, f"iteration {stage.step}", "rl")

        def select() -> Evaluation:
            return self._select("rl")

        self.loop.run(Course(stage, "reft", "iterations", advance, is_evaluated, select, keep, self._watched, True))

    def evaluate(
        self, policy: Policy, problems: Sequence[Problem], stage: Stage, title: str | None = None
    ) -> Evaluation:
        """Greedy evaluation with the settings of the run; with a bar of its own where it has a `title`.

        Args:
            policy: whom to ask.
            problems: what to ask.
            stage: the stage that trained the policy last: prompts and lengths are those that it knows.
            title: what the bar says.
        """
        started = time.monotonic()
        config = self.setup.config
        display = self.tracker.display if title else Silence()
        with display.stage(title or "", len(problems), "problems") as bar, phase("evaluating"):
            evaluation = evaluate(
                policy,
                problems,
                self.setup.form,
                self.setup.codec,
                stage=stage,
                max_new_tokens=config.eval.max_new_tokens or config.ppo.max_new_tokens,
                total_tokens=config.eval.sft_total_tokens if stage == "sft" else config.ppo.total_tokens,
                cut_prompts_at=self.setup.longest_prompt(stage) if config.cot.too_long == "cut" else None,
                batch_size=config.trainer.decode_batch,
                on_progress=bar.update,
            )
        self.progress.add_seconds("evaluation", time.monotonic() - started)
        return evaluation

    def settle_best(self, when: str, stage: Stage) -> None:
        """Let the policy as it is be the best where there is none: nothing was evaluated, or the best one is lost."""
        if self.progress.best.score is None:
            self.progress.best = Best(self.evaluate(self.setup.policy, self.selection, stage).score, when, stage)
            self.export(BEST)

    def export(self, name: str) -> None:
        """Write the policy as it is, which `progress.best` describes, to checkpoints/NAME: a transformers folder."""
        started = time.monotonic()
        best = self.progress.best
        facts: dict[str, Any] = {"when": best.when, "split": self.setup.config.selection, "accuracy": best.accuracy}
        with self.tracker.directory.writing(f"checkpoints/{name}"):
            saving.save(self.setup.policy, self.setup.codec.tokenizer, self.loop.checkpoints.folder / name, facts)
        self.progress.add_seconds("checkpoints", time.monotonic() - started)

    def _watched(self, metrics: dict[str, float]) -> dict[str, float]:
        """Of the metrics of a step, those people watch, and the last accuracy under the name of its split."""
        latest = self.progress.latest
        return watched(metrics) | ({} if latest is None else {self.setup.config.selection: latest.accuracy})

    def _select(self, stage: Stage) -> Evaluation:
        started = time.perf_counter()
        evaluation = self.evaluate(self.setup.policy, self.selection, stage)
        self._eval_seconds = time.perf_counter() - started
        return evaluation

    def _keep(self, evaluation: Evaluation, when: str | None, stage: Stage) -> dict[str, float]:
        """Metrics of an evaluation; the weights are kept where they are the best so far, if it has a `when`."""
        n = len(evaluation.outcomes)
        kinds = [outcome.kind for outcome in evaluation.outcomes]
        metrics = {
            "eval/accuracy": evaluation.score.accuracy,
            "eval/length": sum(evaluation.lengths) / n,
            "eval/truncated_share": 1 - sum(evaluation.finished) / n,
            "time/eval_seconds": self._eval_seconds,
            "time/eval_tokens_per_second": sum(evaluation.lengths) / self._eval_seconds,
        } | {f"eval/outcome/{kind}": kinds.count(kind) / n for kind in KINDS}
        self.progress.latest = evaluation.score
        if when is not None:
            if evaluation.score.accuracy > self.progress.best.accuracy:
                self.progress.best = Best(evaluation.score, when, stage)
                self.export(BEST)
            metrics["eval/best_accuracy"] = self.progress.best.accuracy
        return metrics
