"""Settings of evaluation, of what is sampled for it, and of audits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Optional

from reft_lab.fields import STRICT, OneOf, doc


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


@dataclass
class PoolConfig:
    """Pools of sampled responses: drawn once, kept on disk, reused by every run of the same policy."""

    __pydantic_config__ = STRICT
    folder: Annotated[
        str, doc("where pools are kept, one folder for each policy and way of asking it", min_length=1)
    ] = "outputs/pools"
    temperature: Annotated[float, doc("divides the logits before a draw; 1: as the policy has them", gt=0)] = 1.0
    top_k: Annotated[Optional[int], doc("draw from the so many most probable tokens only; null: from all", ge=1)] = None
    top_p: Annotated[
        Optional[float],
        doc("draw from the most probable tokens that reach this probability together; null: from all", gt=0, le=1),
    ] = None


@dataclass
class AuditConfig:
    """Audits: whether what training leans on deserves it."""

    __pydantic_config__ = STRICT
    critic: Annotated[
        bool,
        doc(
            "at the end of training, hold the critic against Monte-Carlo values: critic_audit.json, and in the report "
            "(docs/methods.md)"
        ),
    ] = False
    critic_every: Annotated[
        Optional[int],
        doc("also do so every so many iterations while training (metrics critic/...); null: never", ge=1),
    ] = None
    critic_problems: Annotated[int, doc("problems, with one response each", unit="problems", ge=1)] = 32
    critic_states: Annotated[int, doc("states along each response", unit="states", ge=1)] = 8
    critic_continuations: Annotated[
        int, doc("responses sampled from each state, whose mean is its Monte-Carlo value", unit="responses", ge=2)
    ] = 16
    critic_split: Annotated[
        str, doc("split of the problems at the end; while training they are of train"), OneOf("train", "dev")
    ] = "train"
