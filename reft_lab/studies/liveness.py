"""Which sweep process works on a running trial, and whether that process is still alive."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

OWNER = "owner"  # the user attribute of a trial that says so
BEAT = 20.0  # seconds between two signs of life
SILENCE = 120.0  # seconds without one after which a sweep on another machine is taken for dead
UNCLAIMED = 10.0  # seconds that a sweep may take between popping a trial and signing it


def sign() -> dict[str, Any]:
    """The signature that this process writes on a trial and renews every BEAT seconds."""
    pid = os.getpid()
    return {"host": platform.node(), "pid": pid, "started": _started(pid), "beat": time.time()}


class Watch:
    """Tells abandoned trials by looking again and again; it trusts its own clock alone, not those of other machines."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[Any, float]] = {}

    def is_abandoned(self, number: int, attributes: Mapping[str, Any]) -> bool:
        """Whether the sweep that was working on the trial with this number and these user attributes is gone."""
        signed = attributes.get(OWNER, "none yet")
        if signed is None:  # given back
            return True
        if isinstance(signed, Mapping) and signed["host"] == platform.node():
            return _started(signed["pid"]) != signed["started"]
        now = time.monotonic()
        before, since = self._seen.get(number, (None, now))
        if before != signed:
            self._seen[number] = signed, now
            return False
        return now - since > (SILENCE if isinstance(signed, Mapping) else UNCLAIMED)


def _started(pid: int) -> str:
    """When a process started, as the kernel counts it; empty where that is not known."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
