"""One browser, one real run and one study for all tests of the pages."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reft_lab.report import run_report, study_report
from tests.real_run import made
from tests.report.searched import make_search
from tests.report.written import HOSTILE, sample, write_run

__all__ = ["made"]

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def real_page(made: Path) -> Path:
    """The page that a real run with its SFT baseline left."""
    return made / "report.html"


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run that is known, with words in it that would break a careless page."""
    long = [f" word{index}" for index in range(40)]
    samples = [
        sample(11, ["def", " a", "\n", "</s>"]),
        sample(14, [HOSTILE, " b", "", "</s>"], question=HOSTILE, answer=HOSTILE, outcome="wrong"),
        sample(14, long, answer=None),
    ]
    directory = write_run(
        tmp_path_factory.mktemp("report") / "run",
        "ppo.kl_coef=0.03",
        samples=samples,
        right=[True] * 9 + [False],
        notes=[HOSTILE],
        name=HOSTILE,
    )
    return run_report(directory)


@pytest.fixture(scope="session")
def study_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a study: three settings, two of them on three seeds, with runs that failed and were pruned."""
    folder = tmp_path_factory.mktemp("report") / "multirun" / "kl"
    for trial, (kl, gain) in enumerate([(0, 0.2), (0.01, 0.0), (0.05, 0.01)]):
        for seed in (0, 1, 2):
            if (trial, seed) in ((2, 1), (2, 2)):
                continue
            directory = folder / str(trial) / f"seed-{seed}"
            words = (f"ppo.kl_coef={kl}", f"seed={seed}")
            right = round(50 + 100 * gain) + seed - 1
            write_run(directory, *words, accuracy=right / 100, right=[True] * right + [False] * (100 - right))
    failed = {"final": None, "warmup": None, "outcomes": None}
    write_run(
        folder / "2" / "seed-1", "ppo.kl_coef=0.05", "seed=1", status="failed", reason="It ran out of memory.", **failed
    )
    write_run(folder / "2" / "seed-2", "ppo.kl_coef=0.05", "seed=2", status="pruned", reason=HOSTILE, **failed)
    run_report(folder / "0" / "seed-0")
    (folder / "study.csv").write_text("trial\n")
    return study_report(folder)


@pytest.fixture(scope="session")
def search_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a search over six options, one trial of which failed and one was pruned."""
    return make_search(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="session")
def paper_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a study that stands beside the paper's numbers, with the best of it confirmed on new seeds."""
    folder = tmp_path_factory.mktemp("report") / "multirun" / "paper_main"
    for trial, (method, right) in enumerate([("sft", 55), ("reft", 70)]):
        for seed in (0, 1, 2):
            words = ("model.name=codellama", "data.name=gsm8k", f"method={method}", f"seed={seed}")
            count = right + 2 * seed
            answers = [True] * count + [False] * (100 - count)
            write_run(folder / str(trial) / f"seed-{seed}", *words, accuracy=count / 100, right=answers)
    sides = {name: [0.1 * place for place in range(5, 10)] for name in ("winner", "first")}
    confirmed = {"trial": 1, "seeds": [*range(10, 15)], "test_accuracy": sides}
    (folder / "confirm.json").write_text(json.dumps(confirmed | {"difference": {"mean": 0.0, "ci95": [-0.01, 0.01]}}))
    (folder / ".sweep.lock").touch()
    return study_report(folder)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Headless Chromium. In CI a missing one is a failure, not a skip."""
    programs = shutil.which("chromium"), shutil.which("chromedriver")
    if None in programs:
        if os.environ.get("CI"):
            pytest.fail("chromium and chromedriver are missing")
        pytest.skip("chromium and chromedriver are not here")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = programs[0]
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(programs[1]))
    yield driver
    driver.quit()
