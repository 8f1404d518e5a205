"""The embedded word problems: right, varied as the recipe says, and the same for the same seed."""

import ast
import re
import time
from collections import Counter
from itertools import pairwise

import pytest

from reft_lab.data.arithmetic import generate
from reft_lab.data.arithmetic.gold import nested, write_program
from reft_lab.data.arithmetic.question import MEN, PEOPLE, WOMEN, Draws, Question, draw_question
from reft_lab.data.arithmetic.templates import TEMPLATES, steps
from reft_lab.data.likeness import masked
from reft_lab.errors import BadInput

HOW_MANY = 2000


@pytest.fixture(scope="module")
def problems():
    return generate(HOW_MANY, 0, 0, 0, "mixed", "program")[0]


def run(program):
    namespace = {}
    exec(program, namespace)
    return namespace["solution"]()


def wording(text):
    return re.sub(r"\d+", "#", text)


def body(program):
    return program.split('"""\n', 1)[1]


def style(program):
    """The hand that wrote a gold program, told by the names it assigns."""
    function = ast.parse(program).body[0]
    assigned = [node.targets[0].id for node in function.body if isinstance(node, ast.Assign)]
    if assigned == ["result"]:
        return "one line"
    if all(re.fullmatch(r"[a-h]|result", name) for name in assigned):
        return "letters"
    return "inline" if all(re.fullmatch(r"step_\d|result", name) for name in assigned) else "named"


@pytest.mark.parametrize("annotation", ["mixed", "clean"])
def test_gold_programs_give_the_gold_answer(annotation):
    for problem in generate(HOW_MANY, 0, 0, 3, annotation, "program")[0]:
        assert run(problem.cot) == int(problem.answer), problem.cot
        assert problem.cot.startswith(f'def solution():\n    """{problem.question}"""\n    ')
        assert problem.cot.endswith("\n    return result")


@pytest.mark.parametrize("annotation", ["mixed", "clean"])
def test_natural_reasoning_holds_and_ends_in_the_gold_answer(annotation):
    spoken = {"plus": "+", "minus": "-", "times": "*", "divided by": "/", "is": "="}
    for problem in generate(HOW_MANY, 0, 0, 3, annotation, "natural")[0]:
        reasoning, answer = problem.cot.rsplit("\nTherefore, the answer is: ", 1)
        assert answer == problem.answer
        for line in reasoning.split("\n"):
            for word, sign in spoken.items():
                line = re.sub(rf"(?<=\d) {word} (?=\d)", f" {sign} ", line)
            left, right = re.search(r"([\d(][\d ()+*/-]*) = (\d+)", line).groups()
            assert eval(left) == int(right), line
        assert right == answer


def test_questions_and_answers_do_not_depend_on_how_reasoning_is_written():
    asked = [
        [(p.id, p.question, p.answer) for split in generate(60, 20, 20, 7, annotation, cot) for p in split]
        for annotation in ("mixed", "clean")
        for cot in ("program", "natural")
    ]
    assert asked[0] == asked[1] == asked[2] == asked[3]


def test_numbers_are_distinct_and_from_3_to_30(problems):
    for problem in problems:
        numbers = [int(n) for n in re.findall(r"\d+", problem.question)]
        assert len(set(numbers)) == len(numbers), problem.question
        assert all(3 <= n <= 30 for n in numbers), problem.question
        assert int(problem.answer) > 0


def test_literals_are_numbers_of_the_question_or_the_2_of_twice(problems):
    for problem in problems:
        numbers = set(re.findall(r"\d+", problem.question))
        literals = set(re.findall(r"\b\d+\b", body(problem.cot)))
        assert literals <= numbers | ({"2"} if "twice" in problem.question else set()), problem.cot


def test_mix_of_templates_and_distractors():
    questions = [draw_question(Draws("mix", i)) for i in range(4000)]
    lengths = Counter(len(q.template.steps) for q in questions)
    assert lengths[1] / 4000 == pytest.approx(0.45, abs=0.03)
    assert lengths[2] / 4000 == pytest.approx(0.40, abs=0.03)
    assert lengths[3] / 4000 == pytest.approx(0.15, abs=0.03)
    assert {q.template.name for q in questions} == {t.name for t in TEMPLATES}
    distractors = Counter(sum(role.startswith("aside") for role in q.roles) for q in questions)
    assert (distractors[1] + distractors[2]) / 4000 == pytest.approx(0.40, abs=0.03)
    assert distractors[2] / (distractors[1] + distractors[2]) == pytest.approx(0.15, abs=0.03)


def test_there_are_23_templates_and_every_story_states_every_number_once():
    assert Counter(len(t.steps) for t in TEMPLATES) == {1: 12, 2: 8, 3: 3}
    for template in TEMPLATES:
        *story, question = template.sentences
        stated = [role for role in re.findall(r"\{(\w+)\}", " ".join(story)) if role in template.givens]
        assert sorted(stated) == sorted(template.givens), template.name
        assert re.fullmatch(r"How many .*\?", question)
        assert not re.search(r"\{[Hh]e\}", question), "a question names whom it means"


def test_styles_of_mixed_programs_follow_the_recipe(problems):
    styles = Counter(style(p.cot) for p in problems)
    # With one step, inline steps and one expression look the same: 45 % of those two hands.
    several = [p for p in problems if style(p.cot) == "inline"]
    assert (styles["one line"] + len(several)) / HOW_MANY == pytest.approx(0.40 * 2 / 3, abs=0.04)
    assert styles["letters"] / HOW_MANY == pytest.approx(0.40 / 3, abs=0.03)
    assert styles["named"] / HOW_MANY == pytest.approx(0.60, abs=0.04)
    named = [body(p.cot) for p in problems if style(p.cot) == "named"]
    prefixes = Counter(match[1] if (match := re.match(r" *(num_|n_)", text)) else "" for text in named)
    assert all(prefixes[prefix] / len(named) == pytest.approx(1 / 3, abs=0.05) for prefix in ("num_", "n_", ""))


