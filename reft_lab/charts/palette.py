"""One palette, light and dark, and how all charts look.

Charts name their colours as CSS variables. A page defines them (`css`), so its charts follow the theme of the reader
without being drawn anew; where there is no page around a picture, `painted` puts the colours in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from numbers import Real
from typing import Any

FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'
SHADES = 6  # from light to dark on white
SETTINGS = 8  # settings that have a colour of their own

# Names, each with its colour on white and on black: of pages, stages, outcomes (right answers stand out, wrong ones
# next), parts of the time, what has an order, settings beside one another, tokens above and below the middle.
_TABLE = """
paper #ffffff #14171b  card #f7f8fa #1c2026  ink #1b1f24 #e4e8ec  muted #59636e #a2abb5
line #dde1e6 #323943  link #0b62a8 #7cbcf2  good #12705c #4fd1b0  bad #b3261e #ff8a80
warn-paper #fff6e0 #2d2613  warn-line #e2b64c #8a6d20
warmup #c27a00 #eeb045  reft #0072b2 #58aee8  sft #a34a8f #d68ac4  other #8a939d #87909b
correct #12957a #2fb797  wrong #d55e00 #f0803c  no_answer #9aa3ad #7d8792  syntax_error #e3b505 #f0cf4d
runtime_error #63b8ea #8fd0f6  timeout #7d6bc4 #a394e8  memory #4a5560 #b9c4cf  forbidden #8c2f4f #d4688c
part-1 #2f4b5c #8fb0c4  part-2 #d9c26a #e6d58a  part-3 #9fb3bf #566773  part-4 #b07d56 #d6a37c
seq-1 #8fc3e4 #2f6389  seq-2 #64a9d6 #3c7dab  seq-3 #3b8fc5 #5197c8  seq-4 #1b74ac #78b3dc
seq-5 #0a5886 #a8d0ed  seq-6 #053752 #e0f1fd
set-1 #0072b2 #58aee8  set-2 #d55e00 #f0803c  set-3 #12957a #2fb797  set-4 #a34a8f #d68ac4
set-5 #c27a00 #eeb045  set-6 #56a7d8 #a7d8f7  set-7 #4a5560 #b9c4cf  set-8 #8c2f4f #d4688c
above #0f8f86 #2bb8ab  below #b8722c #d98a3d
"""
_WORDS = _TABLE.split()
COLOURS = dict(zip(_WORDS[::3], zip(_WORDS[1::3], _WORDS[2::3], strict=True), strict=True))


def variable(colour: str) -> str:
    """A colour, as CSS."""
    return f"var(--{colour})"


def css() -> str:
    """The style sheet that defines all colours and the font; paper is white, whatever the theme of the screen."""
    light, dark = (
        " ".join(f"--{name}: {shades[theme]};" for name, shades in COLOURS.items()) for theme in (False, True)
    )
    return (
        f":root {{ color-scheme: light dark; --font: {FONT}; {light} }}\n"
        f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n"
    )


def painted(spec: Any, dark: bool = False) -> Any:
    """The same JSON with colours instead of the variables that name them."""
    return json.loads(re.sub(r"var\(--([\w-]+)\)", lambda name: COLOURS[name[1]][dark], json.dumps(spec)))


def stage_colour(stage: str) -> str:
    """The colour of a stage by its name; stages without one of their own are blue, as ReFT is."""
    return stage if stage in COLOURS else "reft"


def shades(count: int) -> list[str]:
    """Colours of things that have an order, from light to dark on white, as far apart as can be."""
    return [f"seq-{1 + round(place * (SHADES - 1) / max(1, count - 1))}" for place in range(count)]


def setting_colours(values: Sequence[Any]) -> list[str]:
    """A colour for each setting: numbers by their order, others as different as can be; the last of many are grey."""
    if 1 < len(values) <= SHADES and all(isinstance(each, Real) and not isinstance(each, bool) for each in values):
        by_size = sorted(range(len(values)), key=values.__getitem__)
        return [shade for _, shade in sorted(zip(by_size, shades(len(values)), strict=True))]
    return [f"set-{place}" if place <= SETTINGS else "other" for place in range(1, len(values) + 1)]


_TEXT: dict[str, Any] = {"labelFontSize": 11.5, "titleFontSize": 11.5, "titleFontWeight": 400} | {
    "labelColor": variable("muted"),
    "titleColor": variable("muted"),
}
# The config of Vega-Lite.
LOOK: dict[str, Any] = {
    "background": variable("paper"),
    "font": FONT,
    "view": {"stroke": None},
    "axis": {"gridColor": variable("line"), "domainColor": variable("line"), "tickColor": variable("line")}
    | {"tickSize": 4, "labelPadding": 5, "titlePadding": 8, "labelOverlap": "greedy"}
    | _TEXT,
    "axisX": {"grid": False, "labelFlush": True, "labelBound": 12, "tickCount": {"expr": "max(3, floor(width / 90))"}},
    "axisY": {"domain": False, "ticks": False, "tickCount": 5, "minExtent": 34},
    "legend": {"symbolOpacity": 1, "orient": "top", "columns": 5, "columnPadding": 18, "labelLimit": 300} | _TEXT,
    "title": {"anchor": "start", "color": variable("ink"), "fontWeight": 600, "fontSize": 13}
    | {"subtitleColor": variable("muted")},
    "text": {"fontSize": 11.5},
}
# On a page, titles and legends are HTML: they wrap on a phone and read well to a screen reader.
LOOK_ON_A_PAGE = LOOK | {
    "background": None,
    "padding": {"left": 2, "right": 12, "top": 16, "bottom": 2},
    "autosize": {"type": "fit-x", "contains": "padding", "resize": True},
    "legend": {"disable": True},
}
