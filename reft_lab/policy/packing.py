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
class Rows:
    """Where packed tokens stand when each sequence has a row of its own, from the left.

    Attributes:
        row: row of each token (N,).
        column: its place there (N,).
        tokens: the token at each place (B, width), and the row's last token behind its end.
    """

    row: Tensor
    column: Tensor
    tokens: Tensor


@dataclass(frozen=True)
class Packed:
    """A micro-batch: B sequences of N tokens in all, M of which predict a token of a response.

    A sequence is a prompt and its response without the last token, from which nothing is predicted.

    Attributes:
        pad_id: token that fills up rows.
        ids: token ids (N,).
        rows: where the tokens stand; a token's column is its position in its sequence.
        predicting: which of the N tokens predict a response token, in order (M,).
        predicting_rows: where those stand among themselves; a token's column is its position in the response.
        starts: position of the first predicting token of each sequence (B,).
        targets: ids of the tokens they predict (M,).
        index: which sequence of `Sequences` each of them belongs to (M,).
    """

    pad_id: int
    ids: Tensor
    rows: Rows
    predicting: Tensor
    predicting_rows: Rows
    starts: Tensor
    targets: Tensor
    index: Tensor

    @property
    def step(self) -> Tensor:
        """Position of each predicted token in its response (M,)."""
        return self.predicting_rows.column

    def padded(self) -> tuple[Tensor, Tensor]:
        """Ids and positions as rows (B, width), padded on the right."""
        ids = torch.full_like(self.rows.tokens, self.pad_id)
        ids[self.rows.row, self.rows.column] = self.ids
        return ids, torch.arange(ids.shape[1], device=ids.device).expand_as(ids)

    def where_predicting(self) -> tuple[Tensor, Tensor]:
        """Row and column of the predicting tokens among padded rows, (M,) each."""
        return self.rows.row[self.predicting], self.rows.column[self.predicting]


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
        numbers = np.asarray(chosen)
        starts = self._prompts[numbers] - 1
        row, column, tokens = _laid_out(self.lengths[numbers])
        place = self._starts[numbers][row] + column
        predicting = np.flatnonzero(column >= starts[row])
        responses = _laid_out(self.responses[numbers])

        def there(x: np.ndarray) -> Tensor:
            return torch.from_numpy(x).to(device, non_blocking=True)

        return Packed(
            pad_id=self._pad_id,
            ids=there(self._ids[place]),
            rows=Rows(there(row), there(column), there(tokens)),
            predicting=there(predicting),
            predicting_rows=Rows(*(there(x) for x in responses)),
            starts=there(starts),
            targets=there(self._ids[place[predicting] + 1]),
            index=there(numbers[responses[0]]),
        )


def _laid_out(lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`Rows` for sequences of these lengths laid end to end."""
    row = np.repeat(np.arange(len(lengths)), lengths)
    before = np.cumsum(lengths) - lengths
    column = np.arange(len(row)) - before[row]
    tokens = before[:, None] + np.minimum(np.arange(lengths.max()), lengths[:, None] - 1)
    return row, column, tokens


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
