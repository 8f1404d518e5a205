"""A plain multirun ends with a table of its settings and a page."""

from __future__ import annotations

from reft_lab.command.summary import summarise
from tests.report.written import write_run


def test_it_says_what_came_of_each_setting_and_where_the_page_is(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "multirun" / "now"
    for number, (kl, accuracy) in enumerate(((0.01, 0.4), (0.1, 0.5))):
        right = [n < 10 * accuracy for n in range(10)]
        write_run(folder / str(number), f"ppo.kl_coef={kl}", accuracy=accuracy, right=right)
    failed = {"status": "failed", "reason": "It ran out of memory.", "final": None, "warmup": None, "outcomes": None}
    write_run(folder / "2", "ppo.kl_coef=1", **failed)
    said = []
    summarise(folder, said.append)
    assert said[0] == "\n3 runs in multirun/now: 2 finished, 1 failed"
    assert said[1] == "  2: failed (It ran out of memory)"
    assert said[-2].endswith("against ppo.kl_coef=0.01 (the default)")
    assert said[-1] == "report: multirun/now/report.html"
    table = capsys.readouterr().out
    assert "ppo.kl_coef=0.1" in table
    assert "50.0" in table
    assert "+10.0" in table
    assert (folder / "report.html").is_file()


def test_runs_that_never_began_have_none(tmp_path):
    said = []
    summarise(tmp_path, said.append)
    assert said == []
    assert list(tmp_path.iterdir()) == []
