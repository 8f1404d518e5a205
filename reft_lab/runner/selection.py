"""Evaluation with the settings of a run, and the best policy by the selection split, which is kept on disk."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from reft_lab.answers.outcome import KINDS
from reft_lab.cot import Prompts
from reft_lab.data import Problem
from reft_lab.errors import phase
from reft_lab.evaluation.greedy import Evaluation, evaluate
from reft_lab.evaluation.score import Score
from reft_lab.methods.base import Answering, Stage, StageKind
from reft_lab.policy import saving
from reft_lab.policy.adapter_files import BASE
from reft_lab.policy.model import Policy
from reft_lab.runner.checkpoint import BEST, WARMUP
from reft_lab.runner.progress import Best, Chosen, Progress
from reft_lab.runner.setup import Setup
from reft_lab.tracking.display import Silence
from reft_lab.tracking.tracker import Tracker

# What the policies in checkpoints/ are there for.
CHOSEN_FOR = {
    BEST: "the highest accuracy on {split} so far, the earliest where several have it",
    WARMUP: "the end of the warm-up, which the last stage sets out from",
}


class Selection:
    """Evaluates the policy of a run, and keeps it where it is the best so far.

    Attributes:
        problems: those that pick the best checkpoint.
        others: those of the other split, where both are looked at; they pick nothing.
    """

    def __init__(self, setup: Setup, progress: Progress, tracker: Tracker):
        self.setup = setup
        self.progress = progress
        self.tracker = tracker
        splits, limits = setup.splits, setup.config.eval
        on_dev = setup.config.selection == "dev"
        dev, test = splits.dev[: limits.dev_limit], splits.test[: limits.test_limit]
        self.problems = dev if on_dev else test
        self.others = (test if on_dev else dev) if limits.both_rules or not on_dev else []
        self._own: Answering | None = None  # the last stage, where it answers in a way of its own
        self._seconds = 0.0  # of the last evaluation
        self._other: Score | None = None  # the last evaluation on the other split

    def evaluate(
        self, policy: Policy, problems: Sequence[Problem], prompts: Prompts, title: str | None = None
    ) -> Evaluation:
        """Greedy evaluation with the settings of the run; with a bar of its own where it has a `title`.

        `prompts` is the kind of prompts that the policy was trained on last, whose lengths it knows.
        """
        started = time.monotonic()
        display = self.tracker.display if title else Silence()
        with display.stage(title or "", len(problems), "problems") as bar, phase("evaluating"):
            evaluation = evaluate(
                policy,
                problems,
                self.setup.form,
                self.setup.codec,
                stage=prompts,
                lengths=self.setup.lengths(prompts),
                batch_size=self.setup.config.trainer.decode_batch,
                on_progress=bar.update,
            )
        self._took(started)
        return evaluation

    def look(self, stage: Stage) -> Evaluation:
        """The policy of a stage on the problems of the selection split: greedily, unless it has a way of its own."""
        if isinstance(stage, Answering):
            if self.others:
                self._other = self._by(stage, self.others).score
            return self._by(stage, self.problems)
        self._look_at_others(stage.policy, stage.kind.prompts)
        return self.evaluate(stage.policy, self.problems, stage.kind.prompts)

    def conclude(self, problems: Sequence[Problem], title: str) -> Evaluation:
        """The chosen checkpoint, which the policy of the run is by now, on `problems`; after `settle`."""
        if self._own is not None:
            return self._by(self._own, problems)
        return self.evaluate(self.setup.policy, problems, self.progress.best.stage, title)

    def _by(self, stage: Answering, problems: Sequence[Problem]) -> Evaluation:
        started = time.monotonic()
        with phase("evaluating"):
            evaluation = stage.answer(problems)
        self._took(started)
        return evaluation

    def _took(self, started: float) -> None:
        self._seconds = time.monotonic() - started
        self.progress.add_seconds("evaluation", self._seconds)

    def take(self, evaluation: Evaluation, stage: Stage, *, picks_best: bool) -> dict[str, float]:
        """The metrics of what `look` saw; where the stage picks the best policy, this one is kept if it is."""
        n = len(evaluation.outcomes)
        kinds = [outcome.kind for outcome in evaluation.outcomes]
        metrics = {
            "eval/accuracy": evaluation.score.accuracy,
            "eval/length": sum(evaluation.lengths) / n,
            "eval/truncated_share": 1 - sum(evaluation.finished) / n,
            "time/eval_seconds": self._seconds,
            "time/eval_tokens_per_second": sum(evaluation.lengths) / self._seconds,
        } | {f"eval/outcome/{kind}": kinds.count(kind) / n for kind in KINDS}
        metrics |= evaluation.metrics
        self.progress.latest = evaluation.score
        if self._other is not None:
            metrics[f"eval/{self._other_split}_accuracy"] = self._other.accuracy
        if picks_best:
            self._note_both(evaluation.score, stage.moment)
            if evaluation.score.accuracy > self.progress.best.accuracy:
                self.progress.best = Best(evaluation.score, stage.moment, stage.kind.prompts)
                self._export(BEST, self.progress.best, stage)
            metrics["eval/best_accuracy"] = self.progress.best.accuracy
        return metrics

    def settle(self, stage: Stage) -> None:
        """The last stage is over; let the policy as it is be the best where there is none: nothing was evaluated, or
        the best one is lost."""
        self._own = stage if isinstance(stage, Answering) else None
        if self.progress.best.score is None:
            self.progress.best = Best(self.look(stage).score, stage.moment, stage.kind.prompts)
            self._note_both(self.progress.best.score, stage.moment)
            self._export(BEST, self.progress.best, stage)

    def keep_warmup(self, label: str, prompts: Prompts, *, is_candidate: bool) -> None:
        """Let the policy as it is be the one after warm-up, and the best so far if it `is_candidate` for that."""
        if self.progress.latest is None:
            self._look_at_others(self.setup.policy, prompts)
            self.progress.latest = self.evaluate(self.setup.policy, self.problems, prompts).score
        elif self._other is None:  # what was seen of the other split ended with another session
            self._look_at_others(self.setup.policy, prompts)
        self.progress.warmup = self.progress.latest
        best = Best(self.progress.warmup, label, prompts)
        self._export(WARMUP, best)
        if is_candidate:
            self._note_both(self.progress.warmup, label)
            self.progress.best = best
            self._export(BEST, best)

    def take_given(self, kind: StageKind) -> None:
        """Let the policy as it is, which nothing trains, be the best; it stays where it came from."""
        self.progress.stage = kind.name
        given = self.setup.given
        title = self.setup.config.selection
        self.progress.latest = self.evaluate(self.setup.policy, self.problems, given.prompts, title).score
        self.progress.best = Best(self.progress.latest, given.when, given.prompts)

    @property
    def _other_split(self) -> str:
        return "test" if self.setup.config.selection == "dev" else "dev"

    def _look_at_others(self, policy: Policy, prompts: Prompts) -> None:
        if self.others:
            self._other = self.evaluate(policy, self.others, prompts).score

    def _note_both(self, score: Score | None, when: str) -> None:
        """Keep how the policy did on both splits, if it is the best so far on one of them."""
        if score is None or self._other is None:
            return
        scores = {self.setup.config.selection: score, self._other_split: self._other}
        self.progress.candidates += 1
        for split, best in scores.items():
            before = self.progress.chosen.get(split)
            if before is None or best.accuracy > getattr(before, split).accuracy:
                self.progress.chosen[split] = Chosen(scores["dev"], scores["test"], when)

    def shown(self) -> dict[str, float]:
        """The last accuracy on the selection split, under the name of the split."""
        latest = self.progress.latest
        return {} if latest is None else {self.setup.config.selection: latest.accuracy}

    def _export(self, name: str, best: Best, stage: Stage | None = None) -> None:
        """Write the policy as it is, which `best` describes, to checkpoints/NAME, as `saving.save` does.

        With it goes how far the run is, so that another can set out from there; no `stage`: the warm-up is over.
        """
        started = time.monotonic()
        config, score = self.setup.config, best.score
        facts: dict[str, Any] = {"name": config.name, "method": config.method, "seed": config.seed}
        facts |= {"stage": self.progress.stage, "when": best.when, "prompts": best.stage, "split": config.selection}
        facts |= {"accuracy": best.accuracy} if score is None else score.as_json()
        step = self.tracker.step + (self.progress.pending is not None)
        facts |= {"step": step, "chosen_for": CHOSEN_FOR[name].format(split=config.selection)}
        counters = None if stage is None else stage.counters()
        facts["state"] = {"counters": counters, "tracker_step": step} | self.progress.after_step()
        directory = self.tracker.directory
        with self.setup.policy.collected() as policy, directory.writing(f"checkpoints/{name}"):
            if policy is None:
                return
            saving.keep_base(policy, self.setup.codec.tokenizer, directory.checkpoints / BASE)
            saving.save(policy, self.setup.codec.tokenizer, directory.checkpoints / name, facts)
        self.progress.add_seconds("checkpoints", time.monotonic() - started)
