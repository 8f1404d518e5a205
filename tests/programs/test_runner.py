"""The runner: values, order, batches, gold programs."""

import json
import random
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from reft_lab.errors import BadInput
from reft_lab.programs import ProgramResult, ProgramRunner
from reft_lab.programs.settings import ProgramsConfig


@pytest.fixture(scope="module")
def runner() -> Iterator[ProgramRunner]:
    with ProgramRunner(ProgramsConfig(cache=0)) as runner:
        yield runner


def returning(expression: str) -> str:
    return f"def solution():\n    return {expression}\n"


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("7", 7.0),
        ("7 / 2", 3.5),
        ("True", 1.0),
        ("2 ** 70", float(2**70)),
        ("-0.25", -0.25),
        ("'42'", 42.0),
        ("' $1,234.50 '", 1234.5),
        ("'1,234,567'", 1234567.0),
        ("'-$ 1,23,456'", -123456.0),
        ("'1 234'", 1234.0),
        ("'- 5'", -5.0),
        ("'1e3'", 1000.0),
        ("'3, 4'", None),
        ("'3 4'", None),
        ("'1,8'", None),
        ("'1.5,234'", None),
        ("'1234,567'", None),
        ("'10,200,3'", None),
        ("'1,,234'", None),
        ("','", None),
        ("None", None),
        ("'many'", None),
        ("'1 2 x'", None),
        ("'1_000'", None),
        ("'٣'", None),
        ("'50%'", None),
        ("''", None),
        ("[7]", None),
        ("(7,)", None),
        ("{7}", None),
        ("{}", None),
        ("7j", None),
        ("float('nan')", None),
        ("-float('inf')", None),
        ("10 ** 400", None),
        ("lambda: 7", None),
    ],
)
def test_what_counts_as_a_value(runner: ProgramRunner, expression: str, value: float | None) -> None:
    result = runner.run([returning(expression)])[0]
    assert result.value == value
    assert (result.status == "ok") == (value is not None)


def test_decimals_count(runner: ProgramRunner) -> None:
    program = "from decimal import Decimal\n" + returning("Decimal('{}')")
    values = [runner.run([program.format(text)])[0].value for text in ("1.10", "NaN", "sNaN", "Infinity", "1E+999")]
    assert values == [1.1, None, None, None, None]


@pytest.mark.parametrize("letter", ["a", "b", "c", "d", "e", "C", " d "])
def test_option_letters(runner: ProgramRunner, letter: str) -> None:
    assert runner.run([returning(repr(letter))])[0] == ProgramResult("ok", letter=letter.strip().lower())
    assert runner.run([returning("'f'")])[0].status == "no_answer"


def test_whole_programs_work(runner: ProgramRunner) -> None:
    program = (
        "import math\nfrom math import sqrt as root\n\nRATE = 0.5\nTABLE = {'a': [1, 2]}\n\n\n"
        "def helper(x):\n\n    return x * RATE\n\n\nclass Box:\n    def __init__(self, x):\n        self.x = x\n\n\n"
        'def solution(x0=4, x1=10):\n    """What?"""\n    y = helper(x1)\n\n    y += Box(x0).x\n\n'
        "    return round(y + root(9) + math.floor(1.5) + sum(TABLE['a']), 2)\n\n\n"
        "if __name__ == '__main__':\n    print(solution())\n"
    )
    assert runner.run([program])[0].value == 16.0


def test_round_agrees_with_python(runner: ProgramRunner) -> None:
    draw = random.Random(0)
    calls = [f"{draw.randint(-(10**6), 10**6) / 10 ** draw.randint(1, 6)}, {draw.randint(-4, 5)}" for _ in range(2000)]
    calls += [f"{draw.uniform(-1, 1) * 10 ** draw.randint(-10, 25)!r}, {draw.randint(-26, 20)}" for _ in range(2000)]
    calls += [
        "2.675, 2",
        "1.005, 2",
        "2.5",
        "-0.5",
        "25, -1",
        "25.0, -1",
        "5e-324, 323",
        "1.5, 400",
        "True, 1",
        "0.5, 0",
    ]
    results = runner.run([returning(f"round({call})") for call in calls])
    wrong = [(c, r.value) for c, r in zip(calls, results, strict=True) if r.value != float(eval(f"round({c})"))]
    assert wrong == []
    assert runner.run([returning("round('2', 1)"), returning("round(1.5, 'x')")])[0].status == "runtime_error"


