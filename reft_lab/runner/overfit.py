"""Learning a few problems by heart: whether this model, on these data, with this reward, can learn anything at all.

The same problems are train, dev and test. The warm-up ends where most sampled responses are right, and not all, so
that reinforcement has something to do, and the last stage where an evaluation finds all greedy answers right and
sampled ones earn nearly what gold reasoning earns. Not all of it: at temperature 1 a token of thousands is off.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, Any

from reft_lab.errors import RunFailed
from reft_lab.methods.base import Stage
from reft_lab.numbers import per_cent, plain
from reft_lab.run_dir.directory import RunDirectory
from reft_lab.runner.setup import Setup
from reft_lab.text import counted

if TYPE_CHECKING:
    from reft_lab.config.schema import Config

HALF = 0.5  # of the problems right after warm-up, greedily
NATS = 0.12  # of a whole gold response after warm-up: it comes in eight of nine samples
HELD = 0.95  # of the reward of gold reasoning, by what is sampled
RECENT = 4  # iterations, of which that is the mean: one by itself says too much by luck
FEW = 0.05  # as little as this is none
MANY = 0.25  # of the responses
SHOWN = 3  # problems that were not learned
CHARACTERS = 600  # of a response

Metrics = Mapping[str, float]


@dataclass
class Overfit:
    """What is learned by heart, if that is asked for.

    Attributes:
        problems: how many; 0: nothing is asked for.
        gold: what their gold reasoning earns, on average.
        tokens: of gold reasoning, on average.
        reached: the stages that came to what they should, in this session.
        rewards: of the last iterations, in this session.
    """

    problems: int = 0
    gold: float = 1.0
    tokens: float = 1.0
    reached: tuple[str, ...] = ()
    rewards: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))

    @classmethod
    def of(cls, setup: Setup) -> Overfit:
        """That of a run.

        Raises:
            RunFailed: gold reasoning is not right, or earns nothing, so there is nothing to learn.
            RewardFailed: the user's reward has no number for it.
        """
        if setup.config.overfit is None:
            return cls()
        problems, prompts = setup.questions()
        asking, ids = setup.asking(problems, prompts), setup.gold_reasoning(problems)
        places = range(len(problems))
        outcomes = asking.judge(places, ids)
        for problem, outcome in zip(problems, outcomes, strict=True):
            if outcome.kind != "correct":
                read = "none" if outcome.answer is None else repr(outcome.answer)
                raise RunFailed(
                    f"overfit: the gold reasoning of {problem.id} ({problem.source}) is judged "
                    f"{_words(outcome.kind)}: the answer read in it is {read}, the gold answer {problem.answer!r}; "
                    "nothing could be learned from it, so see to the data, cot or answers first."
                )
        scores = setup.ranks.agreed(lambda: asking.reward(places, ids, outcomes, places, 0))
        gold = sum(scores) / len(scores)
        if gold <= 0:
            raise RunFailed(
                f"overfit: gold reasoning, which is right, earns {plain(gold)} under "
                f"reward={setup.config.reward.function}; no policy can be taught that way, so see to the reward first."
            )
        return cls(len(problems), gold, sum(map(len, ids)) / len(ids))

    def is_reached(self, stage: Stage, record: Metrics, *, is_last: bool) -> bool:
        """Whether a stage has come to what it should, by the metrics of its last step."""
        if "rollout/reward" in record:
            self.rewards.append(record["rollout/reward"])
        if not self.problems or "eval/accuracy" not in record:
            return False
        if is_last:
            is_held = not self.rewards or (len(self.rewards) == RECENT and fmean(self.rewards) >= HELD * self.gold)
            found = record["eval/accuracy"] == 1 and is_held
        else:
            nats = self.tokens * record[f"{stage.kind.name}/loss"]
            found = record["eval/accuracy"] >= HALF and nats <= NATS
        if found:
            self.reached = (*self.reached, stage.kind.name)
        return found


@dataclass(frozen=True)
class Verdict:
    """Whether the problems were learned.

    Attributes:
        is_reached: whether all were.
        sentence: how far it came, and why no further.
        numbers: for result.json.
    """

    is_reached: bool
    sentence: str
    numbers: dict[str, Any]


def judge_run(overfit: Overfit, setup: Setup, directory: RunDirectory, say: Callable[[str], None]) -> Verdict:
    """What came of it in the run in `directory`, which has been evaluated; says so, or shows what was not learned."""
    predictions = list(directory.predictions())
    outcomes = Counter(str(each["outcome"]) for each in predictions)
    last, records = setup.method.last.name, list(directory.metrics())
    verdict = judge(overfit, setup.config, last, outcomes["correct"], outcomes, records)
    for told in [verdict.sentence] if verdict.is_reached else examples(predictions):
        say(told)
    return verdict


def judge(
    overfit: Overfit, config: Config, last: str, right: int, outcomes: Mapping[str, int], records: Sequence[Metrics]
) -> Verdict:
    """What came of it.

    Args:
        overfit: what was to be learned.
        config: the experiment.
        last: name of the stage that makes the final policy.
        right: problems that the chosen policy has right, greedily.
        outcomes: of its greedy answers, by kind.
        records: the metrics of all steps, in order.
    """
    rollouts = [record for record in records if "rollout/reward" in record]
    reward = fmean(record["rollout/reward"] for record in rollouts[-RECENT:]) if rollouts else None
    is_reached = last in overfit.reached
    numbers = {"problems": overfit.problems, "right": right, "gold_reward": overfit.gold, "reward": reward}
    earns = ""
    if reward is not None:
        earns = f", and sampled ones earn {reward:.2f} ({rollouts[0]['rollout/reward']:.2f} at first)"
        earns += f" where gold reasoning earns {overfit.gold:.2f}"
    kinds = ", ".join(f"{count} {_words(kind)}" for kind, count in outcomes.items() if kind != "correct")
    told = f"overfit: greedy answers are right for {right} of {overfit.problems} problems"
    told += f"{f' ({kinds})' if kinds else ''}{earns}"
    if is_reached:
        return Verdict(True, f"{told}, after {_took(records)}.", numbers | {"why": None})
    why = why_not(config, overfit, records)
    return Verdict(False, f"{told}: {why}.", numbers | {"why": why})


def why_not(config: Config, overfit: Overfit, records: Sequence[Metrics]) -> str:
    """What most likely kept the policy from learning, and what to change; the first of these that is so."""
    evaluated = [record for record in records if "eval/accuracy" in record]
    rollouts = [record for record in records if "rollout/reward" in record]
    supervised = [record for record in records if "warmup/loss" in record or "sft/loss" in record]
    if not evaluated:
        return "it was over before anything was evaluated; give it more steps"
    is_known = False  # by heart, and yet not written
    if supervised:
        section = "warmup" if "warmup/loss" in supervised[-1] else "sft"
        first, loss = supervised[0][f"{section}/loss"], supervised[-1][f"{section}/loss"]
        is_unlearned = not rollouts or all(record.get("eval/accuracy", 0.0) == 0 for record in supervised)
        is_known = is_unlearned and loss < FEW
        if is_unlearned and not is_known:
            stage = getattr(config, section)
            return (
                f"the loss on gold reasoning went from {plain(first)} to {plain(loss)} only, in "
                f"{counted(len(supervised), 'step')}; raise {section}.lr={stage.lr:g} or "
                f"{section}.epochs={stage.epochs}"
            )
    cut = evaluated[-1]["eval/truncated_share"]
    if cut >= MANY:
        return (
            f"{per_cent(cut, 0)} % of the responses are cut at ppo.max_new_tokens={config.ppo.max_new_tokens} or "
            "ppo.total_tokens; raise it, or look above for responses that do not end"
        )
    if is_known:
        return (
            f"the loss on gold reasoning is down to {plain(loss)}, so it is known by heart, and yet it is not what the "
            "policy writes when it is asked: see in the samples how its prompts and its end differ from those it was "
            "trained on"
        )
    if not rollouts:
        return "what was learned does not suffice; give it more epochs, or a larger learning rate"
    return _why_not_reinforced(config, overfit, rollouts)


def _why_not_reinforced(config: Config, overfit: Overfit, rollouts: Sequence[Metrics]) -> str:
    tenth = max(1, len(rollouts) // 10)
    began, ended = (sum(r["rollout/reward"] for r in part) / tenth for part in (rollouts[:tenth], rollouts[-tenth:]))
    last, noticeable = rollouts[-1], FEW * overfit.gold
    over = f"in {counted(len(rollouts), 'iteration')}"
    section = "ppo" if "ppo/kl_ref" in last else "online_st"
    rate, kl = f"{section}.lr={getattr(config, section).lr:g}", last.get("ppo/kl_ref")
    if ended < began - noticeable:
        away = "" if kl is None else f" and the policy is {kl:.2g} nats a response away from the reference"
        return f"the mean reward fell from {began:.2f} to {ended:.2f} {over}{away}; lower {rate}"
    if ended > began + noticeable:
        return (
            f"the mean reward rose from {began:.2f} to {ended:.2f} {over}, which were too few; raise "
            f"{section}.iterations, or {rate}"
        )
    if last.get("ppo/entropy_response", 1.0) < FEW:
        return (
            f"the policy writes the same response each time ({last['ppo/entropy_response']:.2g} nats of entropy), so "
            "there is nothing to choose from; warm up for shorter"
        )
    if last["rollout/accuracy"] <= FEW:
        return f"hardly any sampled response was right {over}, so there is nothing to reinforce; warm up for longer"
    held = ", and see whether the KL (ppo.kl_coef) holds it" if section == "ppo" and config.ppo.kl_coef else ""
    return f"the mean reward stayed at {ended:.2f} {over}; raise {rate}{held}"


def _took(records: Sequence[Metrics]) -> str:
    iterations = sum("rollout/reward" in record for record in records)
    steps = len(records) - iterations
    parts = [counted(steps, "supervised step")] if steps else []
    return " and ".join([*parts, *([counted(iterations, "iteration")] if iterations else [])])


def examples(predictions: Sequence[Mapping[str, Any]]) -> list[str]:
    """A few problems that were not learned, to be read."""
    wrong = [each for each in predictions if each["outcome"] != "correct"]
    told = []
    for each in wrong[:SHOWN]:
        text = str(each["response"])
        short = text if len(text) <= CHARACTERS else f"{text[:CHARACTERS]}..."
        body = "\n".join(f"  | {line}" for line in short.splitlines() or [""])
        read = "none" if each["answer"] is None else each["answer"]
        judged = f"  {_words(str(each['outcome']))}: answer {read}, gold {each['gold']}"
        told.append(f"not learned: {each['id']}: {each['question']}\n{body}\n{judged}")
    return told


def _words(kind: str) -> str:
    return kind.replace("_", " ")
