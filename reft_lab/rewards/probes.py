"""Made-up responses, by which a reward of the user's own is tried before a run begins."""

from __future__ import annotations

from reft_lab.answers.outcome import KINDS, Outcome
from reft_lab.data.problem import Problem
from reft_lab.errors import BadInput
from reft_lab.rewards.base import Judged
from reft_lab.rewards.own import RULE, Own, Unusable, describe

_NUMBER = Problem("made-up-1", "Tom has 3 pens and buys 15. How many has he?", "18", "3 + 15 = 18", "made up")
_LETTER = Problem(
    "made-up-2",
    "What is 4 times 6?\nAnswer option: a ) 10 , b ) 20 , c ) 24",
    "c",
    "4 x 6 = 24",
    "made up",
    ("10", "20", "24"),
)
_FAILED = [kind for kind in KINDS if kind not in ("correct", "wrong")]


def _outcomes() -> list[tuple[Problem, Outcome]]:
    """Every kind of outcome for a number and for a letter, and answers at the edge of what there may be."""
    return [
        (_NUMBER, Outcome("correct", "18", 18.0, 18.0)),
        (_NUMBER, Outcome("wrong", "17", 17.0, 18.0)),
        (_NUMBER, Outcome("wrong", "0", 0.0, 18.0)),
        (_NUMBER, Outcome("wrong", "-1e300", -1e300, 18.0)),
        (_NUMBER, Outcome("wrong", "many", None, 18.0)),
        (_LETTER, Outcome("correct", "c")),
        (_LETTER, Outcome("wrong", "b")),
        (_LETTER, Outcome("wrong", "24", 24.0)),
        *((_NUMBER, Outcome(kind, gold=18.0, detail="made up")) for kind in _FAILED),
        *((_LETTER, Outcome(kind)) for kind in _FAILED),
    ]


_TEXTS = (
    "Tom has 3 + 15 = 18 pens.\nTherefore, the answer is: 18",
    "",
    "def solution():\n    return 18",
    "çœ∑ 24 \N{GRINNING FACE}",
    "and " * 2500,
)


def made_up() -> Judged:
    """Made-up responses with every kind of outcome, short, empty and long."""
    problems, outcomes = zip(*_outcomes(), strict=True)
    texts = [_TEXTS[i % len(_TEXTS)] for i in range(len(outcomes))]
    responses = [[0] * max(1, len(text) // 4) for text in texts]
    return Judged(problems, [[0]] * len(texts), responses, outcomes, range(len(texts)), 0, lambda *_: texts)


def probe(own: Own) -> None:
    """Try a function with made-up responses; one that scores batches also with batches of one.

    Raises:
        BadInput: it raised, or gave what is no reward: its name, file and line, and the response it was.
    """
    whole = made_up()
    for batch in (whole, *(_alone(whole, i) for i in range(len(whole.outcomes)) if own.is_batch)):
        try:
            own.score(batch)
        except Unusable as wrong:
            whose = describe(batch, wrong.index, is_made_up=True)
            raise BadInput(
                f"{own.place} {wrong} for {whose}; {RULE}, whatever the response: mend it."
            ) from wrong.__cause__


def _alone(whole: Judged, i: int) -> Judged:
    text = whole.texts[i]
    return Judged(
        [whole.problems[i]],
        [whole.prompts[i]],
        [whole.responses[i]],
        [whole.outcomes[i]],
        [whole.keys[i]],
        whole.step,
        lambda *_: [text],
    )
