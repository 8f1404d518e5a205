"""What a policy wrote, and how it is put together while it is being written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad


@dataclass(frozen=True)
class Responses:
    """What a policy wrote, padded on the right, in the order of the prompts.

    Attributes:
        tokens: ids (B, T), the token that ends a response included; `pad` beyond the response.
        mask: True for tokens of the response (B, T).
        logprobs: log-probability of each token under the full distribution at temperature 1 (B, T), 0 beyond.
        entropies: entropy of that distribution in nats (B, T), 0 beyond.
        values: value of the state each token was chosen in (B, T), 0 beyond; None without a value head on the
            policy's own trunk.
        finished: whether the response ended by itself (B,); False means cut at the length cap.
    """

    tokens: Tensor
    mask: Tensor
    logprobs: Tensor
    entropies: Tensor
    values: Tensor | None
    finished: Tensor

    def lists(self) -> list[list[int]]:
        """The responses as lists of ids without padding."""
        lengths = self.mask.sum(1).tolist()
        return [row[:length] for row, length in zip(self.tokens.tolist(), lengths, strict=True)]

    def rows(self, chosen: Sequence[int]) -> Responses:
        """The responses at these places, at least one, as wide as the longest of them."""
        at = list(chosen)
        width = int(self.mask[at].sum(1).max())
        return Responses(
            self.tokens[at, :width],
            self.mask[at, :width],
            self.logprobs[at, :width],
            self.entropies[at, :width],
            None if self.values is None else self.values[at, :width],
            self.finished[at],
        )


def joined(parts: Sequence[Responses], pad_id: int) -> Responses:
    """Several batches of responses, one after the other, as wide as the longest; all with values or none."""
    width = max(part.mask.shape[1] for part in parts)

    def together(tensors: Sequence[Tensor], fill: float = 0) -> Tensor:
        return torch.cat([pad(tensor, (0, width - tensor.shape[1]), value=fill) for tensor in tensors])

    return Responses(
        together([part.tokens for part in parts], pad_id),
        together([part.mask for part in parts]),
        together([part.logprobs for part in parts]),
        together([part.entropies for part in parts]),
        None if parts[0].values is None else together([part.values for part in parts if part.values is not None]),
        torch.cat([part.finished for part in parts]),
    )


def is_one_of(tokens: Tensor, ids: Sequence[int]) -> Tensor:
    """Which of the tokens are one of `ids`, of which there are few."""
    first, *others = ids
    found = tokens == first
    for other in others:
        found = found | (tokens == other)
    return found


@dataclass(frozen=True)
class Step:
    """One token of every row of a batch, as the decoder's device holds it; each field (n,).

    Attributes:
        tokens: ids.
        logprobs: their log-probabilities.
        entropies: entropies of the distributions they were chosen from.
        values: values of the states they were chosen in; None where they are not computed.
    """

    tokens: Tensor
    logprobs: Tensor
    entropies: Tensor
    values: Tensor | None


class Transcript:
    """Responses in the making, on the CPU.

    A row may be written beyond its end, since rows are dropped some time after they finish; what stands there is junk,
    and `responses` clears it.
    """

    def __init__(
        self,
        count: int,
        cap: int,
        ends: Sequence[int],
        pad_id: int,
        limits: Tensor | None = None,
        *,
        has_values: bool = True,
    ):
        """`ends` are the tokens that end a row, `limits` (count,) the most tokens of each; None: `cap` for all."""
        self._limits = torch.full((count,), cap) if limits is None else limits
        self._ends_with, self._pad_id = tuple(ends), pad_id
        self._tokens = torch.full((count, cap), pad_id)
        self._logprobs, self._entropies = torch.zeros(count, cap), torch.zeros(count, cap)
        self._values = torch.zeros(count, cap) if has_values else None
        self._written = torch.zeros(count, dtype=torch.long)

    def write(self, rows: Tensor, steps: Sequence[Step]) -> None:
        """Add consecutive steps of the same `rows` (n,), which have been written up to the same length."""
        first = int(self._written[rows[0]])
        there = (rows, slice(first, first + len(steps)))
        self._tokens[there] = torch.stack([step.tokens for step in steps], 1).cpu()
        self._logprobs[there] = torch.stack([step.logprobs for step in steps], 1).cpu()
        self._entropies[there] = torch.stack([step.entropies for step in steps], 1).cpu()
        if self._values is not None:
            self._values[there] = torch.stack([step.values for step in steps if step.values is not None], 1).cpu()
        self._written[rows] = first + len(steps)

    def lists(self, rows: Tensor) -> list[list[int]]:
        """The responses of `rows` so far, each up to its end."""
        lengths, _ = self._ends(rows)
        return [row[:length] for row, length in zip(self._tokens[rows].tolist(), lengths.tolist(), strict=True)]

    def responses(self) -> Responses:
        """All responses, as wide as the longest."""
        lengths, finished = self._ends(torch.arange(len(self._tokens)))
        longest = int(lengths.max()) if len(lengths) else 0
        mask = torch.arange(longest) < lengths[:, None]
        return Responses(
            self._tokens[:, :longest].where(mask, self._pad_id),
            mask,
            self._logprobs[:, :longest].where(mask, 0.0),
            self._entropies[:, :longest].where(mask, 0.0),
            None if self._values is None else self._values[:, :longest].where(mask, 0.0),
            finished,
        )

    def _ends(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Length of each response, the token that ends it included, and whether it has one."""
        cap = self._tokens.shape[1]
        places = torch.arange(cap)
        room = torch.minimum(self._written[rows], self._limits[rows])
        ends = is_one_of(self._tokens[rows], self._ends_with) & (places < room[:, None])
        first = torch.where(ends, places, cap).amin(1)
        return torch.minimum(first + 1, room), first < cap
