"""Where this installation is, and how its command is typed: `python run.py` in a checkout, `python -m reft_lab` of a
wheel."""

from __future__ import annotations

import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
IS_WHEEL = (PACKAGE / "conf").is_dir()
# The folder with conf/ and sweeps/: the package in a wheel, the top of the repository in a checkout.
HOME = PACKAGE if IS_WHEEL else PACKAGE.parent
SCRIPT = "run.py"
MODULE = ["-m", "reft_lab"]


def typed() -> list[str]:
    """The command line of this process without its interpreter, as it can be typed again."""
    return [*(MODULE if _is_module() else sys.argv[:1]), *sys.argv[1:]]


def words() -> list[str]:
    """What follows the interpreter where a run is started."""
    if Path(sys.argv[0]).name == SCRIPT and Path(sys.argv[0]).exists():
        return sys.argv[:1]
    return MODULE if IS_WHEEL or _is_module() else [str(HOME / SCRIPT)]


def command() -> str:
    """The command that starts a run, as a person types it."""
    return f"python {' '.join(MODULE)}" if words() == MODULE else f"python {SCRIPT}"


def _is_module() -> bool:
    return sys.argv[0] == str(PACKAGE / "__main__.py")
