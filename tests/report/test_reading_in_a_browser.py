"""What a reader does on the page of a run: problems are filtered and opened, curves zoomed, tips read in place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from reft_lab.report import run_report
from tests.report.test_in_a_browser import PHONE, open_page
from tests.report.written import write_run

WIDE = 1400
NEAR = 40  # pixels between a tip and what it speaks of


@pytest.fixture(scope="session")
def large_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run with as many test problems as GSM8K has."""
    right = [number % 3 > 0 for number in range(1319)]
    return run_report(write_run(tmp_path_factory.mktemp("large") / "run", right=right))


def settled(browser: Any) -> None:
    """Wait until all charts are drawn anew."""
    WebDriverWait(browser, 60).until(
        lambda b: b.execute_script("return document.documentElement.dataset.charts") == "drawn"
    )


def rows(browser: Any) -> list[str]:
    """Ids of the problems that are listed."""
    return browser.execute_script("return [...document.querySelectorAll('.problem')].map(e => e.dataset.id)")


def search(browser: Any, words: str) -> None:
    browser.execute_script(
        "const field = document.getElementById('problem-search'); field.value = arguments[0];"
        "field.dispatchEvent(new Event('input'))",
        words,
    )


def box(browser: Any, selector: str) -> dict[str, float]:
    return browser.execute_script(
        "return document.querySelector(arguments[0]).getBoundingClientRect().toJSON()", selector
    )


def distance(browser: Any, selector: str, target: Any) -> float:
    """Pixels from the middle of an element's first line, where the pointer is, to a tip; 0 inside."""
    there = browser.execute_script("return arguments[0].getClientRects()[0].toJSON()", target)
    x, y = there["x"] + there["width"] / 2, there["y"] + there["height"] / 2
    tip = box(browser, selector)
    assert tip["width"] > 0
    assert tip["left"] >= 0
    assert tip["top"] >= 0
    assert tip["right"] <= browser.execute_script("return innerWidth")
    assert tip["bottom"] <= browser.execute_script("return innerHeight")
    return max(tip["left"] - x, x - tip["right"], tip["top"] - y, y - tip["bottom"], 0)


def test_problems_are_filtered_by_outcome_change_and_words(browser, large_page):
    open_page(browser, large_page, width=WIDE)
    count = browser.find_element(By.ID, "problem-count")
    assert count.text == "1319 of 1319 problems, the first 20 below"
    assert len(rows(browser)) == 20  # the others are made as they are asked for
    browser.execute_script("document.getElementById('problem-more').click()")
    assert rows(browser) == [str(number) for number in range(40)]
    Select(browser.find_element(By.ID, "problem-outcome")).select_by_value("wrong")
    assert rows(browser)[:3] == ["0", "3", "6"]
    change = Select(browser.find_element(By.ID, "problem-change"))
    # Nothing was right after the warm-up, so nothing became wrong.
    assert [option.text for option in change.options] == [
        "anything (1319)",
        "became right (879)",
        "wrong both times (440)",
    ]
    change.select_by_value("gained")
    assert (rows(browser), count.text) == ([], "0 of 1319 problems")
    Select(browser.find_element(By.ID, "problem-outcome")).select_by_value("")
    search(browser, "1300 PLUS")
    assert rows(browser) == ["1300"]
    search(browser, "nothing of the kind")
    assert rows(browser) == []
    assert not browser.find_element(By.ID, "problem-more").is_displayed()
    assert large_page.stat().st_size < 2_000_000


@pytest.mark.parametrize("width", [WIDE, PHONE])
def test_a_problem_is_opened(browser, page, width):
    assert open_page(browser, page, width=width) == []
    problem = browser.find_element(By.CSS_SELECTOR, ".problem")
    assert problem.find_elements(By.TAG_NAME, "pre") == []
    problem.find_element(By.TAG_NAME, "summary").click()
    WebDriverWait(browser, 5).until(lambda b: problem.find_elements(By.TAG_NAME, "pre"))
    text = problem.text
    assert "0 <b>plus</b> 1" in text  # what a run says is never markup
    assert "def solution(x0=0, x1=1):\nreturn 1" in text
    assert "wrong returned 1" in text
    assert "def solution(x0=0, x1=1):\nreturn x0 + 0" in text
    assert "correct returned 2" in text
    parts = browser.execute_script(
        "return [...document.querySelectorAll('.problem .parts > div')].map(e => e.getBoundingClientRect().toJSON())"
    )
    beside = len({part["top"] for part in parts}) == 1
    assert beside == (width == WIDE)
    assert outside(browser) == []


def outside(browser: Any) -> list[str]:
    """What stands outside the window, but for tables that scroll by themselves."""
    return browser.execute_script(
        """
        return [...document.querySelectorAll('main *')].filter(e => !e.closest('.box') && !e.closest('defs'))
            .filter(e => { const {left, right, width} = e.getBoundingClientRect();
                           return width && (left < -1 || right > innerWidth + 1); })
            .map(e => e.outerHTML.slice(0, 120));
        """
    )


