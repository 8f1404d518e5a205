"""The pictures of a study on one page: Optuna's, drawn with plotly, in the colours of all other charts."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from reft_lab.charts.palette import FONT, SETTINGS, painted, variable
from reft_lab.errors import first_sentence
from reft_lab.report.page import read, write_page
from reft_lab.studies.definition import Definition
from reft_lab.studies.terminal import told

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

PAGE = "study.html"
_AXIS = {"gridcolor": variable("line"), "linecolor": variable("line"), "zerolinecolor": variable("line")}
# A template of plotly.
LOOK = {
    "layout": {
        "paper_bgcolor": variable("paper"),
        "plot_bgcolor": variable("paper"),
        "font": {"family": FONT, "color": variable("ink")},
        "colorway": [variable(f"set-{number}") for number in range(1, SETTINGS + 1)],
        "xaxis": _AXIS | {"automargin": True},
        "yaxis": _AXIS | {"automargin": True},
    }
}


def write_pictures(study: Study, definition: Definition, trials: Sequence[FrozenTrial]) -> Iterator[str]:
    """Write study.html; yields a sentence on each picture that there is too little for."""
    from plotly.offline import get_plotlyjs

    drawn: dict[str, Any] = {}
    for title, draw in _pictures(study, definition):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of optuna's own experimental parts
            try:
                figure = draw()
            except (ValueError, RuntimeError, ZeroDivisionError) as error:
                yield f"no picture of the {title}: {first_sentence(error)}."
                continue
        if figure.data:
            figure.update_layout(template=None, title=None, margin={"t": 30})
            drawn[title] = json.loads(figure.to_json())
    keys = [parameter.key for parameter in definition.space]
    names = ", ".join(objective.metric for objective in definition.objectives)
    write_page(
        definition.folder / PAGE,
        "optuna.html",
        [get_plotlyjs(), read("optuna.js")],
        {
            "content": {
                "pictures": list(drawn.values()),
                "looks": {"light": painted(LOOK), "dark": painted(LOOK, dark=True)},
            }
        },
        allowed="'unsafe-eval'",  # plotly compiles the drawing of parallel coordinates
        title=f"{definition.name}: {names}",
        head=["trial", *keys, "result"],
        rows=[_row(trial, keys, definition) for trial in trials],
        pictures=list(drawn),
    )


def _row(trial: FrozenTrial, keys: Sequence[str], definition: Definition) -> list[str]:
    values = [trial.params.get(key, "") for key in keys]
    shown = [f"{value:.4g}" if isinstance(value, float) else str(value) for value in values]
    result = told(trial, definition.objectives) if trial.state.is_finished() else trial.state.name.lower()
    return [str(trial.number), *shown, result]


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
