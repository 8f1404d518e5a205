"""Which sweep process works on a running trial, and whether that process is still alive."""

from __future__ import annotations

import os
import platform
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

OWNER = "owner"  # the user attribute of a trial that says so
BEAT = 20.0  # seconds between two signs of life
SILENCE = 120.0  # seconds without one after which a sweep on another machine is taken for dead
UNCLAIMED = 10.0  # seconds that a sweep may take between popping a trial and signing it


@dataclass(frozen=True)
class SweepProcess:
    """A sweep process.

    Attributes:
        token: unique to it.
        host: name of its machine.
        pid: its process id there.
        started: start time of that process as the kernel counts it; empty where it is not known.
    """

    token: str
    host: str
    pid: int
    started: str

    def sign(self) -> dict[str, Any]:
        """The signature that it writes on a trial and renews every BEAT seconds."""
        return asdict(self) | {"beat": time.time()}


def this_process() -> SweepProcess:
    """The process that this is called in."""
    return SweepProcess(secrets.token_hex(8), platform.node(), os.getpid(), _started(os.getpid()))


class Watch:
    """Tells abandoned trials by looking again and again; it trusts its own clock alone, not those of other machines."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[Any, float]] = {}

    def is_abandoned(self, number: int, attributes: Mapping[str, Any]) -> bool:
        """Whether the sweep that was working on a trial is gone.

        Args:
            number: of the trial.
            attributes: user attributes of the trial.
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
