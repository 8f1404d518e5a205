"""What is imported for good is not looked through, and everything after it is."""

from __future__ import annotations

import gc

import pytest

from reft_lab.imports import imported_for_good


def test_it_is_left_alone_and_garbage_is_collected_again() -> None:
    before = gc.get_freeze_count()
    with imported_for_good():
        assert not gc.isenabled()
        kept = [[number] for number in range(1000)]
    assert gc.isenabled()
    assert gc.get_freeze_count() >= before + len(kept)
    circle: list[object] = []
    circle.append(circle)
    del circle
    assert gc.collect() >= 1


def test_where_nothing_is_collected_that_stays_so() -> None:
    gc.disable()
    try:
        with pytest.raises(ImportError), imported_for_good():
            raise ImportError
        assert not gc.isenabled()
    finally:
        gc.enable()
