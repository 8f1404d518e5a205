"""Runs beyond a machine's memory are refused before they begin; others never are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from reft_lab.compose.conf import compose
from reft_lab.config.check import check
from reft_lab.errors import BadInput
from reft_lab.memory.process import room, whole
from reft_lab.memory.shape import Shape
from reft_lab.programs import ProgramRunner
from reft_lab.runner.estimates import Expected, expected
from reft_lab.runner.fits import FAST, LONG, check_fits, sampled
from reft_lab.runner.setup import Setup, prepare
from tests.runner.small_runs import SMALL, finish


@pytest.fixture(scope="module")
def setup() -> Setup:
    config = check(compose(*SMALL))
    with ProgramRunner(config.programs) as programs:
        return prepare(config, programs)


def with_rollouts(setup: Setup, rollouts: int) -> Setup:
    return replace(setup, config=replace(setup.config, ppo=replace(setup.config.ppo, rollouts=rollouts)))


def test_absurd_sizes_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    sentence = (
        r"ppo.rollouts=1000000000002 is more than this machine can hold: the responses of one iteration, .* tokens if "
        r"they are as long as gold ones, take .* GiB of RAM, of which this (machine|container) has .*, and .* even at "
        r"100,000 tokens a second; lower ppo.rollouts, to much less than [\d,]+\.$"
    )
    with pytest.raises(BadInput, match=sentence):
        finish(tmp_path / "run", *SMALL, "ppo.rollouts=1000000000002")
    assert not (tmp_path / "run").exists()


def test_a_whole_number_is_written_as_one() -> None:
    with pytest.raises(BadInput, match=r"ppo\.rollouts=.* whole number at least 1; did you mean 100000000\?$"):
        check(compose("ppo.rollouts=1e8"))


def test_only_what_is_twice_beyond_is_refused(setup: Setup) -> None:
    (each,) = sampled(expected(setup).works, setup.config, 16)
    by_one = each.size / each.count
    fits = int(1.9 * whole("cpu").size / by_one) // 6 * 6
    said = told(with_rollouts(setup, fits))
    assert said == [] or "will take long" in said[0]
    with pytest.raises(BadInput, match=r"ppo\.rollouts"):
        told(with_rollouts(setup, int(2.1 * whole("cpu").size / by_one)))
    assert told(setup) == []


def test_long_iterations_are_told(setup: Setup) -> None:
    (each,) = sampled(expected(setup).works, setup.config, 16)
    enough = int(1.1 * LONG * FAST * each.count / each.tokens)
    found = expected(with_rollouts(setup, enough))
    roomy = replace(setup.config, ppo=replace(setup.config.ppo, rollouts=enough))
    if each.size / each.count * enough > 2 * whole("cpu").size:
        pytest.skip("this machine cannot hold an iteration that takes long")
    (said,) = check_fits(found, roomy, "cpu", 16)
    assert said.startswith(f"ppo.rollouts={enough}: ")
    assert "1 h" in said


def test_decoding_counts_and_names_its_option(setup: Setup) -> None:
    decode = replace(setup.config.decode, vote=True, k=10**12)
    with pytest.raises(BadInput, match=r"^decode.k=1000000000000 is more than"):
        check_fits(expected(setup), replace(setup.config, decode=decode), "cpu", 16)


def test_a_model_that_is_too_large_is_told_what_would_help(setup: Setup) -> None:
    small = expected(setup)
    shape = small.setting.shape
    weights = int(0.45 * whole("cpu").size / 4)  # which fit, and not what trains them
    large = replace(shape, weights=weights, trunk=weights, matrices=weights)
    found = Expected.of(replace(small.setting, shape=Shape(**vars(large))), small.works)
    with pytest.raises(BadInput, match=r"^this run does not fit: .* takes about .*; .*lora=r16"):
        check_fits(found, setup.config, "cpu", 16)


def test_processes_on_one_machine_share_its_ram(setup: Setup) -> None:
    small = expected(setup)
    weights = int(0.25 * whole("cpu").size / 4)
    large = Shape(**vars(replace(small.setting.shape, weights=weights, trunk=weights, matrices=weights)))
    found = Expected.of(replace(small.setting, shape=large), small.works)
    check_fits(found, setup.config, "cpu", 16)
    two = replace(setup.config, trainer=replace(setup.config.trainer, devices=2))
    with pytest.raises(BadInput, match=r"^this run does not fit: .*, and one of 2 equal parts of this .* has .*GiB"):
        check_fits(found, two, "cpu", 16)


def test_all_there_is_is_more_than_is_free() -> None:
    assert whole("cpu").size >= room("cpu").size


def told(setup: Setup) -> list[str]:
    return check_fits(expected(setup), setup.config, "cpu", 16)