@pytest.mark.parametrize(
    ("program", "status"),
    [
        ("", "no_answer"),
        ("x = 1", "no_answer"),
        ("def solution(:", "syntax_error"),
        (" def solution(): return 1", "syntax_error"),
        ("just words here", "syntax_error"),
        (returning("1 / 0"), "runtime_error"),
        (returning("ducks"), "runtime_error"),
        ("def solution(x): return x", "runtime_error"),
        ("raise NotImplementedError\n" + returning("1"), "forbidden"),
        ("def solution():\n    raise NotImplementedError\n", "runtime_error"),
        ("import numpy as np\n" + returning("1"), "forbidden"),
        ("try:\n    import numpy\nexcept ImportError:\n    pass\n" + returning("1"), "ok"),
    ],
)
def test_statuses(runner: ProgramRunner, program: str, status: str) -> None:
    assert runner.run([program])[0].status == status


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("import math, sympy.abc\n" + returning("1"), "module sympy"),
        ("from fractions import Fraction\n" + returning("1"), "module fractions"),
        ("def solution():\n    import statistics\n    return 1\n", "module statistics"),
        ("def g():\n    yield 1\n" + returning("sum(g())"), "yield"),
        ("class A(int): pass\n" + returning("1"), "inheritance"),
        ("x = [1]\ndel x[0]\n" + returning("1"), "del"),
        ("from math import *\n" + returning("sqrt(4)"), "wildcard"),
        ("class A:\n    @property\n    def x(self): return 1\n" + returning("A().x"), "decorators"),
        (returning("open('x').read()"), "files"),
        (returning("exit()"), "builtin exit"),
    ],
)
def test_a_forbidden_program_says_why(runner: ProgramRunner, program: str, reason: str) -> None:
    result = runner.run([program])[0]
    assert result.status == "forbidden"
    assert reason in result.detail


def test_the_summary_says_how_many_and_why() -> None:
    with ProgramRunner(ProgramsConfig()) as runner:
        runner.run([returning("1"), returning("1 / 0")])
        assert runner.what_would_help() is None
        runner.run(["import sympy\n" + returning("1"), "import sympy\n" + returning("2")])
        runner.run([returning("open('x')"), "import sympy\n" + returning("1")])
        summary = runner.what_would_help()
    assert summary is not None
    assert summary.startswith("4 programs")
    assert "module sympy is not there: 3" in summary
    assert ("programs.fallback=jail could run 3 of them" in summary) == sys.platform.startswith("linux")


@pytest.mark.parametrize(
    "program",
    [
        "import numpy\n" + returning("1"),
        returning("open('x').read()"),
        "import os\n" + returning("os.listdir('/')"),
        returning("input()"),
    ],
)
def test_the_summary_does_not_name_a_fallback_that_would_not_help(program: str) -> None:
    with ProgramRunner(ProgramsConfig()) as runner:
        assert runner.run([program])[0].status == "forbidden"
        assert "docs/programs.md" in (runner.what_would_help() or "")
        assert "fallback" not in (runner.what_would_help() or "")


def test_state_does_not_leak_between_programs(runner: ProgramRunner) -> None:
    leaky = [
        "import decimal\ndecimal.getcontext().prec = 2\n" + returning("decimal.Decimal(1) / 3"),
        "from decimal import Decimal\n" + returning("Decimal(1) / 3"),
        "import random\nrandom.seed(1)\n" + returning("random.random()"),
        "import random\n" + returning("random.random()"),
        "import time, datetime\n" + returning("time.time() + datetime.datetime.now().year"),
        returning("id([]) + hash('x')"),
        "secret = 7\n" + returning("secret"),
        returning("secret"),
    ]
    first = runner.run(leaky)
    assert [runner.run([program])[0] for program in leaky] == first
    assert runner.run(leaky[::-1]) == first[::-1]
    assert first[0].value == 0.33
    assert first[1].value == pytest.approx(1 / 3)
    assert first[7].status == "runtime_error"


