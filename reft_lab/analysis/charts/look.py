"""How all pictures look, how a notebook shows them, and how columns and settings become axes and colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import altair as alt
    from pandas import DataFrame

    Picture = alt.Chart | alt.LayerChart | alt.FacetChart | alt.ConcatChart

WIDTH, HEIGHT = 420, 240
PER_CENT = ".0%"


def in_notebook() -> None:
    """Make charts appear as SVG pictures, on white.

    SVG is drawn here, by vl-convert, and is a plain picture afterwards: it shows in Jupyter, in VS Code and on pages
    that notebooks are exported to, with no network and no extension. The other ways that altair has load Vega from the
    network (`html`), need a further package (`jupyter`), or hope that the front end knows this version of Vega-Lite
    (`mimetype`). `altair.renderers.enable("html")` after it makes pictures that answer to the mouse, where there is a
    network.
    """
    import altair as alt

    alt.renderers.enable("svg")
    alt.data_transformers.disable_max_rows()

    @alt.theme.register("reft_lab", enable=True)
    def theme() -> alt.theme.ThemeConfig:
        return alt.theme.ThemeConfig(
            background="white",
            config={
                "view": {"continuousWidth": WIDTH, "continuousHeight": HEIGHT, "stroke": None},
                "axis": {"grid": True, "gridOpacity": 0.4, "titleFontWeight": "normal"},
                "axisBand": {"grid": False},
                "title": {"anchor": "start", "fontWeight": "normal"},
                "header": {"titleFontWeight": "normal"},
                "legend": {"titleFontWeight": "normal"},
            },
        )


def nothing(sentence: str) -> Picture:
    """A sentence in the place of a picture."""
    import altair as alt

    return (
        alt.Chart(alt.InlineData([{}]))
        .mark_text(align="left", color="#555", fontSize=12)
        .encode(x=alt.value(0), text=alt.value(sentence))
        .properties(width=WIDTH * 2, height=24)
    )


def field(name: str) -> str:
    """A column as Vega-Lite names it, to which a dot or a bracket would mean a part of the column."""
    for sign in ".[]":
        name = name.replace(sign, f"\\{sign}")
    return name


def axis_of(name: str) -> alt.X:
    """The column `name` from left to right, which counts steps or iterations."""
    import altair as alt

    return alt.X(field(name), type="quantitative", title=name, axis=alt.Axis(tickMinStep=1, format="d"))


def values_of(column: str) -> alt.Y:
    """The numbers of a column from bottom to top, whatever they are, without a title."""
    import altair as alt

    return alt.Y(column, type="quantitative", title=None, scale=alt.Scale(zero=False), axis=alt.Axis(format=".3~g"))


def colour_of(frame: DataFrame, setting: str) -> alt.Color:
    """A colour for each value of a setting: numbers from dark to bright, names as different as can be."""
    import altair as alt
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    values = frame[setting]
    ordered = is_numeric_dtype(values) and not is_bool_dtype(values)
    scheme: Any = alt.SchemeParams(name="viridis", extent=[0, 0.85]) if ordered else "tableau10"
    scale, legend = alt.Scale(scheme=scheme), alt.Legend(symbolOpacity=1)
    return alt.Color(field(setting), type="ordinal", title=setting, scale=scale, legend=legend)
