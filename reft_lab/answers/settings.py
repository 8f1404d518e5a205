"""When an answer counts as right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from reft_lab.fields import STRICT, OneOf, doc


@dataclass
class AnswersConfig:
    """When an answer counts as right."""

    __pydantic_config__ = STRICT
    paper_tolerance: Annotated[bool, doc("|a - y| <= 0.01 whatever y; false asks for 1 % of |y| where |y| < 1")] = False
    statement: Annotated[
        str,
        doc(
            "which answer counts where a response states several, or goes on into a made-up next question: its first, "
            "or the last one, as in the released code"
        ),
        OneOf("first", "last"),
    ] = "first"
