"""The questions of an iteration: the next ones, or with dynamic sampling the next ones that teach something."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reft_lab.methods.settings import IterationsConfig
from reft_lab.methods.stages.asking import Asking, Batch
from reft_lab.methods.stages.walk import Walk
from reft_lab.policy.model import Policy
from reft_lab.randomness import key


@dataclass(frozen=True)
class Collected:
    """What was sampled for an iteration, and what of it is learned from.

    Attributes:
        everything: all responses, those that were thrown away among them.
        kept: those that are learned from, in the order in which they were asked.
        asked: questions asked.
        filled: questions among those kept that teach nothing, because no others were found.
    """

    everything: Batch
    kept: Batch
    asked: int
    filled: int = 0

    def metrics(self, group: int) -> dict[str, float]:
        """What dynamic sampling cost and what it left, with `group` responses to a question."""
        wanted = len(self.kept) // group
        return {
            "rollout/thrown_away": 1 - wanted / self.asked,
            "rollout/filled": self.filled / wanted,
            "rollout/sampled_tokens": float(self.everything.tokens),
        }


class Collector:
    """Collects the responses of each iteration, along an endless walk over the training questions.

    Attributes:
        wanted: questions that an iteration learns from.
        beyond: questions asked beyond those, before the last iteration and after it; how far the walk is follows from
            them and the iterations done.
    """

    def __init__(self, asking: Asking, config: IterationsConfig):
        """`config` says how many responses there are, and how many to a question."""
        self.wanted = config.rollouts // config.samples_per_problem
        self.beyond = (0, 0)
        self._asking, self._group = asking, config.samples_per_problem
        self._walk = Walk(len(asking.prompts), asking.seed)
        self._has_said = False

    def collect(self, policy: Policy, step: int, *, dynamic: bool) -> Collected:
        """The responses after `step` iterations, and those that are learned from; the walk stays where it is."""
        asking, group, asked = self._asking, self._group, 0
        start = step * self.wanted + self.beyond[1]
        earlier: Counter[int] = Counter()  # a small training set may come round twice within one iteration

        def ask(count: int) -> Batch:
            nonlocal asked
            chosen = self._walk.questions(start + asked, count)
            questions = [q for q in chosen for _ in range(group)]
            asked += count
            keys = []
            for q in questions:
                keys.append(key(asking.seed, "rollout", step, asking.names[q], earlier[q]))
                earlier[q] += 1
            return asking.ask(policy, questions, keys, step=step)

        if not dynamic:
            batch = ask(self.wanted)
            return Collected(batch, batch, self.wanted)
        return collect(ask, self.wanted, group=group, rounds=asking.config.dynamic_rounds, pad_id=asking.pad_id)

    def beyond_with(self, collected: Collected) -> tuple[int, int]:
        """What `beyond` is once this iteration is done."""
        return self.beyond[1], self.beyond[1] + collected.asked - self.wanted

    def says(self, collected: Collected) -> list[str]:
        """A sentence where dynamic sampling did not find enough, the first time in a session."""
        if self._has_said or not collected.filled:
            return []
        self._has_said = True
        rounds = self._asking.config.dynamic_rounds
        return [
            f"dynamic sampling asked {collected.asked} questions in ppo.dynamic_rounds={rounds} rounds and "
            f"{collected.filled} of the {self.wanted} it wants are still missing, so questions whose responses all "
            "have the same reward fill up the batch; rollout/filled says how many."
        ]


def collect(ask: Callable[[int], Batch], wanted: int, *, group: int, rounds: int, pad_id: int) -> Collected:
    """Ask questions until the rewards of as many as are `wanted` differ within each (DAPO, 2503.14476).

    Each round asks as many as are still missing, so that none that teaches something is thrown away; the source samples
    a whole batch each time and drops what is left over. Where `rounds` do not suffice, the batch is filled up with
    questions that teach nothing, those asked first: it keeps its size, and the step its noise, as without dynamic
    sampling.

    Args:
        ask: puts the next so many questions, `group` responses to each, side by side.
        wanted: questions.
        group: responses to a question.
        rounds: most times that questions are asked.
        pad_id: fills up rows.
    """
    parts: list[Batch] = []
    found = 0
    while found < wanted and len(parts) < rounds:
        parts.append(ask(wanted - found))
        found += sum(has_spread(scores) for scores in _groups(parts[-1].scores, group))
    everything = Batch.joined(parts, pad_id)
    by_question = _groups(everything.scores, group)
    teaches = [number for number, scores in enumerate(by_question) if has_spread(scores)]
    others = [number for number, scores in enumerate(by_question) if not has_spread(scores)]
    filled = wanted - len(teaches)
    chosen = sorted([*teaches, *others[:filled]])
    rows = [row for number in chosen for row in range(number * group, (number + 1) * group)]
    return Collected(everything, everything.rows(rows), len(by_question), filled)


def has_spread(scores: Sequence[float]) -> bool:
    """Whether the rewards of a question's responses differ; one that is no number does, so that it is seen."""
    return any(score != scores[0] for score in scores)


def _groups(scores: Sequence[float], group: int) -> list[Sequence[float]]:
    return [scores[i : i + group] for i in range(0, len(scores), group)]
