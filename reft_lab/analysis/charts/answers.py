"""What became of responses, and what they earned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reft_lab.analysis.charts.look import HEIGHT, PER_CENT, WIDTH, axis_of, field, nothing
from reft_lab.answers.outcome import KINDS

if TYPE_CHECKING:
    import altair as alt
    from pandas import DataFrame

    from reft_lab.analysis.charts.look import Picture

# Right answers stand out, wrong ones next; then the ways in which there is no answer.
COLOURS = ("#2a7f62", "#e39a3b", "#9aa5b1", "#c2554d", "#7c5aa6", "#4f7cac", "#b07d9e", "#5b4636")


def outcome_bars(
    frame: DataFrame, setting: str, *, missing: str = "No finished run tells its outcomes on test."
) -> Picture:
    """Shares of the outcomes of each setting.

    Args:
        frame: as `outcomes.final_outcomes` gives it.
        setting: its column.
        missing: what is said where there is nothing to draw.
    """
    import altair as alt

    if frame.empty:
        return nothing(missing)
    x = alt.X("share:Q", title="share of test problems", axis=alt.Axis(format=PER_CENT), stack="zero", scale=_whole())
    y = alt.Y(field(setting), type="ordinal", title=setting)
    return alt.Chart(_placed(frame)).mark_bar().encode(x, y, _colour(frame), alt.Order("place:Q"))


def outcome_areas(
    frame: DataFrame, axis: str, setting: str, *, missing: str = "No finished run tells the outcomes of its rollouts."
) -> Picture:
    """Shares of the outcomes over training, one picture a setting.

    Args:
        frame: as `outcomes.outcome_curves` gives it.
        axis: the column that is the axis.
        setting: the column that tells pictures apart.
        missing: what is said where there is nothing to draw.
    """
    import altair as alt

    if frame.empty:
        return nothing(missing)
    y = alt.Y("mean:Q", stack="zero", title="share of rollouts", axis=alt.Axis(format=PER_CENT), scale=_whole())
    areas = alt.Chart(_placed(frame)).mark_area().encode(axis_of(axis), y, _colour(frame), alt.Order("place:Q"))
    areas = areas.properties(width=WIDTH // 2, height=HEIGHT // 2 + 40)
    return areas.facet(facet=alt.Facet(field(setting), type="ordinal", title=setting), columns=3)


def reward_bars(
    frame: DataFrame, *, missing: str = "There are no samples here: they are read from run directories, not from W&B."
) -> Picture:
    """Mean reward of each outcome with its range, one picture a reward.

    Args:
        frame: as `reward_audit.reward_by_outcome` gives it.
        missing: what is said where there is nothing to draw.
    """
    import altair as alt

    if frame.empty:
        return nothing(missing)
    y = alt.Y("outcome:N", sort=list(KINDS), title=None)
    colour = _colour(frame).legend(None)
    bars = alt.Chart().mark_bar().encode(alt.X("mean:Q", title="mean reward, and its range"), y, colour)
    ranges = alt.Chart().mark_rule(strokeWidth=2).encode(alt.X("lowest:Q"), alt.X2("highest"), y)
    layers = alt.layer(bars, ranges, data=frame).properties(width=WIDTH // 2)
    return layers.facet(facet=alt.Facet("reward:N", title="reward"), columns=3)


def reward_scatter(frame: DataFrame, *, missing: str = "No run has iterations of ReFT.") -> Picture:
    """Mean reward against accuracy, a dot an iteration, beside the line on which right answers alone are paid.

    Args:
        frame: as `reward_audit.reward_and_accuracy` gives it.
        missing: what is said where there is nothing to draw.
    """
    import altair as alt

    if frame.empty:
        return nothing(missing)
    x = alt.X("accuracy:Q", title="accuracy of the rollouts", axis=alt.Axis(format=PER_CENT))
    line = alt.Chart().mark_line(color="#888", strokeDash=[4, 3]).encode(x, alt.Y("accuracy:Q"))
    colour = alt.Color("iteration:Q", scale=alt.Scale(scheme="viridis"))
    dots = alt.Chart().mark_circle(size=40, opacity=0.7).encode(x, alt.Y("mean_reward:Q", title="mean reward"), colour)
    layers = alt.layer(line, dots, data=frame).properties(width=WIDTH // 2)
    return layers.facet(facet=alt.Facet("reward:N", title="reward"), columns=3)


def _placed(frame: DataFrame) -> DataFrame:
    """With the place of each outcome in a stack."""
    return frame.assign(place=frame["outcome"].map({kind: place for place, kind in enumerate(KINDS)}))


def _colour(frame: DataFrame) -> alt.Color:
    """A kind has the same colour everywhere; the legend has those that occur."""
    import altair as alt

    there = {kind: colour for kind, colour in zip(KINDS, COLOURS, strict=True) if kind in set(frame["outcome"])}
    return alt.Color("outcome:N", scale=alt.Scale(domain=list(there), range=list(there.values())), title="outcome")


def _whole() -> alt.Scale:
    import altair as alt

    return alt.Scale(domain=[0, 1])
