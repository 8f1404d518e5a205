"""One way in which work grows, and what was measured along it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import numpy as np

Probe = Callable[[], Mapping[str, float]]
"""Does the work once and says what it cost, by the name of the quantity."""


@dataclass(frozen=True)
class Panel:
    """Quantities that share a picture.

    Attributes:
        title: what they are.
        unit: of all of them, "s" or "MiB".
        quantities: their names, in the order of the table.
        clock: what seconds are, for the picture.
    """

    title: str
    unit: str
    quantities: tuple[str, ...]
    clock: str = "CPU seconds"


@dataclass(frozen=True)
class Axis:
    """One way in which work grows.

    Attributes:
        name: on the command line, and in the names of pictures.
        label: what grows, with its unit.
        sizes: the sizes that are measured, smallest first.
        quick_sizes: those of a quick look.
        panels: what is measured.
        open: makes everything that the probes share; called with the sizes, it gives one probe for each.
    """

    name: str
    label: str
    sizes: tuple[int, ...]
    quick_sizes: tuple[int, ...]
    panels: tuple[Panel, ...]
    open: Callable[[tuple[int, ...]], AbstractContextManager[dict[int, Probe]]]


@dataclass(frozen=True)
class Measured:
    """What was measured along an axis.

    Attributes:
        axis: the axis.
        values: quantity -> size -> one value a round.
    """

    axis: Axis
    values: dict[str, dict[int, list[float]]] = field(default_factory=dict)

    def add(self, size: int, found: Mapping[str, float]) -> None:
        """Keep what one probe found."""
        for quantity, value in found.items():
            self.values.setdefault(quantity, {}).setdefault(size, []).append(value)

    def medians(self, quantity: str) -> dict[int, float]:
        """The median of each size."""
        return {size: statistics.median(values) for size, values in sorted(self.values[quantity].items())}

    def exponent(self, quantity: str) -> float:
        """How fast a quantity grows at the upper half of the sizes; see `exponent`."""
        return exponent(self.medians(quantity))


def exponent(values: Mapping[int, float]) -> float:
    """The p for which value ~ size^p fits best, by least squares on logarithms over the upper half of the sizes.

    0 is flat, 1 is linear, 2 quadratic. The lower half is left out, because what does not grow hides what does there.

    Args:
        values: size -> value, at least two sizes; nan where one of the upper half is 0.
    """
    sizes = sorted(values)
    upper = sizes[min(len(sizes) // 2, len(sizes) - 2) :]
    if min(values[size] for size in upper) <= 0:
        return math.nan
    x = np.log([float(size) for size in upper])
    y = np.log([values[size] for size in upper])
    return float(np.polyfit(x, y, 1)[0])
