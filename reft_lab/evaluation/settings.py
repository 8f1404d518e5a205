"""Settings of the greedy evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Optional

from reft_lab.fields import STRICT, doc


@dataclass
class EvalConfig:
    """Greedy evaluation."""

    __pydantic_config__ = STRICT
    max_new_tokens: Annotated[Optional[int], doc("longest response; null: ppo.max_new_tokens", unit="tokens", ge=1)] = (
        None
    )
    sft_total_tokens: Annotated[
        Optional[int],
        doc(
            "longest prompt plus response when the warm-up or SFT is evaluated; null: no such limit",
            unit="tokens",
            ge=16,
        ),
    ] = None
    dev_limit: Annotated[
        Optional[int], doc("evaluate on the first dev problems only, as many as this", unit="problems", ge=1)
    ] = None
    test_limit: Annotated[
        Optional[int], doc("evaluate on the first test problems only, as many as this", unit="problems", ge=1)
    ] = None
    both_rules: Annotated[
        bool,
        doc(
            "evaluate on dev and on test each time, to tell what picking the checkpoint on test adds; "
            "`selection` alone picks it. Test is read many times then. Always so with selection=test"
        ),
    ] = False
