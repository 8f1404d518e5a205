"""Pages that are written from code: `python -m reft_lab.config.reference`.

docs/configuration.md is written from the schema, docs/metrics.md from the catalogue.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from reft_lab.config.options import Option, every_option, sections, study_sections
from reft_lab.config.wording import shown
from reft_lab.methods import RECORDS
from reft_lab.metrics import DOWN, SECTIONS, STAGE, UP, Metric, members

DOCS = Path(__file__).resolve().parents[2] / "docs"

CONFIGURATION = """\
# Configuration

Every option of an experiment, as `python run.py OPTION=VALUE` takes it, and of a study (`sweeps`). This page is
written from the schema in `reft_lab/config/` by `python -m reft_lab.config.reference`; change it there.

A default here holds where no file in `conf/` says otherwise; the defaults of `warmup`, `sft` and `ppo` are the paper's
settings for 7B models. `conf/model/tiny.yaml` and others set their own: `python run.py --cfg job` prints what an
experiment comes to, and `python run.py --help` lists the choices (`model=`, `data=`, `reward=`, ...).
"""


METRICS = """\
# Metrics

Every number that a run records, under the same name in `metrics.jsonl` and in Weights & Biases. A share is a fraction
from 0 to 1. A number that is not finite is left out of its line. This page is written from the catalogue in
`reft_lab/metrics.py` by `python -m reft_lab.config.reference`; change it there.

## The step axis

There is one step axis, and it never goes backwards. A step is one optimiser step of supervised fine-tuning, or one
iteration of ReFT. ReFT goes on counting where the warm-up stopped: after a warm-up of 880 steps, iteration 1 is step
881. The SFT baseline of `baseline=sft` is a run of its own in `baseline_sft/`, and its steps begin at 1.

Each line of `metrics.jsonl` also has:

| name | meaning |
|---|---|
| `step` | the step, from 1 |
| `seconds` | wall time since the run began to record, in seconds |

`eval/` metrics stand on the lines of steps after which the model was evaluated: every `warmup.eval_every` or
`sft.eval_every` epochs, every `ppo.eval_every` iterations or `ppo.eval_every_epochs` passes over the training problems,
and after the last step of a stage. The result table and `result.json` also hold evaluations on the test split, which
are not metrics of a step.

Where one direction is better, the tables say so, and a [sweep](sweeps.md) whose objective is that metric takes it.
Metrics marked "critic" are recorded only where a value model is trained, those marked "GPU" only on one, and those
marked with an option only where it is set.
"""


def configuration() -> str:
    """The text of docs/configuration.md."""
    titles = {"": "The experiment"} | {
        key: f"{key}: {what}" for key, what in {**sections(), **study_sections()}.items()
    }
    parts = [
        f"## {title}\n\n"
        + _table(
            ("option", "default", "takes", "unit", "meaning"),
            (_option(option) for option in every_option().values() if option.key.rpartition(".")[0] == key),
        )
        for key, title in titles.items()
    ]
    return "\n".join([CONFIGURATION, *parts])


def metrics() -> str:
    """The text of docs/metrics.md."""
    head = ("name", "meaning", "unit, range", "better", "how it is computed", "watch for")
    parts = [
        f"## {section.title}\n\n{section.about}\n" + _table(head, map(_metric, section.metrics)) for section in SECTIONS
    ]
    return "\n".join([METRICS, *parts])


def _option(option: Option) -> tuple[str, ...]:
    return f"`{option.key}`", f"`{shown(option.default)}`", option.allowed, option.unit, option.meaning


def _metric(metric: Metric) -> tuple[str, ...]:
    names = members(metric.name, RECORDS) if STAGE in metric.name else (metric.name,)
    needs = ", ".join(filter(None, (metric.needs, metric.switch and f"`{metric.switch}`")))
    meaning = metric.meaning + (f" ({needs})" if needs else "")
    values = ", ".join(filter(None, (metric.unit, metric.range)))
    better = {UP: "higher", DOWN: "lower", None: ""}[metric.better]
    return ", ".join(f"`{name}`" for name in names), meaning, values, better, metric.computed, metric.watch


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    lines = [f"| {' | '.join(line)} |" for line in (head, *cells)]
    return "\n".join([lines[0], f"|{'---|' * len(head)}", *lines[1:], ""])


PAGES = {DOCS / "configuration.md": configuration, DOCS / "metrics.md": metrics}

if __name__ == "__main__":
    for page, text in PAGES.items():
        page.write_text(text(), encoding="utf-8")
        print(f"wrote {page}")
