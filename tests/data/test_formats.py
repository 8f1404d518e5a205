"""Records of every format are recognised and read; what is wrong with one is said."""

import pytest

from reft_lab.data.formats import as_numeric, plain_number, read_record, recognise
from reft_lab.data.options import option_number, parse_options, split_question
from reft_lab.data.problem import Broken, Unusable
from reft_lab.data.reasoning import natural_cot

GSM8K = {
    "question": "48 clips, then half as many. In all?",
    "answer": "48/2 = <<48/2=24>>24 clips.\n48+24 = <<48+24=72>>72\n#### 1,072",
}
SVAMP = {
    "ID": "chal-1",
    "Body": "Ann has 8 pens and gives away 3",
    "Question": "How many are left?",
    "Equation": "( 8.0 - 3.0 )",
    "Answer": 5.0,
}
MATHQA = {
    "Problem": "how far in 2 hours at 12 km / h ?",
    "Rationale": '"12 * 2 = 24 . answer : b ."',
    "options": "a ) 6 km , b ) 24 km , c ) 1,024 km , d ) 2 : 3 , e ) none of these",
    "correct": "b",
    "linear_formula": "multiply(n0,n1)|",
}
AUTHORS = {
    "item_id": "svamp_3",
    "question": "2 and 3 ?",
    "answer_cot": "2 + 3 = 5\n\nTherefore, the answer is <5>.",
    "answer_value": "5.0",
}
AUTHORS_CHOICE = {"item_id": "mathqa_0", "question": "half of 9 ?\na ) a ) 4.5 , b ) b ) 18", "answer_value": "a"}


def read(row):
    return read_record(row, "made-up", "file.json:7")


def test_each_format_is_recognised_by_its_keys():
    rows = {"gsm8k": GSM8K, "svamp": SVAMP, "mathqa": MATHQA, "authors": AUTHORS}
    assert {name: recognise(row) for name, row in rows.items()} == {name: name for name in rows}
    assert recognise({"prompt": "?", "completion": "!"}) is None
    assert recognise(["question", "answer"]) is None


@pytest.mark.parametrize("row", [GSM8K, SVAMP, MATHQA, AUTHORS], ids=["gsm8k", "svamp", "mathqa", "authors"])
def test_capital_letters_in_keys_do_not_matter(row):
    for spelled in (str.lower, str.upper, str.title):
        assert read({spelled(key): value for key, value in row.items()}) == read(row)
    key = next(iter(row))
    with pytest.raises(Broken, match=f"{key} is there twice"):
        read({**row, key.swapcase(): row[key]})


def test_gsm8k_may_carry_an_equation_beside():
    assert read({**GSM8K, "equation": "48/2"}) == read(GSM8K)


def test_gsm8k():
    record = read(GSM8K)
    assert (record.answer, record.id, record.source) == ("1072", "made-up", "file.json:7")
    assert natural_cot(record) == "48/2 = 24 clips.\n48+24 = 72\nTherefore, the answer is: 1072"


def test_svamp_joins_body_and_question_and_keeps_its_own_id():
    record = read(SVAMP)
    assert record.question == "Ann has 8 pens and gives away 3. How many are left?"
    assert (record.id, record.answer, record.formula) == ("chal-1", "5", "( 8.0 - 3.0 )")
    with pytest.raises(Unusable):
        natural_cot(record)


def test_svamp_of_the_hub_has_the_question_put_together():
    record = read({**SVAMP, "question_concat": "Ann has 8 pens, gives away 3. How many are left?", "Answer": "5.0"})
    assert (record.question, record.answer) == ("Ann has 8 pens, gives away 3. How many are left?", "5")


def test_mathqa_keeps_its_options_on_a_last_line_and_loses_quotes_and_letter():
    record = read(MATHQA)
    assert record.question.split("\n") == [MATHQA["Problem"], MATHQA["options"]]
    assert record.options == ("6 km", "24 km", "1,024 km", "2 : 3", "none of these")
    assert record.answer == "b"
    assert natural_cot(record) == "12 * 2 = 24\nTherefore, the answer is: b"


