"""The pages in a real browser: they load from disk, draw their charts, follow theme and width, and ask for nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from tests.report.written import HOSTILE

PAGES = ("page", "real_page", "study_page", "search_page")
PHONE, DESKTOP = 390, 1280


def open_page(browser: Any, page: Path | str, *, width: int = DESKTOP, theme: str = "light") -> list[dict[str, Any]]:
    """Open a file or an address and wait for its charts; returns what the console said."""
    for log in ("browser", "performance"):
        browser.get_log(log)
    set_theme(browser, theme)
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.execute_cdp_cmd("Emulation.setFocusEmulationEnabled", {"enabled": True})
    browser.get(page if isinstance(page, str) else page.as_uri())
    WebDriverWait(browser, 30).until(lambda b: b.execute_script("return document.documentElement.dataset.charts"))
    return list(browser.get_log("browser"))


def set_theme(browser: Any, theme: str) -> None:
    features = [{"name": "prefers-color-scheme", "value": theme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def requests(browser: Any) -> list[str]:
    """What pages asked for; the browser's own, such as its tab at the start, may still be loading."""
    events = (json.loads(entry["message"])["message"] for entry in browser.get_log("performance"))
    sent = [event["params"] for event in events if event["method"] == "Network.requestWillBeSent"]
    return [params["request"]["url"] for params in sent if not params["documentURL"].startswith("chrome://")]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_loads_from_disk_and_draws_all_charts(browser, request, name):
    page = request.getfixturevalue(name)
    said = open_page(browser, page)
    assert said == []
    assert browser.execute_script("return document.documentElement.dataset.charts") == "drawn"
    specs = json.loads(browser.execute_script("return document.getElementById('specs').textContent"))
    plots = browser.execute_script(
        """
        const marks = '.mark-line path, .mark-area path, .mark-rect path, .mark-symbol path';
        return [...document.querySelectorAll('.plot')].map(plot => ({
            key: plot.id, width: plot.clientWidth, told: plot.getAttribute('aria-label'),
            marks: plot.querySelectorAll('svg').length && plot.querySelectorAll(marks).length}));
        """
    )
    assert {plot["key"] for plot in plots} == set(specs)
    assert len(plots) >= 5
    assert [plot for plot in plots if not plot["marks"] or plot["width"] < 250 or not plot["told"]] == []


@pytest.mark.parametrize("name", PAGES)
def test_a_page_asks_for_nothing_but_itself(browser, request, name):
    page = request.getfixturevalue(name)
    open_page(browser, page)
    asked = [url for url in requests(browser) if not url.startswith("data:")]  # the empty icon
    assert asked == [page.as_uri()]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_a_phone(browser, request, name):
    open_page(browser, request.getfixturevalue(name), width=PHONE)
    assert browser.execute_script("return innerWidth") == PHONE
    assert browser.execute_script("return document.documentElement.scrollWidth") == PHONE
    widest = browser.execute_script(
        "return Math.max(...[...document.querySelectorAll('.plot svg')].map(e => e.getBoundingClientRect().right))"
    )
    assert widest <= PHONE
    cells = "return [...document.querySelectorAll('.cards th, .cards td')].map(e => e.getBoundingClientRect().right)"
    assert max(browser.execute_script(cells)) <= PHONE


@pytest.mark.parametrize("section", ["s-paper", "s-confirmed"])
def test_on_a_phone_each_row_of_a_wide_table_is_a_card(browser, paper_page, section):
    """Nothing scrolls sideways: each value stands below its head, and none lies upon another."""
    open_page(browser, paper_page, width=PHONE)
    boxes = "return [...document.querySelectorAll('.box')].filter(e => e.scrollWidth > e.clientWidth).length"
    assert browser.execute_script(boxes) == 0
    rows = browser.execute_script(
        """
        const place = cell => {const {left, right, top, bottom} = cell.getBoundingClientRect();
            return {left, right, top, bottom, text: cell.textContent,
                    label: getComputedStyle(cell, '::before').content.replaceAll('"', '')};};
        return [...document.querySelectorAll(`#${arguments[0]} tbody tr`)].map(row => ({
            head: place(row.cells[0]), cells: [...row.cells].slice(1).filter(e => e.textContent).map(place)}));
        """,
        section,
    )
    heads = browser.execute_script(
        "return [...document.querySelectorAll(`#${arguments[0]} thead th`)].map(e => e.textContent)", section
    )
    assert len(rows) >= 2
    for row in rows:
        assert row["head"]["right"] - row["head"]["left"] > PHONE * 0.8
        for number, cell in enumerate(row["cells"]):
            assert cell["label"] in heads[1:]
            assert cell["top"] >= row["head"]["bottom"]
            assert 0 <= cell["left"] < cell["right"] <= PHONE
            for other in row["cells"][:number]:
                assert cell["left"] >= other["right"] or cell["top"] >= other["bottom"]
    if section == "s-paper":
        (reft,) = [row for row in rows if row["head"]["text"] == "ReFT"]
        shown = {cell["label"]: cell["text"] for cell in reft["cells"]}
        assert (shown["Paper"], shown["Ours"], shown["Seeds"]) == ("75.28", "72.0", "3")


