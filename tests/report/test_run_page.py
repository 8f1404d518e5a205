"""What is on the page of a run, whatever state the run is in."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import altair
import pytest

from reft_lab.errors import BadInput
from reft_lab.report import run_report
from reft_lab.report.explained import why_sft_is_above
from tests.report.written import PASSPORT, metrics, sample, write_lines, write_run


def text_of(page: Path) -> str:
    """The words of a page, without scripts and markup."""
    body = page.read_text(encoding="utf-8").partition("<main>")[2].partition("</main>")[0]
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


def data_of(page: Path, name: str):
    found = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', page.read_text(), re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_results_stand_with_their_intervals(page):
    text = text_of(page)
    assert "after warm-up 30.0 23.0 to 37.0 200 25.0 18.0 to 32.0 200" in text
    assert "after ReFT 50.0 43.0 to 57.0 200" in text
    assert "10 test problems, against became right became wrong change, points" in text
    assert "after warm-up 9 0 +90.0 +70.0 to +100.0 0.004" in text


def test_questions_that_are_nearly_in_train_are_told_apart(tmp_path):
    inside, outside = ({"accuracy": share, "n": n, "ci95": [0, 1]} for share, n in ((0.712, 80), (0.551, 120)))
    parts = {"in_train": inside, "not_in_train": outside}
    text = text_of(run_report(write_run(tmp_path / "run", test_by_overlap={"near": parts})))
    assert (
        "71.2 % of the 80 test questions that are nearly a training question (other numbers, other names, a few other "
        "words) are right, and 55.1 % of the other 120: 46.3 % of the right answers." in text
    )
    for name, found in (("none", {"near": parts | {"in_train": None}}), ("damaged", {"near": 3}), ("old", None)):
        page = run_report(write_run(tmp_path / name, test_by_overlap=found))
        assert "nearly a training question" not in text_of(page)
    page = run_report(write_run(tmp_path / "all", test_by_overlap={"near": parts | {"not_in_train": None}}))
    assert "are right, and there are no others: 100.0 % of the right answers." in text_of(page)


def test_options_of_stages_that_a_run_does_not_have_do_not_tell_it_apart(tmp_path):
    words = ("offline_st.epochs=3", "warmup.lr=0.002", "sft.lr=0.003", f"data.path={'/folder' * 10}/end.json")
    page = run_report(write_run(tmp_path / "run", *words)).read_text()
    chips = re.findall(r"<code>([^<]*)=<b>([^<]*)</b></code>", page)
    assert dict(chips) == {"warmup.lr": "0.002", "data.path": f"…{('/folder' * 10 + '/end.json')[-44:]}"}


def test_alarms_stand_with_their_steps(page):
    assert "alarm/kl in iterations 2 to 3: the policy is far from the reference." in text_of(page)


def test_options_that_differ_from_the_default_are_marked(page):
    marked = re.findall(r'class="changed"><dt>(.*?)</dt><dd>(.*?)</dd>', page.read_text())
    assert ("kl_coef", '0.03 <span class="default">default 0.01</span>') in marked
    assert {key for key, _ in marked} <= {"kl_coef", "baseline", "wandb"}


def test_what_was_changed_stands_beside_the_title(page, real_page):
    head = page.read_text().partition("</header>")[0]
    assert "<code>ppo.kl_coef=<b>0.03</b></code>" in head
    assert "tracker" not in head.partition('class="changes"')[2].partition("</ul>")[0]
    assert re.search(r"<title>kl_coef=0\.03 · .* · report\d*/run</title>", head)
    assert re.search(r"<title>.* and \d+ more · .* · real_run\d*/run</title>", real_page.read_text())


def test_runs_of_a_study_have_titles_that_tell_them_apart(study_page):
    titles = [
        re.search("<title>(.*?)</title>", run_report(study_page.parent / trial / "seed-1").read_text())[1]
        for trial in ("0", "1")
    ]
    assert titles[0].startswith("kl_coef=0.0 seed=1 · ")
    assert titles[1].startswith("seed=1 · ")
    assert [title.rpartition(" · ")[2] for title in titles] == ["kl/0/seed-1", "kl/1/seed-1"]


def test_a_result_that_is_the_warm_up_says_so(tmp_path):
    page = run_report(write_run(tmp_path / "run", accuracy=0.3, chosen="warm-up"))
    text = text_of(page)
    assert "No iteration of ReFT was better on dev than the warm-up" in text
    assert "ReFT, iteration 4 (not chosen) 30.0 24.1 to 36.7 200" in text
    assert "not chosen" not in text_of(run_report(write_run(tmp_path / "other")))


def test_why_the_loss_of_sft_stays_above_that_of_the_warm_up():
    config = {"warmup.lr": 1e-3, "sft.lr": 1e-3, "warmup.weight_decay": 0.01, "sft.weight_decay": 3.0}
    low, high = ([(float(step), level + 1 / step) for step in range(1, 20)] for level in (0.1, 0.5))
    told = why_sft_is_above(config, low, high)
    assert "sft.weight_decay=3.0 where the warm-up has 0.01. A lower rate" in told
    assert "sft.lr" not in told
    assert why_sft_is_above(config, high, low) == why_sft_is_above(config, low, []) == ""
    assert why_sft_is_above(config | {"sft.weight_decay": 0.01}, low, high) == ""


def test_every_test_problem_is_in_the_page(real_page):
    lines = [json.loads(line) for line in (real_page.parent / "predictions.jsonl").read_text().splitlines()]
    shown = data_of(real_page, "problems")["problems"]
    assert [each["id"] for each in shown] == [line["id"] for line in lines]
    for each, line in zip(shown, lines, strict=True):
        before = each["after"] if each["before"] == "same" else each["before"]
        assert each["reasoning"] == line["reasoning"]
        assert each["head"].startswith("def solution(x0=")
        assert each["after"]["response"] == line["response"]
        assert before["response"] == line["warmup"]["response"]
        assert before.get("answer") == line["warmup"]["answer"]


def test_predictions_of_earlier_versions_are_shown_as_far_as_they_go(tmp_path):
    run = write_run(tmp_path / "run")
    old = {"id": "1", "question": "?", "response": "a", "answer": "2", "gold": "2", "outcome": "correct"}
    write_lines(run / "predictions.jsonl", [old | {"warmup": {"answer": "1", "outcome": "wrong"}}, {"id": "2"}])
    page = run_report(run)
    (shown,) = data_of(page, "problems")["problems"]
    assert shown["before"] == {"answer": "1", "outcome": "wrong"}
    assert "was not recorded by the version" in text_of(page)


def test_charts_are_what_vega_lite_takes(page, study_page):
    kinds = {page: ("scores", "accuracy", "outcomes-rollout", "stages"), study_page: ("study-outcomes", "study-change")}
    for each, keys in kinds.items():
        for key in keys:
            spec = data_of(each, "specs")[key]
            spec["data"]["values"] = spec["data"]["values"][:2]
            altair.LayerChart.from_dict(spec, validate=True)


def test_curves_are_those_of_the_run(page):
    specs = data_of(page, "specs")
    reward = {row["x"]: row["s0"] for row in specs["rollout-reward"]["data"]["values"]}
    assert reward == {1: 0.125, 2: 0.25, 3: 0.375, 4: 0.5}
    accuracy = specs["accuracy"]["data"]["values"]
    assert {row["x"] for row in accuracy} == {5, 10, 11, 12, 13, 14}


def test_the_load_of_the_machine_is_there_as_far_as_it_was_measured(page, tmp_path):
    specs = data_of(page, "specs")
    assert [row["s1"] for row in specs["machine-cpu"]["data"]["values"]] == [0.125, 0.25, 0.375, 0.5]
    assert [row["s0"] for row in specs["machine-run-memory"]["data"]["values"]] == [1.5] * 4
    assert "machine-gpu" not in specs  # there is none
    assert "The machine CPUs at work" in text_of(page)
    run = write_run(tmp_path / "run")
    bare = [{name: x for name, x in each.items() if not name.startswith("machine/")} for each in metrics(4, 0.5)]
    write_lines(run / "metrics.jsonl", bare)
    assert "CPUs at work" not in text_of(run_report(run))


def test_a_run_that_goes_on_shows_what_there_is(tmp_path):
    text = text_of(run_report(write_run(tmp_path / "run", accuracy=None)))
    assert "ReFT so far (step 14)" in text
    assert "warm-up so far (step 10) 30.0" in text
    assert "There are no sampled responses" in text


def test_a_fork_says_where_it_comes_from(tmp_path):
    run = write_run(tmp_path / "run")
    fork = {"run": "/runs/first", "step": 24, "moment": "iteration 14 of ReFT", "changed": {"seed": "0 -> 1"}}
    (run / "passport.json").write_text(json.dumps(PASSPORT | {"fork": fork}))
    text = text_of(run_report(run))
    assert "fork of /runs/first at iteration 14 of ReFT (step 24)" in text
    assert "changed there seed 0 -&gt; 1" in text


@pytest.mark.parametrize("status", ["failed", "interrupted", "pruned"])
def test_a_run_that_did_not_finish_says_why(tmp_path, status):
    nothing = {"warmup": None, "final": None, "outcomes": None, "chosen": None}
    run = write_run(tmp_path / "run", status=status, reason="Something happened.", **nothing)
    text = text_of(run_report(run))
    assert status in text
    assert "Something happened." in text
    assert "ReFT so far" in text


def test_a_damaged_run_has_a_page(tmp_path):
    run = write_run(tmp_path / "run")
    (run / "config.yaml").write_text("a: [")
    (run / "passport.json").write_text("{")
    (run / "result.json").write_text("[]")
    with (run / "metrics.jsonl").open("a") as file:
        file.write("{broken\n" + json.dumps({"step": 15, "rollout/reward": 0.7}) + "\n")
    text = text_of(run_report(run))
    assert "damaged" in text
    assert "The config of this run cannot be read." in text
    assert "The passport of this run is missing or cannot be read." in text
    assert "1 damaged line left out" in text


def test_a_run_that_recorded_nothing_has_a_page(tmp_path):
    run = write_run(tmp_path / "run", accuracy=None)
    (run / "metrics.jsonl").write_text("")
    text = text_of(run_report(run))
    assert "There is no result yet, and nothing was evaluated." in text
    assert "Nothing was recorded yet." in text


def test_a_run_without_iterations_has_a_page(tmp_path):
    text = text_of(run_report(write_run(tmp_path / "run", iterations=0)))
    assert "No responses were sampled in this run." in text
    assert "after ReFT 50.0" in text


def test_supervised_fine_tuning_alone_has_a_page(tmp_path):
    run = write_run(tmp_path / "run", "method=sft", iterations=0, warmup=None)
    write_lines(run / "metrics.jsonl", ({"step": step, "seconds": step, "sft/loss": 1 / step} for step in range(1, 9)))
    page = run_report(run)
    assert "best SFT 50.0" in text_of(page)
    assert "There are no sampled responses" in text_of(page)
    assert len(data_of(page, "specs")["sft-loss"]["data"]["values"]) == 8


def test_samples_of_an_earlier_version_are_said_to_have_no_tokens(tmp_path):
    old = {key: value for key, value in sample(11, ["a"]).items() if key != "tokens"}
    page = run_report(write_run(tmp_path / "run", samples=[old]))
    assert "made by an earlier version" in text_of(page)
    assert data_of(page, "tokens") is None


def test_a_long_run_keeps_its_page_small(tmp_path):
    text = ["token"] * 400
    samples = [sample(10 + 50 * number, text) for number in range(1, 101) for _ in range(8)]
    run = write_run(tmp_path / "run", iterations=5000, samples=samples)
    page = run_report(run)
    assert page.stat().st_size < 5_000_000
    said = text_of(page)
    assert "evaluations are shown, evenly spread" in said
    assert "Long curves are thinned" in said
    steps = [each["step"] for each in data_of(page, "tokens")["steps"]]
    assert (steps[0], steps[-1]) == (60, 5010)
    reward = data_of(page, "specs")["rollout-reward"]["data"]["values"]
    assert len(reward) <= 240
    assert reward[-1]["x"] == 5000


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(BadInput):
        run_report(tmp_path)


def test_numbers_that_are_not_finite_are_no_trouble(tmp_path):
    broken = sample(11, ["a", "b"])
    broken["tokens"]["advantage"] = [float("nan"), None]
    run = write_run(tmp_path / "run", samples=[broken])
    write_lines(run / "metrics.jsonl", [*metrics(2, 0.5), {"step": 13, "rollout/reward": float("inf")}])
    page = run_report(run)
    assert data_of(page, "tokens")["steps"][0]["responses"][0]["advantage"] == [None, None]
    assert max(row["x"] for row in data_of(page, "specs")["rollout-reward"]["data"]["values"]) == 2


def test_the_page_of_a_run_is_quick_to_make(page):
    run_report(page.parent)  # the drawing library is in its place now
    script = (
        "import time; from pathlib import Path; from reft_lab.report import run_report\n"
        f"run_report(Path({str(page.parent)!r}))\nprint(time.process_time())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 6  # 2.5 s on a free machine
