"""Programs derived from what a data set carries: readable, linked, and right when run."""

import pytest

from reft_lab.data import derive_gsm8k, derive_mathqa, derive_svamp
from reft_lab.data.derive_mathqa import OPERATIONS, constant
from reft_lab.data.problem import Record, Unusable
from reft_lab.data.program_text import Names, docstring, evaluate, literal, program, spaced, tokenize
from reft_lab.data.reasoning import gold_programs
from reft_lab.programs import ProgramRunner
from reft_lab.programs.settings import ProgramsConfig


@pytest.fixture(scope="module")
def runner():
    with ProgramRunner(ProgramsConfig()) as runner:
        yield runner


def gsm8k(question, reasoning, answer):
    return Record("1", question, answer, "f:1", "gsm8k", reasoning=reasoning)


def mathqa(question, formula, answer, options=()):
    return Record("1", question, answer, "f:1", "mathqa", options, formula=formula)


def body(text):
    return [line.strip() for line in text.split("\n")[2:]]


def test_gsm8k_steps_are_named_and_linked():
    record = gsm8k(
        "Natalia sold clips to 48 friends in April, and half as many in May. How many altogether?",
        "Natalia sold 48/2 = <<48/2=24>>24 clips in May.\nNatalia sold 48+24 = <<48+24=72>>72 clips altogether.",
        "72",
    )
    assert derive_gsm8k.derive(record).split("\n") == [
        "def solution():",
        f'    """{record.question}"""',
        "    clips = 48 / 2",
        "    clips_altogether = 48 + clips",
        "    result = clips_altogether",
        "    return result",
    ]


def test_a_number_of_the_question_stays_a_literal_unless_the_earlier_result_would_go_unused():
    question = "10 red, 5 blue and 5 green. Then 10 more?"
    unused = "5+5=<<5+5=10>>10 colours\n10+10=<<10+10=20>>20 in all"
    assert body(derive_gsm8k.derive(gsm8k(question, unused, "20")))[:2] == ["colours = 5 + 5", "step_2 = colours + 10"]
    used = "5+4=<<5+4=9>>9 bags\n1+9=<<1+9=10>>10 boxes\n10+9=<<10+9=19>>19 things\n19-10=<<19-10=9>>9 left"
    lines = body(derive_gsm8k.derive(gsm8k("5 and 4, 1 and 9, 10?", used, "9")))
    assert lines[:2] == ["bags = 5 + 4", "boxes = 1 + bags"]
    assert lines[2] == "things = boxes + 9"
    assert lines[3].endswith("= things - 10")


def test_an_equation_in_the_words_is_used_where_a_later_step_builds_on_it():
    record = gsm8k(
        "A week has some days; 2 are free. She works 4 hours a day.",
        "She works 7 - 2 = 5 days. That is 9 + 1 = 10 fingers. 5*4=<<5*4=20>>20 hours.",
        "20",
    )
    lines = body(derive_gsm8k.derive(record))
    assert lines == ["days = 7 - 2", "hours = days * 4", "result = hours", "return result"]


def test_the_calculation_is_read_where_the_annotation_only_states_its_value():
    record = gsm8k("12 less 4?", "It is 12 - 4 = <<8=8>>8 left", "8")
    assert "12 - 4" in derive_gsm8k.derive(record)


@pytest.mark.parametrize("sign", ["$", "¥", "₣", "₹", "€", "£", "₩", "₽", "₺", "₫", "R$", "US$", "CHF ", "Rs. ", "kr "])
@pytest.mark.parametrize("annotated", [False, True])
def test_any_currency_may_stand_in_a_calculation(sign, annotated):
    note = f"<<3*{sign}2={sign}6>>" if annotated else ""
    record = gsm8k(f"A loaf costs {sign}2. What do 3 loaves cost?", f"3 loaves cost 3 * {sign}2 = {note}{sign}6.", "6")
    assert body(derive_gsm8k.derive(record)) == ["loaves_cost = 3 * 2", "result = loaves_cost", "return result"]


@pytest.mark.parametrize(
    "thousand", ["1,000", "1\u202f000", "1\u00a0000", "1\u2009000", "1 000", "1'000", "1’000", "１０００"]
)
@pytest.mark.parametrize("minus", ["-", "−", "–"])
def test_thousands_and_signs_of_any_typography(thousand, minus):
    steps = f"3 × €{thousand} = €3{thousand[1:]}.\n3{thousand[1:]} {minus} 500 = <<3{thousand[1:]}{minus}500=2500>>2500"
    record = gsm8k(f"3 cost €{thousand} each. After a discount of 500?", steps, "2500")
    assert body(derive_gsm8k.derive(record))[:2] == ["step_1 = 3 * 1000", "step_2 = step_1 - 500"]


