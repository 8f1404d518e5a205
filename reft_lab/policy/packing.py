"""Prompts and responses laid end to end, and micro-batches cut from them.

Whatever works token by token (norms, projections, heads) runs on packed tokens, where there is no padding; a model that
wants rows gets them padded on the right, where causal attention never looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Packed:
    """A micro-batch: B sequences of N tokens in all, M of which predict a token of a response.

    A sequence is a prompt and its response without the last token, from which nothing is predicted.

    Attributes:
        pad_id: token that fills up rows.
        rows: B.
        width: length of the longest sequence.
        response_width: length of the longest response.
        ids: token ids (N,).
        sequence: which of the B sequences a token belongs to (N,).
        position: its position there (N,).
        predicting: which of the N tokens predict a response token, in order (M,).
        targets: ids of the tokens they predict (M,).
        index: which sequence of `Sequences` each of them belongs to (M,).
        step: position of the predicted token in its response (M,).
    """

    pad_id: int
    rows: int
    width: int
    response_width: int
    ids: Tensor
    sequence: Tensor
    position: Tensor
    predicting: Tensor
    targets: Tensor
    index: Tensor
    step: Tensor

    def padded(self) -> tuple[Tensor, Tensor]:
        """Ids and positions as rows (B, width), padded on the right."""
        ids = self.ids.new_full((self.rows, self.width), self.pad_id)
        ids[self.sequence, self.position] = self.ids
        return ids, torch.arange(self.width, device=ids.device).expand_as(ids)

    def where_predicting(self) -> tuple[Tensor, Tensor]:
        """Row and column of the predicting tokens among padded rows, (M,) each."""
        return self.sequence[self.predicting], self.position[self.predicting]


class Sequences:
    """Any number of prompts and responses, kept on the CPU.

    Attributes:
        lengths: tokens of each sequence that go through the model.
        responses: tokens of each response.
    """

    def __init__(self, prompts: Sequence[Sequence[int]], responses: Sequence[Sequence[int]], pad_id: int):
        """Args:
        prompts: token ids, not empty, since the last token of a prompt predicts the first of its response.
        responses: token ids, at least one each.
        pad_id: any token id; it fills up rows where a model wants rows.
        """
        self._pad_id = pad_id
        self._prompts = np.array([len(prompt) for prompt in prompts])
        self.responses = np.array([len(response) for response in responses])
        self.lengths = self._prompts + self.responses - 1
        whole = self._prompts + self.responses
        self._starts = np.cumsum(whole) - whole
        pairs = zip(prompts, responses, strict=True)
        self._ids = np.fromiter((i for pair in pairs for part in pair for i in part), np.int64, int(whole.sum()))

    def __len__(self) -> int:
        return len(self.lengths)

    def packed(self, chosen: Sequence[int], device: torch.device) -> Packed:
        """The sequences with the numbers `chosen` as a micro-batch on `device`."""
        rows = np.asarray(chosen)
        lengths = self.lengths[rows]
        sequence = np.repeat(np.arange(len(rows)), lengths)
        position = np.arange(len(sequence)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        place = self._starts[rows][sequence] + position
        step = position - (self._prompts[rows] - 1)[sequence]
        predicting = np.flatnonzero(step >= 0)

        def there(x: np.ndarray) -> Tensor:
            return torch.from_numpy(x).to(device, non_blocking=True)

        return Packed(
            pad_id=self._pad_id,
            rows=len(rows),
            width=int(lengths.max()),
            response_width=int(self.responses[rows].max()),
            ids=there(self._ids[place]),
            sequence=there(sequence),
            position=there(position),
            predicting=there(predicting),
            targets=there(self._ids[place[predicting] + 1]),
            index=there(rows[sequence[predicting]]),
            step=there(step[predicting]),
        )


def micro_batches(lengths: Sequence[int], tokens: int) -> list[list[int]]:
    """Split range(len(lengths)) into groups of similar length whose padded size is at most `tokens`.

    A sequence longer than `tokens` gets a group of its own.
    """
    order = sorted(range(len(lengths)), key=lambda i: (lengths[i], i))
    groups: list[list[int]] = []
    for i in order:
        # Sorted, so the newest member is the longest and sets the padded width.
        if groups and lengths[i] * (len(groups[-1]) + 1) <= tokens:
            groups[-1].append(i)
        else:
            groups.append([i])
    return groups
