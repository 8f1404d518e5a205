"""`reft table`: a study beside the paper, on the terminal, in Markdown and in LaTeX."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from reft_lab.report import study_report
from tests.cli.ended import Ended
from tests.cli.written import write_run

Reft = Callable[..., Ended]
PAPER = ("model=codellama", "data=gsm8k", "baseline=null", "tracker.group=paper_main")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SFT and ReFT on two seeds each, on the hub's questions. Tests only read it."""
    folder = tmp_path_factory.mktemp("paper") / "multirun" / "paper_main"
    for number, (method, right) in enumerate([("sft", (5, 6)), ("reft", (7, 8))]):
        for seed, count in enumerate(right):
            words = (*PAPER, f"method={method}", f"seed={seed}")
            write_run(folder / str(number) / f"seed-{seed}", *words, right=range(count))
    (folder / ".sweep.lock").touch()
    return folder


@pytest.fixture
def table(study: Path, reft: Reft, monkeypatch: pytest.MonkeyPatch) -> Reft:
    """`reft table` beside the study's multirun/."""
    monkeypatch.chdir(study.parents[1])
    return lambda *words: reft("table", *words)


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_settings_of_a_study_stand_beside_each_other_with_what_they_took(table: Reft) -> None:
    ended = table("paper_main", "--table", "settings", "--markdown")
    assert ended.code == 0, ended.err
    lines = ended.out.splitlines()
    assert lines[0] == "**paper_main**, test accuracy in %"
    head = cells(lines[2])
    rows = {row[0]: dict(zip(head, row, strict=True)) for row in map(cells, lines[4:6])}
    assert set(rows) == {"SFT", "ReFT"}  # although they differ in more, such as the stages' options
    assert (rows["ReFT"]["Test"], rows["SFT"]["Test"]) == ("75.0", "55.0")
    assert (rows["ReFT"]["Change"], rows["SFT"]["Change"]) == ("", "−20.0")
    assert rows["SFT"]["Its 95 % interval"] == ""  # two seeds
    assert any("against ReFT (the default)" in line for line in lines)


def test_decodings_stand_by_their_samples(study: Path, table: Reft, tmp_path: Path) -> None:
    """A mean over the two seeds in each cell; what drew no samples is left out."""
    folder = shutil.copytree(study, tmp_path / "sampled")
    for seed, right in ((0, 0.5), (1, 0.75)):
        path = folder / "1" / f"seed-{seed}" / "result.json"
        result = json.loads(path.read_text())
        curve = {"1": {"accuracy": right}, "4": {"accuracy": right + 0.1}}
        path.write_text(json.dumps(result | {"decoding": {"vote": curve, "pass": {"4": {"accuracy": 0.9}}}}))
    lines = table(str(folder), "--table", "samples", "--markdown").out.splitlines()
    assert cells(lines[2]) == ["Method", "Decoding", "k = 1", "k = 4"]
    assert [cells(line) for line in lines[4:7]] == [
        ["reft", "greedy", "75.0", ""],
        ["reft", "pass", "", "90.0"],
        ["reft", "vote", "62.5", "72.5"],
    ]
    refused = table("paper_main", "--table", "samples")
    assert refused.code == 2
    assert "drew samples" in refused.err


def test_markdown_pastes_as_a_table_with_its_notes(table: Reft) -> None:
    ended = table("paper_main", "--markdown")
    assert ended.code == 0, ended.err
    lines = ended.out.splitlines()
    assert lines[0] == "**Main results: GSM8K, P-CoT, CodeLLaMA-7B**, test accuracy in %"
    head = cells(lines[2])
    rows = {row[0]: dict(zip(head, row, strict=True)) for row in map(cells, lines[4:9])}
    assert rows["ReFT"]["Paper"] == "75.28"
    assert (rows["ReFT"]["Ours"], rows["ReFT"]["Seeds"]) == ("75.0", "2")
    assert (rows["ReFT"]["Ours − paper"], rows["ReFT"]["Gain, paper"]) == ("−0.3", "+11.6")
    assert (rows["SFT"]["Ours"], rows["ReFT"]["Gain, ours"]) == ("55.0", "+20.0")
    assert (rows["Offline-ST"]["Paper"], rows["Offline-ST"]["Ours"]) == ("68.00", "")
    notes = [line for line in lines if line.startswith("- ")]
    assert any("GSM8K is the hub's" in note for note in notes)
    assert any("on dev here, on test in the paper" in note for note in notes)


def test_latex_is_an_article_with_booktabs(table: Reft, tmp_path: Path) -> None:
    latex = table("multirun/paper_main", "--latex").out
    assert re.match(r"% \\usepackage\{booktabs,graphicx\}\n\\begin\{table\}", latex)
    assert [latex.count(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")] == [1, 1, 1]
    body = latex[latex.index(r"\toprule") : latex.index(r"\bottomrule")].splitlines()
    rows = [line for line in body if line.endswith(r"\\")]
    columns = len(re.search(r"\\begin\{tabular\}\{([lr]+)\}", latex)[1])  # type: ignore[index]
    assert len(rows) == 6
    assert all(len(re.findall(r"(?<!\\)&", row)) == columns - 1 for row in rows)
    assert latex.isascii()
    assert re.search(r"(?<!\\)[_#]", latex.replace("\\label{tab:main}", "")) is None
    assert latex.count("{") == latex.count("}")
    assert re.search(r"(?<!\\)%(?!\n)", latex.partition("\n")[2]) is None  # nothing is commented out but line ends
    if shutil.which("pdflatex"):
        file = tmp_path / "table.tex"
        whole = rf"\documentclass{{article}}\usepackage{{booktabs,graphicx}}\begin{{document}}{latex}\end{{document}}"
        file.write_text(whole.replace(r"}% \use", "}\n% \\use"))
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", file.name]
        assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 0
        assert "Overfull" not in file.with_suffix(".log").read_text()


def test_the_terminal_says_what_differs(table: Reft) -> None:
    out = table("paper_main").out
    assert "Main results: GSM8K, P-CoT, CodeLLaMA-7B, test accuracy in %" in out
    assert re.search(r"ReFT +75\.28 +75\.0 ", out)
    assert "Seeds: 2 here, too few for an interval; one in the paper" in out


def test_the_page_of_the_study_has_it_too(study: Path) -> None:
    page = study_report(study).read_text()
    section = page[page.index('<h2 id="h-paper">') :]
    assert "Main results: GSM8K, P-CoT, CodeLLaMA-7B" in section
    assert '<td data-label="Paper">75.28</td>' in section


def test_what_cannot_be(table: Reft) -> None:
    for words, said in (
        (("paper_mian",), "there is no study paper_mian in multirun/"),
        (("paper_main", "--table", "decodin"), "did you mean decoding?"),
        (("paper_main/0", "--table", "ablation"), "no finished run has an accuracy for the table ablation"),
        (("paper_main", "--markdown", "--latex"), "exclude each other"),
    ):
        ended = table(*words)
        assert (ended.code, ended.out) == (2, "")
        assert said in ended.err
        assert ended.err.count("\n") == 1
