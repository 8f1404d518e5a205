"""All axes, by name."""

from __future__ import annotations

from .data import DATA
from .processes import PROCESSES
from .runs import RUNS
from .training import BATCH, LENGTH, VOCABULARY

AXES = {axis.name: axis for axis in (BATCH, LENGTH, VOCABULARY, DATA, RUNS, PROCESSES)}
