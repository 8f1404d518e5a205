"""The real data sets as problems: each is read once, and its programs are run once, for all tests that ask for it."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from reft_lab.data import Splits, load
from reft_lab.data.settings import DataConfig
from reft_lab.programs import ProgramRunner
from reft_lab.programs.settings import ProgramsConfig
from tests.made_once import made_once

REAL = ("svamp", "gsm8k", "mathqa", "mathqa_numeric")
Loaded = Callable[[str, str], tuple[Splits, float]]


@pytest.fixture(scope="module")
def loaded(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """What a data set comes to for a kind of reasoning, and how many seconds that took. Tests only read it."""

    @cache
    def load_once(name: str, cot: str) -> tuple[Splits, float]:
        def make(folder: Path) -> None:
            config = DataConfig(name=name, path=str(shared_data / name.removesuffix("_numeric")))
            with ProgramRunner(ProgramsConfig()) as runner:
                started = time.monotonic()
                splits = load(config, cot, runner)
            (folder / "splits").write_bytes(pickle.dumps((splits, time.monotonic() - started)))

        found: tuple[Splits, float] = pickle.loads(
            (made_once(tmp_path_factory, f"{name}_{cot}", make) / "splits").read_bytes()
        )
        return found

    return load_once
