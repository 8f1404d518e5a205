"""How an experiment is run and recorded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Optional

from reft_lab.errors import BadInput
from reft_lab.fields import STRICT, OneOf, doc

AUTO = "auto"
DDP, FSDP = "ddp", "fsdp"
SEQUENCES, BATCHES = "sequences", "batches"


@dataclass
class TrainerConfig:
    """Where and how the arithmetic is done."""

    __pydantic_config__ = STRICT
    device: Annotated[str, doc("auto takes a GPU where there is one"), OneOf("auto", "cpu", "cuda", "mps")] = "auto"
    devices: Annotated[
        int,
        doc(
            "processes that share the work of the run, each with a GPU of its own or its share of the CPU's cores; the "
            "experiment is the same for any number (docs/scale.md)",
            ge=1,
        ),
    ] = 1
    strategy: Annotated[
        str,
        doc(
            "what each of several processes holds; ddp: all weights, gradients and moments. fsdp: its part of them, "
            "for models that are too large for that; layers are gathered as they are needed (docs/scale.md)"
        ),
        OneOf(DDP, FSDP),
    ] = DDP
    deal: Annotated[
        str,
        doc(
            "what is dealt out to several processes; sequences: each makes batches of its own share. batches: those "
            "that one process would make, to decode, to score and to train on, and gradients are added up in its "
            "order; on a CPU a run then has the numbers of one process to the last bit, but a step of one batch is not "
            "shared. auto: batches where fewer than 5 million weights are trained and each process holds all of them "
            "(docs/scale.md)"
        ),
        OneOf(AUTO, SEQUENCES, BATCHES),
    ] = AUTO
    precision: Annotated[
        str,
        doc(
            "bf16 computes products of matrices in bf16 (autocast) over weights that stay fp32; auto: bf16 for a model "
            "of at least 20 million weights where a quick measurement finds it noticeably faster, else fp32"
        ),
        OneOf(AUTO, "fp32", "bf16"),
    ] = AUTO
    optimizer: Annotated[
        str,
        doc(
            "adamw_8bit keeps AdamW's moments of the matrices between layers in 8 bits, for memory; it needs the extra "
            "bitsandbytes"
        ),
        OneOf("adamw", "adamw_8bit"),
    ] = "adamw"
    park_reference: Annotated[
        bool,
        doc(
            "keep the policy after warm-up in the machine's own memory, and on the GPU only while it scores: room for "
            "the update, at a copy of it an iteration"
        ),
    ] = False
    threads: Annotated[
        Optional[int],
        doc("CPU threads; null: as many as a quick measurement finds fastest, and torch's default beside a GPU", ge=1),
    ] = None
    tokens_per_micro_batch: Annotated[
        int, doc("most tokens, padding included, in one forward and backward pass", unit="tokens", ge=64)
    ] = 8192
    decode_batch: Annotated[int, doc("prompts decoded at once, in rollouts and in evaluation", ge=1)] = 128
    fast_path: Annotated[
        bool,
        doc(
            "packed attention where a model allows it, and a decoder of its own for Llama; false reads padded rows by "
            "transformers' own forward everywhere, for comparison"
        ),
    ] = True


@dataclass
class TrackerConfig:
    """What is recorded besides the run directory."""

    __pydantic_config__ = STRICT
    wandb: Annotated[
        str,
        doc("W&B mode; auto: online when logged in, else offline"),
        OneOf("auto", "online", "offline", "disabled"),
    ] = "auto"
    trackio: Annotated[
        bool, doc("record to Trackio, a database on this machine without an account; it needs the extra trackio")
    ] = False
    tensorboard: Annotated[
        bool,
        doc("write TensorBoard's event files into tensorboard/ of the run directory; it needs the extra tensorboard"),
    ] = False
    project: Annotated[str, doc("project in W&B and Trackio", min_length=1)] = "reft_lab"
    entity: Annotated[Optional[str], doc("W&B user or team; null: the default of the account")] = None
    group: Annotated[Optional[str], doc("group in W&B and Trackio; null: none")] = None
    tags: Annotated[list[str], doc("W&B tags beside those of docs/wandb.md")] = field(default_factory=list)
    connect_timeout: Annotated[float, doc("longest wait for the W&B server before going offline", unit="s", gt=0)] = 10
    samples: Annotated[int, doc("sampled responses written to samples.jsonl per evaluation", ge=0)] = 8
    artifact: Annotated[bool, doc("upload checkpoints/best of a finished run to W&B")] = False
    report: Annotated[bool, doc("write report.html at the end")] = True
    profile: Annotated[
        int,
        doc(
            "steps of each stage, after its first, that torch's profiler records into the folder profile/; 0: none "
            "(debug=profile)",
            unit="steps",
            ge=0,
        ),
    ] = 0

    def directory_alone(self) -> TrackerConfig:
        """The same, with nothing recorded besides the run directory, and no page."""
        return replace(self, wandb="disabled", trackio=False, tensorboard=False, artifact=False, report=False)


@dataclass
class BudgetConfig:
    """What training may take in all, warm-up included and evaluation not; the stage at work ends where it is reached.

    Methods are compared at equal cost with it (docs/methods.md).
    """

    __pydantic_config__ = STRICT
    tokens: Annotated[
        Optional[int],
        doc("response tokens, those sampled and those trained on added up; null: no limit", unit="tokens", ge=1),
    ] = None
    seconds: Annotated[Optional[float], doc("wall time of training; null: no limit", unit="s", gt=0)] = None

    @staticmethod
    def is_raised(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
        """Whether a limit among the section's options is higher after a change, or gone."""
        limits = [(before[name], after[name]) for name in ("tokens", "seconds")]
        return any(old is not None and (new is None or new > old) for old, new in limits)


@dataclass
class CheckpointConfig:
    """When the full training state is saved, and how many of them are kept."""

    __pydantic_config__ = STRICT
    every: Annotated[
        Optional[str],
        doc(
            "save the full state every so many steps (50: optimiser steps of SFT, iterations of ReFT) or after a time "
            "(90s, 10min, 2h); null: at evaluations"
        ),
    ] = None
    keep: Annotated[int, doc("how many full states are kept; older ones serve where the newest is damaged", ge=1)] = 2
    warmups: Annotated[
        Optional[str],
        doc(
            "folder of warm-ups, each trained once and begun from by every run that differs only in what comes after, "
            "with the same numbers as if it had trained its own; null: each run trains its own",
            min_length=1,
        ),
    ] = None


@dataclass(frozen=True)
class Every:
    """How often to save: every so many steps or seconds; with neither, at evaluations."""

    steps: int | None = None
    seconds: float | None = None


SECONDS = {"s": 1, "min": 60, "h": 3600}


def parse_every(text: str | None) -> Every:
    """The meaning of a value of `checkpoint.every`: `50`, `90s`, `10min`, `2h`, or None.

    Raises:
        BadInput: it cannot be read.
    """
    if text is None:
        return Every()
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|min|h)?", text.strip())
    amount = float(found[1]) if found else 0.0
    if not found or amount == 0 or (not found[2] and not amount.is_integer()):
        raise BadInput(
            f"checkpoint.every={text} is not possible: it must be a number of steps (50), a time (90s, 10min, 2h), "
            "or null."
        )
    return Every(seconds=amount * SECONDS[found[2]]) if found[2] else Every(steps=int(amount))
