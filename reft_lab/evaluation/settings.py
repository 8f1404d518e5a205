"""Settings of evaluation, of what is sampled for it, and of audits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Optional

from reft_lab.errors import BadInput
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
    prompts: Annotated[
        Optional[str],
        doc(
            "method=evaluate: the prompts that the policy knows, those of supervised fine-tuning or those of "
            "reinforcement (they differ where cot.sft_trigger and cot.rl_trigger do); null: those that the policy of a "
            "run directory was trained with, else rl"
        ),
        OneOf("sft", "rl"),
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
class DecodeConfig:
    """Answers from several samples, beside the greedy one; `decode=vote` turns one way on, `decode=[vote,pass]` two."""

    __pydantic_config__ = STRICT
    vote: Annotated[bool, doc("the answer that most samples give")] = False
    pass_at_k: Annotated[bool, doc("whether any sample is right")] = False
    rerank: Annotated[bool, doc("the answer of the sample that an outcome reward model likes best")] = False
    k: Annotated[int, doc("samples of each test problem; curves go from 1 to as many", unit="samples", ge=1)] = 100
    reranker: Annotated[
        Optional[str], doc("decode=rerank: the run directory of a method=reranker run, or a checkpoint of one")
    ] = None

    @property
    def ways(self) -> list[str]:
        """What is done with the samples, by the names of result.json; empty where none are drawn."""
        return [way for way, is_on in (("vote", self.vote), ("pass", self.pass_at_k), ("rerank", self.rerank)) if is_on]

    def check(self, section: str) -> None:
        """Raise BadInput where the options do not agree with each other; `section` is what the config calls them."""
        if self.rerank and self.reranker is None:
            raise BadInput(
                f"decode=rerank needs an outcome reward model; name one that method=reranker has trained: "
                f"{section}.reranker=RUN_DIR."
            )


def decodes_more(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether the options of a DecodeConfig, before and after a change, ask for more."""
    now = [way for way in ("vote", "pass_at_k", "rerank") if after[way]]
    return any(not before[way] for way in now) or (
        bool(now) and (after["k"] > before["k"] or after["reranker"] != before["reranker"])
    )


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
