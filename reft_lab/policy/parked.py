"""A frozen policy that is on its device only while it is used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from reft_lab.policy.model import Policy


class Parked:
    """A frozen policy whose weights wait in the machine's own memory, so that their room on a GPU is free meanwhile.

    They go there once. Fetching them takes as long as a copy to the GPU, 13 GB of a 7B model in bf16 half a second or
    so; letting go of them takes nothing.
    """

    def __init__(self, policy: Policy, *, is_wanted: bool):
        """`policy` stays where it is unless that `is_wanted`, on a CPU, and where it shares its weights with others."""
        self._policy = policy
        self._device = policy.device
        is_worth_it = is_wanted and self._device.type != "cpu" and not policy.is_adapted
        self._tensors = [*policy.parameters(), *policy.buffers()] if is_worth_it else []
        self._kept = [tensor.data.cpu() for tensor in self._tensors]
        if self._device.type == "cuda":
            self._kept = [kept.pin_memory() for kept in self._kept]
        self._park()

    @contextmanager
    def fetched(self) -> Iterator[Policy]:
        """Inside, the policy is on its device."""
        try:
            yield self.fetch()
        finally:
            self._park()

    def fetch(self) -> Policy:
        """Bring it to its device for good."""
        for tensor, kept in zip(self._tensors, self._kept, strict=True):
            tensor.data = kept.to(self._device, non_blocking=True)
        return self._policy

    def _park(self) -> None:
        for tensor, kept in zip(self._tensors, self._kept, strict=True):
            tensor.data = kept
