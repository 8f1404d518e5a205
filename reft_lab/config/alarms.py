"""When a run raises an alarm, and what happens then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Optional

from reft_lab.fields import STRICT, OneOf, doc

WarnOrStop = Annotated[str, doc("warn, or stop the run"), OneOf("warn", "stop")]


@dataclass
class AlarmsConfig:
    """Alarms of the ReFT stage; docs/alarms.md explains each. A limit of null turns its alarm off."""

    __pydantic_config__ = STRICT
    patience: Annotated[
        int,
        doc(
            "iterations in a row beyond a limit before an alarm begins, and within it before it is over",
            unit="iterations",
            ge=1,
        ),
    ] = 3
    kl: Annotated[Optional[float], doc("largest KL to the reference", unit="nats a response", gt=0)] = 50.0
    kl_action: Annotated[
        str,
        doc("warn, stop the run, or lower_rate: halve the learning rate"),
        OneOf("warn", "stop", "lower_rate"),
    ] = "warn"
    kl_lower_every: Annotated[
        int, doc("lower_rate: halve again after so many iterations beyond the limit", unit="iterations", ge=1)
    ] = 20
    kl_lower_to: Annotated[float, doc("lower_rate: smallest factor on ppo.lr", gt=0, le=1)] = 0.1
    negative_kl: Annotated[
        Optional[float], doc("how far below 0 the KL to the reference may be", unit="nats a response", gt=0)
    ] = 0.3
    negative_kl_action: WarnOrStop = "warn"
    first_ratio: Annotated[
        Optional[float], doc("how far pi / pi_old of a token may be from 1 before any step", gt=0)
    ] = 0.5
    first_ratio_action: WarnOrStop = "warn"
    entropy: Annotated[Optional[float], doc("least entropy", unit="nats a response", gt=0)] = 0.2
    entropy_action: WarnOrStop = "warn"
    truncated: Annotated[Optional[float], doc("largest share of responses cut at the length cap", gt=0, lt=1)] = 0.25
    truncated_action: WarnOrStop = "warn"
    reward_hacking: Annotated[
        Optional[float],
        doc("reward up and accuracy down by so much from one half of the window to the next", unit="s.e.", gt=0),
    ] = 3.0
    reward_hacking_window: Annotated[
        int, doc("how far back reward and accuracy are compared", unit="iterations", ge=16)
    ] = 30
    reward_hacking_action: WarnOrStop = "warn"
    top_answer: Annotated[
        Optional[float], doc("largest share of responses that give the same answer, mostly wrong", gt=0, lt=1)
    ] = 0.5
    top_answer_action: WarnOrStop = "warn"