def test_a_share_in_one_sign_is_a_fraction():
    record = gsm8k("24 toys, ¼ of them dolls. The others?", "¼ * 24 = 6 dolls\n24-6=<<24-6=18>>18 others", "18")
    assert body(derive_gsm8k.derive(record))[:2] == ["dolls = 1 / 4 * 24", "others = 24 - dolls"]


def test_words_in_a_calculation_are_units():
    record = gsm8k("29 species, 7 pairs each?", "29 species * 7 pairs per species = 203 pairs of birds", "203")
    assert body(derive_gsm8k.derive(record)) == ["pairs_of_birds = 29 * 7", "result = pairs_of_birds", "return result"]


def test_a_result_that_was_rounded_is_no_source():
    record = gsm8k("100 in 3?", "100/3=<<100/3=33>>33 each\n33*2=<<33*2=66>>66 together", "66")
    assert "33 * 2" in derive_gsm8k.derive(record)


def test_what_comes_after_the_answer_is_left_out():
    record = gsm8k("2 and 3?", "2+3=<<2+3=5>>5 apples\n5*100=<<5*100=500>>500 is too much", "5")
    assert "100" not in derive_gsm8k.derive(record)


@pytest.mark.parametrize(
    ("reasoning", "why"),
    [
        ("It is five.", "without a calculation"),
        ("x = <<5=5>>5", "without a calculation"),
        ("2+2=<<2+2=4>>4", "do not come to"),
    ],
)
def test_gsm8k_without_a_way_to_the_answer(reasoning, why):
    with pytest.raises(Unusable, match=why):
        derive_gsm8k.derive(gsm8k("?", reasoning, "5"))


def test_svamp_one_operation_a_line_named_for_what_is_asked():
    record = Record(
        "1", "8 and 3, less 2. How many pens are left?", "9", "f:1", "svamp", formula="( ( 8.0 + 3.0 ) - 2.0 )"
    )
    assert body(derive_svamp.derive(record)) == [
        "step_1 = 8 + 3",
        "pens = step_1 - 2",
        "result = pens",
        "return result",
    ]


@pytest.mark.parametrize("formula", [None, "x = 3", "( 8.0 - ", "( 1.0 / 0.0 )", "8 ** 9"])
def test_svamp_with_a_bad_equation(formula):
    with pytest.raises(Unusable):
        derive_svamp.derive(Record("1", "?", "9", "f:1", "svamp", formula=formula))


def test_mathqa_numbers_of_the_question_and_unneeded_operations():
    record = mathqa(
        "a loan of 1,200 at 4 % for 2.5 years",
        "divide(n1,const_100)|add(n0,n1)|multiply(n0,#0)|multiply(#2,n2)|",
        "120",
    )
    assert body(derive_mathqa.derive(record)) == [
        "quotient = 4 / 100",
        "product = 1200 * quotient",
        "product_2 = product * 2.5",
        "result = product_2",
        "return result",
    ]


def test_mathqa_options_are_no_numbers_of_the_question():
    with pytest.raises(Unusable, match="number that the question lacks"):
        derive_mathqa.derive(mathqa("take 5\na ) 7 , b ) 8", "add(n0,n1)", "a", ("7", "8")))


@pytest.mark.parametrize(
    "formula", ["", "add(n0,n0", "grow(n0)", "add(n0)", "add(#1,n0)|add(#0,n0)", "add(n0,pi)", "add(n0,#x)"]
)
def test_mathqa_with_a_bad_formula(formula):
    with pytest.raises(Unusable):
        derive_mathqa.derive(mathqa("take 5 ?", formula, "10"))


