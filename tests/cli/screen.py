"""A command in a pseudo-terminal of a given size, and what its screen shows."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from pathlib import Path

ENTERS, LEAVES = b"\x1b[?1049h", b"\x1b[?1049l"
HOME = re.compile(rb"\x1b\[H")
CODES = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|\].*?\x07)")


class Screen:
    """The terminal. It understands what rich writes: whole pictures from the upper left corner."""

    def __init__(self, words: Sequence[str], columns: int, rows: int, folder: Path):
        self.columns, self.rows = columns, rows
        self._terminal, child = pty.openpty()
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.modes_before = termios.tcgetattr(child)
        environment = {
            name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "reft_lab.cli", *words],
            stdin=child,
            stdout=child,
            stderr=child,
            cwd=folder,
            env=environment | {"TERM": "xterm-256color", "PYTHONPATH": str(Path(__file__).parents[2])},
            preexec_fn=_own_terminal,
        )
        self._child = child  # open, so that what it left can be read
        self.written = b""

    def read(self, seconds: float = 0.1) -> None:
        """Take in what it has written."""
        while select.select([self._terminal], [], [], seconds)[0]:
            self.written += os.read(self._terminal, 65536)
            seconds = 0.05

    def pictures(self) -> list[list[str]]:
        """The pictures of the full screen so far, each as its lines."""
        inside = self.written.partition(ENTERS)[2].partition(LEAVES)[0]
        return [_plain(part) for part in HOME.split(inside) if part.strip()]

    def wait_for(self, text: str, seconds: float = 30) -> list[str]:
        """The first picture from now on that has this text."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.read()
            shown = self.pictures()
            if shown and len(shown[-1]) >= self.rows - 1 and any(text in line for line in shown[-1]):
                return shown[-1]
        raise AssertionError(f"{text!r} was not shown:\n{self.written.decode(errors='replace')[-3000:]}")

    def press(self, key: str) -> None:
        """Press a key."""
        os.write(self._terminal, key.encode())

    def end(self, seconds: float = 20) -> tuple[int, list[str]]:
        """Its exit code, and the lines that stay on the terminal."""
        end = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < end:
            self.read()
        self.read()
        if self.process.poll() is None:
            self.process.kill()
            raise AssertionError(f"it did not end:\n{self.written.decode(errors='replace')[-3000:]}")
        return self.process.wait(), _plain(self.written.rpartition(LEAVES)[2])

    def modes(self) -> list[object]:
        """How the terminal is set now."""
        return termios.tcgetattr(self._child)

    def close(self) -> None:
        """Let go of the terminal."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._child)
        os.close(self._terminal)


def _plain(written: bytes) -> list[str]:
    text = CODES.sub("", written.decode(errors="replace")).replace("\r\n", "\n")
    return [line.rstrip() for line in text.split("\n")]


def _own_terminal() -> None:
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
