"""No training: a policy is evaluated as it is given, by greedy decoding and whatever else `decode` asks for."""

from __future__ import annotations

from reft_lab.evaluation.settings import decodes_more
from reft_lab.methods.base import Lab, Method, StageKind


def _evaluate(lab: Lab) -> None:
    lab.take_given(STAGE)


STAGE = StageKind(
    "evaluate",
    "evaluation",
    unit="samples",
    prompts="rl",
    section="decode",
    length="k",
    may_change=(),  # all of `decode` may, whatever the method
    is_longer=decodes_more,
    why_fixed=lambda options: "",
    records=(),
    is_trained=False,
)
EVALUATE = Method("evaluate", STAGE.label, (STAGE,), _evaluate, has_critic=lambda settings: False)