def gold(shared_data: Path) -> list[dict[str, str]]:
    return json.loads((shared_data / "svamp" / "svamp_python_sdp.json").read_text())


def test_all_gold_programs_give_their_gold_answer(runner: ProgramRunner, shared_data: Path) -> None:
    records = gold(shared_data)
    assert len(records) == 3043
    results = runner.run([record["answer_cot"] for record in records])
    wrong = [
        (record["item_id"], result)
        for record, result in zip(records, results, strict=True)
        if result.value is None or abs(result.value - float(record["answer_value"])) > 0.01
    ]
    assert wrong == []


@pytest.mark.parametrize(("workers", "batch"), [(1, 1), (1, 7), (1, 1024), (2, 32), (3, 5)])
def test_order_batch_and_workers_change_nothing(
    runner: ProgramRunner, shared_data: Path, workers: int, batch: int
) -> None:
    programs = [record["answer_cot"] for record in gold(shared_data)[:150]]
    programs += [
        returning("1 / 0"),
        returning("[0] * 10 ** 10"),
        "import decimal\ndecimal.getcontext().prec = 1\n" + returning("decimal.Decimal(1) / 3"),
        "raise SystemExit(3)",
        "def solution(",
        "x = 'a'\nwhile True: x += x",
        returning("exit()"),
        returning("'c'"),
        "def solution(): return solution()",
    ]
    expected = dict(zip(programs, runner.run(programs), strict=True))
    random.Random(workers * 1000 + batch).shuffle(programs)
    with ProgramRunner(ProgramsConfig(workers=workers, batch=batch, cache=0)) as other:
        assert other.run(programs) == [expected[text] for text in programs]


def test_equal_programs_are_run_once_and_remembered() -> None:
    # The machine's clock cannot be seen from inside, so what is remembered shows in time only.
    heavy = "def solution():\n    return sum(range(3_000_000))\n"
    with ProgramRunner(ProgramsConfig(cache=2, timeout=5, call_timeout=20)) as remembering:
        results = remembering.run([heavy] * 200)
        assert len({id(result) for result in results}) == 1
        assert remembering.run([heavy])[0] is results[0]
        remembering.run([returning("1"), returning("2"), returning("3")])
        again = remembering.run([heavy])[0]
        assert again == results[0]
        assert again is not results[0]


def test_a_closed_runner_starts_again() -> None:
    runner = ProgramRunner(ProgramsConfig(cache=0))
    assert runner.run([]) == []
    assert runner.run([returning("1")])[0].value == 1
    runner.close()
    runner.close()
    assert runner.run([returning("2")])[0].value == 2
    runner.close()


def test_threads_may_share_a_runner(runner: ProgramRunner) -> None:
    found: dict[int, list[float | None]] = {}

    def work(k: int) -> None:
        found[k] = [result.value for result in runner.run([returning(f"{k} * 100 + {i}") for i in range(40)])]

    threads = [threading.Thread(target=work, args=[k]) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {k: [k * 100 + i for i in range(40)] for k in range(6)}


def test_contradicting_limits_are_refused() -> None:
    with pytest.raises(BadInput, match=r"programs\.call_timeout=2\.5"):
        ProgramRunner(ProgramsConfig(timeout=2))


def test_refusals_are_counted_on_from_an_earlier_session() -> None:
    refused = returning("open('/etc/passwd').read()")
    with ProgramRunner(ProgramsConfig()) as first:
        first.run([refused, refused, returning("1")])
        stored = json.dumps(first.refused)
    with ProgramRunner(ProgramsConfig()) as second:
        second.go_on_from(json.loads(stored))
        second.run([refused])
        sentence = second.what_would_help()
    assert sentence is not None
    assert sentence.startswith("3 programs asked for what the sandbox does not provide")
