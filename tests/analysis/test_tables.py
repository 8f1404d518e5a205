"""The paper's table beside ours, and what is pasted from it."""

from __future__ import annotations

import math
import re

import pandas
import pytest

from reft_lab.analysis.published import MAIN, NAMES, published
from reft_lab.analysis.statistics import mean_over_seeds
from reft_lab.analysis.tables import as_latex, as_markdown, as_text, main_table, our_accuracies, shown
from tests.analysis.frames import found, runs_of
from tests.docs.pages import REPO, rows, section

LLAMA = {"model.name": "codellama", "data.name": "gsm8k"}
OURS = mean_over_seeds([0.6, 0.7, 0.8])
RUNS = runs_of(
    *(found(f"tiny{seed}", seed=seed, warmup=0.4, test=0.6 + seed / 10, sft=0.5) for seed in (0, 1, 2)),
    found("llama", seed=0, warmup=0.62, test=0.74, config=LLAMA),
    found("sft", seed=0, method="sft", test=0.61, config=LLAMA),
    found("failed", seed=1, state="failed", config=LLAMA),
)


def value(**what: str) -> float:
    (one,) = [each for each in published() if all(getattr(each, name) == word for name, word in what.items())]
    return one.accuracy


def test_published_values():
    assert value(model="codellama", data="gsm8k", cot="program", method="reft", table=MAIN) == 0.7528
    assert value(model="galactica", data="mathqa", cot="natural", method="offline_st") == 0.6075
    assert value(model="codellama", data="svamp", cot="natural", method="online_st") == 0.586
    assert value(model="codellama", method="reft", decoding="rerank@100", cot="program") == 0.812
    assert value(model="galactica", method="sft", decoding="vote@100", cot="program") == 0.629
    assert value(model="codellama", method="reft", decoding="vote@100", cot="natural") == 0.632
    assert value(model="galactica", data="mathqa_numeric", method="online_st") == 0.4378
    assert value(model="codegen_350m", data="mathqa", method="reft") == 0.591
    assert value(model="galactica", method="warmup") == 0.4837
    assert value(variant="no partial reward") == 0.744
    assert len(published()) == 8 * 6 + 2 * 4 + 4 * 4 + 2 + 3 * 6 + 3


def test_published_values_are_those_of_the_documentation():
    names = {name: word for word, name in NAMES.items()}
    for title, *cells in rows(section(REPO / "docs" / "paper.md", "Published accuracies")):
        model, method = title.split(", ")
        for data, cell in zip(("gsm8k", "svamp", "mathqa"), cells, strict=True):
            for cot, number in zip(("natural", "program"), cell.split(" / "), strict=True):
                known = {"model": names[model], "method": names[method], "data": data, "cot": cot, "table": MAIN}
                assert value(**known) == pytest.approx(float(number) / 100)


def test_every_accuracy_of_finished_runs_is_found():
    frame = our_accuracies(RUNS.table)
    assert sorted(zip(frame["run"], frame["method"], frame["value"], strict=True)) == [
        ("llama", "reft", 0.74),
        ("llama", "warmup", 0.62),
        ("sft", "sft", 0.61),
        ("tiny0", "reft", 0.6),
        ("tiny0", "sft", 0.5),
        ("tiny0", "warmup", 0.4),
        ("tiny1", "reft", 0.7),
        ("tiny1", "sft", 0.5),
        ("tiny1", "warmup", 0.4),
        ("tiny2", "reft", 0.8),
        ("tiny2", "sft", 0.5),
        ("tiny2", "warmup", 0.4),
    ]


def test_the_papers_row_stands_beside_ours():
    frame = main_table(RUNS.table).set_index(["data", "cot", "model", "method"])
    reft = frame.loc[("gsm8k", "program", "codellama", "reft")]
    assert (reft["paper"], reft["n"], reft["mean"]) == (0.7528, 1, 0.74)
    assert math.isnan(reft["low"])
    assert frame.loc[("gsm8k", "program", "codellama", "offline_st"), "n"] == 0  # theirs alone
    ours = frame.loc[("arithmetic", "program", "tiny", "reft")]
    assert math.isnan(ours["paper"])
    assert (ours["n"], ours["mean"], ours["high"]) == pytest.approx((3, 0.7, OURS.high))
    assert [index[3] for index in frame.index] == [
        *("warmup", "sft", "offline_st", "online_st", "reft"),
        *("warmup", "sft", "reft"),
    ]


def test_everything_is_all_that_the_paper_has():
    frame = main_table(RUNS.table, everything=True)
    assert frame["paper"].notna().sum() == 8 * 6 + 2
    assert (frame["model"] == "tiny").sum() == 3


