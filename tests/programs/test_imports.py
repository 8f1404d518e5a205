"""programs.imports: modules that programs find imported."""

from __future__ import annotations

import sys

import pytest

from reft_lab.errors import BadInput
from reft_lab.programs import ProgramRunner
from reft_lab.programs.settings import ProgramsConfig

ROOT = "def solution():\n    return math.sqrt(49)\n"
EQUATION = "def solution():\n    x = sympy.Symbol('x')\n    return sympy.solve(x - 9, x)[0] - math.floor(2.5)\n"


def test_without_them_a_program_imports_what_it_uses() -> None:
    with ProgramRunner(ProgramsConfig()) as runner:
        assert [result.status for result in runner.run([ROOT])] == ["runtime_error"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the fallback needs Linux")
def test_programs_find_them() -> None:
    config = ProgramsConfig(imports=["math", "sympy"], fallback="jail", timeout=10, call_timeout=15)
    own = "import math\n" + ROOT
    with ProgramRunner(config) as runner:
        results = runner.run([ROOT, EQUATION, own, "def solution():\n    return 3\n"])
    assert [result.value for result in results] == [7, 7, 7, 3]
    assert [result.engine for result in results] == ["monty", "jail", "monty", "monty"]


@pytest.mark.parametrize(("name", "says"), [("sympi", "did you mean sympy"), ("numpy", "no program can import")])
def test_a_module_that_is_not_there_is_refused(name: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        ProgramRunner(ProgramsConfig(imports=[name]))
