"""An environment of its own for TRL: `.venv-trl`, with the versions of trl-constraints.txt.

1.12 is the last TRL that had a PPO trainer (in trl.experimental.ppo).
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
FOLDER = REPO / ".venv-trl"
CONSTRAINTS = REPO / "benchmarks" / "trl-constraints.txt"


def python(say: Callable[[str], None]) -> str:
    """The interpreter of the environment, which is made first where it is not there or is an older one.

    Raises:
        RuntimeError: it cannot be made, with pip's last line.
    """
    wanted = CONSTRAINTS.read_text(encoding="utf-8")
    stamp = FOLDER / "constraints.txt"
    interpreter = FOLDER / "bin" / "python"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        say("making an environment for TRL: .venv-trl")
        _run(sys.executable, "-m", "venv", "--clear", str(FOLDER))
        _run(str(interpreter), "-m", "pip", "install", "--quiet", "-c", str(CONSTRAINTS), "trl")
        stamp.write_text(wanted, encoding="utf-8")
    return str(interpreter)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["-"]
        raise RuntimeError(f"{' '.join(command[:4])} failed: {lines[-1]}")
