"""The picture of one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.text import Text

from reft_lab.analysis.found import CRASHED, FAILED, FINISHED, INTERRUPTED
from reft_lab.analysis.live import ALARM, LiveRun
from reft_lab.analysis.schema import row_of
from reft_lab.answers.outcome import KINDS
from reft_lab.charts.palette import stage_colour
from reft_lab.cli.watch.drawing import bar, colour, fitted, joined, load, number, sparkline, state, wrapped
from reft_lab.methods import METHODS, method_of, result_labels
from reft_lab.methods.base import StageKind
from reft_lab.metrics import CATALOGUE, find
from reft_lab.numbers import duration, interval, per_cent, plain
from reft_lab.run_dir.progress import Doing
from reft_lab.text import from_here

WIDE = 100  # columns from which curves are called by their labels
MOST_OUTCOMES = 8
HEIGHT = 10_000  # lines of a picture that need not fit a screen
SAMPLES, SAMPLE = 4, 6  # how many are shown at most, and the lines that one takes at most
FOR_CURVES, FOR_SAMPLES = 4, 7  # lines that these are sure of, where there are as many


class RunPicture:
    """One run: stage and step, how long it still takes, curves, outcomes, alarms, the last samples."""

    def __init__(self, directory: Path):
        self.run = LiveRun(directory)

    def look(self) -> None:
        """Take in what is new."""
        self.run.look()

    @property
    def is_over(self) -> bool:
        """Whether nothing will change any more."""
        return self.run.is_over

    def lines(self, width: int, height: int | None = None) -> list[Text]:
        """The picture in at most so many columns and lines; as many lines as it takes where `height` is None."""
        height = HEIGHT if height is None else height
        top = [*self._head(width), *self._progress(width), *self._alarms(width), *self._result(width)]
        curves, outcomes = self._curves(width), self._outcomes(width)
        left = max(0, height - len(top))
        samples = min(FOR_SAMPLES, left) if self.run.samples else 0
        below = curves[: max(FOR_CURVES, left - samples - len(outcomes))]
        if outcomes and len(below) + len(outcomes) + samples <= left:
            below += outcomes
        below += self._samples(width, left - len(below))
        return [*top, *below][:height]

    def _head(self, width: int) -> list[Text]:
        run = self.run.found
        row = row_of(run)
        what = [row[key] for key in ("method", "model", "data", "cot")]
        facts = [str(each) for each in what if each] + ([] if row["seed"] is None else [f"seed {row['seed']}"])
        took = [] if self.run.seconds is None else [f"for {duration(self.run.seconds)}"]
        step = [] if run.step is None else [f"step {run.step:,}"]
        lines = joined([state(run.state), Text(str(row["name"] or run.run), "bold"), *took, *step], width)
        lines += joined(facts, width, between=" · ", indent="")
        lines += wrapped(str(from_here(self.run.directory)), width, 3, style="dim")
        if run.reason:
            lines += wrapped(run.reason, width, 4)
        if self.run.is_over and run.state in (CRASHED, FAILED, INTERRUPTED):
            lines += wrapped(f"go on with: python run.py resume={from_here(self.run.directory)}", width, 4)
        return lines

    def _progress(self, width: int) -> list[Text]:
        if self.run.found.result and self.run.is_over:
            return []
        doing, now = self.run.doing, datetime.now(UTC)
        if doing is None:
            return [Text("it has not said yet what it does")] if not self.run.is_over else []
        lines = [Text(), *self._of(doing, width, now)]
        if self.run.beside is not None:
            lines += [Text(), *self._of(self.run.beside, width, now, "beside it: ")]
        if not self.run.is_over:
            lines += load(self.run.load, width, "this run")
        return [*lines, Text()]

    def _of(self, doing: Doing, width: int, now: datetime, before: str = "") -> list[Text]:
        """A piece of work: what it is, how far, its bar, its numbers."""
        is_over = self.run.is_over
        doing = doing if is_over else doing.at(now)
        stages = [] if before else _stages(self.run.found.config)
        names = [kind.label for kind in stages]
        place, then = "", ""
        style = colour("other")
        if doing.title in names and len(names) > 1:
            at = names.index(doing.title)
            place = f"stage {at + 1} of {len(names)}"
            then = f"then {', '.join(names[at + 1 :])}" if names[at + 1 :] else ""
        for kind in (*stages, *(METHODS["sft"].stages if before else ())):
            if kind.label == doing.title:
                style = colour(stage_colour(kind.name))
        title = Text(f"{before}{'stopped at ' if is_over else ''}{doing.title}", "bold")
        left = "" if is_over else doing.remaining
        parts = [part for part in (doing.count, doing.per_cent, left, place, then) if part]
        lines = joined([title, *parts], width)
        lines.append(bar(doing.share, width, style))
        numbers = [f"{name} {plain(value)}" for name, value in doing.numbers.items()]
        lines += joined(numbers, width, indent="") if numbers else []
        silent = None if is_over else doing.silence(now)
        if silent is not None:
            usual = f"; one of the {doing.unit} took {duration(doing.pace)}" if doing.pace else ""
            lines += wrapped(f"no sign of it for {duration(silent)}{usual}", width, 2, style=colour("bad"))
        return lines

    def _alarms(self, width: int) -> list[Text]:
        lines = []
        for name, spell in sorted(self.run.alarms.items(), key=lambda each: not each[1].is_on):
            until = f" to {spell.last:,}" if spell.last > spell.first else ""
            when = f"on since step {spell.first:,}" if spell.is_on else f"was on at step {spell.first:,}{until}"
            style = f"bold {colour('bad')}" if spell.is_on else ""
            lines += wrapped(f"alarm {name}, {when}: {find(ALARM + name).meaning}", width, 2, style=style)
        return [*lines, Text()] if lines else []

    def _result(self, width: int) -> list[Text]:
        """What came of it, where it is finished."""
        found = self.run.found
        if found.state != FINISHED:
            return []
        labels = result_labels(method_of({**found.result, **found.config}))
        lines, longest = [Text()], max(map(len, labels.values()))
        for key, label in labels.items():
            scores = found.result.get(key)
            if not isinstance(scores, Mapping):
                continue
            told = [f"{split} {_score(scores[split])}" for split in ("dev", "test") if split in scores]
            lines += joined([Text(f"{label:<{longest}}", "bold"), *told], width)
        return [*lines, Text()]

    def _curves(self, width: int) -> list[Text]:
        """A line for each curve: its name, its shape, its last value."""
        order = list(CATALOGUE)
        curves = sorted(self.run.curves.items(), key=lambda each: order.index(each[0]) if each[0] in order else 0)
        entries = [(find(name), curve) for name, curve in curves]
        names = [entry.label if width >= WIDE else entry.name for entry, _ in entries]
        values = [number(curve.last, entry) for entry, curve in entries]
        name_width, value_width = max(map(len, names), default=0), max(map(len, values), default=0)
        room = width - name_width - value_width - 2
        return [
            fitted(
                Text.assemble(
                    f"{name:<{name_width}} ",
                    (f"{sparkline(curve.points, room):<{room}}", colour("reft")),
                    f" {value:>{value_width}}",
                ),
                width,
            )
            for name, value, (_, curve) in zip(names, values, entries, strict=True)
        ]

    def _outcomes(self, width: int) -> list[Text]:
        """A bar for each outcome that there was."""
        outcomes = self.run.outcomes
        if outcomes is None:
            return []
        of = "rollouts" if outcomes.of == "rollout" else "evaluated responses"
        found = [(kind, share) for kind, share in outcomes.shares.items() if share > 0]
        found = sorted(found, key=lambda each: -each[1])[:MOST_OUTCOMES]
        names = max((len(kind) for kind, _ in found), default=0)
        room = width - names - 9
        lines = [Text(), fitted(Text(f"outcomes of the {of} of step {outcomes.step:,}", "bold"), width)]
        return lines + [
            Text.assemble(
                f"{kind.replace('_', ' '):<{names}} ",
                bar(share, room, colour(kind) if kind in KINDS else ""),
                f" {per_cent(share):>5} %",
            )
            for kind, share in found
        ]

    def _samples(self, width: int, height: int) -> list[Text]:
        """The newest responses, whole ones as far as there is room."""
        lines: list[Text] = []
        for sample in list(reversed(self.run.samples))[:SAMPLES]:
            shown = _sample(sample, width)
            if len(lines) + len(shown) > height:
                break
            lines += shown
        return lines


def _sample(sample: Mapping[str, Any], width: int) -> list[Text]:
    outcome = str(sample.get("outcome"))
    reward = sample.get("reward")
    parts = [Text(f"sample of step {sample.get('step')}", "bold")]
    parts += [Text(outcome.replace("_", " "), colour(outcome) if outcome in KINDS else "")]
    parts += [Text(f"reward {plain(reward)}")] if isinstance(reward, int | float) else []
    parts += [Text(f"answer {sample.get('answer')}, gold {sample.get('gold')}")]
    lines = [Text(), *joined(parts, width)[:2]]
    lines += wrapped(str(sample.get("question", "")), width, 2, indent="  ", style="dim")
    return lines + wrapped(str(sample.get("response", "")), width, SAMPLE - len(lines) + 1, indent="  ")


def _score(score: Any) -> str:
    try:
        low, high = score["ci95"]
        return f"{per_cent(score['accuracy'])} % ({interval(low, high)}, n {score['n']})"
    except (KeyError, TypeError, ValueError):
        return ""


def _stages(config: Mapping[str, Any]) -> Sequence[StageKind]:
    """The stages that a run goes through, by its config; none where it is not known."""
    if not config:
        return ()
    stages = method_of(config).stages
    return [each for each in stages if each is stages[-1] or config.get(f"{each.section}.{each.length}") != 0]