def test_every_operation_of_mathqa_runs_and_is_what_it_says(runner):
    numbers = {1: "take 5 ?", 2: "take 5 and 2 ?", 3: "take 5 and 4 and 3 ?"}
    expected = {
        "add": 7, "subtract": 3, "multiply": 10, "divide": 2.5, "power": 25, "sqrt": 5**0.5, "inverse": 0.2,
        "negate": -5, "negate_prob": -4, "floor": 5, "max": 5, "min": 2, "reminder": 1, "factorial": 120, "choose": 10,
        "permutation": 20, "gcd": 1, "lcm": 10, "log": 1.6094379, "sine": 0.0871557, "cosine": 0.9961947,
        "tangent": 0.0874887, "degree_to_radians": 0.0872665, "radians_to_degree": 286.4788976, "speed": 2.5,
        "speed_ratio_steel_to_stream": 7 / 3, "speed_in_still_water": 3.5, "stream_speed": 1.5, "p_after_gain": 2.1,
        "gain_percent": -60, "original_price_before_gain": 200 / 105, "original_price_before_loss": 200 / 95,
        "square_area": 25, "square_perimeter": 20, "square_edge_by_area": 5**0.5, "square_edge_by_perimeter": 1.25,
        "rectangle_area": 10, "rectangle_perimeter": 14, "diagonal": 29**0.5, "triangle_area": 5,
        "triangle_perimeter": 12, "triangle_area_three_edges": 6, "rhombus_area": 5, "rhombus_perimeter": 20,
        "quadrilateral_area": 17.5, "circle_area": 78.5398163, "circumface": 31.4159265,
        "semi_circle_perimiter": 25.7079632,
        "volume_cube": 125, "surface_cube": 150, "cube_edge_by_volume": 5 ** (1 / 3), "volume_rectangular_prism": 60,
        "surface_rectangular_prism": 94, "volume_cylinder": 157.0796327, "surface_cylinder": 219.9114858,
        "volume_cone": 52.3598776, "volume_sphere": 523.5987756, "surface_sphere": 314.1592654,
    }  # fmt: skip
    assert expected.keys() == OPERATIONS.keys()
    programs = []
    for name, operation in OPERATIONS.items():
        operands = ",".join(f"n{i}" for i in range(operation.operands))
        programs.append(derive_mathqa.derive(mathqa(numbers[operation.operands], f"{name}({operands})", "0")))
    results = runner.run(programs)
    assert {name: r.value for name, r in zip(OPERATIONS, results, strict=True)} == pytest.approx(expected, rel=1e-6)


def test_constants():
    names = {
        "const_100": "100",
        "const_0_25": "0.25",
        "const_2.0": "2",
        "const_3_6": "3.6",
        "const_pi": "math.pi",
        "pi": None,
    }
    assert {name: constant(name) for name in names} == names


def test_only_programs_that_give_the_gold_answer_are_kept(runner):
    def carried(program, answer, options=()):
        return Record("1", "?", answer, "f:1", "authors", options, program=program)

    records = [
        carried("def solution( ):  \n    return 7\n\n", "7"),
        carried("def solution():\n    return 7", "8"),
        carried("def solution():\n    return 7 / 0", "8"),
        carried("def solution():\n    return 'b'", "b", ("7", "8")),
        carried("def solution():\n    return 7.001", "a", ("7", "8")),
        carried("def solution():\n    return 7", "b", ("7", "7.01")),
        gsm8k("2 and 3?", "2+3=<<2+3=5>>5", "5"),
    ]
    kept = gold_programs(records, runner)
    assert [str(item) for item in kept[:3]] == [
        "def solution():\n    return 7",
        "whose program gives another answer",
        "whose program does not run (runtime_error)",
    ]
    assert [isinstance(item, str) for item in kept] == [True, False, False, True, True, False, True]


def test_a_docstring_holds_any_question(runner):
    questions = ['He said "stop"', 'A """ in it', "back\\slash \\n and \\", 'ends in ""', "two\nlines", "naïve – 3 €"]
    for question in questions:
        namespace = {}
        exec(compile(program(question, [], "3"), "program", "exec"), namespace)
        assert namespace["solution"].__doc__ == question
    assert {r.value for r in runner.run([program(question, [], "3") for question in questions])} == {3.0}
    assert docstring("plain") == "plain"


def test_names_are_valid_and_used_once():
    names = Names()
    wanted = ["clips", "clips", "clips", "class", "sum", "result", "3 boxes", "größe", "", "a-b c"]
    given = [names.new(name) for name in wanted]
    assert given[:3] == ["clips", "clips_2", "clips_3"]
    assert len(set(given)) == len(given)
    assert all(name.isidentifier() and name.isascii() for name in given)
    assert not {"class", "sum", "result"} & set(given)


def test_calculations_are_read_valued_and_written():
    parts = tokenize("(05+.6)*2//3 - 8.0")
    assert parts is not None
    assert evaluate(parts) == (5 + 0.6) * 2 // 3 - 8
    assert spaced(["(", "5", "+", "0.6", ")", "*", "-", "2"]) == "(5 + 0.6) * -2"
    assert tokenize("2 ^ 3") is None
    assert evaluate(["1", "/", "0"]) is None
    assert evaluate(["1", "+"]) is None
    assert [literal(text) for text in ("05", ".6", "8.0", "100", "6.")] == ["5", "0.6", "8", "100", "6"]
