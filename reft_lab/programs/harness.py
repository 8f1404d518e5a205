"""The code that runs around each program inside the sandbox, and how its verdicts are read outside.

The harness runs every program of a batch in a namespace of its own, calls `solution()` and judges the value there.
Only pairs (code, float) leave the sandbox, never an object or a text of the program.
"""

from __future__ import annotations

import math
from typing import Any

from reft_lab.programs.result import ProgramResult, missing_builtin, why_forbidden

OK, LETTER, NO_ANSWER, NO_SOLUTION, SYNTAX, MEMORY, FORBIDDEN, NAME = range(8)
FIRST_ERROR = 10  # codes from here on stand for ERRORS, in order
LETTERS = "abcde"
MAX_CHARACTERS = 100_000  # of a program

# Exceptions by name, with words for people; the first stands for all others.
ERRORS: tuple[tuple[str, str], ...] = (
    ("Exception", ""),
    ("ZeroDivisionError", "division by zero"),
    ("TypeError", "a value has the wrong type, or a call the wrong arguments"),
    ("ValueError", "a value is out of place"),
    ("AttributeError", "an attribute does not exist"),
    ("IndexError", "an index is out of range"),
    ("KeyError", "a key does not exist"),
    ("UnboundLocalError", "a variable is used before it has a value"),
    ("RecursionError", "recursion is too deep"),
    ("OverflowError", "a number is too large"),
    ("AssertionError", "an assertion failed"),
    ("RuntimeError", ""),
    ("SystemExit", "the program asked to exit"),
    ("KeyboardInterrupt", "the program interrupted itself"),
    ("StopIteration", ""),
    ("ImportError", "a name cannot be imported"),
    ("TimeoutError", ""),
    ("OSError", ""),
    ("InvalidOperation", "a decimal operation is invalid"),
    ("NotImplementedError", ""),
)
# The verdict on what `solution()` returned or raised. Both engines run this code inside the sandbox. Each adds
# `_other(value)`, the float in a value that is not of a built-in type (TypeError where there is none), and
# `_lacks(error, name, started)`, whether an exception means that the engine lacks something.
JUDGE = f'''
_inf = float("inf")
_errors = {[name for name, _ in ERRORS]!r}

def _joined(text, sign):
    groups = text.split(sign)
    if len(groups) == 1:
        return text
    first, last = groups[0].strip("+-"), groups[-1].split(".")[0]
    if not 1 <= len(first) <= 3 or len(last) != 3:
        return "?"  # a list of numbers, not one with thousands
    for group in groups[:-1]:
        if "." in group or (len(group) not in (2, 3) and group != groups[0]):
            return "?"
    return "".join(groups)

def _judge(value):
    kind = type(value)
    if kind is str:
        text = value.strip() if len(value) <= 64 else ""
        if len(text) == 1 and text.lower() in "{LETTERS}":
            return ({LETTER}, float("{LETTERS}".index(text.lower())))
        text = text.replace("$", "").strip()
        if text[:1] == "+" or text[:1] == "-":
            text = text[0] + text[1:].strip()
        text = _joined(_joined(text, ","), " ")
        for letter in text:
            if letter not in "0123456789.+-eE":
                return ({NO_ANSWER}, 0.0)
    elif kind is int or kind is float or kind is bool:
        text = value
    else:
        text = None
    try:
        number = _other(value) if text is None else float(text)
    except (TypeError, ValueError, OverflowError):
        return ({NO_ANSWER}, 0.0)
    return ({OK}, number) if -_inf < number < _inf else ({NO_ANSWER}, 0.0)

def _fault(error, started):
    name = type(error).__name__
    if name in ("SyntaxError", "IndentationError", "TabError") and not started:
        return ({SYNTAX}, 0.0)
    if name == "MemoryError":
        return ({MEMORY}, 0.0)
    if name in ("ModuleNotFoundError", "PermissionError") or _lacks(error, name, started):
        return ({FORBIDDEN}, 0.0)
    if name == "NameError":
        return ({NAME}, 0.0)
    return ({FIRST_ERROR} + (_errors.index(name) if name in _errors else 0), 0.0)

def _one(program, names):
    space = dict(names)
    try:
        exec(program, space)
        return _judge(space["solution"]()) if "solution" in space else ({NO_SOLUTION}, 0.0)
    except BaseException as error:
        return _fault(error, "solution" in space)
'''