@pytest.mark.parametrize("width", [WIDE, PHONE])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_stands_outside_and_nothing_is_not_a_number(browser, real_page, width, theme):
    assert open_page(browser, real_page, width=width, theme=theme) == []
    assert outside(browser) == []
    words = browser.execute_script(
        "return document.querySelector('main').innerText"
        " + [...document.querySelectorAll('svg text')].map(e => e.textContent).join(' ')"
    )
    assert [word for word in ("NaN", "undefined", "[object") if word in words] == []
    assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")


def test_plots_beside_one_another_begin_at_one_height(browser, real_page):
    open_page(browser, real_page, width=WIDE)
    places = browser.execute_script(
        """
        return [...document.querySelectorAll('.charts .chart')].map(chart => [
            chart.closest('section').id + chart.getBoundingClientRect().top,
            chart.querySelector('.plot').getBoundingClientRect().top]);
        """
    )
    rows: dict[str, set[float]] = {}
    for row, top in places:
        rows.setdefault(row, set()).add(top)
    assert len(places) > len(rows) > 5
    assert [row for row, tops in rows.items() if max(tops) - min(tops) > 1] == []


@pytest.mark.parametrize("width", [WIDE, PHONE])
def test_the_tip_of_a_token_stands_at_the_token(browser, page, width):
    open_page(browser, page, width=width)
    for token in browser.find_elements(By.CSS_SELECTOR, ".token")[::12]:
        browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", token)
        ActionChains(browser).move_to_element(token).perform()
        WebDriverWait(browser, 5).until(lambda b: b.find_element(By.ID, "token-tip").is_displayed())
        assert distance(browser, "#token-tip", token) <= NEAR


def test_the_pointer_tells_only_of_curves_with_a_point_there(browser, page):
    open_page(browser, page, width=WIDE)
    told = {}
    rules = "return [...[...document.querySelectorAll('#accuracy .mark-rule')].at(-1).querySelectorAll('line')]"
    browser.execute_script("document.getElementById('accuracy').scrollIntoView({block: 'center'})")
    for rule in browser.execute_script(rules):
        ActionChains(browser).move_to_element(rule).perform()
        WebDriverWait(browser, 5).until(lambda b: b.find_elements(By.CSS_SELECTOR, "#vg-tooltip-element.visible"))
        tip = browser.find_element(By.ID, "vg-tooltip-element")
        assert distance(browser, "#vg-tooltip-element", rule) <= NEAR
        (name, place), *values = (split(row) for row in tip.find_elements(By.TAG_NAME, "tr"))
        told[f"{name} {place}"] = dict(values)
    assert told["step of warm-up 5"] == {"warm-up, dev": "15.0 %"}
    assert told["iteration of ReFT 2"] == {"ReFT, sampled rollouts": "25.0 %", "ReFT, dev": "25.0 %"}
    assert "NaN" not in json.dumps(told)


def split(row: Any) -> tuple[str, str]:
    key, value = (cell.text.replace("\u00a0", " ") for cell in row.find_elements(By.TAG_NAME, "td"))
    return key.rstrip(":"), value


def ticks(browser: Any, chart: str) -> list[str]:
    """The labels of the x axis of a chart."""
    return browser.execute_script(
        f"return [...document.querySelectorAll('#{chart} .role-axis')].flatMap(e => [...e.querySelectorAll("
        "'.role-axis-label text')].map(t => t.textContent))"
    )


def test_curves_are_zoomed_together(browser, page):
    said = open_page(browser, page, width=WIDE)
    before = {chart: ticks(browser, chart) for chart in ("rollout-reward", "ppo-kl_ref", "accuracy", "warmup-loss")}
    plot = browser.find_element(By.ID, "rollout-reward")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", plot)
    half = plot.size["width"] // 2
    ActionChains(browser).move_to_element(plot).click_and_hold().move_by_offset(half, 0).release().perform()
    settled(browser)
    zoomed = {chart: ticks(browser, chart) for chart in before}
    assert {chart for chart in before if zoomed[chart] != before[chart]} == {"rollout-reward", "ppo-kl_ref", "accuracy"}
    assert int(browser.execute_script("return document.getElementById('zoom-from').value")) in (2, 3)
    assert browser.execute_script("return document.getElementById('zoom-to').value") == "4"
    ActionChains(browser).double_click(browser.find_element(By.ID, "rollout-reward")).perform()
    settled(browser)
    assert {chart: ticks(browser, chart) for chart in before} == before
    assert said == []


def test_curves_are_smoothed_and_shown_by_factors(browser, page):
    open_page(browser, page, width=WIDE)
    paths = "return document.querySelectorAll('#rollout-reward .mark-line path').length"
    count = browser.execute_script(paths)
    browser.execute_script(
        "const slider = document.getElementById('smoothing'); slider.value = 0.5;"
        "slider.dispatchEvent(new Event('input'))"
    )
    settled(browser)
    assert browser.execute_script(paths) == 2 * count
    before = ticks(browser, "warmup-loss")
    button = browser.find_element(By.CSS_SELECTOR, "button.log[value=warmup-loss]")
    browser.execute_script("arguments[0].click()", button)
    settled(browser)
    assert button.get_attribute("aria-pressed") == "true"
    assert ticks(browser, "warmup-loss") != before
    assert browser.find_elements(By.CSS_SELECTOR, "button.log[value=accuracy], button.log[value=losses]") == []
