"""From a template and what it shows to one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reft_lab.report.vega import vega_script
from reft_lab.run_dir import disk
from reft_lab.run_dir.files import REPORT

FOLDER = Path(__file__).parent / "templates"


def write_page(directory: Path, template: str, scripts: tuple[str, ...], data: Mapping[str, Any], **shown: Any) -> Path:
    """Fill `template` and write it as report.html.

    Args:
        directory: where it goes.
        template: a file of `templates/`.
        scripts: files of `templates/` that run in the page, after Vega.
        data: what the scripts read, by the id of the JSON element that holds it.
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
    sources = [_safe_script(vega_script()), *((FOLDER / name).read_text(encoding="utf-8") for name in scripts)]
    text = environment.get_template(template).render(
        style=Markup((FOLDER / "style.css").read_text(encoding="utf-8")),
        policy=_policy(sources),
        scripts=[Markup(source) for source in sources],
        data={name: Markup(as_json(content)) for name, content in data.items()},
        **shown,
    )
    disk.replace(directory / REPORT, text)
    return directory / REPORT


def as_json(content: Any) -> str:
    """`content` as JSON that can stand inside a script element; numbers that are not finite become null."""
    text = json.dumps(_finite(content), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _policy(sources: list[str]) -> str:
    """The page's Content-Security-Policy: these scripts run and no others, and nothing is fetched from anywhere."""
    hashes = (base64.b64encode(hashlib.sha256(source.encode()).digest()).decode() for source in sources)
    allowed = " ".join(f"'sha256-{each}'" for each in hashes)
    return f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src {allowed}"


def _safe_script(source: str) -> str:
    """A script that does not end its own element early."""
    return source.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _finite(content: Any) -> Any:
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, Mapping):
        return {str(key): _finite(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_finite(value) for value in content]
    return content