def test_no_finished_run_leaves_an_empty_table():
    nothing = runs_of(found("a", state="running"))
    assert main_table(nothing.table).empty
    assert len(main_table(nothing.table, everything=True)) == 8 * 6 + 2


def test_markdown_has_a_row_for_each():
    text = as_text(main_table(RUNS.table))
    head, rule, *body = as_markdown(text).splitlines()
    assert [cell.strip() for cell in head.strip("|").split("|")] == list(text)
    assert set(rule) == {"|", "-"}
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in body]
    assert ["GSM8K", "P-CoT", "CodeLLaMA-7B", "ReFT", "75.28", "74.0", "", "1"] in cells
    low, high = (f"{100 * end:.1f}" for end in (OURS.low, OURS.high))
    assert ["arithmetic", "P-CoT", "tiny", "ReFT", "", "70.0", f"{low} to {high}", "3"] in cells


def test_latex_is_escaped_and_has_its_rules():
    text = as_text(main_table(RUNS.table))
    text.loc[0, "Model"] = "my_model & 50%"
    latex = as_latex(text, caption="Ours", label="tab:ours")
    assert r"my\_model \& 50\%" in latex
    assert r"& \shortstack[r]{95 \%\\interval} &" in latex
    assert [latex.count(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")] == [1, 1, 1]
    assert r"\caption{Ours}" in latex
    body = latex[latex.index(r"\midrule") : latex.index(r"\bottomrule")]
    assert all(line.count(" & ") >= 7 for line in body.splitlines()[1:])


def test_no_sign_of_a_cell_is_read_as_latex():
    """Outside of the commands that it writes, LaTeX gets no sign that it would read, or print as another one."""
    text = pandas.DataFrame(
        {"a|b": [r"x\y_z^2 {50%} #1 $5 ~ <p> ± × − …"], "A head of two lines, 95 % of it": ["< 0.001"]}
    )
    latex = as_latex(text)
    head, body = latex[latex.index(r"\toprule") : latex.index(r"\bottomrule")].split(r"\midrule")
    assert body.split(" & ")[0].strip() == (
        r"x\textbackslash{}y\_z\textasciicircum{}2 \{50\%\} \#1 \$5 \textasciitilde{} $<$p$>$ "
        r"$\pm$ $\times$ $-$ \dots{}"
    )
    assert r"\shortstack[r]{A head of two\\lines, 95 \% of it}" in head
    assert r"{lr}" in latex
    plain = re.sub(r"\\[{}]", "", latex)
    assert plain.count("{") == plain.count("}")
    assert re.sub(r"\\\$", "", latex).count("$") % 2 == 0
    outside = re.sub(r"\$[^$]*\$", "", re.sub(r"\\\$", "", latex.partition(r"\toprule")[2]))
    assert not set(outside) & set("<>|^~_#−±×…") - {"_", "#"}
    assert re.search(r"(?<!\\)[_#&%]", outside.replace(" & ", "")) is None


def cells(html: str) -> list[str]:
    return [re.sub(r"<.*?>", "", cell).strip() for cell in re.findall(r"<td.*?</td>", html, re.DOTALL)]


def test_frames_are_shown_in_per_cent_and_points():
    frame = pandas.DataFrame({"reward": ["exact"], "n": [3], "mean": [0.1234], "low": [math.nan]})
    assert cells(shown(frame).to_html()) == ["exact", "3", "12.3 %", ""]
    needed = pandas.DataFrame({"seeds_needed": [math.nan, 9], "questions_needed": [120108, 889]})
    assert cells(shown(needed).to_html()) == ["", "120,108", "9", "889"]
    differences = pandas.DataFrame({"difference": [0.021], "p": [0.0004], "p_holm": [0.0312]})
    assert cells(shown(differences).to_html()) == ["+2.1", "&lt; 0.001", "0.031"]


def test_small_settings_are_shown_under_the_heads_of_the_pages():
    frame = pandas.DataFrame({"ppo.kl_coef": [1e-5, 0.05], "n": [3, 3], "p_holm": [0.5, 0.5]})
    html = shown(frame).to_html()
    assert cells(html) == ["1e-5", "3", "0.500", "0.05", "3", "0.500"]
    heads = re.findall(r"<th[^>]*>(.*?)</th>", html)
    assert [head.strip() for head in heads] == ["ppo.kl_coef", "seeds", "p (Holm)"]


def test_an_empty_frame_says_why():
    assert "nothing here" in shown(pandas.DataFrame({"mean": []}), missing="nothing here").to_html()
