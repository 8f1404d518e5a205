"""From files to the problems of a run."""

import json
from dataclasses import replace

import pytest

from reft_lab.cot.settings import CotConfig
from reft_lab.data import load
from reft_lab.data.settings import DataConfig
from reft_lab.errors import BadInput
from reft_lab.programs import ProgramRunner
from reft_lab.programs.settings import ProgramsConfig


@pytest.fixture(scope="module")
def runner():
    with ProgramRunner(ProgramsConfig()) as runner:
        yield runner


def gsm8k(number):
    pens = 2 * number + 3
    return {
        "question": f"Ann has {number} pens and buys {number + 3} more. How many pens?",
        "answer": f"{number}+{number + 3}=<<{number}+{number + 3}={pens}>>{pens} pens\n#### {pens}",
    }


def svamp(number):
    return {"ID": f"s{number}", "Body": f"Ann has {number} pens.", "Question": "She buys 3 more. How many pens?",
            "Equation": f"( {number}.0 + 3.0 )", "Answer": number + 3.0}  # fmt: skip


def mathqa(number, formula="add(n0,n1)"):
    return {"Problem": f"add {number} and 3 ?", "Rationale": f"{number} + 3 = {number + 3} . answer : b",
            "options": f"a ) {number} , b ) {number + 3} , c ) 2 : 3 , d ) none", "correct": "b",
            "linear_formula": formula}  # fmt: skip


def authors(number, cot=None):
    row = {"item_id": f"a_{number}", "question": gsm8k(number)["question"], "answer_value": f"{2 * number + 3}.0"}
    return row if cot is None else {**row, "answer_cot": cot}


def write(path, rows):
    path.write_text(json.dumps(rows))
    return str(path)


def test_original_train_beside_the_authors_test(tmp_path, runner):
    write(tmp_path / "train.json", [gsm8k(i) for i in range(100)])
    write(tmp_path / "gsm8k_test_set.json", [authors(i) for i in range(90, 120)])
    splits = load(DataConfig(name="gsm8k", path=str(tmp_path), dev_size=10), "program", runner)
    assert splits.report.counts == {"train": 90, "dev": 10, "test": 30}
    questions = {name: {p.question for p in getattr(splits, name)} for name in ("train", "dev", "test")}
    assert not questions["train"] & questions["dev"]
    exact = splits.report.duplicates["exact"]
    assert exact["train/test"] == len(questions["train"] & questions["test"])
    assert exact["train/test"] + exact["dev/test"] == 10
    assert (splits.report.kept, splits.report.dropped) == (90, {})
    assert all(
        result.value == float(p.answer)
        for p, result in zip(splits.train, runner.run([p.cot for p in splits.train]), strict=True)
    )
    assert all(p.cot is None for p in splits.dev + splits.test)
    assert len({p.id for p in splits.train + splits.dev + splits.test}) == 130


def test_the_same_config_gives_the_same_problems_and_train_size_a_subset(tmp_path, runner):
    path = write(tmp_path / "all.json", [gsm8k(i) for i in range(100)])

    def loaded(**options):
        return load(
            DataConfig(name="gsm8k", path=path, dev_size=10, test_size=15, **options), CotConfig(name="natural"), runner
        )

    whole = loaded()
    assert whole.report.counts == {"train": 75, "dev": 10, "test": 15}
    assert loaded() == whole
    part = loaded(train_size=20)
    assert len(part.train) == 20
    assert set(part.train) < set(whole.train)
    assert (part.dev, part.test) == (whole.dev, whole.test)
    other = loaded(split_seed=1)
    assert {p.question for p in other.dev} != {p.question for p in whole.dev}
    assert any("no test file: 15 problems carved off train" in note for note in whole.report.notes)
    assert any("data.train_size=999" in note for note in loaded(train_size=999).report.notes)


def test_small_sets_give_at_most_a_fifth(tmp_path, runner):
    path = write(tmp_path / "all.json", [gsm8k(i) for i in range(25)])
    splits = load(DataConfig(name="gsm8k", path=path), "natural", runner)
    assert splits.report.counts == {"train": 16, "dev": 4, "test": 5}
    assert sum("a fifth of the" in note for note in splits.report.notes) == 2
    path = write(tmp_path / "two.json", [gsm8k(i) for i in range(2)])
    with pytest.raises(BadInput, match="too few"):
        load(DataConfig(name="gsm8k", path=path), "natural", runner)