def test_named_programs_are_shuffled_and_commuted_now_and_then():
    combine = next(t for t in TEMPLATES if t.name == "combine")
    question = Question(combine, "Anna has {first} cups. Ben has {second} cups. How many cups are there?", "cups")
    programs = [write_program(question, {"first": 5, "second": 7}, "mixed", Draws("hand", i)) for i in range(3000)]
    named = [body(p) for p in programs if style(p) == "named"]
    shuffled = [re.findall(r"= (\d)", text) == ["7", "5"] for text in named]
    commuted = [re.search(r"= (\w+) \+", text)[1] == re.search(r"(\w+) = 7", text)[1] for text in named if "+" in text]
    assert sum(shuffled) / len(named) == pytest.approx(0.15, abs=0.03)  # half of the shuffles of two change nothing
    assert sum(commuted) / len(named) == pytest.approx(0.30, abs=0.04)


def test_clean_annotation_is_one_hand():
    clean = generate(300, 0, 0, 0, "clean", "program")[0]
    names = {name for p in clean for name in re.findall(r"(\w+) =", body(p.cot))}
    assert all(name == "result" or name.startswith("num_") for name in names)
    shapes = {re.sub(r"= \d+", "= #", body(p.cot)) for p in clean}
    assert len(shapes) <= len(TEMPLATES), "one template, one way to write it"


def test_no_wording_is_shared_or_repeated():
    splits = generate(1500, 400, 800, 0, "mixed", "program")
    wordings = [wording(p.question) for split in splits for p in split]
    assert len(set(wordings)) == len(wordings)


def test_no_two_splits_share_a_wording_with_other_names():
    train, dev, test = (
        {masked(p.question) for p in split} for split in generate(2000, 500, 500, 0, "mixed", "program")
    )
    assert not train & dev
    assert not train & test
    assert not dev & test


def test_wordings_keep_to_their_split_for_every_seed():
    train = {wording(p.question) for p in generate(1000, 0, 0, 0, "clean", "program")[0]}
    others = {wording(p.question) for split in generate(0, 500, 500, 1, "clean", "program") for p in split}
    assert not train & others


def test_ten_thousand_problems_can_be_had():
    train = generate(10_000, 0, 0, 0, "clean", "program")[0]
    assert len({wording(p.question) for p in train}) == 10_000
    assert len({p.id for p in train}) == 10_000


def test_same_seed_same_problems_other_seed_others():
    assert generate(50, 20, 20, 5, "mixed", "program") == generate(50, 20, 20, 5, "mixed", "program")
    first, other = generate(50, 0, 0, 5, "mixed", "program")[0], generate(50, 0, 0, 6, "mixed", "program")[0]
    assert not {p.question for p in first} & {p.question for p in other}


def test_a_smaller_split_is_the_beginning_of_a_larger_one():
    small, large = generate(30, 10, 5, 2, "mixed", "natural"), generate(90, 40, 70, 2, "mixed", "natural")
    for few, many in zip(small, large, strict=True):
        assert many[: len(few)] == few


def test_the_vocabulary_is_small_and_training_knows_the_words_of_the_test():
    train, dev, test = generate(700, 200, 500, 0, "mixed", "program")
    asked = [{w for p in split for w in re.findall(r"\w+", p.question)} for split in (train, dev, test)]
    assert asked[1] | asked[2] <= asked[0]
    everything = {w for p in train + dev + test for w in re.findall(r"\w+|[^\w\s]", p.cot)}
    assert 400 < len(everything) < 700


def test_pronouns_follow_the_person_they_stand_for():
    subjects = {"He": MEN, "She": WOMEN}
    for problem in generate(1000, 0, 0, 0, "clean", "program")[0]:
        sentences = re.split(r"(?<=[.?]) ", problem.question)
        for before, sentence in pairwise(sentences):
            if (pronoun := sentence.split()[0]) in subjects:
                latest = re.findall(rf"\b(?:[Hh]e|[Ss]he|{'|'.join(PEOPLE)})\b", before)
                assert latest, problem.question
                assert latest[0].capitalize() == pronoun or latest[0] in subjects[pronoun], problem.question


def test_running_out_of_wordings_is_said(monkeypatch):
    monkeypatch.setattr("reft_lab.data.arithmetic.generator._MOST_TRIES", 1)
    with pytest.raises(BadInput, match="ran out of new wordings after"):
        generate(100, 100, 100, 0, "mixed", "program")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((1, 1, 1, 0, "messy", "program"), "messy"),
        ((1, 1, 1, 0, "mixed", "poem"), "poem"),
        ((1, -1, 1, 0, "mixed", "program"), "-1 dev"),
    ],
)
def test_bad_input_is_one_sentence(arguments, said):
    with pytest.raises(BadInput, match=said) as raised:
        generate(*arguments)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("s = a + b; r = s / c", "(a + b) / c"),
        ("s = a * b; r = s - c", "a * b - c"),
        ("s = a + b; r = c - s", "c - (a + b)"),
        ("s = a * b; t = c * d; r = s + t", "a * b + c * d"),
        ("s = a / b; r = c / s", "c / (a / b)"),
    ],
)
def test_nested_expressions_keep_their_shape(text, expression):
    assert nested(steps(text), {}) == expression


def test_a_default_data_set_takes_a_moment():
    start = time.process_time()
    generate(700, 200, 500, 0, "mixed", "program")
    assert time.process_time() - start < 1.5  # 0.3 s on a quiet machine
