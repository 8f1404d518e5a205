"""The picture on the README's first screen shows what was measured."""

from __future__ import annotations

import re
from statistics import fmean

from benchmarks.default_picture import ACCURACY, PICTURE, POLICIES, measured


def test_the_picture_has_every_seed_and_the_means_of_the_table() -> None:
    rows = measured()
    assert len(rows) == 5 * len(POLICIES)
    labels = re.findall(rf'aria-label="{re.escape(ACCURACY)}: ([\d.]+); policy: ([\w -]+)"', PICTURE.read_text())
    shown = sorted((policy, float(value)) for value, policy in labels)
    dots = [(row["policy"], row[ACCURACY]) for row in rows]
    means = [(name, round(fmean(row[ACCURACY] for row in rows if row["policy"] == name), 1)) for name in POLICIES]
    assert shown == sorted([*dots, *means, *means])  # a mean is a bar and a word