def test_a_given_dev_file_is_used_whole_and_its_questions_leave_train(tmp_path, runner):
    write(tmp_path / "train.json", [gsm8k(i) for i in range(50)])
    write(tmp_path / "dev.json", [gsm8k(i) for i in range(45, 60)])
    write(tmp_path / "test.json", [gsm8k(i) for i in range(100, 130)])
    config = DataConfig(name="gsm8k", path=str(tmp_path), dev_size=5, test_size=7)
    splits = load(config, "natural", runner)
    assert splits.report.counts == {"train": 45, "dev": 15, "test": 7}
    assert splits.report.duplicates["normalised"]["train/dev"] == 0
    assert splits.report.duplicates["masked"]["train/dev"] == 15  # they stay: many a dev file shares its templates
    assert "5 training problems left out: dev asks the same questions" in splits.report.notes


def test_a_given_dev_file_takes_out_copies_however_they_are_written(tmp_path, runner):
    write(tmp_path / "train.json", [gsm8k(i) for i in range(50)])
    copies = [
        {**gsm8k(i), "question": gsm8k(i)["question"].replace(".", " .").replace(str(i), f"{i}.0")} for i in (3, 7)
    ]
    path = write(tmp_path / "dev.json", [*copies, gsm8k(8)])
    write(tmp_path / "test.json", [gsm8k(i) for i in range(60, 70)])
    config = DataConfig(name="gsm8k", path=str(tmp_path))
    counts = load(config, "natural", runner).report.counts
    kept = load(replace(config, families="exact"), "natural", runner).report.counts
    assert (counts["train"], counts["dev"]) == (47, 3)
    assert kept["train"] == 49
    write(tmp_path / "train.json", copies)
    with pytest.raises(BadInput, match="every training question is also in dev"):
        load(DataConfig(name="gsm8k", train=path, dev=path, test=path), "natural", runner)


def many_templates(templates, each):
    things = [f"{a}{b}" for a in "bcdfghklmnpr" for b in "aeiouy"][:templates]
    return [
        {**gsm8k(number), "question": f"Ann has {number} {thing}s and buys {number + 3} more {thing}s. How many?"}
        for thing in things
        for number in range(each)
    ]


@pytest.mark.parametrize("kept", ["masked", "normalised", "exact"])
def test_carved_splits_share_no_family(tmp_path, runner, kept):
    rows = many_templates(60, 4)
    rows += [{**row, "question": row["question"].replace(".", " .").lower()} for row in rows[::3]]
    path = write(tmp_path / "all.json", rows)
    config = DataConfig(name="gsm8k", path=path, dev_size=30, test_size=30, families=kept)
    found = load(config, "natural", runner).report
    assert (found.counts["dev"], found.counts["test"]) == (30, 30)
    for likeness in ("exact", "normalised", "masked"):
        across = [found.duplicates[likeness][pair] for pair in ("train/dev", "train/test", "dev/test")]
        apart = ("exact", "normalised", "masked").index(likeness) <= ("exact", "normalised", "masked").index(kept)
        assert (across == [0, 0, 0]) == apart
    assert not any("shares families" in note for note in found.notes)


def test_problems_of_one_template_are_carved_more_strictly_and_it_is_said(tmp_path, runner):
    path = write(tmp_path / "all.json", [gsm8k(i) for i in range(20)])
    found = load(DataConfig(name="gsm8k", path=path), "natural", runner).report
    assert found.counts == {"train": 13, "dev": 3, "test": 4}
    assert found.duplicates["normalised"]["train/dev"] == 0
    assert found.duplicates["masked"]["train/dev"] == 3
    for name in ("dev", "test"):
        (note,) = [note for note in found.notes if note.startswith(f"{name} shares families with train")]
        assert "data.families=normalised" in note
    config = DataConfig(name="gsm8k", path=path, families="normalised")
    assert not any("families" in note for note in load(config, "natural", runner).report.notes)


