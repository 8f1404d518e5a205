"""What a job does when its scheduler says that it will end it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest

from reft_lab.studies.launching import Preemption
from reft_lab.studies.process import Stop


@pytest.fixture
def handled() -> Iterator[list[int]]:
    """The signals that reach a handler of the job's own, which returns, as submitit's for SIGTERM does."""
    seen: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
    yield seen
    signal.signal(signal.SIGTERM, before)


def test_a_job_that_nobody_queues_again_ends_without_a_result_when_its_run_has_stopped(handled: list[int]) -> None:
    stop = Stop()
    with Preemption(stop, 60) as preemption:
        assert preemption.is_handled
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.event.is_set()
        assert not stop.at_once
    assert handled == []
    with pytest.raises(SystemExit) as ended:
        preemption.answer()
    assert ended.value.code == 128 + signal.SIGTERM
    assert handled == [signal.SIGTERM, signal.SIGTERM]


def test_a_run_that_does_not_stop_in_time_is_stopped_at_once(handled: list[int]) -> None:
    stop = Stop()
    with Preemption(stop, 0.01):
        os.kill(os.getpid(), signal.SIGTERM)
        deadline = time.monotonic() + 10
        while not stop.at_once:
            assert time.monotonic() < deadline
            time.sleep(0.005)


def test_without_a_handler_a_signal_does_what_it_did(handled: list[int]) -> None:
    """As in a job of joblib; and one that nobody sent needs no answer."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    with Preemption(Stop(), 60) as preemption:
        assert {number: signal.getsignal(number) for number in before} == before
    preemption.answer()
