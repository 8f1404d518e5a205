"""The charts of a run's page, section by section; a chart that has nothing to show is left out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from reft_lab.analysis.dynamics import PHASES, TIMES
from reft_lab.analysis.found import Found
from reft_lab.answers.outcome import KINDS
from reft_lab.charts.bars import bar_chart
from reft_lab.charts.chart import OUTCOMES, Axes, Chart, Curve, Line
from reft_lab.charts.curves import area_chart, line_chart
from reft_lab.charts.palette import SHADES, shades, stage_colour
from reft_lab.methods import method_of
from reft_lab.methods.sft import SFT, WARMUP
from reft_lab.metrics import SHARE, TENTH, find
from reft_lab.numbers import time_unit
from reft_lab.report.critic_charts import critic_charts
from reft_lab.report.curves import Curves
from reft_lab.report.decoding_chart import decoding_chart
from reft_lab.report.explained import why_sft_is_above
from reft_lab.report.machine_charts import machine_charts

Item = TypeVar("Item")
BETWEEN = {"waiting_for_baseline": "waiting for the baseline"}
# Parts of the stages, which count there already.
WITHIN = {"evaluation": "evaluation, in the stages", "checkpoints": "checkpoints, in the stages"}
# What stages record that come after a supervised one.
BEGINNINGS = ("rollout/reward", "reranker/loss")
# Metrics with a small chart of their own: what to watch for, and the alarm that has a limit for them.
POLICY = {
    "ppo/kl_ref": ("", "kl"),
    "ppo/entropy_response": ("Near 0, it explores no more.", "entropy"),
    "rollout/truncated_share": ("", ""),
    "rollout/unique_answers": ("", ""),
    "ppo/explained_variance": ("1 is perfect, 0 no better than a constant.", ""),
    "ppo/clip_share": ("Above 20 to 30 %, the steps are too large.", ""),
    "ppo/kl_old": ("To the policy that sampled.", ""),
    "ppo/grad_norm": ("Before clipping.", ""),
}


@dataclass(frozen=True)
class Section:
    """Charts that belong together.

    Attributes:
        key: anchor in the page.
        title: heading.
        charts: what is in it.
        missing: what is said where there are none.
    """

    key: str
    title: str
    charts: list[Chart]
    missing: str


def chart_sections(run: Found, curves: Curves, baseline: Curves | None) -> list[Section]:
    """All sections with charts.

    Args:
        run: the run.
        curves: its curves.
        baseline: the curves of its SFT baseline; None where it has none.
    """
    ours = _Course(run, curves)
    nothing = "Nothing was recorded yet." if curves.last_step == 0 else "This run recorded nothing of this."
    audited = ours.by_iteration("critic/explained_variance"), ours.by_iteration("critic/attainable")
    critic = critic_charts(run.directory, audited, colour=ours.colours[1], axis=ours.one)
    machine = machine_charts(curves, colour=ours.colours[1], axis=ours.both)
    no_reft = nothing if curves["rollout/reward"] else "No responses were sampled in this run."
    return [
        Section(key, title, found, missing)
        for key, title, charts, missing in (
            ("decoding", "Several samples", [decoding_chart(run)], ""),
            ("learning", "Learning curves", _learning(ours, baseline), nothing),
            ("outcomes", "Outcomes of the responses", _outcomes(ours), nothing),
            ("policy", "The policy", _policy(ours), no_reft),
            ("positions", "Along the response", _positions(ours), no_reft),
            ("reranker", "The outcome model", _outcome_model(ours), ""),
            ("critic", "Is the critic any good", critic, ""),
            ("time", "Where the time went", _time(ours), nothing),
            ("machine", "The machine", machine, ""),
        )
        # An evaluation alone trains nothing, so what it has not recorded is not missing.
        if (found := [chart for chart in charts if chart]) or (missing and ours.trains)
    ]


class _Course:
    """The curves of a run, and what of them belongs to which stage."""

    def __init__(self, run: Found, curves: Curves):
        self.run, self.curves = run, curves
        self.trains = method_of(run.config).trains
        self.stages = stages = method_of(run.config).stages
        self.supervised, self.reinforced = stages[0], stages[-1]
        self.colours = stage_colour(self.supervised.name), stage_colour(self.reinforced.name)
        self.split = str(run.config.get("selection") or "dev")
        # The stage after the supervised one begins with the first of these.
        self.began = next((name for name in BEGINNINGS if curves[name]), BEGINNINGS[0])
        first = curves.first(self.began)
        self.seam = math.inf if first is None else first - 1
        self.span = None if first is None else (1.0, max(float(curves.last_step) - self.seam, 2.0))
        stretch = (0.0, self.seam, float(curves.last_step)) if first is not None and first > 1 else None
        parts = [(stage.unit.removesuffix("s"), stage.label) for stage in (self.supervised, self.reinforced)]
        x = " of ".join(parts[first is not None])
        # Both stages on one axis, the supervised one in a third of its width.
        self.both: dict[str, Any] = {"stretch": stretch, "parts": tuple(parts), "x": x, "span": None, "course": True}
        # The stage that samples alone, counted from its beginning.
        self.one: dict[str, Any] = {"x": x, "span": self.span, "course": True}

    def before(self, name: str) -> Curve:
        """A metric in the supervised stage, by step."""
        return [point for point in self.curves[name] if point[0] <= self.seam]

    def after(self, name: str) -> Curve:
        """A metric in the stage that samples, by step."""
        return [point for point in self.curves[name] if point[0] > self.seam]

    def by_iteration(self, name: str) -> Curve:
        """A metric in the stage that samples, by what that stage counts."""
        return [(step - self.seam, value) for step, value in self.after(name)]

    def chart(
        self, name: str, lines: Sequence[Line], *, title: str = "", about: str = "", note: str = "", **more: Any
    ) -> Chart | None:
        """A chart that is called after a metric, over the stage that samples."""
        found = find(name)
        axes = Axes(found.unit, **self.one | more)
        return line_chart(name.replace("/", "-"), title or found.label, lines, axes, about=about, note=note)


def _learning(ours: _Course, baseline: Curves | None) -> Iterable[Chart | None]:
    first, second = ours.supervised.label, ours.reinforced.label
    colour, other = ours.colours
    before, after = ours.before("eval/accuracy"), ours.after("eval/accuracy")
    best = max((value for _, value in baseline["eval/accuracy"]), default=None) if baseline else None
    yield line_chart(
        "accuracy",
        "Accuracy",
        [
            Line(f"{second}, sampled rollouts", ours.after("rollout/accuracy"), other, "thin"),
            Line(f"{first}, {ours.split}", before, colour, "dots"),
            # It begins with the policy that the warm-up ended with.
            Line(f"{second}, {ours.split}", [*before[-1:], *after] if after else [], other, "dots"),
        ],
        Axes(SHARE, limits=[] if best is None else [(best, f"best of {SFT.label} on {ours.split}")], **ours.both),
        about=f"Greedy on {ours.split}, and of the responses that {second} samples. "
        + (f"The {first} takes a third of the axis, however many steps it had." if ours.both["stretch"] else ""),
        wide=True,
    )
    timed, beside = ours.curves.by_time("eval/accuracy"), baseline.by_time("eval/accuracy") if baseline else []
    length, unit = time_unit(max((x for x, _ in [*timed, *beside]), default=0.0))
    timed, beside = ([(x / length, y) for x, y in curve] for curve in (timed, beside))
    seam = min((x / length for x, _ in ours.curves.by_time(ours.began)), default=math.inf)
    before, after = [p for p in timed if p[0] < seam], [p for p in timed if p[0] >= seam]
    yield line_chart(
        "accuracy-time",
        f"Accuracy on {ours.split} by time",
        [
            Line(first, before, colour, "dots"),
            Line(f"{SFT.label} baseline", beside, "sft", "dots"),
            Line(second, [*before[-1:], *after] if after else [], other, "dots"),
        ],
        Axes(SHARE, f"{unit} since the run began", course=True, counts=False),
        about="The baseline trains beside the run, in a process of its own." if baseline else "",
    )
    loss = f"{ours.supervised.name}/loss"
    lines = [
        Line(first, ours.curves[loss], colour),
        Line(f"{SFT.label} baseline", baseline["sft/loss"] if baseline else [], "sft"),
    ]
    why = why_sft_is_above(ours.run.config, lines[0].points, lines[1].points) if ours.supervised is WARMUP else ""
    yield ours.chart(loss, lines, about="Cross-entropy of the gold reasoning.", note=why, x="optimiser step", span=None)
    lines = [
        Line("reward", ours.by_iteration("rollout/reward"), other),
        Line("expected by the value model", ours.by_iteration("rollout/value"), "muted", "dashed"),
    ]
    yield ours.chart("rollout/reward", lines, about="Of the sampled responses, without the KL penalty.")
    yield line_chart(
        "losses",
        f"Losses of {second}",
        [
            Line("value loss", ours.by_iteration("ppo/value_loss"), other),
            Line("policy loss", ours.by_iteration("ppo/policy_loss"), "muted", "dashed"),
        ],
        Axes("loss", **ours.one),
        about="The policy loss says little by itself; a value loss that rises does.",
    )


def _outcome_model(ours: _Course) -> Iterable[Chart | None]:
    """Loss of the training responses, and how well candidates are told apart; for method=reranker."""
    for name, label in (("reranker/loss", "training"), ("reranker/eval_auc", ours.split)):
        yield ours.chart(name, [Line(label, ours.by_iteration(name), ours.colours[1])])


def _outcomes(ours: _Course) -> Iterable[Chart | None]:
    for key, title, axes, curve in (
        ("rollout", f"Sampled responses of {ours.reinforced.label}", Axes(SHARE, **ours.one), ours.by_iteration),
        ("eval", f"Greedy responses on {ours.split}", Axes(SHARE, **ours.both), ours.curves.__getitem__),
    ):
        shares = [Line(OUTCOMES[kind], curve(f"{key}/outcome/{kind}"), kind) for kind in KINDS]
        yield area_chart(f"outcomes-{key}", title, shares, axes, shares=True, wide=key == "rollout")
    outcomes = ours.run.result.get("outcomes")
    if isinstance(outcomes, dict):
        bars = [(OUTCOMES[kind], float(outcomes[kind]), kind) for kind in KINDS if outcomes.get(kind)]
        yield bar_chart("outcomes-test", "Test problems, chosen checkpoint", bars, unit="problems")


def _policy(ours: _Course) -> Iterable[Chart | None]:
    colour, other = ours.colours
    for name, (about, alarm) in POLICY.items():
        limit = ours.run.config.get(f"alarms.{alarm}")
        points = ours.by_iteration(name)
        # A limit far away would flatten the curve.
        near = isinstance(limit, (int, float)) and points and limit <= 3 * max(abs(y) for _, y in points)
        limits = [(float(limit), "alarm")] if near and limit is not None else []
        yield ours.chart(name, [Line(find(name).label, points, other)], about=about, limits=limits)
        if name == "ppo/kl_ref":
            lines = [
                Line("sampled", ours.after("rollout/length"), other, "thin"),
                Line(f"greedy, {ours.supervised.label}", ours.before("eval/length"), colour, "dots"),
                Line(f"greedy, {ours.reinforced.label}", ours.after("eval/length"), other, "dots"),
            ]
            yield ours.chart("rollout/length", lines, title="Length of a response", **ours.both)


def _positions(ours: _Course) -> Iterable[Chart | None]:
    for name, about in (
        (f"position/kl/{TENTH}", f"To the policy after {WARMUP.label}."),
        (f"position/value/{TENTH}", "What the value model expects, token by token."),
    ):
        tenths = {
            10 * int(tenth) - 5: dict(points)
            for tenth, points in sorted(ours.curves.matching(name.removesuffix(TENTH)).items())
            if tenth.isdecimal()
        }
        chosen = spread(sorted({step for points in tenths.values() for step in points}), SHADES)
        lines = [
            Line(
                f"iteration {step - ours.seam:,.0f}",
                [(float(x), at[step]) for x, at in tenths.items() if step in at],
                shade,
            )
            for step, shade in zip(chosen, shades(len(chosen)), strict=True)
        ]
        about = f"{about} Means over tenths of all responses."
        yield ours.chart(name, lines, about=about, x="position in the response, %", span=(0, 100), course=False)


def spread(items: list[Item], most: int) -> list[Item]:
    """At most `most` of the items, evenly spread, first and last among them."""
    if len(items) <= most:
        return items
    return [items[round(index * (len(items) - 1) / (most - 1))] for index in range(most)]


def _time(ours: _Course) -> Iterable[Chart | None]:
    seconds = ours.run.result.get("seconds")
    if isinstance(seconds, dict):
        numbers = {key: float(value) for key, value in seconds.items() if isinstance(value, (int, float))}
        stages = [stage for stage in ours.stages if stage.name in numbers]
        bars = [(stage.label, numbers[stage.name], stage_colour(stage.name)) for stage in stages]
        bars += [(label, numbers[key], "other") for key, label in BETWEEN.items() if key in numbers]
        if "total" in numbers and bars:
            known = sum(value for _, value, _ in bars)
            bars.append(("everything else", max(0.0, numbers["total"] - known), "other"))
        bars += [(label, numbers[key], "other") for key, label in WITHIN.items() if key in numbers]
        length, unit = time_unit(max((value for _, value, _ in bars), default=0.0))
        scaled = [(label, value / length, colour) for label, value, colour in bars]
        yield bar_chart("stages", "Stages", scaled, unit=unit, about="Everything else: loading, and the test split.")
    colours = {name: f"part-{number}" for number, name in enumerate(PHASES, start=1)}
    yield area_chart(
        "iterations",
        f"An iteration of {ours.reinforced.label}",
        [Line(TIMES[name], ours.by_iteration(name), colour) for name, colour in colours.items()],
        Axes("seconds", **ours.one),
        shares=False,
        about="Without evaluation and checkpoints.",
    )
    yield line_chart(
        "speed",
        "Speed",
        [
            Line(TIMES[name], ours.by_iteration(name.replace("_seconds", "_tokens_per_second")), colours[name])
            for name in (PHASES[0], PHASES[-1])
        ],
        Axes("response tokens a second", **ours.one),
    )
