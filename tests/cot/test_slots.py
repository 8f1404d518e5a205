"""Number slots: which numbers get one, which literals become one, and that nothing a program computes changes."""

import json
import re
import subprocess
import sys

import pytest

from reft_lab.cot.slots import signature, slot_program, slot_question
from reft_lab.data.arithmetic import generate
from reft_lab.errors import BadInput


@pytest.mark.parametrize(
    ("question", "text", "numbers"),
    [
        ("Anna had 17 apples and ate 3.", "Anna had x0 apples and ate x1.", (17, 3)),
        ("It costs $80,000 or $1.50?", "It costs $x0 or $x1?", (80_000, 1.5)),
        ("1,234,567 people, 12.", "x0 people, x1.", (1_234_567, 12)),
        ("20% of a 6-year-old's -5", "x0% of a x1-year-old's -x2", (20, 6, 5)),
        ("3.0 and .5 and 0.25 and 007", "x0 and x1 and x2 and x3", (3, 0.5, 0.25, 7)),
        ("1/2 of 10:30", "x0/x1 of x2:x3", (1, 2, 10, 30)),
        ("Rs.50 for three 2nd B12 bags", "Rs.x0 for three 2nd B12 bags", (50,)),
        ("1,2345 and 1,23", "x0,x1 and x2,x3", (1, 2345, 1, 23)),
        ("version 1.2.3 of ...5", "version x0.3 of ...x1", (1.2, 5)),
        ("no number at all", "no number at all", ()),
        ("5 and 5", "x0 and x1", (5, 5)),
    ],
)
def test_numbers_of_a_question(question, text, numbers):
    slotted = slot_question(question)
    assert (slotted.text, slotted.numbers) == (text, numbers)
    assert [type(n) for n in slotted.numbers] == [type(n) for n in numbers]


def test_options_of_multiple_choice_keep_their_numbers():
    slotted = slot_question("what is 5 % of a ) 7 ?\na ) 24 , b ) 120 , c ) 625")
    assert slotted.text == "what is x0 % of a ) x1 ?\na ) 24 , b ) 120 , c ) 625"
    assert slotted.numbers == (5, 7)


def test_a_number_too_long_to_be_a_quantity_is_left_alone():
    slotted = slot_question(f"key {'9' * 5000} of 4")
    assert slotted.text.endswith(" of x0")
    assert slotted.numbers == (4,)


def test_signature():
    assert signature((17, 2)) == "def solution(x0=17, x1=2):"
    assert signature(()) == "def solution():"
    assert signature((0.5, 0.00001, 80_000)) == "def solution(x0=0.5, x1=0.00001, x2=80000):"


def program(*lines):
    return "\n".join(["def solution():", '    """It is 17, and 3."""', *(f"    {line}" for line in lines)])


@pytest.mark.parametrize(
    ("line", "slotted"),
    [
        ("result = 17 - 3", "result = x0 - x1"),
        ("result = -17 * 100 + 3.0", "result = -x0 * 100 + x1"),
        ("result=( 17-4 )  # 17 of them", "result=( x0-4 )  # 17 of them"),
        ("result = '17' + f'{17}' + str(17)", "result = '17' + f'{17}' + str(x0)"),
        ("result = round(17 / 3, 3)", "result = round(x0 / x1, 3)"),
        ("result = [1, 2, 5, 17][3]", "result = [1, 2, 5, x0][3]"),
        ("return.5+17", "return.5+x0"),
        ("é = 'é'; result = 17", "é = 'é'; result = x0"),
        ("result = 17 + 17 + 3", "result = x0 + x0 + x1"),
        ("result = True + 17", "result = True + x0"),
        ("result = sum(17 for i in range(3))", "result = sum(x0 for i in range(x1))"),
    ],
)
def test_literals_of_a_program(line, slotted):
    assert slot_program(program(line), (17, 3)) == program(slotted)


@pytest.mark.filterwarnings("ignore::SyntaxWarning", "ignore::DeprecationWarning")
def test_a_slot_never_melts_into_a_keyword():
    assert slot_program(program("return 17if 3else 0"), (17, 3)) == program("return x0 if x1 else 0")
    assert slot_program("def solution():\n    return.5", (0.5,)) == "def solution():\n    return x0"


def test_repeated_values_are_handed_out_in_order():
    assert slot_program(program("result = 5 + 3 + 5 + 5"), (5, 3, 5)) == program("result = x0 + x1 + x2 + x2")


def test_only_the_body_of_solution_sees_slots():
    text = "RATE = 17\n\n\ndef half(n=17):\n    return n / 17\n\n\ndef solution():\n    return half(17) + RATE"
    assert slot_program(text, (17,)) == text.replace("half(17)", "half(x0)")


def test_a_match_pattern_stays_a_pattern():
    lines = ("match 17:", "    case 3:", "        return 3")
    assert slot_program(program(*lines), (17, 3)) == program("match x0:", "    case 3:", "        return x1")


def test_names_that_the_program_uses_itself_are_no_slots():
    assert slot_program(program("x0 = 3", "result = x0 + 17"), (17, 3)) == program("x0 = x1", "result = x0 + 17")


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_formatting_and_line_ends_stay(newline):
    text = newline.join(["def solution():", "\tnum = 17  # a tab", "", "\treturn (num", "\t\t+ 3)", ""])
    assert slot_program(text, (17, 3)) == text.replace("= 17", "= x0").replace("+ 3", "+ x1")


def test_a_program_that_is_not_python_is_bad_input():
    with pytest.raises(BadInput, match="not Python"):
        slot_program("def solution(:\n    return 17", (17,))


def test_very_many_numbers():
    values = list(range(100, 400))
    question = slot_question(" and ".join(map(str, values)))
    assert question.numbers == tuple(values)
    text = slot_program(f"def solution():\n    return {' + '.join(map(str, values))}", question.numbers)
    assert text.count("x") == 300
    namespace = {}
    exec(text.replace("def solution():", signature(question.numbers)), namespace)
    assert namespace["solution"]() == sum(values)


def slotted_whole(question, gold):
    slotted = slot_question(question)
    return slot_program(gold, slotted.numbers).replace("def solution():", signature(slotted.numbers), 1)


def test_slots_do_not_change_what_arithmetic_programs_compute():
    for problem in generate(500, 0, 0, 0, "mixed", "program")[0]:
        text = slotted_whole(problem.question, problem.cot)
        assert not re.search(r"(?<!\w)(?!2\b)\d+", text.split('"""\n')[1])
        namespace = {}
        exec(text, namespace)
        assert namespace["solution"]() == int(problem.answer), text


RUN_PAIRS = """
import json, sys
for plain, slotted in json.load(sys.stdin):
    values = []
    for text in (plain, slotted):
        namespace = {}
        exec(text, namespace)
        values.append(namespace["solution"]())
    assert values[0] == values[1], (slotted, values)
print("all the same")
"""


def test_slots_do_not_change_what_real_programs_compute(shared_data):
    records = json.loads((shared_data / "svamp" / "svamp_python_sdp.json").read_text())
    pairs = [(record["answer_cot"], slotted_whole(record["question"], record["answer_cot"])) for record in records]
    assert sum(bool(re.search(r"= x\d", slotted)) for _, slotted in pairs) > 0.98 * len(pairs)
    done = subprocess.run(
        [sys.executable, "-I", "-c", RUN_PAIRS], input=json.dumps(pairs), capture_output=True, text=True, timeout=120
    )
    assert done.stdout.strip() == "all the same", done.stderr
