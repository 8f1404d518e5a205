"""The pictures of the notebooks, in Vega-Lite through altair.

Each takes a tidy frame, draws nothing that is not in it, and says so where it is empty.
"""

from reft_lab.analysis.charts.answers import outcome_areas, outcome_bars, reward_bars, reward_scatter
from reft_lab.analysis.charts.comparison import difference_rules, heat_map, interval_points, paper_points
from reft_lab.analysis.charts.look import in_notebook, nothing
from reft_lab.analysis.charts.training import bands, part_bars, run_lines

__all__ = [
    "bands",
    "difference_rules",
    "heat_map",
    "in_notebook",
    "interval_points",
    "nothing",
    "outcome_areas",
    "outcome_bars",
    "paper_points",
    "part_bars",
    "reward_bars",
    "reward_scatter",
    "run_lines",
]
