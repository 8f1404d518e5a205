"""How a worker process is started: with nothing that it does not need."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
import weakref
from pathlib import Path

_SPARE_MIB = 2048  # address space besides the program's memory: stacks and arenas, which grow with the machine


class Launcher:
    """A small executable that becomes the monty worker, in a temporary folder of its own.

    The worker gets an empty environment, no error output (an engine at its memory limit writes there), hard limits on
    address space, open files and core dumps, and does not hear the signals that stop a run. The interpreter inside is
    the wall; this is for the case that it has a hole.

    Attributes:
        path: the executable; None where there can be none (no /bin/sh, no temporary folder that allows executables),
            and the worker is started as it is.

    Args:
        memory: what a program may take, MiB.
    """

    def __init__(self, memory: int):
        from pydantic_monty._binary import find_monty_binary

        self.path: Path | None = None
        if not os.access("/bin/sh", os.X_OK):
            return
        folder = Path(tempfile.mkdtemp(prefix="reft_lab-programs-"))
        weakref.finalize(self, _remove, folder, os.getpid())  # at the latest when the process ends
        self.path = folder / "worker"
        self.path.write_text(
            "#!/bin/sh\n"
            "exec 2>/dev/null\n"
            "trap '' INT HUP USR1 USR2\n"
            "ulimit -c 0\n"
            "ulimit -n 256\n"
            f"ulimit -v {(memory + _SPARE_MIB) << 10}\n"
            f'exec env -i {shlex.quote(find_monty_binary())} "$@"\n'
        )
        self.path.chmod(0o700)
        if not os.access(self.path, os.X_OK):
            self.remove()

    @property
    def is_lost(self) -> bool:
        """Whether somebody has cleaned the temporary folder up, so that no new worker could be started."""
        return self.path is not None and not self.path.exists()

    def remove(self) -> None:
        """Remove the folder; workers that run already are not concerned."""
        if self.path is not None:
            _remove(self.path.parent, os.getpid())
            self.path = None


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() == owner:  # a fork ends without taking its parent's folder along
        shutil.rmtree(folder, ignore_errors=True)