def test_the_authors_closing_sentence_is_replaced():
    record = read(AUTHORS)
    assert (record.id, record.answer) == ("svamp_3", "5")
    assert natural_cot(record) == "2 + 3 = 5\nTherefore, the answer is: 5"
    record = read({**AUTHORS, "answer_cot": "Half of it.\nTherefore, the answer is: 5"})
    assert natural_cot(record) == "Half of it.\nTherefore, the answer is: 5"


def test_the_authors_programs_are_told_from_their_words():
    program = 'def solution():\n    """2 and 3 ?"""\n    return 2 + 3'
    record = read({**AUTHORS, "answer_cot": program})
    assert (record.program, record.reasoning) == (program, None)
    with pytest.raises(Unusable):
        natural_cot(record)


def test_the_authors_multiple_choice_has_its_options_in_the_question():
    record = read(AUTHORS_CHOICE)
    assert record.options == ("4.5", "18")
    assert record.question == "half of 9 ?\na ) 4.5 , b ) 18"
    assert record.answer == "a"
    assert read({**AUTHORS_CHOICE, "answer_value": "(B)"}).answer == "b"


def test_mathqa_numeric_asks_without_options():
    record = as_numeric(read(MATHQA))
    assert (record.question, record.answer, record.options) == (MATHQA["Problem"], "24", ())
    assert as_numeric(read(AUTHORS_CHOICE)).answer == "4.5"
    assert as_numeric(read(AUTHORS)) == read(AUTHORS)
    for letter in "de":
        with pytest.raises(Unusable):
            as_numeric(read({**MATHQA, "correct": letter}))


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({**GSM8K, "answer": "72"}, "no `####`"),
        ({**GSM8K, "answer": "#### seventy"}, "'seventy' is not a single number"),
        ({**GSM8K, "answer": "So\n#### 40; 20"}, "answer '40; 20' is not a single number"),
        ({**GSM8K, "answer": "So\n#### x < 3"}, "answer 'x < 3' is not a single number"),
        (
            {**SVAMP, "Answer": "40 (years old); 15 (years old)"},
            "'40 (years old); 15 (years old)' is not a single",
        ),
        ({**AUTHORS, "answer_value": "18 apples in 3 boxes"}, "answer_value '18 apples in 3 boxes' is not a single"),
        ({**GSM8K, "question": " "}, "question is"),
        ({**GSM8K, "question": None}, "question is missing"),
        ({**SVAMP, "Answer": float("nan")}, "Answer nan is not a single number"),
        ({**MATHQA, "correct": "f"}, "not the letter of an option"),
        ({**MATHQA, "options": "24 or 25"}, "not a list of options"),
        ({**AUTHORS, "answer_value": None}, "answer_value None"),
        ({**AUTHORS_CHOICE, "answer_value": "c"}, "not the letter of an option"),
        ({"text": "hello"}, "keys of no known format (text)"),
        (17, "not a JSON object"),
    ],
)
def test_a_broken_record_says_what_is_wrong(row, why):
    with pytest.raises(Broken) as raised:
        read(row)
    assert why in str(raised.value)


@pytest.mark.parametrize(
    ("value", "text"),
    [("18", "18"), ("203.0", "203"), (" 1,800", "1800"), ("-3", "-3"), (0.25, "0.25"), (7, "7"), (-0.0, "0"),
     ("3/4", "0.75"), (1e-9, "0.000000001"), (12345678901, "12345678901"), (float("inf"), None), (True, None),
     (None, None), ("many", None), (r"\frac{3}{4}", "0.75"), ("5 (apples)", "5"), ("1,250 m", "1250"),
     ("¥1,250", "1250"),
     ("40; 20", None), ("18 apples in 3 boxes", None), ("2 hours 30 min", None), (r"2\sqrt{3}", None)],
)  # fmt: skip
def test_plain_numbers(value, text):
    assert plain_number(value) == text


@pytest.mark.parametrize(
    "text",
    [
        "a ) 38 , b ) 1,000 , c ) 5 , 6",
        "['a ) 38', 'b ) 1,000', 'c ) 5 , 6']",
        "a ) a ) 38 , b ) b ) 1,000 , c ) c ) 5 , 6",
        "a)38, b)1,000, c)5 , 6",
    ],
)
def test_options_in_every_spelling(text):
    assert parse_options(text) == ("38", "1,000", "5 , 6")


