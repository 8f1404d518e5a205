"""What goes through the model at once in the stages of a run: micro-batches, and rows that are decoded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from reft_lab.policy.packing import micro_batches
from reft_lab.policy.sampling.batch import DROP_BELOW
from reft_lab.randomness import permutation
from reft_lab.ranks.dealing import deal

BATCHES = 30  # that are looked at for the largest micro-batch

Lengths = Sequence[tuple[int, int]]  # tokens of a prompt, and of the response to it


@dataclass(frozen=True)
class MicroBatch:
    """The largest micro-batch of an optimiser step.

    Attributes:
        tokens: that the model reads, with padding where it reads rows.
        predicted: those of responses.
        width: of its rows.
        second: tokens of the next largest of the same step, which says how many sizes a step has; 0 in a step of one.
    """

    tokens: int
    predicted: int
    width: int
    second: int


@dataclass(frozen=True)
class Decoding:
    """The moment of decoding at which most is remembered.

    Attributes:
        rows: at the start.
        places: rows then, times the columns that each remembers.
    """

    rows: int
    places: int


@dataclass(frozen=True)
class Work:
    """What one stage puts through the model. Gold reasoning stands for what a policy will write.

    Attributes:
        stage: its label.
        is_trained: whether anything is.
        samples: responses that are sampled in each step, or in all before the first; 0: none.
        takes_turns: whether each step samples and learns.
        scores: whether responses are read again before they are learned from, by the reference at least.
        batch: sequences of an optimiser step.
        lengths: of the sequences that are trained on, or asked.
        longest: tokens of the longest prompt and response that the settings allow.
        width: tokens of the longest sequence that the model can read; None: no limit.
    """

    stage: str
    is_trained: bool
    samples: int
    takes_turns: bool
    scores: bool
    batch: int
    longest: tuple[int, int]
    lengths: Lengths = field(repr=False)
    width: int | None = None

    def micro_batch(self, budget: int, *, is_packed: bool, at_most: bool, devices: int = 1) -> MicroBatch:
        """The largest micro-batch of any process.

        Args:
            budget: trainer.tokens_per_micro_batch.
            is_packed: whether the model reads packed tokens; otherwise it reads padding, too.
            at_most: whether all sequences are as long as they may be, rather than as long as gold ones.
            devices: processes that share each batch.
        """
        if at_most:
            prompt, response = self._longest
            whole, share = prompt + response - 1, -(-self.batch // devices)
            many = max(1, min(share, budget // whole))
            return MicroBatch(many * whole, many * response, whole, min(many, share - many) * whole)
        largest, second = MicroBatch(0, 0, 0, 0), 0
        for batch in islice(self._shares(devices), BATCHES * devices):
            sizes = [0, 0]
            for group in micro_batches([prompt + response - 1 for prompt, response in batch], budget):
                wholes = [batch[i][0] + batch[i][1] - 1 for i in group]
                tokens = sum(wholes) if is_packed else len(group) * max(wholes)
                sizes.append(tokens)
                if tokens > largest.tokens:
                    largest = MicroBatch(tokens, sum(batch[i][1] for i in group), max(wholes), 0)
            second = max(second, sorted(sizes)[-2])
        return replace(largest, second=second)

    def decoding(self, rows: int, block: int, *, at_most: bool) -> Decoding:
        """Decoding `rows` at once, of the prompts that are longest, into a cache that grows in blocks."""
        if at_most:
            prompt, response = self._longest
            return Decoding(rows, rows * (prompt + response))
        chosen = sorted(self.lengths)[-rows:]
        chosen = [chosen[i % len(chosen)] for i in range(rows)]
        prompt = max(prompt for prompt, _ in chosen)
        there = enumerate(widths([response for _, response in chosen]))
        return Decoding(rows, max(width * (prompt + block * (1 + step // block)) for step, width in there))

    @property
    def _longest(self) -> tuple[int, int]:
        prompt, response = self.longest
        if self.width is not None and prompt + response > self.width:
            prompt = min(prompt, self.width - 1)
            response = self.width - prompt
        return prompt, response

    def _shares(self, devices: int) -> Iterator[list[tuple[int, int]]]:
        """What each process has of each batch."""
        for batch in self._batches():
            for share in deal([prompt + response - 1 for prompt, response in batch], devices):
                yield [batch[i] for i in share]

    def _batches(self) -> Iterator[list[tuple[int, int]]]:
        order = permutation(len(self.lengths), "batches of an estimate")
        while len(order) < self.batch:  # more than there are questions
            order = order + order
        for start in range(0, len(order), self.batch):
            yield [self.lengths[i] for i in order[start : start + self.batch]]


def widths(lengths: Sequence[int]) -> list[int]:
    """Rows that are decoded in each step until the last response has ended, by the lengths of these responses.

    Rows that have ended stay until few enough are running (sampling/batch.py).
    """
    ended = sorted(lengths)
    there, running, found = len(ended), len(ended), []
    for step in range(ended[-1]):
        while running and ended[len(ended) - running] <= step:
            running -= 1
        if running <= DROP_BELOW * there:
            there = running
        found.append(there)
    return found
