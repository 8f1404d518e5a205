"""The page of a run that goes on, as `reft serve` has it: it keeps itself up to date and leaves the reader in peace."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from reft_lab.cli.serve.pages import Pages
from reft_lab.cli.serve.server import Server
from reft_lab.cli.serve.shelf import Shelf
from reft_lab.run_dir.lock import RunLock
from reft_lab.run_dir.progress import Doing, ProgressFile
from tests.report.test_in_a_browser import open_page
from tests.report.written import metrics, sample, write_run


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A run that has no result yet, and the address of its page."""
    samples = [sample(step, ["a", " b", "</s>"]) for step in (11, 12)]
    directory = write_run(tmp_path / "outputs" / "run", accuracy=None, samples=samples)
    with Pages(Shelf({"outputs": tmp_path / "outputs"})) as pages, Server(pages, 0) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield directory, f"{server.url}outputs/run/"
        server.shutdown()


def wait(browser: Any, script: str) -> None:
    WebDriverWait(browser, 30).until(lambda b: b.execute_script(f"return {script}"))


def add(file: Path, record: dict[str, Any]) -> None:
    with file.open("a") as lines:
        lines.write(json.dumps(record) + "\n")


DRAWN = "document.documentElement.dataset.charts === 'drawn'"


@pytest.mark.long
def test_it_follows_its_run_in_place_until_that_ends(browser: Any, served: tuple[Path, str]) -> None:
    directory, url = served
    lock = RunLock(directory)
    browser.get(url.removesuffix("outputs/run/"))
    wait(browser, "document.querySelector('#runs tbody tr').getBoundingClientRect().height < 100")
    assert open_page(browser, url) == []

    def shown(name: str) -> str:
        return str(browser.find_element(By.ID, name).text)

    wait(browser, "document.getElementById('standing').textContent === 'Under way.'")
    browser.execute_script(
        "window.stays = true; document.querySelector('button.log[value=warmup-loss]').click();"
        "document.getElementById('s-policy').scrollIntoView()"
    )
    wait(browser, DRAWN)
    top = browser.execute_script("return scrollY")
    assert top > 500

    ProgressFile(directory).write(Doing("ReFT", "iterations", 5, 60, 0.083))
    add(directory / "metrics.jsonl", metrics(5, 0.5)[-1])
    add(directory / "samples.jsonl", sample(15, ["c", "</s>"]))
    browser.execute_script("document.getElementById('renew').click()")
    wait(browser, "JSON.parse(document.getElementById('specs').textContent).losses.data.values.length === 5")
    wait(browser, DRAWN)
    assert shown("standing") == "Under way: ReFT 5/60 iterations, 8 %."
    assert browser.execute_script("return [window.stays, scrollY]") == [True, top]
    rules = "[...document.querySelectorAll('#losses .mark-rule')].at(-1).querySelectorAll('line').length"
    assert browser.execute_script(f"return {rules}") == 5  # as many places as there are iterations
    assert "correct" in shown("s-outcomes")  # which the legend had no word for before
    assert shown("token-step-name") == "iteration 5 (step 15)"
    button = browser.find_element(By.CSS_SELECTOR, "button.log[value=warmup-loss]")
    assert button.get_attribute("aria-pressed") == "true"
    browser.execute_script("arguments[0].click()", button)
    wait(browser, DRAWN)
    assert button.get_attribute("aria-pressed") == "false"

    (directory / "result.json").write_text(json.dumps({"status": "interrupted", "reason": "stopped by SIGTERM"}))
    lock.release()
    browser.execute_script("document.dispatchEvent(new Event('visibilitychange'))")
    wait(browser, f"!window.stays && !document.getElementById('renew') && {DRAWN}")
    assert "stopped by SIGTERM" in browser.find_element(By.TAG_NAME, "header").text
    assert browser.get_log("browser") == []