@pytest.mark.parametrize("name", PAGES)
def test_page_and_charts_follow_the_theme_while_the_page_is_open(browser, request, name):
    open_page(browser, request.getfixturevalue(name))
    colours = """
        const line = document.querySelector('.plot svg .mark-line path, .plot svg .mark-symbol path');
        const word = document.querySelector('.plot svg .role-axis-label text');
        const style = getComputedStyle(line);
        return [getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color,
                style.stroke === 'none' ? style.fill : style.stroke, getComputedStyle(word).fill];
    """
    light = browser.execute_script(colours)
    set_theme(browser, "dark")
    dark = browser.execute_script(colours)
    assert all(one != other for one, other in zip(light, dark, strict=True))
    assert sum(numbers(light[0])) > 700  # a white page with dark words
    assert sum(numbers(dark[0])) < 150
    assert sum(numbers(dark[1])) > 600


def test_a_page_is_printed_on_white(browser, page):
    open_page(browser, page, theme="dark")
    features = [{"name": "prefers-color-scheme", "value": "dark"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": features})
    assert sum(numbers(browser.execute_script("return getComputedStyle(document.body).backgroundColor"))) > 700
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def numbers(colour: str) -> list[int]:
    return [int(part) for part in colour.strip("rgba()").split(",")[:3]]


def test_words_of_a_run_stay_words(browser, page):
    open_page(browser, page)
    assert HOSTILE[:20] in browser.title
    assert browser.find_elements(By.CSS_SELECTOR, "main b b, main img, .question b, .token b") == []
    assert browser.find_element(By.TAG_NAME, "h1").text == HOSTILE
    shown = [card.text for card in browser.find_elements(By.CSS_SELECTOR, ".question")]
    assert HOSTILE in shown
    tokens = browser.execute_script("return [...document.querySelectorAll('.token')].map(e => e.textContent)")
    assert tokens[0] == HOSTILE


def shades(browser: Any) -> list[str]:
    return browser.execute_script(
        "return [...document.querySelectorAll('.token')].map(e => getComputedStyle(e).backgroundColor)"
    )


def test_the_switch_changes_the_shading_of_tokens(browser, page):
    open_page(browser, page)
    seen = {}
    for measure in ("advantage", "kl", "value", "ratio"):
        browser.execute_script(f"document.querySelector('input[value={measure}]').click()")
        seen[measure] = shades(browser)
    assert len({tuple(each) for each in seen.values()}) == 4
    advantage, kl = seen["advantage"], seen["kl"]
    # The advantage rises along each response and the KL falls, as far on the other side.
    assert len(set(advantage)) > 10
    assert advantage[4:] == kl[4:][::-1]
    assert len(set(seen["value"])) == 1


def test_shading_by_keyboard(browser, page):
    open_page(browser, page)
    before = shades(browser)
    browser.execute_script("document.querySelector('input[name=measure]').focus()")
    ActionChains(browser).send_keys(Keys.ARROW_RIGHT).perform()
    assert browser.execute_script("return document.querySelector('input[name=measure]:checked').value") == "kl"
    assert shades(browser) != before


def test_steps_can_be_chosen(browser, page):
    open_page(browser, page)
    name = browser.find_element(By.ID, "token-step-name")
    assert name.text == "iteration 4 (step 14)"
    assert len(browser.find_elements(By.CSS_SELECTOR, "#responses article")) == 2
    browser.execute_script("document.getElementById('token-back').click()")
    assert name.text == "iteration 1 (step 11)"
    assert len(browser.find_elements(By.CSS_SELECTOR, "#responses article")) == 1
    assert browser.find_element(By.ID, "token-back").get_attribute("disabled")


def test_a_token_tells_its_values(browser, page):
    open_page(browser, page)
    first = browser.find_elements(By.CSS_SELECTOR, ".token")[0]
    browser.execute_script("arguments[0].focus()", first)
    tip = browser.find_element(By.ID, "token-tip")
    assert "1 of 4" in tip.text
    assert "advantage −0.75" in tip.text
    assert "KL +0.75" in tip.text
    assert "ratio 0.625" in tip.text
    ActionChains(browser).send_keys(Keys.ARROW_RIGHT).perform()
    assert "2 of 4" in tip.text
    ActionChains(browser).send_keys(Keys.ESCAPE).perform()
    assert not tip.is_displayed()


def test_the_real_run_has_its_tokens(browser, real_page):
    open_page(browser, real_page)
    assert len(browser.find_elements(By.CSS_SELECTOR, "#responses article")) == 8
    assert len(set(shades(browser))) > 3


def test_links_of_a_study_lead_to_its_runs(study_page):
    links = re.findall(r'href="([^"#]+)"', study_page.read_text(encoding="utf-8").partition("<main>")[2])
    inside = [link for link in links if not link.startswith("data:")]
    assert "0/seed-0/report.html" in inside
    assert "1/seed-0/" in inside  # it has no page of its own
    assert "study.csv" in inside
    assert all((study_page.parent / link).exists() for link in inside)
