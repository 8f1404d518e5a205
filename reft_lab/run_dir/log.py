"""log.txt: what a run said while it went, over all its sessions, and the traceback where it failed."""

from __future__ import annotations

import os
import platform
import traceback
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from reft_lab.errors import BadInput, RunFailed
from reft_lab.run_dir import disk
from reft_lab.run_dir.passport import command_line


class Log:
    """The file. Each entry is at once with the system, so a kill loses none; a disk that refuses one costs that entry.

    It is opened anew for each entry, of which there are a few a minute: signal handlers write to it too.
    """

    def __init__(self, path: Path):
        self._path = path

    def add(self, text: str) -> None:
        """One entry: its first line begins with the time (UTC), further lines are indented as far."""
        time = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%SZ  ")
        first, *others = text.rstrip().splitlines() or [""]
        lines = [time + first, *(" " * len(time) + line for line in others)]
        data = "".join(f"{line.rstrip()}\n" for line in lines)
        with suppress(OSError), self._path.open("ab", buffering=0) as file:
            disk.write_whole(file, data.encode(errors="replace"))

    def begin(self) -> None:
        """The entry with which a session begins: its command, process and machine."""
        self.add(f"{command_line()}  (process {os.getpid()} on {platform.node()})")

    def add_error(self, error: BaseException) -> None:
        """Why the run ends here: the sentence of an error that is explained with the traceback of its cause, if it has
        one, and the traceback of any other."""
        if isinstance(error, (BadInput, RunFailed)):
            if error.__cause__ is not None:
                self.add("".join(traceback.format_exception(error.__cause__)))
            self.add(f"error: {error}")
        elif isinstance(error, KeyboardInterrupt):
            self.add(str(error) or "interrupted")
        else:
            self.add("".join(traceback.format_exception(error)))
