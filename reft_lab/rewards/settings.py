"""Settings of the terminal reward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Optional

from reft_lab.fields import STRICT, doc


@dataclass
class RewardConfig:
    """The terminal reward (paper, section 3.2)."""

    __pydantic_config__ = STRICT
    function: Annotated[
        str,
        doc(
            "exact, partial, proximity, released, a control (random, inverted, corrupted), outcome_model, or the "
            "import path module.function of your own (docs/rewards.md)",
            min_length=1,
        ),
    ] = "partial"
    probability: Annotated[
        float, doc("of reward 1, for reward=random; of the contrary of what is right, for reward=corrupted", ge=0, le=1)
    ] = 0.5
    reranker: Annotated[
        Optional[str], doc("for reward=outcome_model: run directory of a method=reranker run, or its checkpoints/best")
    ] = None
