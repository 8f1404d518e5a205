"""The one set of charts, in Vega-Lite through altair: of the pages, of the notebooks, of studies.

What is here by name is for notebooks: it takes tidy frames.
"""

from reft_lab.charts.notebook import (
    accuracy_map,
    bands,
    difference_rules,
    in_notebook,
    interval_points,
    nothing,
    outcome_areas,
    outcome_bars,
    paper_points,
    part_bars,
    reward_ranges,
    reward_scatter,
    run_lines,
)

__all__ = [
    "accuracy_map",
    "bands",
    "difference_rules",
    "in_notebook",
    "interval_points",
    "nothing",
    "outcome_areas",
    "outcome_bars",
    "paper_points",
    "part_bars",
    "reward_ranges",
    "reward_scatter",
    "run_lines",
]
