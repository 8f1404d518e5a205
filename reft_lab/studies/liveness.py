"""Which sweep a trial that is running belongs to, and whether that sweep is still there."""

from __future__ import annotations

import os
import platform
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

OWNER = "owner"  # of a trial's user attributes
BEAT = 20.0  # seconds between two signs of life
SILENCE = 120.0  # seconds without one after which a sweep on another machine counts as dead
UNCLAIMED = 10.0  # seconds that a sweep may take from popping a trial to putting its name on it


@dataclass(frozen=True)
class SweepProcess:
    """A sweep process.

    Attributes:
        token: no other has it.
        host: its machine.
        pid: its process there.
        started: when that process started, as the system has it; "" where it does not say.
    """

    token: str
    host: str
    pid: int
    started: str

    def sign(self) -> dict[str, Any]:
        """What it puts on a trial, and renews every BEAT seconds."""
        return asdict(self) | {"beat": time.time()}


def this_process() -> SweepProcess:
    """This sweep."""
    return SweepProcess(secrets.token_hex(8), platform.node(), os.getpid(), _started(os.getpid()))


class Watch:
    """Whether running trials have a sweep, as one that looks again and again can tell by its own clock alone."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[Any, float]] = {}

    def is_abandoned(self, number: int, attributes: Mapping[str, Any]) -> bool:
        """Whether a running trial has no sweep any more.

        Args:
            number: of the trial.
            attributes: its user attributes.
        """
        sign = attributes.get(OWNER, "none yet")
        if sign is None:  # given back
            return True
        if isinstance(sign, Mapping) and sign["host"] == platform.node():
            return _started(sign["pid"]) != sign["started"]
        now = time.monotonic()
        before, since = self._seen.get(number, (None, now))
        if before != sign:
            self._seen[number] = sign, now
            return False
        return now - since > (SILENCE if isinstance(sign, Mapping) else UNCLAIMED)


def _started(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
