"""Optuna's pictures in a real browser: they are drawn, follow the theme, and ask for nothing."""

from __future__ import annotations

import optuna
import pytest
from selenium.webdriver.support.ui import WebDriverWait

from reft_lab.charts.palette import COLOURS
from reft_lab.studies.pictures import PAGE, write_pictures
from tests.report.conftest import browser
from tests.report.test_in_a_browser import numbers, requests, set_theme
from tests.studies.stand_in import definition_in

__all__ = ["browser"]
PAPER = "return getComputedStyle(document.querySelector('.js-plotly-plot .main-svg')).backgroundColor"


@pytest.fixture
def page(tmp_path):
    """The pictures of a search with a few trials."""
    definition = definition_in(tmp_path)
    study = optuna.create_study(direction="maximize")
    study.optimize(lambda trial: 1 - abs(trial.suggest_float("ppo.lam", 0.8, 1.0) - 0.9), n_trials=5)
    definition.folder.mkdir(parents=True)
    assert list(write_pictures(study, definition, study.trials)) == []
    return definition.folder / PAGE


def test_pictures_are_drawn_in_our_colours_and_follow_the_theme(browser, page):
    browser.get_log("browser")
    browser.get_log("performance")
    set_theme(browser, "light")
    browser.get(page.as_uri())
    assert len(browser.find_elements("css selector", "figure .main-svg")) >= 4
    for theme, is_dark in (("light", False), ("dark", True)):
        set_theme(browser, theme)
        paper = [int(COLOURS["paper"][is_dark][place : place + 2], 16) for place in (1, 3, 5)]
        # Pictures are drawn anew, which takes a moment.
        WebDriverWait(browser, 30).until(lambda b, paper=paper: numbers(b.execute_script(PAPER)) == paper)
    assert browser.get_log("browser") == []
    assert [url for url in requests(browser) if not url.startswith("data:")] == [page.as_uri()]
