"""The pictures of a study on one page, drawn by optuna with plotly."""

from __future__ import annotations

import html
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from reft_lab.run_dir import disk
from reft_lab.studies.definition import Definition
from reft_lab.studies.terminal import told

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

PAGE = "study.html"
STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1100px; margin: 2rem auto; padding: 0 1rem; }
figure { margin: 1.5rem 0; background: #fff; border-radius: 6px; overflow: hidden; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; } td, th { padding: .2rem .7rem; text-align: left; white-space: nowrap; }
tr + tr { border-top: 1px solid #8884; }
"""


def write_pictures(study: Study, definition: Definition, trials: Sequence[FrozenTrial]) -> Iterator[str]:
    """Write study.html; yields a sentence on each picture that there is too little for."""
    names = [objective.metric for objective in definition.objectives]
    parts: list[str] = []
    for title, draw in _pictures(study, definition):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of optuna's own experimental parts
            try:
                figure = draw()
            except (ValueError, RuntimeError, ZeroDivisionError) as error:
                yield f"no picture of the {title}: {_first(error)}"
                continue
        if not figure.data:
            continue
        figure.update_layout(template="plotly_white", title=None, margin={"t": 30})
        script = not any("<figure>" in part for part in parts)
        drawn = figure.to_html(full_html=False, include_plotlyjs=script, config={"displaylogo": False})
        parts.append(f"<h2>{html.escape(title.capitalize())}</h2><figure>{drawn}</figure>")
    heading = f"{definition.name}: {', '.join(names)}"
    disk.replace(definition.folder / PAGE, _page(heading, _table(trials, definition) + "".join(parts)))


def _pictures(study: Study, definition: Definition) -> Iterator[tuple[str, Callable[[], Any]]]:
    from optuna import visualization as draw

    objectives = definition.objectives
    if len(objectives) > 1:
        names = [objective.metric for objective in objectives]
        if len(objectives) < 4:
            yield "Pareto set", lambda: draw.plot_pareto_front(study, target_names=names)
        for number, name in enumerate(names):
            yield from _of_one(study, name, _value(number))
        return
    yield from _of_one(study, objectives[0].metric, None)
    if definition.pruner.name != "none":
        yield "reports of the runs", lambda: draw.plot_intermediate_values(study)


def _of_one(study: Study, name: str, target: Callable[[Any], float] | None) -> Iterator[tuple[str, Callable[[], Any]]]:
    from optuna import visualization as draw

    options: dict[str, Any] = {"target_name": name} | ({"target": target} if target else {})
    yield f"history of {name}", lambda: draw.plot_optimization_history(study, **options)
    yield f"importance of each option for {name}", lambda: draw.plot_param_importances(study, **options)
    yield f"slices of {name}", lambda: draw.plot_slice(study, **options)
    yield f"parallel coordinates of {name}", lambda: draw.plot_parallel_coordinate(study, **options)


def _value(number: int) -> Callable[[FrozenTrial], float]:
    return lambda trial: trial.values[number]


def _table(trials: Sequence[FrozenTrial], definition: Definition) -> str:
    keys = [parameter.key for parameter in definition.space]
    rows = [["trial", *keys, "result"]]
    for trial in trials:
        values = [trial.params.get(key, "") for key in keys]
        shown = [f"{value:.4g}" if isinstance(value, float) else str(value) for value in values]
        result = told(trial, definition.objectives) if trial.state.is_finished() else trial.state.name.lower()
        rows.append([str(trial.number), *shown, result])
    lines = ("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table>{"".join(lines)}</table></div>'


def _page(title: str, body: str) -> str:
    title = html.escape(title)
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
    return f"<!doctype html><html><head>{head}<style>{STYLE}</style></head><body><h1>{title}</h1>{body}</body></html>"


def _first(error: Exception) -> str:
    return (str(error).split("\n")[0] or type(error).__name__).rstrip(".") + "."
