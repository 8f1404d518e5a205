"""Run one experiment, several with -m, or go on with one with resume=: `python run.py --help`."""

import os
import sys
from importlib.util import find_spec

# Up to the first import of reft_lab, this file is written so that older Pythons read it too.
if sys.version_info < (3, 11) or not all(map(find_spec, ("hydra", "pydantic", "torch", "transformers"))):
    ready = os.path.join(os.path.dirname(os.path.abspath(__file__)), ".venv", "bin", "python")
    has = os.path.exists(ready) and ready != os.path.abspath(sys.executable)
    print(
        "error: " + sys.executable + " (Python " + ".".join(map(str, sys.version_info[:2])) + ") is not an interpreter",
        "that reft_lab can use: it takes Python 3.11 to 3.13 with the packages of pyproject.toml;",
        "use " + os.path.relpath(ready) + " in its place." if has else "`make demo` makes one, .venv/bin/python.",
        file=sys.stderr,
    )
    sys.exit(2)

from reft_lab.command.exits import end_with_sweep, exit_on_signals
from reft_lab.imports import imported_for_good

if __name__ == "__main__":
    exit_on_signals()  # first of all: the import below takes a while
    end_with_sweep()

with imported_for_good():
    from reft_lab.command.launch import launch

if __name__ == "__main__":
    launch()
