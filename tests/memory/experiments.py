"""Experiments whose memory is looked at."""

from __future__ import annotations

from reft_lab.compose.conf import compose
from reft_lab.config.check import check
from reft_lab.config.schema import Config
from reft_lab.randomness import generator

_draw = generator("lengths of prompts and gold reasoning")
LENGTHS = [(int(_draw.integers(30, 80)), int(_draw.integers(10, 50))) for _ in range(80)]


def experiment(*words: str) -> Config:
    """The default one with these options."""
    return check(compose("baseline=null", *words))
