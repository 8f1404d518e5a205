"""What a jailed program sees: the modules it may import, its builtins, stopped clocks; and the code that judges it.

Made once in the jail's server (jail_server.py) before it forks; the walls are not made here. Standard library only.
"""

from __future__ import annotations

import builtins
import ctypes
import datetime
import gc
import importlib
import importlib.util
import os
import pkgutil
import random
import sys
import time
import types
from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any, NoReturn

_LIBRARY_FRAMES = 1000  # recursion that sympy may need on top of the program's own
_START_OF_2024 = 1704067200.0

# Parts of sympy that `import sympy` leaves out and its functions import on demand.
_SYMPY_WHOLE = (
    "assumptions", "calculus", "combinatorics", "concrete", "discrete", "functions", "geometry", "integrals", "logic",
    "matrices", "ntheory", "polys", "series", "sets", "simplify", "solvers", "stats", "tensor",
)  # fmt: skip
_SYMPY_PARTS = ("abc", "codegen.ast", "physics.units", "vector")
_SYMPY_NOT = ("tests", "benchmarks", "sampling", "meijerint_doc", "hyperexpand_doc")
# Modules that C code imports on behalf of the program that calls it.
_BEHIND_THE_SCENES = ("_strptime", "collections.abc", "copyreg", "encodings.ascii", "encodings.latin_1")

# Which values the judge takes for numbers besides built-in ones. A base class converts, not an own __float__.
_JUDGE_MORE = """
def _other(value):
    for base in _numbers:
        if issubclass(type(value), base):
            return base.__float__(value)
    if _Expr is None or not issubclass(type(value), _Expr):
        raise TypeError
    return float(value)

def _lacks(error, name, started):
    return False
"""


def prepare(setup: Mapping[str, Any]) -> Callable[[str], tuple[int, float]]:
    """Load what programs may import, and make the function that runs and judges a program.

    Args:
        setup: what jail.py sends: modules, packages (name -> file), the source of the judge, its verdict on a program
            that is not Python, and the deepest recursion.
    """
    for name in (*setup["modules"], *_BEHIND_THE_SCENES):
        importlib.import_module(name)
    packages = setup["packages"]
    for name in sorted(packages):  # mpmath before sympy
        _load_package(name, packages[name])
    if "sympy" in packages:
        _load_lazy_parts(sys.modules["sympy"])
        sys.modules["sympy.core.random"].seed(0)
    # From here on nothing is looked up on disk: any other import is a ModuleNotFoundError.
    sys.meta_path[:] = [finder for finder in sys.meta_path if getattr(finder, "__name__", "") != "PathFinder"]
    sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = Nowhere()  # type: ignore[assignment, misc]
    freeze_clock()

    numbers: list[type] = [int, float, Decimal, Fraction]
    if "mpmath" in packages:
        numbers.append(sys.modules["mpmath"].mpf)
    names: dict[str, Any] = {"_numbers": numbers, "_Expr": getattr(sys.modules.get("sympy"), "Expr", None)}
    exec(setup["judge"] + _JUDGE_MORE, names)
    one, syntax = names["_one"], setup["syntax"]
    world = {"__name__": "program", "__builtins__": _builtins({*setup["modules"], *packages, *_BEHIND_THE_SCENES})}
    depth = setup["recursion"] + _LIBRARY_FRAMES

    def judge(program: str) -> tuple[int, float]:
        random.seed(0)  # Python seeds it afresh in a fork
        sys.setrecursionlimit(depth)
        try:
            code = compile(program, "program", "exec", dont_inherit=True)
        except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
            return syntax, 0.0
        return one(code, world)

    return judge


def _load_package(name: str, file: str) -> None:
    """Import a package by its file, so that its neighbours in site-packages stay out of reach."""
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=[os.path.dirname(file)])
    if spec is None or spec.loader is None:
        raise ImportError(name)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)


def _load_lazy_parts(sympy: types.ModuleType) -> None:
    def whole(package: types.ModuleType) -> None:
        for part in pkgutil.iter_modules(package.__path__):
            if part.name not in _SYMPY_NOT:
                module = _try_import(f"{package.__name__}.{part.name}")
                if module is not None and part.ispkg:
                    whole(module)

    for name in (*_SYMPY_WHOLE, *_SYMPY_PARTS):
        module = _try_import(f"{sympy.__name__}.{name}")
        if module is not None and name in _SYMPY_WHOLE:
            whole(module)


def _try_import(name: str) -> types.ModuleType | None:
    try:
        return importlib.import_module(name)
    except Exception:  # it needs a package that is not installed, or another release of sympy lacks it
        return None


def _builtins(modules: set[str]) -> dict[str, Any]:
    """The builtins of a program: those that touch the machine refuse, and only `modules` can be imported."""

    def refuse(*_: object, **__: object) -> NoReturn:
        raise PermissionError

    def leave(*_: object) -> NoReturn:
        raise SystemExit

    def import_(name: str, *rest: Any, **options: Any) -> Any:
        if name.split(".")[0] not in modules:
            raise ModuleNotFoundError(name)
        return builtins.__import__(name, *rest, **options)

    return {
        **vars(builtins),
        **dict.fromkeys(("open", "input", "breakpoint", "help"), refuse),
        **dict.fromkeys(("exit", "quit"), leave),
        "print": lambda *_, **__: None,
        "__import__": import_,
    }


def freeze_clock() -> None:
    """Stop every clock at the start of 2024; sleeping takes no time."""
    for name in ("time", "monotonic", "perf_counter", "process_time", "thread_time"):
        setattr(time, name, lambda: _START_OF_2024)
        setattr(time, f"{name}_ns", lambda: int(_START_OF_2024) * 10**9)
    time.sleep = lambda seconds: None
    for name in ("gmtime", "localtime", "ctime"):
        setattr(time, name, _with_default(getattr(time, name), 1, _START_OF_2024))
    time.strftime = _with_default(time.strftime, 2, time.gmtime())
    # The class is written in C and reads the clock itself; a subclass in its place would not match its instances.
    methods = gc.get_referents(datetime.datetime.__dict__)[0]
    methods["now"] = classmethod(lambda cls, tz=None: cls.fromtimestamp(_START_OF_2024, tz))
    methods["utcnow"] = classmethod(lambda cls: cls.fromtimestamp(_START_OF_2024))
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(datetime.datetime))


def _with_default(function: Callable[..., Any], count: int, last: Any) -> Callable[..., Any]:
    """`function` of `count` arguments, with `last` for the last one where it is left out."""
    return lambda *arguments: function(*arguments, *[last] * (count - len(arguments)))


class Nowhere:
    """A text file that accepts everything and keeps nothing."""

    encoding = "utf-8"

    def write(self, text: str) -> int:
        """Report that all of `text` was written."""
        return len(text)

    def flush(self) -> None:
        """Do nothing."""

    def isatty(self) -> bool:
        """Whether it is a terminal; it is not."""
        return False