def test_a_question_without_options_is_left_alone():
    for question in ("What is f ( a ) ?", "First line.\nHow many are there, a ) or more?", "b ) 3 , c ) 4"):
        assert split_question(question) == (question, ())


@pytest.mark.parametrize(
    ("option", "number"),
    [("24", 24), ("rs . 9600", 9600), ("$ 6.50", 6.5), ("15 %", 15), ("1 / 8", 0.125), ("18 3 / 4", 18.75), ("- 7", -7),
     ("− 7", -7), ("1,575", 1575), ("30 sec", 30), ("6 % .", 6), ("210 cm 2", 210), ("10 km / hr", 10),
     ("none of these", None), ("2 : 3", None), ("14 , 5", None), ("4 π", None), ("16 pi feet", None), ("2 x", None),
     ("√ 3", None), ("6 ^ 3", None), ("2 hours 30 min", None), ("11 am", None), ("x = 35", 35), ("7 and 8", None),
     ("", None), ("n + 3", None), ("3 : 5 : 7", None), ("11 / 3 ab", None), ("78 + ( 4 / 7 ) %", None), ("½", 0.5),
     ("38 ° c", 38), ("1200 m ^ 2", 1200), ("s . 432", 432), ("b . 1 / 4", 0.25), ("3 dozen", 36), ("3 x", None),
     ("at least 5", None), ("5 ⁄ 7", 5 / 7), ("rs . 495 / -", 495), ("5 1 / 4 km / h", 5.25)],
)  # fmt: skip
def test_an_option_is_a_number_only_as_a_whole(option, number):
    assert option_number(option) == number


def test_two_answer_lines_are_one_answer_only_where_they_agree():
    row = {"question": "How many?", "answer": "3 + 1 = 4\n#### 4.0\n#### 4"}
    assert (read(row).answer, read(row).reasoning) == ("4", "3 + 1 = 4")
    with pytest.raises(Broken, match="two `####` lines, '3' and '4'"):
        read({**row, "answer": "#### 3\n#### 4"})
    assert read({**row, "answer": "#### Step 1\n3 + 1 = 4\n#### 4"}).reasoning == "#### Step 1\n3 + 1 = 4"


def test_options_with_capital_letters_are_options():
    assert parse_options("A ) 24 , B ) 120") == parse_options("['A)24', 'B)120']") == ("24", "120")
    record = read({"item_id": "a", "question": "Which?\nA)24,B)120", "answer_value": "B"})
    assert (record.question, record.answer) == ("Which?\na ) 24 , b ) 120", "b")


def test_an_option_with_its_letter_is_no_number_to_answer_a_multiple_choice_question():
    with pytest.raises(Broken, match="is not the letter of an option"):
        read({"item_id": "a", "question": "Which?\na ) 24 , b ) 120", "answer_value": "a ) 24"})


@pytest.mark.parametrize("key", ["question", "answer"])
def test_half_of_a_character_is_no_text(key):
    row = {"question": "How many?", "answer": "3 + 1 = 4\n#### 4"}
    assert read({**row, key: "\U0001f600 " + row[key]})
    with pytest.raises(Broken, match=r"half a character \(\\ud83d\), which is not text"):
        read({**row, key: "\ud83d " + row[key]})


@pytest.mark.parametrize(
    "torn", ["18/", "3 /", "5-", "5 -", "5:", "3,", "2 (or 3)", "5th August", "3 r 2", "0.75 (3/4)"]
)
def test_a_torn_gold_answer_is_none(torn):
    assert plain_number(torn) is None


@pytest.mark.parametrize(
    "unit", ["cm²", "m²", "m/s²", "(m²)", "(cm2)", "(m^2)", "/-", "km / hr", "-foot", "/hour", "sq . m"]
)
def test_units_of_gold_answers(unit):
    assert plain_number(f"18{unit}") == plain_number(f"18 {unit}") == "18"
