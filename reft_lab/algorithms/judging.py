"""Judging in a second thread, while later responses are still being sampled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from reft_lab.answers.outcome import Outcome

Judge = Callable[[Sequence[int], Sequence[Sequence[int]]], list[Outcome]]


class Judging:
    """Outcomes of one batch of responses that are finished a few at a time.

    Programs run in processes of their own, so the sampler hardly feels it.
    """

    def __init__(self, judge: Judge, questions: Sequence[int]):
        """Args:
        judge: outcomes of responses, from question numbers and response ids.
        questions: the question of each response of the batch.
        """
        self._judge = judge
        self._questions = questions
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="judge")
        self._parts: list[tuple[list[int], Future[list[Outcome]]]] = []

    def add(self, rows: list[int], responses: list[list[int]]) -> None:
        """Responses of the batch that are finished, by their places in it."""
        questions = [self._questions[row] for row in rows]
        self._parts.append((rows, self._thread.submit(self._judge, questions, responses)))

    def outcomes(self) -> list[Outcome]:
        """The outcomes of the whole batch, in its order; waits for them."""
        outcomes = {row: o for rows, part in self._parts for row, o in zip(rows, part.result(), strict=True)}
        return [outcomes[row] for row in range(len(self._questions))]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._thread.shutdown(cancel_futures=True)
