"""When an answer counts as right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from reft_lab.fields import STRICT, OneOf, doc


@dataclass
class AnswersConfig:
    """When an answer counts as right."""

    __pydantic_config__ = STRICT
    paper_tolerance: Annotated[bool, doc("|a - y| <= 0.01 for every y; false allows 1 % of |y| where |y| < 1")] = False
    statement: Annotated[
        str,
        doc(
            "which answer counts where a response states several, or goes on with an invented question: the first, or "
            "the last, as in the released code"
        ),
        OneOf("first", "last"),
    ] = "first"