def test_without_a_train_file_dev_takes_its_place(tmp_path, runner):
    write(tmp_path / "dev.json", [mathqa(i) for i in range(10, 60)])
    write(tmp_path / "test.json", [mathqa(i) for i in range(70, 80)])
    splits = load(DataConfig(name="mathqa", path=str(tmp_path), dev_size=5), "natural", runner)
    assert splits.report.counts == {"train": 45, "dev": 5, "test": 10}
    assert any("the dev file takes its place" in note for note in splits.report.notes)
    problem = splits.train[0]
    assert problem.is_choice
    assert problem.cot.endswith("\nTherefore, the answer is: b")


def test_mathqa_programs_and_why_some_fall_out(tmp_path, runner):
    rows = [mathqa(i) for i in range(10, 60)] + [mathqa(i, "subtract(n0,n1)") for i in range(60, 70)] + [mathqa(80, "")]
    write(tmp_path / "train.json", rows)
    write(tmp_path / "test.json", [mathqa(90), {**mathqa(91), "correct": "c"}])
    for name in ("mathqa", "mathqa_numeric"):
        splits = load(DataConfig(name=name, path=str(tmp_path), dev_size=1), "program", runner)
        assert splits.report.kept + sum(splits.report.dropped.values()) == 60
        assert splits.report.kept in (49, 50)
        assert set(splits.report.dropped) == {"whose program gives another answer", "without a formula"}
        assert splits.train[0].is_choice == (name == "mathqa")
        assert len(splits.test) == (2 if name == "mathqa" else 1)
    assert splits.test[0].answer == "93"
    assert "a )" not in splits.test[0].question


def test_svamp_has_programs_but_no_words(tmp_path, runner):
    path = write(tmp_path / "SVAMP.json", [svamp(i) for i in range(50)])
    splits = load(DataConfig(name="svamp", path=path), "program", runner)
    assert splits.report.dropped == {}
    assert splits.train[0].cot.startswith("def solution():\n")
    with pytest.raises(BadInput, match=r"\(32 without reasoning in words\); try cot=program"):
        load(DataConfig(name="svamp", path=path), "natural", runner)


def asdiv(number, **other):
    row = {"ID": f"n{number}", "Body": f"Ann has {number} pens and buys 3 more.", "Question": "How many pens has she?"}
    return {**row, "Answer": str(number + 3), "Formula": f"{number}+3={number + 3}", **other}


@pytest.mark.parametrize("spelled", [str, str.lower, str.upper])
def test_formula_is_read_like_equation_whatever_the_case_of_keys(tmp_path, runner, spelled):
    rows = [{spelled(key): value for key, value in asdiv(i).items()} for i in range(30)]
    path = write(tmp_path / "train.json", rows)
    splits = load(DataConfig(name="svamp", path=path), "program", runner)
    assert splits.report.dropped == {}
    assert "pens = " in splits.train[0].cot
    with pytest.raises(BadInput, match="without reasoning in words\\); try cot=program"):
        load(DataConfig(name="svamp", path=path), "natural", runner)


@pytest.mark.parametrize("cot", ["natural", "program"])
def test_no_advice_goes_round_in_a_circle(tmp_path, runner, cot):
    """Neither kind of reasoning is there: the keys that were looked for and those that were found are named."""
    bare = [{key: value for key, value in asdiv(i).items() if key != "Formula"} for i in range(30)]
    path = write(tmp_path / "train.json", bare)
    with pytest.raises(BadInput, match="the key Equation or Formula, but the records have ID, Body, Que") as raised:
        load(DataConfig(name="svamp", path=path), cot, runner)
    assert "try cot=" not in str(raised.value)
    write(tmp_path / "train.json", [{**row, "Fromula": "3+4=7"} for row in bare])
    with pytest.raises(BadInput, match=r"Fromula; did you mean Formula\?"):
        load(DataConfig(name="svamp", path=path), cot, runner)
    write(tmp_path / "train.json", [asdiv(i, Formula="unknown") for i in range(30)])
    with pytest.raises(BadInput, match=f"nor for cot={'natural' if cot == 'program' else 'program'}; repair the data"):
        load(DataConfig(name="svamp", path=path), cot, runner)


