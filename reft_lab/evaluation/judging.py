"""Judges finished responses in a second thread, while others are still being sampled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from types import TracebackType
from typing import Self

from reft_lab.answers.outcome import Outcome

Judge = Callable[[Sequence[int], Sequence[Sequence[int]]], list[Outcome]]


class Judging:
    """The outcomes of a batch of responses that finish a few at a time.

    Programs run in processes of their own, so sampling is hardly slowed down.
    """

    def __init__(self, judge: Judge, questions: Sequence[int]):
        """`judge` gives outcomes from question numbers and response ids; `questions` are those of the batch."""
        self._judge = judge
        self._questions = questions
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="judge")
        self._lock = Lock()
        self._waiting: list[tuple[int, list[int]]] = []
        self._work: list[Future[None]] = []
        self._outcomes: dict[int, Outcome] = {}

    def add(self, rows: list[int], responses: list[list[int]]) -> None:
        """Take finished responses of the batch, by their places in it."""
        with self._lock:
            self._waiting += zip(rows, responses, strict=True)
        self._work.append(self._thread.submit(self._judge_waiting))

    def outcomes(self) -> list[Outcome]:
        """The outcomes of the whole batch, in its order; waits for them."""
        for done in self._work:
            done.result()
        return [self._outcomes[row] for row in range(len(self._questions))]

    def _judge_waiting(self) -> None:
        """Judge together all that finished during the previous call, so that slow programs run side by side."""
        with self._lock:
            batch, self._waiting = self._waiting, []
        if batch:
            judged = self._judge([self._questions[row] for row, _ in batch], [response for _, response in batch])
            self._outcomes |= {row: outcome for (row, _), outcome in zip(batch, judged, strict=True)}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._thread.shutdown(cancel_futures=True)
