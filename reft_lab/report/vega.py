"""The drawing library of a page: Vega, Vega-Lite and Vega-Embed as one script."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path

from reft_lab.run_dir import disk

VEGA_LITE = "6.1"  # what altair 6 writes, as far as vl-convert 1.9 has it


@cache
def vega_script() -> str:
    """The JavaScript that defines `vegaEmbed`, with nothing left to fetch (about 900 KB).

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