def test_the_authors_words_give_programs_where_they_calculate(tmp_path, runner):
    rows = [authors(i, f"{i} + {i + 3} = {2 * i + 3} pens\nTherefore, the answer is <{2 * i + 3}>.") for i in range(40)]
    rows += [authors(i, f"It is plain.\nTherefore, the answer is <{2 * i + 3}>.") for i in range(40, 50)]
    path = write(tmp_path / "words.json", rows)
    splits = load(DataConfig(name="svamp", path=path, dev_size=1, test_size=1), "program", runner)
    assert splits.report.dropped == {"without a calculation in the reasoning": pytest.approx(10, abs=2)}


def test_a_carried_program_that_is_wrong_is_dropped(tmp_path, runner):
    rows = [authors(i, f"def solution():\n    return {2 * i + 3}") for i in range(50)]
    rows += [authors(i, "def solution():\n    return 1 / 0") for i in range(50, 60)]
    path = write(tmp_path / "programs.json", rows)
    splits = load(DataConfig(name="svamp", path=path, dev_size=1, test_size=1), "program", runner)
    assert splits.report.dropped == {"whose program does not run (runtime_error)": pytest.approx(10, abs=2)}
    with pytest.raises(BadInput, match="try cot=program"):
        load(DataConfig(name="svamp", path=path), "natural", runner)


def test_ids_that_a_file_gives_twice_are_told_apart(tmp_path, runner):
    rows = [{**authors(i, "1 + 1\nThe answer is <2>."), "item_id": "same"} for i in range(20)]
    path = write(tmp_path / "words.json", rows)
    splits = load(DataConfig(name="svamp", path=path), "natural", runner)
    assert len({p.id for p in splits.train + splits.dev + splits.test}) == 20


def test_broken_records_are_reported_and_a_foreign_format_is_noted(tmp_path, runner):
    rows = [gsm8k(i) for i in range(150)]
    rows[3] = {"question": "?"}
    path = tmp_path / "train.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    splits = load(DataConfig(name="svamp", path=str(path)), "natural", runner)
    assert len(splits.report.broken) == 1
    assert splits.report.broken[0].startswith(f"{path}:4: ")
    lines = splits.report.lines()
    assert any("1 broken record" in line for line in lines)
    assert any("format of gsm8k, although data=svamp" in line for line in lines)


def test_arithmetic_is_generated_and_reads_no_file(runner):
    config = DataConfig(train_size=30, dev_size=10, test_size=20)
    splits = load(config, "program", runner)
    assert splits.report.counts == {"train": 30, "dev": 10, "test": 20}
    assert all(
        result.value == float(p.answer)
        for p, result in zip(splits.train, runner.run([p.cot for p in splits.train]), strict=True)
    )
    assert load(DataConfig(), "natural", runner).report.counts == {
        "train": 700,
        "dev": 200,
        "test": 500,
    }
    with pytest.raises(BadInput, match=r"data\.path=x"):
        load(DataConfig(path="x"), "program", runner)


def test_a_data_set_without_a_source(runner):
    with pytest.raises(BadInput, match=r"data\.path="):
        load(DataConfig(name="gsm8k"), "program", runner)


def test_a_test_set_is_carved_from_what_a_given_dev_file_does_not_ask(tmp_path, runner):
    train = write(tmp_path / "train.json", [gsm8k(i) for i in range(50)])
    dev = write(tmp_path / "dev.json", [gsm8k(i) for i in range(25)])
    config = DataConfig(name="gsm8k", train=train, dev=dev, test_size=10)
    splits = load(config, "natural", runner)
    assert splits.report.counts["dev"] == 25
    assert splits.report.duplicates["normalised"]["dev/test"] == 0


def test_copies_of_one_question_are_too_few_to_carve_from(tmp_path, runner):
    path = write(tmp_path / "train.json", [gsm8k(1)] * 40)
    with pytest.raises(BadInput, match=r"train has 1 different questions, too few to carve test .* data\.test=FILE"):
        load(DataConfig(name="gsm8k", path=path), "natural", runner)


def test_mathqa_without_a_number_among_its_right_options(tmp_path, runner):
    path = write(tmp_path / "train.json", [{**mathqa(i), "correct": "d"} for i in range(20)])
    with pytest.raises(BadInput, match=r"none of the 20 train problems has a number .*; data=mathqa asks for letters"):
        load(DataConfig(name="mathqa_numeric", path=path), "natural", runner)