# round: the engine's own is wrong near halves (2.675 to 2 digits), but its float formatting agrees with CPython.
# print: nothing that a program prints goes through the pipe.
_MONTY = """
def _other(value):
    if _Decimal is None or type(value) is not _Decimal:
        raise TypeError
    return float(value)

def _lacks(error, name, started):
    if name == "NotImplementedError":
        return not started
    if name == "AttributeError":
        return str(error)[:8] == "module '"
    return name == "RuntimeError" and "not supported in this environment" in str(error)

def _round(number, ndigits=None):
    if type(number) is not float or type(ndigits) is not int:
        return _plain_round(number) if ndigits is None else _plain_round(number, ndigits)
    if number != number or number in (_inf, -_inf) or ndigits > 323:
        return number
    if ndigits >= 0:
        return float(f"{number:.{ndigits}f}")
    if ndigits < -308:
        return number * 0.0
    unit = 10 ** -ndigits
    whole = int(abs(number))
    count, rest = divmod(whole, unit)
    if rest * 2 > unit or (rest * 2 == unit and (whole < abs(number) or count % 2 == 1)):
        count += 1
    rounded = float(count * unit)
    return -rounded if str(number)[0] == "-" else rounded

def _print(*values, sep=" ", end="\\n", file=None, flush=False):
    return None

_plain_round = round
_names = {"round": _round, "print": _print, "__name__": "program"}
"""

# Runs the programs in the input `_programs`, after `monty_source` was fed to the session.
MONTY_CALL = "[_one(_program, _names) for _program in _programs]"


def monty_source(with_decimal: bool) -> str:
    """The code that prepares a monty session; MONTY_CALL then runs programs in it.

    Args:
        with_decimal: whether a program may return a Decimal (importing it costs milliseconds).
    """
    return ("from decimal import Decimal as _Decimal\n" if with_decimal else "_Decimal = None\n") + JUDGE + _MONTY


def verdicts(answer: Any, count: int) -> list[tuple[int, float]] | None:
    """The `count` pairs that a harness sent; None where it sent anything else."""
    if type(answer) is not list or len(answer) != count:
        return None
    for pair in answer:
        if type(pair) is not tuple or [type(part) for part in pair] != [int, float]:
            return None
    return answer


def unreadable(program: str, engine: str) -> ProgramResult | None:
    """The result of a program that is too long or not Unicode, which no engine needs to see; None for all others."""
    if len(program) > MAX_CHARACTERS:
        words = f"the program is longer than {MAX_CHARACTERS} characters"
        return ProgramResult("syntax_error", detail=words, engine=engine)
    try:
        program.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return ProgramResult("syntax_error", detail="the program is not valid Unicode text", engine=engine)
    return None


def is_verdict(code: int, value: float) -> bool:
    """Whether a harness could have sent the pair (code, value)."""
    if code == OK:
        return math.isfinite(value)
    if code == LETTER:
        return value in range(len(LETTERS))
    return value == 0 and (code in range(NAME + 1) or code in range(FIRST_ERROR, FIRST_ERROR + len(ERRORS)))


def result(program: str, code: int, value: float, engine: str) -> ProgramResult:
    """The result of `program` for a verdict (code, value)."""
    if code == OK:
        return ProgramResult("ok", value=value, engine=engine)
    if code == LETTER:
        return ProgramResult("ok", letter=LETTERS[int(value)], engine=engine)
    if code == NO_ANSWER:
        return ProgramResult("no_answer", detail="solution() returned no finite number or option letter", engine=engine)
    if code == NO_SOLUTION:
        return ProgramResult("no_answer", detail="the program defines no solution()", engine=engine)
    if code == SYNTAX:
        return ProgramResult("syntax_error", detail="SyntaxError: the program is not valid Python", engine=engine)
    if code == MEMORY:
        return ProgramResult("memory", detail="MemoryError: the program takes too much memory", engine=engine)
    if code == FORBIDDEN:
        return ProgramResult("forbidden", detail=why_forbidden(program, engine), engine=engine)
    if code == NAME:
        missing = missing_builtin(program) if engine == "monty" else None
        if missing is not None:
            return ProgramResult("forbidden", detail=f"builtin {missing} is not there", engine=engine)
        return ProgramResult("runtime_error", detail="NameError: a name is not defined", engine=engine)
    name, words = ERRORS[code - FIRST_ERROR if FIRST_ERROR <= code < FIRST_ERROR + len(ERRORS) else 0]
    return ProgramResult("runtime_error", detail=f"{name}: {words}" if words else name, engine=engine)
