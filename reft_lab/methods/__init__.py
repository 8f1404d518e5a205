"""What is trained: the methods, and the stages that they are made of. Light to import: no torch."""

from reft_lab.methods.base import Method, StageKind

WARMUP = StageKind("warmup", "warm-up", "steps")
SFT = StageKind("sft", "SFT", "steps")
REFT = StageKind("reft", "ReFT", "iterations")
STAGES = {stage.name: stage for stage in (WARMUP, SFT, REFT)}

METHODS = {method.name: method for method in (Method("reft", "ReFT", (WARMUP, REFT)), Method("sft", "SFT", (SFT,)))}

__all__ = ["METHODS", "STAGES", "Method", "StageKind"]
