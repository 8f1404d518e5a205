"""What is trained: the methods, and the stages that they are made of. Light to import: no torch.

METHODS and STAGES are the one table of what methods and stages are called, wherever people read about them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reft_lab.methods.base import Method
from reft_lab.methods.evaluate import EVALUATE
from reft_lab.methods.offline_st import OFFLINE_ST
from reft_lab.methods.online_st import ONLINE_ST
from reft_lab.methods.reft import REFT
from reft_lab.methods.reranker import RERANKING
from reft_lab.methods.sft import SFT, WARMUP

METHODS = {method.name: method for method in (REFT, SFT, OFFLINE_ST, ONLINE_ST, RERANKING, EVALUATE)}
STAGES = {stage.name: stage for method in METHODS.values() for stage in method.stages}
# Sections of metrics that only some stages record.
RECORDS = tuple(dict.fromkeys(section for stage in STAGES.values() for section in stage.records))


def method_of(options: Mapping[str, Any]) -> Method:
    """The method of a run, under the run's own label, by the options `method` and `label` as its files have them.

    A run of a method that is not known is taken for one of the first.
    """
    return METHODS.get(str(options.get("method")), REFT).called(options.get("label"))


def result_labels(method: Method | None = None) -> dict[str, str]:
    """What the accuracies of result.json belong to, by their keys there, for a run of `method` (None: of any)."""
    return {
        "warmup": f"after {WARMUP.label}",
        "baseline_sft": SFT.final,
        "final": "chosen checkpoint" if method is None else method.final,
    }


__all__ = ["METHODS", "RECORDS", "STAGES", "method_of", "result_labels"]
