"""Runs as data frames: a table at once, their steps and responses when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, fields
from fnmatch import fnmatchcase
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from reft_lab.analysis.found import Found, Line
from reft_lab.analysis.schema import LARGEST, as_float, as_text, table_of
from reft_lab.evaluation.decoded import Point, points_of
from reft_lab.text import counted

if TYPE_CHECKING:
    from pandas import DataFrame

ROWS = 20  # that are printed


class Runs:
    """Runs that were found somewhere; docs/frame.md describes the frames.

    Attributes:
        found: the runs, one by one.
        problems: what could not be read, in words; reading histories may add to it.
    """

    def __init__(self, found: Sequence[Found], problems: list[str]):
        self.found = tuple(found)
        self.problems = problems

    def __len__(self) -> int:
        return len(self.found)

    def __repr__(self) -> str:
        """The runs as a table of what one asks first, accuracies as fractions."""
        columns = ["run", "state", "name", "method", "seed", "final_dev_accuracy", "final_test_accuracy"]
        table = self.table[columns].to_string(index=False, max_rows=ROWS, float_format="{:.3f}".format, na_rep="")
        problems = f"\n{counted(len(self.problems), 'problem')} in reading them: see .problems" if self.problems else ""
        return f"{counted(len(self), 'run')}; .table has all columns\n{table}{problems}"

    @cached_property
    def table(self) -> DataFrame:
        """One row a run."""
        return table_of(self.found)

    def history(self, metrics: str | Sequence[str] | None = None, runs: Collection[str] | None = None) -> DataFrame:
        """The steps of the runs, in long form: run, step, metric, value.

        Args:
            metrics: names, or patterns such as `eval/*`; None takes all. What no run recorded is not there.
            runs: ids of the runs whose files are read; None takes all.
        """
        import pandas

        wanted = _matcher(metrics)
        columns: tuple[list[str | None], list[int], list[str], list[float]] = ([], [], [], [])
        for found in self._chosen(runs):
            for line in found.history():
                step = line.get("step")
                if type(step) is not int or abs(step) > LARGEST:
                    continue
                numbers = ((name, as_float(value)) for name, value in line.items() if name != "step" and wanted(name))
                values = sorted((name, value) for name, value in numbers if value is not None)
                columns[0].extend([as_text(found.run)] * len(values))
                columns[1].extend([step] * len(values))
                columns[2].extend(name for name, _ in values)
                columns[3].extend(value for _, value in values)
        frame = pandas.DataFrame(dict(zip(("run", "step", "metric", "value"), columns, strict=True)))
        return frame.astype({"run": "str", "step": "int64", "metric": "str", "value": "float64"})

    def decoding(self, runs: Collection[str] | None = None) -> DataFrame:
        """Accuracies of decoding from several samples, in long form: run, way, k, accuracy, low, high, n."""
        import pandas

        columns = [field.name for field in fields(Point)]
        rows = [
            {"run": as_text(found.run), **asdict(point)}
            for found in self._chosen(runs)
            for point in points_of(found.result)
        ]
        frame = pandas.DataFrame(rows, columns=["run", *columns])
        whole, shares = dict.fromkeys(("k", "n"), "int64"), dict.fromkeys(("accuracy", "low", "high"), "float64")
        return frame.astype({"run": "str", "way": "str"} | whole | shares)

    def samples(self, runs: Collection[str] | None = None) -> DataFrame:
        """The sampled responses of run directories, as in samples.jsonl, with a column `run`."""
        return self._lines(lambda found: found.samples(), runs)

    def predictions(self, runs: Collection[str] | None = None) -> DataFrame:
        """The predictions of run directories on the test split, as in predictions.jsonl, with a column `run`."""
        return self._lines(lambda found: found.predictions(), runs)

    def _lines(self, read: Callable[[Found], Iterable[Line]], runs: Collection[str] | None) -> DataFrame:
        import pandas

        rows: list[dict[str, Any]] = [
            {"run": as_text(found.run), **line} for found in self._chosen(runs) for line in read(found)
        ]
        return pandas.DataFrame(rows) if rows else pandas.DataFrame({"run": pandas.Series(dtype="str")})

    def _chosen(self, runs: Collection[str] | None) -> Iterator[Found]:
        chosen = None if runs is None else set(runs)
        return (found for found in self.found if chosen is None or as_text(found.run) in chosen)


def _matcher(metrics: str | Sequence[str] | None) -> Callable[[str], bool]:
    if metrics is None:
        return lambda name: True
    patterns = [metrics] if isinstance(metrics, str) else list(metrics)
    return cache(lambda name: any(fnmatchcase(name, pattern) for pattern in patterns))
