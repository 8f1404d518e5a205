"""What this process holds, and the most that it held, phase by phase."""

from __future__ import annotations

import sys

import pytest
import torch

from reft_lab.memory import process
from reft_lab.memory.peaks import BETWEEN, Peaks
from reft_lab.phases import doing, watched_by

MIB = 2**20
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells, and forgets a peak")


def take(mebibytes: int) -> torch.Tensor:
    return torch.ones(mebibytes * MIB // 4)


@linux
def test_a_peak_is_seen_and_forgotten():
    process.begin_anew()
    before = process.held()
    some = take(200)
    assert process.held() - before > 190 * MIB
    del some
    assert process.peak() - before > 190 * MIB
    process.begin_anew()
    assert process.peak() - before < 100 * MIB


@linux
def test_phases_are_told_apart_and_an_inner_one_from_that_around_it():
    peaks = Peaks()
    with watched_by(peaks):
        with doing("before the start"):
            take(300)
        peaks.start("cpu", 0, {"sampling": 900 * MIB})
        with doing("updating"):
            take(100)
            with doing("sampling"):
                take(250)
        take(50)
        peaks.look()
    with doing("updating"):  # nobody watches
        take(500)
    found = {name: size / MIB for name, size in peaks.found.items()}
    assert found.keys() == {"updating", "sampling", BETWEEN}
    assert found["sampling"] == 900  # of an earlier session
    assert 95 < found["updating"] < 200
    assert 45 < found[BETWEEN] < 95


def test_there_is_room_for_what_is_held():
    there = process.room("cpu")
    assert process.held() < there.size < 2**50
    assert there.where
