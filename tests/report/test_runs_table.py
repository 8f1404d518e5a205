"""The table of `reft serve` in a real browser."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from reft_lab.cli.serve.pages import Pages
from reft_lab.cli.serve.server import Server
from reft_lab.cli.serve.shelf import Shelf
from tests.report.test_in_a_browser import PHONE, requests, set_theme
from tests.report.written import HOSTILE, write_run

WIDE = 1400
OPTIONS = "ppo.gamma", "ppo.clip", "ppo.epochs", "ppo.kl_coef", "warmup.epochs", "warmup.lr"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Eight runs of two models that differ in many settings, one of them without a result, one that failed."""
    root = tmp_path_factory.mktemp("runs") / "outputs"
    for number in range(8):
        words = [f"{option}={value}" for option, value in zip(OPTIONS, [0.95, 0.1, 3, 0.02, 9, 1e-5], strict=True)]
        day = root / "2026-11-28" / f"10-0{number}-00-a-run-with-a-name-that-is-rather-long-{number}"
        write_run(day, f"model.name={'tiny' if number % 2 else 'codellama'}", *words[number % 5 :], f"seed={number}",
                  accuracy=None if number == 7 else (number * 37 % 80) / 100)  # fmt: skip
    write_run(root / "failed", "seed=9", status="failed", reason=HOSTILE, final=None, warmup=None, outcomes=None)
    with Pages(Shelf({"outputs": root})) as pages, Server(pages, 0) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield server.url
        server.shutdown()


def opened(browser: Any, address: str, width: int = WIDE, theme: str = "light") -> None:
    for log in ("browser", "performance"):
        browser.get_log(log)
    set_theme(browser, theme)
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get("about:blank")  # what follows a # alone would load nothing
    browser.get(address)


def column(browser: Any, label: str) -> list[str]:
    """The words of a column, in the order in which the rows are seen."""
    return browser.execute_script(
        "return [...document.querySelectorAll('#runs tbody tr')].filter(row => !row.hidden)"
        ".map(row => row.querySelector(`[data-label='${arguments[0]}']`).textContent.trim())",
        label,
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [WIDE, PHONE])
def test_the_table_fits_the_window(browser, address, width, theme):
    opened(browser, address, width, theme)
    assert browser.get_log("browser") == []
    assert browser.execute_script("return innerWidth") == width
    assert browser.execute_script("const page = document.documentElement; return page.scrollWidth <= page.clientWidth")
    outside = browser.execute_script(
        """
        return [...document.querySelectorAll('main *')].filter(e => {
            const place = e.getBoundingClientRect();
            return place.width && (place.right > innerWidth + 1 || place.left < -1);
        }).map(e => e.outerHTML.slice(0, 200));
        """
    )
    assert outside == []
    assert len(column(browser, "run")) == 9
    asked = [url for url in requests(browser) if not url.startswith(("data:", "about:"))]
    assert asked == [address]


def test_rows_are_filtered_and_sorted_and_stay_so(browser, address):
    opened(browser, address)
    browser.find_element(By.CSS_SELECTOR, "th[data-key=dev] button").click()
    dev = column(browser, "dev, %")
    known = [float(each) for each in dev if each]
    assert known == sorted(known, reverse=True)
    assert dev == [*dev[: len(known)], "", ""]  # of the one that runs and the one that failed
    browser.find_element(By.CSS_SELECTOR, "th[data-key=dev] button").click()
    assert [float(each) for each in column(browser, "dev, %") if each] == sorted(known)
    browser.find_element(By.ID, "words").send_keys("TINY finished" + Keys.ENTER)
    assert set(column(browser, "model")) == {"tiny"}
    found = column(browser, "run")
    assert browser.find_element(By.ID, "shown").text == f"{len(found)} of 9"
    kept = browser.current_url
    opened(browser, kept)
    assert column(browser, "run") == found
    opened(browser, f"{address}#words=nothing-like-it")
    assert column(browser, "run") == []
    assert browser.find_element(By.ID, "nothing").is_displayed()


def test_a_row_leads_to_the_report_of_its_run(browser, address):
    opened(browser, address, PHONE)
    browser.find_element(By.LINK_TEXT, "outputs/failed").click()
    assert browser.current_url == f"{address}outputs/failed/"
    assert browser.find_element(By.TAG_NAME, "h1").text
    assert browser.execute_script("return document.querySelector('header .state').textContent") == "failed"
