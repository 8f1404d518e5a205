"""The picture of a study, or of any folder of runs."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from rich.text import Text

from reft_lab.analysis.found import FINISHED, RUNNING
from reft_lab.analysis.live_study import ACCURACY, LiveStudy, Row
from reft_lab.cli.watch.drawing import bar, colour, fitted, joined, load, number, state, wrapped
from reft_lab.metrics import find
from reft_lab.numbers import duration, per_cent
from reft_lab.text import counted, from_here

LEAST_BAR, MOST_BAR = 8, 30  # columns


class StudyPicture:
    """Each run with its state, its settings, how far it is and its value so far; those under way come first."""

    def __init__(self, folder: Path):
        self.study = LiveStudy(folder)

    def look(self) -> None:
        """Take in what is new."""
        self.study.look()

    @property
    def is_over(self) -> bool:
        """Whether nobody works on it any more."""
        return self.study.is_over

    def lines(self, width: int, height: int | None = None) -> list[Text]:
        """The picture in at most so many columns and lines; as many lines as it takes where `height` is None."""
        lines = [*self._head(width), Text()]
        rows = self._sorted()
        for place, row in enumerate(rows):
            shown = self._row(row, width)
            rest = len(rows) - place
            if height is not None and len(lines) + len(shown) + (rest > 1) > height:
                lines.append(fitted(Text(f"and {counted(rest, 'run')} more", "dim"), width))
                break
            lines += shown
        return lines if height is None else lines[:height]

    def _head(self, width: int) -> list[Text]:
        study = self.study
        lines = joined([Text(study.folder.absolute().name, "bold"), str(from_here(study.folder))], width)
        counts = Counter(row.found.state for row in study.rows.values())
        told = [f"{count} {name}" for name, count in counts.items()]
        if study.states:
            told.insert(0, f"{study.ended} of {counted(len(study.states), 'trial')} ended")
        lines += joined(told or ["no run has begun"], width)
        if study.states:
            share = study.ended / len(study.states)
            lines.append(bar(share, width, colour("reft")))
            if study.left is not None:
                left = f"{duration(round(study.left))} left, if trials take as long as those that ended"
                lines += wrapped(left, width, 2)
        busy = study.load
        for host, values in busy.items():
            lines += load(values, width, "these runs", host if len(busy) > 1 else "")
        if best := study.best:
            lines += joined([f"best {self._value(best)}", self._name(best), *best.settings], width)
        if study.is_over and study.ended < len(study.states):
            lines += wrapped("nobody works on it any more; the command that began it goes on with it", width, 2)
        return lines

    def _sorted(self) -> list[Row]:
        """Those under way first, then the best, then those without a value."""
        sign = 1 if self.study.is_minimised else -1

        def key(row: Row) -> tuple[bool, bool, float]:
            is_running = row.found.state == RUNNING
            has_none = row.value is None or row.found.state != FINISHED
            return not is_running, has_none, 0.0 if is_running or has_none else sign * (row.value or 0.0)

        return sorted(self.study.rows.values(), key=key)

    def _row(self, row: Row, width: int) -> list[Text]:
        """A run: one line where there is room, else two or three."""
        found, doing = row.found, row.run.doing
        value = self._value(row)
        parts: list[Text | str] = [
            Text(self._name(row), "bold"),
            state(found.state),
            *([value] if value else []),
            *row.settings,
        ]
        if found.state == RUNNING and doing is not None:
            now = datetime.now(UTC)
            doing = doing.at(now)
            parts.append(bar(doing.share, min(MOST_BAR, max(LEAST_BAR, width // 4)), colour("reft")))
            parts += [part for part in (doing.title, doing.count, doing.per_cent, doing.remaining) if part]
            silent = doing.silence(now)
            if silent is not None:
                parts.append(Text(f"no sign of it for {duration(silent)}", colour("bad")))
            return joined(parts, width)
        if doing is not None:
            parts.append(f"stopped at {doing.title} {doing.count}")
        seconds = row.run.seconds
        lines = joined([*parts, *([] if seconds is None else [duration(seconds)])], width)
        return lines + (wrapped(found.reason, width, 2, indent="  ", style="dim") if found.reason else [])

    def _name(self, row: Row) -> str:
        return str(row.run.directory.relative_to(self.study.folder))

    def _value(self, row: Row) -> str:
        """`accuracy 61.3 %`; empty before there is one."""
        if row.value is None:
            return ""
        metric = self.study.metric
        return (
            f"accuracy {per_cent(row.value)} %" if metric == ACCURACY else f"{metric} {number(row.value, find(metric))}"
        )
