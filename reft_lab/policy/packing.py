"""Prompts and responses laid end to end, and micro-batches cut from them.

A model whose attention can be packed reads them as one row without padding; any other gets a row for each sequence,
padded on the right, where causal attention never looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from reft_lab.ranks import Ranks

# On a CPU, attention takes rows together that have so many places for each token. With fewer, more and smaller groups
# cost more calls than they save padding; a GPU, where calls cost most, takes all rows at once.
PLACES_A_TOKEN = 1.15


@dataclass(frozen=True)
class Rows:
    """Some packed tokens that follow each other, as rows: one for each of B sequences, padded on the right to width W.

    Attributes:
        shape: B and W.
        place: where each of the n tokens stands among the B x W places (n,).
    """

    shape: tuple[int, int]
    place: Tensor

    def spread(self, x: Tensor) -> Tensor:
        """(n, ...) -> (B, W, ...), zeros behind the end of a sequence."""
        places = self.shape[0] * self.shape[1]
        if len(x) < places:
            x = x.new_zeros((places, *x.shape[1:])).index_copy_(0, self.place, x)
        return x.unflatten(0, self.shape)

    def collect(self, rows: Tensor) -> Tensor:
        """(B, W, ...) -> (n, ...)."""
        x = rows.flatten(0, 1)
        return x if len(x) == len(self.place) else x.index_select(0, self.place)


@dataclass(frozen=True)
class Packed:
    """A micro-batch: B sequences of N tokens in all, M of which predict a token of a response.

    A sequence is a prompt and its response without the last token, from which nothing is predicted.

    Attributes:
        pad_id: token that fills up rows.
        ids: token ids (N,).
        positions: place of each token in its sequence (N,).
        rows: where the tokens stand in rows.
        groups: the same in groups of rows of similar length, in order.
        predicting: which of the N tokens predict a response token, in order (M,).
        step: position of each predicted token in its response (M,).
        targets: ids of the predicted tokens (M,).
        index: which sequence of `Sequences` each of them belongs to (M,).
    """

    pad_id: int
    ids: Tensor
    positions: Tensor
    rows: Rows
    groups: tuple[Rows, ...]
    predicting: Tensor
    step: Tensor
    targets: Tensor
    index: Tensor

    def padded(self) -> tuple[Tensor, Tensor]:
        """Ids and positions as rows (B, width), padded on the right."""
        ids = self.ids.new_full(self.rows.shape, self.pad_id)
        ids.view(-1).index_copy_(0, self.rows.place, self.ids)
        return ids, torch.arange(ids.shape[1], device=ids.device).expand_as(ids)


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
        lengths, responses = self.lengths[numbers], self.responses[numbers]
        row, column = _laid_out(lengths)
        place = self._starts[numbers][row] + column
        predicting = np.flatnonzero(column >= starts[row])
        answering, step = _laid_out(responses)

        def there(x: np.ndarray) -> Tensor:
            return torch.from_numpy(x).to(device, non_blocking=True)

        def rows(start: int, stop: int) -> Rows:
            """Those of some sequences."""
            ends = np.cumsum(lengths)
            tokens = slice(int(ends[start] - lengths[start]), int(ends[stop - 1]))
            width = int(lengths[start:stop].max())
            return Rows((stop - start, width), there((row[tokens] - start) * width + column[tokens]))

        whole = rows(0, len(numbers))
        return Packed(
            pad_id=self._pad_id,
            ids=there(self._ids[place]),
            positions=there(column),
            rows=whole,
            groups=tuple(rows(*group) for group in _groups(lengths)) if device.type == "cpu" else (whole,),
            predicting=there(predicting),
            step=there(step),
            targets=there(self._ids[place[predicting] + 1]),
            index=there(numbers[answering]),
        )


def _laid_out(lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of each token of sequences of these lengths laid end to end."""
    row = np.repeat(np.arange(len(lengths)), lengths)
    before = np.cumsum(lengths) - lengths
    return row, np.arange(len(row)) - before[row]


def _groups(lengths: np.ndarray) -> list[tuple[int, int]]:
    """Start and end of groups of sequences that follow each other, with PLACES_A_TOKEN places a token at most."""
    groups, start, tokens, longest = [], 0, 0, 0
    for number, length in enumerate(lengths.tolist()):
        tokens, longest = tokens + length, max(longest, length)
        if longest * (number + 1 - start) > PLACES_A_TOKEN * tokens:
            groups.append((start, number))
            start, tokens, longest = number, length, length
    return [*groups, (start, len(lengths))]


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


def own_micro_batches(ranks: Ranks, lengths: Sequence[int], tokens: int) -> dict[int, list[int]]:
    """The micro-batches that this rank computes of some sequences, by a number that no other rank's has.

    Either those that one process would cut are dealt out, whole and numbered as there, or the sequences are, and each
    rank cuts its own (`Ranks.keeps_order`).

    Args:
        ranks: the processes that share them.
        lengths: tokens of each sequence.
        tokens: as for `micro_batches`.

    Returns:
        Places in `lengths`, in the order in which they are computed.
    """
    if ranks.keeps_order:
        groups = micro_batches(lengths, tokens)
        return {number: groups[number] for number in ranks.share([sum(lengths[i] for i in g) for g in groups])}
    own = ranks.share(lengths)
    cut = micro_batches([lengths[i] for i in own], tokens)
    return {count * ranks.size + ranks.rank: [own[i] for i in group] for count, group in enumerate(cut)}
