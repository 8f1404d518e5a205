"""Environments of their own for TRL: `.venv-trl-VERSION`, with the versions of trl-VERSION-constraints.txt.

1.12 is the last TRL that had a PPO trainer (in trl.experimental.ppo), which is timed; 1.16 is the one that our GRPO and
RLOO are held against.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
WITH_PPO, NEWEST = "1.12", "1.16"


def python(say: Callable[[str], None], version: str) -> str:
    """The interpreter of an environment, which is made first where it is not there or is an older one.

    Raises:
        RuntimeError: it cannot be made, with pip's last line.
    """
    constraints = REPO / "benchmarks" / f"trl-{version}-constraints.txt"
    wanted = constraints.read_text(encoding="utf-8")
    folder = REPO / f".venv-trl-{version}"
    stamp = folder / "constraints.txt"
    interpreter = folder / "bin" / "python"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        say(f"making an environment for TRL: {folder.name}")
        _run(sys.executable, "-m", "venv", "--clear", str(folder))
        _run(str(interpreter), "-m", "pip", "install", "--quiet", "-c", str(constraints), "trl")
        stamp.write_text(wanted, encoding="utf-8")
    return str(interpreter)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["-"]
        raise RuntimeError(f"{' '.join(command[:4])} failed: {lines[-1]}")
