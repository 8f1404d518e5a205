"""Tables to read and to paste: the paper's accuracies beside ours, as a notebook shows them, in Markdown, in LaTeX."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from reft_lab.analysis.published import MAIN, NAMES, published
from reft_lab.analysis.seeds import summarise
from reft_lab.analysis.settings import finished
from reft_lab.methods.sft import SFT, WARMUP
from reft_lab.numbers import four, interval, p_value, per_cent, plain, points

if TYPE_CHECKING:
    from pandas import DataFrame
    from pandas.io.formats.style import Styler

WHAT = ["data", "cot", "model", "method"]  # what one accuracy is of
# What columns of frames are called on the pages of studies.
HEADS = {"n": "seeds", "standard_error": "s.e.", "low": "95 % from", "high": "to", "questions": "problems"} | {
    "difference": "change, points",
    "p_holm": "p (Holm)",
    "both": "right both times",
    "only_ours": "became right",
    "only_theirs": "became wrong",
    "neither": "wrong both times",
    "seeds_needed": "seeds needed",
    "questions_needed": "problems needed",
}
COUNTS = ("n", "questions", "both", "only_ours", "only_theirs", "neither", "seeds_needed", "questions_needed")
FRACTIONS = ("mean", "standard_error", "low", "high", "difference", "share")
ON_ONE_LINE: Any = [{"selector": "td", "props": "white-space: nowrap"}]
# Where the accuracies of a run stand, and the method of each; the final one is of the run's own.
_PLACES = {"warmup_test_accuracy": WARMUP.name, "baseline_sft_test_accuracy": SFT.name, "final_test_accuracy": None}


def our_accuracies(table: DataFrame) -> DataFrame:
    """Test accuracies of all methods that finished runs hold, the policy after warm-up and the SFT baseline included.

    Returns:
        One row each: run, seed, data, cot, model, method (`warmup`, `sft` or the method of the run), value (a
        fraction).
    """
    import pandas

    done = finished(table)
    parts = [
        done[["run", "seed", "data", "cot", "model"]].assign(
            method=done["method"] if method is None else method, value=done[column]
        )
        for column, method in _PLACES.items()
    ]
    return pandas.concat(parts, ignore_index=True).dropna(subset=["value"]).reset_index(drop=True)


def main_table(table: DataFrame, *, everything: bool = False) -> DataFrame:
    """The paper's main results beside the mean of ours over seeds.

    Args:
        table: `Runs.table`; only finished runs count.
        everything: whether all of the paper's rows are there, or only those of which we have a model, data set and
            kind of reasoning.

    Returns:
        One row for each data set, kind of reasoning, model and method: paper (a fraction; nan where it has none), n
        (seeds), mean, standard_error, low, high (nan where we have none, or one seed). Data sets, models and methods
        are in the paper's order, then ours.
    """
    import pandas

    ours = summarise(our_accuracies(table), WHAT)
    theirs = pandas.DataFrame([each for each in published() if each.table == MAIN or each.method == "warmup"])
    theirs = theirs.rename(columns={"accuracy": "paper"})[[*WHAT, "paper"]]
    if not everything:
        keys = WHAT[:-1]
        theirs = theirs.merge(ours[keys].drop_duplicates(), on=keys)
    both = theirs.merge(ours, on=WHAT, how="outer")
    both["n"] = both["n"].fillna(0).astype("int64")
    order = {name: place for place, name in enumerate(NAMES)}
    return both.sort_values(WHAT, key=lambda column: column.map(lambda name: (order.get(name, len(order)), name)))[
        [*WHAT, "paper", "n", "mean", "standard_error", "low", "high"]
    ].reset_index(drop=True)


def as_text(main: DataFrame) -> DataFrame:
    """`main_table` in words and per cent, ready to be printed.

    Every cell is text, empty where there is nothing. Intervals are cut at 0 and 100.
    """
    import pandas

    titles = {"Data": "data", "Reasoning": "cot", "Model": "model", "Method": "method"}
    return pandas.DataFrame(
        {
            **{title: main[column].map(lambda word: NAMES.get(word, word)) for title, column in titles.items()},
            "Paper": [per_cent(value, 2) for value in main["paper"]],
            "Ours": [per_cent(value) for value in main["mean"]],
            "95 % interval": list(map(interval, main["low"], main["high"])),
            "Seeds": [str(n) if n else "" for n in main["n"]],
        }
    )


def as_markdown(text: DataFrame) -> str:
    """A table of text in Markdown, without its index."""
    return text.to_markdown(index=False, disable_numparse=True, tablefmt="github")


def as_latex(text: DataFrame, caption: str | None = None, label: str | None = None) -> str:
    """A table of text in LaTeX (booktabs, graphicx), without its index; what LaTeX takes for commands is escaped.

    Columns of numbers are aligned to the right, long heads take two lines, and a table wider than the text is scaled.

    Args:
        text: the table.
        caption: LaTeX of its caption; with it, the tabular stands in a table.
        label: its label, such as `tab:main`.
    """
    sides = ["r" if all(map(_is_number, text[name])) else "l" for name in text.columns]
    heads = [_head(name, max(map(len, text[name]), default=0), side) for name, side in zip(text, sides, strict=True)]
    style = text.set_axis(heads, axis="columns").style.hide(axis="index").format(latex_text)
    latex: str = style.to_latex(
        hrules=True, caption=caption, label=label, column_format="".join(sides), position_float=caption and "centering"
    )
    gap = "\\par\\smallskip\n" if caption else ""  # between the caption and the rule
    latex = latex.replace(r"\begin{tabular}", f"{gap}{_FITTED}{{%\n\\begin{{tabular}}")
    return latex.replace(r"\end{tabular}", r"\end{tabular}}")


_FITTED = r"\resizebox{\ifdim\width>\textwidth\textwidth\else\width\fi}{!}"


def _is_number(cell: str) -> bool:
    return re.match(r"[-−+<\d]", cell) is not None or not cell


def _head(name: str, widest: int, side: str) -> str:
    """A head, on two lines where it is longer than the cells below it."""
    words = re.split(r" (?!%)", name)
    if len(name) <= widest or len(words) < 2:
        return latex_text(name)
    cuts = [(" ".join(words[:place]), " ".join(words[place:])) for place in range(1, len(words))]
    lines = min(cuts, key=lambda cut: max(map(len, cut)))
    return rf"\shortstack[{side}]{{{latex_text(lines[0])}\\{latex_text(lines[1])}}}"


# What LaTeX reads as a command, or has no sign for in text of its oldest encoding, which it still begins with.
_LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "…": r"\dots{}"}
_LATEX |= {sign: f"\\{sign}" for sign in "&%$#_{}"}
_LATEX |= {"−": "$-$", "±": r"$\pm$", "×": r"$\times$", "<": "$<$", ">": "$>$", "|": "$|$"}


def latex_text(text: str) -> str:
    """Plain text for LaTeX: what LaTeX takes for commands is escaped."""
    return "".join(_LATEX.get(sign, sign) for sign in text)


def shown(frame: DataFrame, *, fractions: Sequence[str] = FRACTIONS, missing: str = "") -> Styler:
    """A frame as a notebook shows it, in the words of the pages: fractions in per cent, differences of them in points,
    p with three digits, counts with all digits, settings and other numbers with four.

    Args:
        frame: any frame.
        fractions: columns that hold fractions, where the frame has them.
        missing: what is said above a frame without rows.
    """
    cell = points if "difference" in frame.columns else _per_cent_cell
    style: dict[str, Any] = {name: cell for name in fractions if name in frame.columns}
    if "difference" in style:
        style |= {name: per_cent for name in ("standard_error",) if name in style}  # it has no sign
    style |= {name: _p_cell for name in ("p", "p_holm") if name in frame.columns}
    style |= {name: plain for name in COUNTS if name in frame.columns}
    style |= {name: _number_cell for name in frame.columns if name not in style}
    styled = frame.style.format(style, na_rep="").hide(axis="index").set_table_styles(ON_ONE_LINE)
    if frame.empty and missing:
        return styled.hide(axis="columns").set_caption(missing)
    heads = HEADS | ({"n": "problems"} if "only_ours" in frame.columns else {})
    return styled.relabel_index([heads.get(name, name) for name in frame.columns], axis="columns")


def _per_cent_cell(value: float) -> str:
    return per_cent(value) and f"{per_cent(value)} %"


def _number_cell(value: Any) -> str:
    return four(value) if isinstance(value, float) else str(value)


def _p_cell(value: float) -> str:
    return p_value(value).replace("<", "&lt;")
