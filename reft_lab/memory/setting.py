"""What the memory of a run depends on beside its data."""

from __future__ import annotations

from dataclasses import dataclass

from reft_lab.config.running import DDP, FSDP
from reft_lab.memory.shape import Kept, Shape

FP32 = 4


@dataclass(frozen=True)
class Setting:
    """All that memory depends on but the data.

    Attributes:
        shape: of the model.
        kept: of a pass through its trunk, without checkpointing and dropout.
        kept_in_training: the same of supervised training, which has dropout where the model has.
        device: cpu, cuda or mps.
        precision: fp32 or bf16.
        optimizer: trainer.optimizer.
        is_packed: whether the model reads packed tokens.
        is_lean: whether the lean decoder serves it, on a copy of its matrices.
        checkpointing: whether layers keep their input alone.
        has_reference: whether a frozen copy of the policy after warm-up is kept by the stages after it.
        parks: whether that is on the device only while it scores.
        has_own_values: whether the critic has a trunk of its own after the warm-up.
        clips_apart: whether two gradients are kept.
        tokens: trainer.tokens_per_micro_batch.
        rows: trainer.decode_batch.
        evaluated: problems of an evaluation.
        reward: bytes of a model that gives the reward.
        devices: processes that share the work; what follows is of one of them.
        strategy: what each of them holds, trainer.strategy.
    """

    shape: Shape
    kept: Kept
    kept_in_training: Kept
    device: str
    precision: str
    optimizer: str
    is_packed: bool
    is_lean: bool
    checkpointing: bool
    has_reference: bool
    parks: bool
    has_own_values: bool
    clips_apart: bool
    tokens: int
    rows: int
    evaluated: int
    reward: int = 0
    devices: int = 1
    strategy: str = DDP

    @property
    def is_sharded(self) -> bool:
        """Whether a process holds a part of the weights."""
        return self.devices > 1 and self.strategy == FSDP

    @property
    def loaded(self) -> int:
        """Bytes of all weights that are there before anything is trained."""
        return FP32 * self.shape.all + self.reward

    def held(self, size: int) -> int:
        """What one process holds of so many bytes of weights, gradients or moments."""
        return -(-size // self.devices) if self.is_sharded else size

    def share(self, count: int) -> int:
        """The most that one process has of so many sequences."""
        return -(-count // self.devices)
