"""The charts of a run's page, section by section; a chart that has nothing to show is left out."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from reft_lab.analysis.found import Found
from reft_lab.answers.outcome import KINDS
from reft_lab.methods import Method, method_of
from reft_lab.methods.sft import SFT, WARMUP
from reft_lab.report.areas import area_chart
from reft_lab.report.bars import bar_chart
from reft_lab.report.curves import Curves, Points
from reft_lab.report.figures import Axes, Figure, Line, Stretch
from reft_lab.report.lines import line_chart

POSITIONS = 6  # curves along the response
STEP = "step"
PHASES = {"rollout": "sampling", "judge": "judging", "score": "scoring", "update": "update"}
WITHIN = {
    "evaluation": "of these: evaluation",
    "checkpoints": "of these: checkpoints",
    "waiting_for_baseline": "waiting for the baseline",
}


@dataclass(frozen=True)
class Section:
    """Charts that belong together.

    Attributes:
        key: anchor in the page.
        title: heading.
        figures: the charts.
        missing: what is said where there are none.
    """

    key: str
    title: str
    figures: list[Figure]
    missing: str


def chart_sections(run: Found, curves: Curves, baseline: Curves | None) -> list[Section]:
    """All sections with charts.

    Args:
        run: the run.
        curves: its curves.
        baseline: the curves of its SFT baseline; None where it has none.
    """
    method = method_of(run.config)
    ours = _Stages(curves, method)
    nothing = "Nothing was recorded yet." if curves.last_step == 0 else "This run recorded nothing of this."
    no_reft = "No responses were sampled in this run." if not curves["rollout/reward"] else nothing
    return [
        Section("learning", "Learning curves", _kept(_learning(run, ours, baseline)), nothing),
        Section("outcomes", "What became of the responses", _kept(_outcomes(run, ours)), nothing),
        Section("policy", "The policy", _kept(_policy(run, ours)), no_reft),
        Section("positions", "Along the response", _kept(_positions(ours)), no_reft),
        Section("time", "Where the time went", _kept(_time(run, ours)), nothing),
    ]


class _Stages:
    """The curves of a run with what its stages are: steps, seam, colours."""

    def __init__(self, curves: Curves, method: Method):
        self.curves = curves
        self.method = method
        self.label = method.label
        self.supervised = method.stages[0].name
        first = curves.first("rollout/reward")
        self.seam = math.inf if first is None else first - 1
        self.has_both = first is not None and first > 1

    @property
    def stretch(self) -> Stretch | None:
        before, after = self.method.stages[0].label, self.label
        return Stretch(0.0, self.seam, float(self.curves.last_step), before, after) if self.has_both else None

    @property
    def span(self) -> tuple[float, float] | None:
        """The steps of ReFT."""
        first = self.curves.first("rollout/reward")
        return None if first is None else (first, max(float(self.curves.last_step), first + 1))

    def split(self, points: Points) -> tuple[Points, Points]:
        """What belongs to supervised fine-tuning, and what to ReFT."""
        return [p for p in points if p[0] <= self.seam], [p for p in points if p[0] > self.seam]

    def reft(self, metric: str) -> Points:
        return self.split(self.curves[metric])[1]


def _kept(figures: Iterable[Figure | None]) -> list[Figure]:
    return [figure for figure in figures if figure is not None]


def _learning(run: Found, ours: _Stages, baseline: Curves | None) -> Iterable[Figure | None]:
    split = str(run.config.get("selection") or "dev")
    name, reft = ours.method.stages[0].label, ours.label
    before, after = ours.split(ours.curves["eval/accuracy"])
    lines = [
        Line(f"{reft}, sampled rollouts", ours.reft("rollout/accuracy"), "reft", "thin"),
        Line(f"{name}, {split}", before, ours.supervised, "dots"),
        # It begins with the policy that the warm-up ended with.
        Line(f"{reft}, {split}", [*before[-1:], *after] if after else [], "reft", "dots"),
    ]
    limits = []
    if baseline and baseline["eval/accuracy"]:
        best = max(value for _, value in baseline["eval/accuracy"])
        limits = [(best, f"best of {SFT.label} on {split}")]
    yield line_chart(
        "accuracy",
        "Accuracy",
        lines,
        Axes(STEP, "right answers", "%", ours.stretch, limits=limits),
        about=f"Greedy on {split}, and of the responses that {reft} samples. "
        + (f"The {name} takes a third of the axis, however many steps it had." if ours.stretch else ""),
        wide=True,
    )
    timed = ours.curves.by_time("eval/accuracy")
    seam = min((x for x, _ in ours.curves.by_time("rollout/reward")), default=math.inf)
    later = [p for p in timed if p[0] >= seam]
    yield line_chart(
        "accuracy-time",
        f"Accuracy on {split} by time",
        [
            Line(name, [p for p in timed if p[0] < seam], ours.supervised, "dots"),
            Line(f"{SFT.label} baseline", baseline.by_time("eval/accuracy") if baseline else [], "sft", "dots"),
            Line(reft, [*[p for p in timed if p[0] < seam][-1:], *later] if later else [], "reft", "dots"),
        ],
        Axes("seconds since the run began", "right answers", "%"),
        about="The baseline trains beside the run, in a process of its own." if baseline else "",
    )
    yield line_chart(
        "loss",
        "Supervised loss",
        [
            Line(name, ours.curves[f"{ours.supervised}/loss"], ours.supervised),
            Line(f"{SFT.label} baseline", baseline["sft/loss"] if baseline else [], "sft"),
        ],
        Axes("optimiser step", "nats a token"),
        about="Cross-entropy of the gold reasoning.",
    )
    yield line_chart(
        "reward",
        "Reward",
        [
            Line("reward", ours.reft("rollout/reward"), "reft"),
            Line("expected by the value model", ours.reft("rollout/value"), "muted", "dashed"),
        ],
        Axes(STEP, "mean of a response", span=ours.span),
        about="Of the sampled responses, without the KL penalty.",
    )
    yield line_chart(
        "losses",
        f"Losses of {reft}",
        [
            Line("value loss", ours.reft("ppo/value_loss"), "reft"),
            Line("policy loss", ours.reft("ppo/policy_loss"), "muted", "dashed"),
        ],
        Axes(STEP, "loss", span=ours.span),
        about="The policy loss says little by itself; a value loss that rises does.",
    )


def _outcomes(run: Found, ours: _Stages) -> Iterable[Figure | None]:
    split = str(run.config.get("selection") or "dev")
    shown = {kind: kind.replace("_", " ") for kind in KINDS}
    for key, prefix, title, stretch in (
        ("outcomes-rollout", "rollout/outcome/", f"Sampled responses of {ours.label}", None),
        ("outcomes-eval", "eval/outcome/", f"Greedy responses on {split}", ours.stretch),
    ):
        found = ours.curves.matching(prefix)
        shares = [Line(shown[kind], found[kind], kind) for kind in KINDS if kind in found]
        span = ours.span if stretch is None and prefix.startswith("rollout") else None
        yield area_chart(
            key, title, shares, Axes(STEP, "share", "%", stretch, span), shares=True, wide=key == "outcomes-rollout"
        )
    outcomes = run.result.get("outcomes")
    if isinstance(outcomes, dict):
        bars = [(shown[kind], float(outcomes[kind]), kind) for kind in KINDS if outcomes.get(kind)]
        yield bar_chart("outcomes-test", "Test problems, chosen checkpoint", bars, unit="problems", form=",d")


def _policy(run: Found, ours: _Stages) -> Iterable[Figure | None]:
    def one(
        metric: str, title: str, y: str, about: str, fmt: str = "", limit: tuple[str, str] | None = None
    ) -> Figure | None:
        points = ours.reft(metric)
        value = run.config.get(limit[0]) if limit else None
        # A limit far away would flatten the curve.
        near = isinstance(value, (int, float)) and points and value <= 3 * max(abs(y) for _, y in points)
        limits = [(float(value), limit[1])] if near and limit and value is not None else []
        axes = Axes(STEP, y, fmt, span=ours.span, limits=limits)
        return line_chart(metric.replace("/", "-"), title, [Line(title, points, "reft")], axes, about=about)

    yield one(
        "ppo/kl_ref", f"KL to the policy after {WARMUP.label}", "nats a response", "", limit=("alarms.kl", "alarm")
    )
    yield line_chart(
        "length",
        "Length of a response",
        [
            Line("sampled", ours.reft("rollout/length"), "reft", "thin"),
            Line(
                f"greedy, {ours.method.stages[0].label}",
                ours.split(ours.curves["eval/length"])[0],
                ours.supervised,
                "dots",
            ),
            Line(f"greedy, {ours.label}", ours.reft("eval/length"), "reft", "dots"),
        ],
        Axes(STEP, "tokens", stretch=ours.stretch),
    )
    yield one(
        "ppo/entropy_response",
        "Entropy",
        "nats a response",
        "Near 0, it explores no more.",
        limit=("alarms.entropy", "alarm"),
    )
    yield one("rollout/truncated_share", "Cut at the length cap", "share", "", "%")
    yield one("rollout/unique_answers", "Different answers in a batch", "share", "", "%")
    yield one(
        "ppo/explained_variance",
        "Explained variance of the value model",
        "1 is perfect",
        "0: no better than a constant.",
    )
    yield one("ppo/clip_share", "Tokens beyond the clip", "share", "Above 20 to 30 %, the steps are too large.", "%")
    yield one("ppo/kl_old", "KL of an update", "nats a token", "To the policy that sampled.")
    yield one("ppo/grad_norm", "Norm of the gradient", "before clipping", "")


def _positions(ours: _Stages) -> Iterable[Figure | None]:
    for key, title, y, about in (
        ("kl", "KL by position", "nats a token", f"To the policy after {WARMUP.label}."),
        ("value", "Value by position", "expected reward", "What the value model expects, token by token."),
    ):
        tenths = ours.curves.matching(f"position/{key}/")
        steps = sorted({step for points in tenths.values() for step, _ in points})
        chosen = spread(steps, POSITIONS)
        lines = []
        for rank, step in enumerate(chosen):
            along = [
                (10 * int(tenth) - 5, dict(points)[step])
                for tenth, points in sorted(tenths.items())
                if tenth.isdecimal() and step in dict(points)
            ]
            shade = 1 + round(rank * (POSITIONS - 1) / max(1, len(chosen) - 1))
            lines.append(Line(f"step {step:,.0f}", [(float(x), value) for x, value in along], f"seq-{shade}"))
        axes = Axes("position in the response, %", y, span=(0, 100))
        yield line_chart(f"position-{key}", title, lines, axes, about=f"{about} Means over tenths of all responses.")


def spread(items: list[float], most: int) -> list[float]:
    """At most `most` of the items, evenly spread, first and last among them."""
    if len(items) <= most:
        return items
    return [items[round(index * (len(items) - 1) / (most - 1))] for index in range(most)]


def _time(run: Found, ours: _Stages) -> Iterable[Figure | None]:
    seconds = run.result.get("seconds")
    if isinstance(seconds, dict):
        numbers = {key: float(value) for key, value in seconds.items() if isinstance(value, (int, float))}
        stages = [stage for stage in ours.method.stages if stage.name in numbers]
        bars = [(stage.label, numbers[stage.name], stage.name) for stage in stages]
        known = sum(value for _, value, _ in bars) + numbers.get("waiting_for_baseline", 0)
        if "total" in numbers and bars:
            bars.append(("everything else", max(0.0, numbers["total"] - known), "other"))
        bars += [(label, numbers[key], "other") for key, label in WITHIN.items() if key in numbers]
        yield bar_chart("stages", "Stages", bars, unit="seconds", about="Everything else: loading, and the test split.")
    yield area_chart(
        "iterations",
        f"An iteration of {ours.label}",
        [
            Line(label, ours.reft(f"time/{phase}_seconds"), f"phase-{number}")
            for number, (phase, label) in enumerate(PHASES.items(), start=1)
        ],
        Axes(STEP, "seconds", span=ours.span),
        shares=False,
        about="Without evaluation and checkpoints.",
    )
    yield line_chart(
        "speed",
        "Speed",
        [
            Line("sampling", ours.reft("time/rollout_tokens_per_second"), "phase-1"),
            Line("update", ours.reft("time/update_tokens_per_second"), "phase-4"),
        ],
        Axes(STEP, "response tokens a second", "~s", span=ours.span),
    )
