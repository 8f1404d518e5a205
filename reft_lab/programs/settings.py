"""The sandbox."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Optional

from reft_lab.fields import STRICT, OneOf, doc


@dataclass
class ProgramsConfig:
    """The sandbox that runs programs the model wrote."""

    __pydantic_config__ = STRICT
    workers: Annotated[int, doc("worker processes", ge=1, le=64)] = 1
    timeout: Annotated[float, doc("time a program may take", unit="s", gt=0, le=60)] = 1.0
    memory: Annotated[int, doc("memory a program may take", unit="MiB", ge=8)] = 64
    recursion: Annotated[int, doc("deepest recursion of a program", unit="frames", ge=50)] = 500
    call_timeout: Annotated[
        float,
        doc(
            "longest that a program may hold its worker, including killing it; at least 1.5 timeout",
            unit="s",
            gt=0,
        ),
    ] = 2.5
    imports: Annotated[
        list[str], doc("modules that are imported for programs, as if `import NAME` stood at their top")
    ] = field(default_factory=list)
    batch: Annotated[int, doc("programs sent to a worker at once", unit="programs", ge=1, le=1024)] = 32
    cache: Annotated[int, doc("programs whose results are remembered", unit="programs", ge=0)] = 10_000
    fallback: Annotated[
        Optional[str],
        doc(
            "second engine for programs that the first refuses or fails on (sympy, fractions, generators, "
            "inheritance): CPython in a seccomp jail, Linux only, milliseconds a program; null: none"
        ),
        OneOf("jail"),
    ] = None
