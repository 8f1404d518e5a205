"""What is trained: the methods, and the stages that they are made of. Light to import: no torch."""

from reft_lab.methods.base import Method, StageKind

WARMUP = StageKind("warmup", "warm-up", "steps", ("warmup",))
SFT = StageKind("sft", "SFT", "steps", ("sft",))
REFT = StageKind("reft", "ReFT", "iterations", ("rollout", "ppo", "position", "alarm"))
STAGES = {stage.name: stage for stage in (WARMUP, SFT, REFT)}

METHODS = {method.name: method for method in (Method("reft", "ReFT", (WARMUP, REFT)), Method("sft", "SFT", (SFT,)))}
# Sections of metrics that only some stages record.
RECORDS = tuple(dict.fromkeys(section for stage in STAGES.values() for section in stage.records))

__all__ = ["METHODS", "RECORDS", "STAGES", "Method", "StageKind"]
