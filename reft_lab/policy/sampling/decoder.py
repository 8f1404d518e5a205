"""What a batch of responses needs from a model, whatever computes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor


class Decoder(Protocol):
    """Reads prompts, and then one token a row at a time, remembering what each row has read."""

    def start(self, prompts: Sequence[Sequence[int]], cap: int) -> Tensor:
        """Read `prompts`, which are sorted by length; at most `cap` tokens a row will follow.

        Returns:
            The last hidden state of each prompt (n, H).
        """
        ...

    def step(self, tokens: Tensor) -> Tensor:
        """Read one more token a row (n,), and give the hidden state after it (n, H)."""
        ...

    def keep(self, order: Tensor) -> None:
        """Go on with the rows in `order` (m,): indices into the rows there are, which may leave out or repeat some."""
        ...

    def stop(self) -> None:
        """Forget all rows and free what is remembered of them."""
        ...

    def close(self) -> None:
        """Give back what was kept from batch to batch; nothing can be decoded after this."""
        ...

    def logits(self, hidden: Tensor) -> Tensor:
        """Next-token logits in fp32: (n, H) -> (n, V)."""
        ...
