"""Pools of samples: drawn once, kept, extended, and the same however the work was cut, killed or shared."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from reft_lab.errors import Interrupted
from reft_lab.evaluation.asking import NO_ROOM
from reft_lab.evaluation.samples import Sample
from reft_lab.policy.model import Policy
from reft_lab.policy.tokenizer import Codec
from reft_lab.runner.interruption import Interruption
from tests.runner.lots import PROBLEMS, Lot, make_codec, make_policy


@pytest.fixture(scope="module")
def codec() -> Codec:
    return make_codec()


@pytest.fixture(scope="module")
def policy(codec: Codec) -> Policy:
    return make_policy(codec)


@pytest.fixture
def lot(codec: Codec, policy: Policy, tmp_path: Path) -> Lot:
    return Lot(codec, policy, tmp_path / "pools")


@pytest.fixture(scope="module")
def whole(codec: Codec, policy: Policy, tmp_path_factory) -> list[list[Sample]]:
    """32 samples of each problem, drawn in one go."""
    return Lot(codec, policy, tmp_path_factory.mktemp("whole")).samples(32)


def test_samples_are_those_of_the_policy_judged_and_all_different(whole, codec):
    for problem, samples in zip(PROBLEMS, whole, strict=True):
        prompt = codec.prompts([problem.question])
        for sample in samples:
            assert [sample.text] == codec.read(prompt, [sample.tokens])
            assert sample.outcome.answer == str(len(sample.text))
            assert sample.outcome.kind == ("correct" if len(sample.text) == 9 else "wrong")
            assert sample.finished == (sample.tokens[-1] == codec.eos_id)
            assert 1 <= len(sample.tokens) <= 12
        assert len({tuple(sample.tokens) for sample in samples}) > 20


def test_a_pool_is_extended_and_what_is_there_is_not_drawn_again(lot, whole, monkeypatch):
    assert lot.samples(8) == [samples[:8] for samples in whole]
    (file,) = lot.files
    before = file.read_bytes()
    assert lot.samples(32) == whole
    assert file.read_bytes().startswith(before)
    drawn = [
        (record["problem"], sample["number"])
        for record in map(json.loads, file.read_text().splitlines())
        for sample in record["samples"]
    ]
    assert len(drawn) == len(set(drawn)) == 32 * len(PROBLEMS)

    def nothing(*args, **options):
        raise AssertionError("it samples")

    monkeypatch.setattr("reft_lab.runner.pool.draw", nothing)
    assert lot.samples(16, problems=PROBLEMS[5:2:-1]) == [samples[:16] for samples in whole[5:2:-1]]


def test_any_batch_size_gives_the_same_samples(lot, whole):
    assert lot.samples(32, batch=50) == whole
    assert len(lot.files) == 1


def test_everything_that_decides_a_sample_has_a_folder_of_its_own(lot, policy):
    first = lot.samples(2)
    other = make_policy(lot.codec)
    with torch.no_grad():
        other.lm.lm_head.weight[5, 3] += 1e-3
    different = {
        "weights": {"policy": other},
        "seed": {"seed": 1},
        "distribution": {"top_k": 2},
        "cold": {"temperature": 0.1},
    }
    for number, options in enumerate(different.values(), start=2):
        lot.samples(2, **options)
        assert len(lot.files) == number
    assert lot.samples(2, seed=1) != first
    facts = [json.loads((file.parent / "facts.json").read_text()) for file in lot.files]
    assert sorted(fact["distribution"]["temperature"] for fact in facts) == [0.1, 1.0, 1.0, 1.0, 1.0]
    assert {fact["precision"] for fact in facts} == {"fp32"}


def test_another_problem_of_the_same_id_is_drawn_for_itself(lot):
    lot.samples(2, problems=PROBLEMS[:1])
    twin = replace(PROBLEMS[0], answer="3")
    found = lot.samples(2, problems=[twin, PROBLEMS[0]])
    assert [sample.text for sample in found[0]] == [sample.text for sample in found[1]]
    assert all((s.outcome.kind == "correct") == (len(s.text) == 3) for s in found[0])


def test_a_prompt_that_leaves_no_room_has_no_answer(lot):
    long = replace(PROBLEMS[0], question="How many? " * 300)
    (nothing, real) = lot.samples(3, problems=[long, PROBLEMS[1]])
    assert [sample.outcome for sample in nothing] == [NO_ROOM] * 3
    assert len(real) == 3


def test_damaged_lines_are_drawn_again(lot, whole):
    lot.samples(8)
    (file,) = lot.files
    lines = file.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2][:40] + b"#" + lines[2][41:]
    lines[4] = lines[4].replace(b'"tokens"', b'"token"')
    file.write_bytes(b"".join(lines)[:-30])  # as a kill leaves it
    assert lot.samples(32) == whole


@contextmanager
def child(lot: Lot, count: int, **settings) -> Iterator[multiprocessing.Process]:
    process = multiprocessing.get_context("fork").Process(target=lot.samples, args=(count,), kwargs=settings)
    process.start()
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        process.join()


def lines_in(lot: Lot) -> int:
    return sum(file.read_bytes().count(b"\n") for file in lot.files)


def test_a_killed_pool_goes_on_with_what_is_missing(lot, whole):
    with child(lot, 32, batch=4) as process:
        end = time.monotonic() + 60
        while not lines_in(lot):
            assert time.monotonic() < end
            assert process.is_alive()
            time.sleep(0.001)
    kept = lines_in(lot)
    assert 0 < kept < len(PROBLEMS)
    assert lot.samples(32, batch=4) == whole
    assert lines_in(lot) == len(PROBLEMS)


def test_two_processes_fill_one_pool_together(lot, whole):
    with child(lot, 32, batch=4) as one, child(lot, 32, batch=4) as other:
        for process in (one, other):
            process.join(120)
            assert process.exitcode == 0
    (file,) = lot.files
    records = [json.loads(line) for line in file.read_text().splitlines()]
    assert sum(len(record["samples"]) for record in records) < 2 * 32 * len(PROBLEMS)  # each took a part of the work
    assert lot.samples(32) == whole


def test_a_signal_stops_it_between_two_writes(lot, whole):
    class Sent(Interruption):
        """Sends the signal while the second chunk is being written."""

        writes = 0

        @contextmanager
        def unbroken(self):
            with super().unbroken():
                self.writes += 1
                if self.writes == 2:
                    os.kill(os.getpid(), signal.SIGTERM)
                yield

    with Sent(lambda text: None) as interruption, pytest.raises(Interrupted):
        lot.samples(32, stop=interruption, batch=4)
    assert lines_in(lot) == 2
    assert lot.samples(32) == whole
