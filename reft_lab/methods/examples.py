"""What a stage trains on, as token ids."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Example:
    """A prompt and the gold response to it.

    Attributes:
        prompt: ids of the prompt, not empty.
        completion: ids of the gold chain of thought, the end-of-sequence token last.
    """

    prompt: list[int]
    completion: list[int]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.completion)
