"""docs/configuration.md, written from the schema: `python -m reft_lab.config.reference`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from reft_lab.config.options import Option, options, sections, study_options, study_sections
from reft_lab.config.wording import shown

PAGE = Path(__file__).resolve().parents[2] / "docs" / "configuration.md"

OPENING = """\
# Configuration

Every option of an experiment, as `python run.py OPTION=VALUE` takes it, and of a study (`sweeps`). This page is
written from the schema in `reft_lab/config/` by `python -m reft_lab.config.reference`; change it there.

A default here holds where no file in `conf/` says otherwise; the defaults of `warmup`, `sft` and `ppo` are the paper's
settings for 7B models. `conf/model/tiny.yaml` and others set their own: `python run.py --cfg job` prints what an
experiment comes to, and `python run.py --help` lists the choices (`model=`, `data=`, `reward=`, ...).
"""


def reference() -> str:
    """The text of the page."""
    return "\n".join([OPENING, *_section("", "The experiment"), *_all_sections()])


def _all_sections() -> Iterator[str]:
    for key, meaning in {**sections(), **study_sections()}.items():
        yield from _section(key, f"{key}: {meaning}")


def _section(key: str, title: str) -> Iterator[str]:
    yield f"## {title}\n"
    yield "| option | default | takes | unit | meaning |"
    yield "|---|---|---|---|---|"
    for option in (*options().values(), *study_options().values()):
        if option.key.rpartition(".")[0] == key:
            yield _row(option)
    yield ""


def _row(option: Option) -> str:
    cells = (f"`{option.key}`", f"`{shown(option.default)}`", option.allowed, option.unit, option.meaning)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(reference(), encoding="utf-8")
    print(f"wrote {PAGE}")
