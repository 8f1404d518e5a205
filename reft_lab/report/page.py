"""From a template and what it shows to one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from reft_lab.charts.chart import Chart
from reft_lab.charts.palette import LOOK_ON_A_PAGE, css
from reft_lab.numbers import (
    LOCALE,
    finite,
    four,
    interval,
    interval_in_points,
    p_value,
    per_cent,
    plain,
    points,
    with_error,
)
from reft_lab.run_dir import disk

FOLDER = Path(__file__).parent / "templates"
# Filters of the templates.
WRITTEN = (per_cent, points, interval, interval_in_points, with_error, p_value, plain, four)
VEGA_LITE = "6.1"  # what altair 6 writes, as far as vl-convert 1.9 has it


@dataclass(frozen=True)
class Live:
    """What the page of something that runs needs in order to keep itself up to date, where it is served.

    Attributes:
        page: what its address `now.json` says of the page as long as there is no newer one.
        standing: how far it is.
        made: when the numbers of the page were read.
    """

    page: str
    standing: str
    made: str


def write_page(
    file: Path,
    template: str,
    scripts: Sequence[str],
    data: Mapping[str, Any],
    *,
    tab: str = "",
    live: Live | None = None,
    **shown: Any,
) -> Path:
    """Fill `template` and write it; returns `file`.

    Args:
        file: where it goes.
        template: a file of `templates/`.
        scripts: JavaScript, in the order in which it runs.
        data: what the scripts read, by the id of the JSON element that holds it.
        tab: title of the tab, where it is not that of the page.
        live: how it keeps itself up to date; None for a page that stays as it is.
        shown: what the template shows; everything in it is escaped.

    Raises:
        OSError: the page cannot be written.
    """
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for write in WRITTEN:
        environment.filters[write.__name__] = write
    if live is not None:
        scripts, data = [*scripts, read("live.js")], {**data, "live": {"page": live.page}}
    # No script may end its own element early.
    sources = [source.replace("</script", "<\\/script").replace("<!--", "<\\!--") for source in scripts]
    text = environment.get_template(template).render(
        style=Markup(css() + read("style.css")),
        policy=_policy(sources, "'self'" if live else "'none'"),
        tab=tab,
        live=live,
        scripts=[Markup(source) for source in sources],
        data={name: Markup(as_json(content)) for name, content in data.items()},
        **shown,
    )
    disk.replace(file, text)
    return file


def read(name: str) -> str:
    """The text of a file of `templates/`."""
    return (FOLDER / name).read_text(encoding="utf-8")


def chart_data(charts: Iterable[Chart]) -> dict[str, Any]:
    """What charts.js reads."""
    charts = list(charts)
    tools = {chart.key: chart.tools for chart in charts if chart.tools}
    specs = {chart.key: chart.spec for chart in charts}
    return {"look": LOOK_ON_A_PAGE, "locale": LOCALE, "specs": specs, "tools": tools}


def as_json(content: Any) -> str:
    """`content` as JSON that can stand inside a script element; numbers that are not finite become null."""
    text = json.dumps(finite(content), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


@cache
def vega_script() -> str:
    """The JavaScript that defines `vegaEmbed`: Vega, Vega-Lite and Vega-Embed, with nothing left to fetch (900 KB).

    vl-convert needs some seconds to put it together, so it is kept in the user's cache folder ($XDG_CACHE_HOME or
    ~/.cache, in `reft_lab/`), one file a version of vl-convert. Where that cannot be written, it is made each time.
    """
    place = _cache_folder() / f"vega-{version('vl-convert-python')}-{VEGA_LITE}.js"
    with suppress(OSError, UnicodeDecodeError):
        return place.read_text(encoding="utf-8")
    import vl_convert

    script = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=VEGA_LITE)
    with suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        disk.replace(place, script)
    return str(script)


def _cache_folder() -> Path:
    named = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(named) if named else Path.home() / ".cache") / "reft_lab"
    except RuntimeError:  # a user without a home
        return Path(os.devnull)


def _policy(sources: Sequence[str], reached: str) -> str:
    """The page's Content-Security-Policy: these scripts run and no others, and they reach what is named here alone."""
    hashes = (base64.b64encode(hashlib.sha256(source.encode()).digest()).decode() for source in sources)
    scripts = " ".join(f"'sha256-{each}'" for each in hashes)
    return f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; connect-src {reached}; script-src {scripts}"
