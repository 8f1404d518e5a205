"""One response of the policy as it is, and the gold one, as a run would judge and reward them."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from reft_lab.answers.outcome import Outcome
from reft_lab.methods.stages.asking import Asking
from reft_lab.preflight.trying import typical
from reft_lab.randomness import key
from reft_lab.runner.estimates import lengths_of
from reft_lab.runner.setup import Setup

AFFORDABLE = 4.0  # seconds


@dataclass(frozen=True)
class Response:
    """A response.

    Attributes:
        text: what was written.
        tokens: how many.
        outcome: how it was judged.
        reward: what it earns.
        cut: why it ends where it does; empty where it ended by itself.
    """

    text: str
    tokens: int
    outcome: Outcome
    reward: float
    cut: str = ""


@dataclass(frozen=True)
class Sampled:
    """A question and two responses to it.

    Attributes:
        prompt: as the policy is asked.
        answer: the gold one.
        policy, gold: the responses.
    """

    prompt: str
    answer: str
    policy: Response
    gold: Response


def one_response(setup: Setup) -> Sampled:
    """A response to a training question of medium length, sampled as rollouts are.

    Raises:
        RewardFailed: the user's reward has no number for one of them.
    """
    kind = setup.method.last.prompts if setup.method.trains else setup.given.prompts
    place = typical(lengths_of(setup), 1)[0]
    problem, gold = setup.splits.train[place], setup.gold[place].completion
    prompt = setup.form.prompt(problem, kind)
    asking = setup.asking([problem], setup.codec.prompts([prompt]))
    cap = min(asking.config.max_new_tokens, _affordable(setup, asking))
    batch = replace(asking, caps=[cap]).ask(setup.policy, [0], [key(setup.config.seed, "preflight")])
    ids = batch.sampled.lists()[0]
    cut = ""
    if not batch.sampled.finished[0]:
        cut = f"ppo.max_new_tokens={cap}" if cap == asking.config.max_new_tokens else f"{cap} tokens, to save time"
    text = setup.codec.read(asking.prompts, [ids])[0]
    written = Response(text, len(ids), batch.outcomes[0], batch.scores[0], cut)
    outcomes = asking.judge([0], [gold])
    reward = asking.reward([0], [gold], outcomes, [0], 0)[0]
    known = Response(setup.codec.read(asking.prompts, [gold])[0], len(gold), outcomes[0], reward)
    return Sampled(prompt, problem.answer, written, known)


def _affordable(setup: Setup, asking: Asking) -> int:
    """Tokens that one response may have."""
    few = replace(asking, caps=[2])
    started = time.perf_counter()
    few.ask(setup.policy, [0], [0])
    between = time.perf_counter()
    replace(asking, caps=[6]).ask(setup.policy, [0], [0])
    each = (time.perf_counter() - between - (between - started)) / 4
    return max(16, int(AFFORDABLE / max(each, 1e-4)))
