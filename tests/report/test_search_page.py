"""The page of a search: what is on it, and where it stands in a real browser."""

from __future__ import annotations

import re
import shutil

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By

from reft_lab.analysis.search import importances, read_search
from reft_lab.numbers import four
from reft_lab.report import study_report
from tests.report.searched import SPACE, make_search
from tests.report.test_in_a_browser import PHONE, open_page
from tests.report.test_run_page import data_of, text_of

WIDE = 1400


def rows_of(page, section="s-comparison"):
    """The cells of the first table of a section, in words."""
    text = page.read_text(encoding="utf-8").partition(f'id="{section}"')[2]
    table = re.search(r"<table.*?</table>", text, re.DOTALL)[0]
    rows = re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
    cells = [re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]
    return [[" ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in row] for row in cells]


def test_trials_stand_best_first_with_a_column_an_option(search_page):
    head, *rows = rows_of(search_page)
    search = read_search(search_page.parent)
    assert [cell.replace(" ", "") for cell in head[-len(SPACE) :]] == [each.key for each in SPACE]
    assert [int(re.search(r"trial (\d+)", row[0])[1]) for row in rows] == [trial.number for trial in search.ranked]
    assert rows[0][0].endswith("best")
    for row, trial in zip(rows, search.ranked, strict=True):
        wanted = [trial.params[each.key] for each in SPACE]
        assert row[-len(SPACE) :] == [
            four(value) if isinstance(value, float) else str(value).lower() for value in wanted
        ]
    assert [row[1] for row in rows[-2:]] == ["", ""]  # failed and pruned


def test_legends_name_trials(search_page):
    labels = {row["label"] for row in data_of(search_page, "specs")["study-accuracy"]["data"]["values"]}
    assert labels == {f"trial {trial.number}" for trial in read_search(search_page.parent).finished}
    assert "trial 6" in search_page.read_text().partition('id="s-curves"')[2].partition("</ul>")[0]


def test_runs_have_their_settings(search_page):
    _, *rows = rows_of(search_page, "s-runs")
    search = read_search(search_page.parent)
    for row, trial in zip(rows, search.trials, strict=True):
        assert f"ppo.kl_coef={four(trial.params['ppo.kl_coef'])}" in row[-2]


def test_importances_are_optunas_and_sum_to_one(search_page):
    search = read_search(search_page.parent)
    shares = importances(search)
    assert sum(shares.values()) == pytest.approx(1)
    assert set(shares) == {each.key for each in SPACE}
    bars = data_of(search_page, "specs")["search-importance-0"]["data"]["values"]
    assert {bar["label"]: bar["value"] for bar in bars} == {key: round(100 * each, 1) for key, each in shares.items()}


def test_what_makes_no_difference_is_said(tmp_path):
    page = make_search(tmp_path, lambda _: 0.5, trials=3, trouble=False)
    assert (
        "Nothing that was varied made a difference: all 3 finished trials have the same accuracy, 50.0 %."
        in text_of(page)
    )
    assert not [key for key in data_of(page, "specs") if key.startswith(("search-importance", "search-slice"))]


def test_ties_are_said(tmp_path):
    page = make_search(tmp_path, lambda values: 0.4 + 0.1 * (values["ppo.whiten"]), trials=4, trouble=False)
    search = read_search(page.parent)
    best = [trial.number for trial in search.best]
    assert len(best) > 1
    text = text_of(page)
    assert f"Trials {', '.join(map(str, best[:-1]))} and {best[-1]} are equally good" in text
    assert text.count("equally good") == 1 + len(best)
    assert "takes 5 finished trials at least; there are 4." in text


def test_several_objectives_have_a_pareto_set(tmp_path):
    page = make_search(tmp_path, trials=5, second=True, trouble=False)
    search = read_search(page.parent)
    for trial in search.finished:
        worse = [each for each in search.finished if each.values[0] >= trial.values[0]]
        is_beaten = any(each.values[1] <= trial.values[1] and each.values != trial.values for each in worse)
        assert is_beaten == (trial not in search.best)
    assert text_of(page).count("Pareto set") == len(search.best) + 1  # and the legend
    assert "search-history-1" in data_of(page, "specs")


def test_a_damaged_study_file_is_no_obstacle(search_page, tmp_path):

    folder = shutil.copytree(search_page.parent, tmp_path / "search")
    (folder / "study.json").write_text('{"name": 1}')
    assert "What was searched" not in text_of(study_report(folder))


@pytest.mark.parametrize("width", [WIDE, PHONE])
def test_nothing_is_outside_the_window(browser, search_page, width):
    assert open_page(browser, search_page, width=width) == []
    page = "document.documentElement"
    assert browser.execute_script(f"return {page}.scrollWidth - {page}.clientWidth") == 0
    assert "NaN" not in browser.find_element(By.TAG_NAME, "body").text
    outside = browser.execute_script(
        """
        const wanted = width => [...document.querySelectorAll('.plot svg, h2, .callout, #s-comparison tr .score')]
            .filter(e => width > 1000 || !e.matches('.score') || e.cellIndex < 3);
        return wanted(innerWidth).map(e => [e.id || e.textContent.slice(0, 40), e.getBoundingClientRect()])
            .filter(([_, box]) => box.right > innerWidth || box.left < 0).map(([name, box]) => [name, box.right]);
        """
    )
    assert outside == []


def test_all_options_fit_a_wide_window(browser, search_page):
    open_page(browser, search_page, width=WIDE)
    last = "return document.querySelector('#s-comparison thead th:last-child').getBoundingClientRect().right"
    assert browser.execute_script(last) <= WIDE


def test_heads_stand_above_their_columns(browser, search_page):
    open_page(browser, search_page, width=WIDE)
    apart = browser.execute_script(
        """
        const places = row => [...row.cells].map(cell => cell.getBoundingClientRect().right);
        return [...document.querySelectorAll('table')].flatMap(table => {
            const heads = places(table.tHead.rows[0]);
            return places(table.tBodies[0].rows[0]).map((right, column) => Math.abs(right - heads[column]));
        });
        """
    )
    assert len(apart) > 20
    assert max(apart) < 1


def test_a_trial_tells_its_setting_near_the_pointer(browser, search_page):
    open_page(browser, search_page, width=WIDE)
    dot = browser.find_element(By.CSS_SELECTOR, "#search-history-0 .mark-symbol path:last-child")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", dot)
    ActionChains(browser).move_to_element(dot).perform()
    tip = browser.find_element(By.CSS_SELECTOR, "#vg-tooltip-element.visible")
    assert "ppo.kl_coef=" in tip.text
    at = browser.execute_script("return arguments[0].getBoundingClientRect()", dot)
    box = browser.execute_script("return arguments[0].getBoundingClientRect()", tip)
    assert abs(box["left"] - at["left"]) < 400
    assert abs(box["top"] - at["top"]) < 200
    assert box["right"] <= WIDE
