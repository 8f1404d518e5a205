"""Sides that take turns: each is a process of its own that waits while another one works.

A side calls `begin()`, gets ready, and then answers each line on its standard input with a measured turn. Standard
library only, since a side may run in an environment of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from clock import Turn, timed

HERE = Path(__file__).resolve().parent
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


def begin() -> Callable[[Turn], bool]:
    """In the process of a side: whatever it prints goes to stderr from here on.

    Returns:
        A function that hands over a turn and waits to be asked for the next one; False at the end. The first call
        stands for being ready, and what it hands over is the side's first turn, which is thrown away.
    """
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(turn: Turn) -> bool:
        replies.write(json.dumps(asdict(turn)) + "\n")
        replies.flush()
        return bool(sys.stdin.readline())

    return answer


def serve(job: Callable[[], float]) -> None:
    """In the process of a side: do `job` once to warm up, then each time that a turn is asked for.

    With `--memory` as its last argument the side gives free memory back before each turn.
    """
    answer, trim = begin(), sys.argv[-1] == "--memory"
    while answer(timed(job, trim)):
        pass


class Side:
    """A side as its opponent's process sees it.

    Raises:
        RuntimeError: the side ended before its time; with the last line it wrote.
    """

    def __init__(self, script: str, *arguments: str, python: str = sys.executable):
        self._log: TextIO = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the side
        self._process = subprocess.Popen(
            [python, str(HERE / script), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**os.environ, **ONE_THREAD},
        )
        self._name = script
        self._read()

    def turn(self) -> Turn:
        """One turn, now."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        return self._read()

    def close(self) -> None:
        """Let the side end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def __enter__(self) -> Side:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self) -> Turn:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._log.seek(0)
            written = self._log.read().strip().splitlines()
            raise RuntimeError(f"{self._name} ended with code {self._process.returncode}: {(written or ['-'])[-1]}")
        record: dict[str, Any] = json.loads(line)
        return Turn(**record)


def alternate(
    sides: Mapping[str, Callable[[], Turn]], rounds: int, say: Callable[[str], None] = lambda _: None
) -> dict[str, list[Turn]]:
    """`rounds` turns of each side, one after the other, so that neighbours in time can be compared.

    Args:
        sides: what does one turn of a side, by name. Every other round goes backwards.
        rounds: turns of each side.
        say: told before each turn what comes.
    """
    turns: dict[str, list[Turn]] = {name: [] for name in sides}
    for number in range(rounds):
        names: Sequence[str] = list(sides) if number % 2 == 0 else list(sides)[::-1]
        for name in names:
            say(f"{name}, turn {number + 1} of {rounds}")
            turns[name].append(sides[name]())
    return turns
