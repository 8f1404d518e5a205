"""One run, as it is handed to the processes that do it: composed once, and the same for all of them."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

from reft_lab.config.schema import Config
from reft_lab.ranks import ALONE, Ranks


@dataclass(frozen=True)
class Order:
    """A run to begin or to go on with.

    Attributes:
        config: the experiment, checked.
        directory: its run directory.
        changes: what differs from the saved config of a run that goes on; None begins one.
        folders: where modules are found, the reward's among them.
        command: the command line that asked for it.
    """

    config: Config
    directory: Path
    changes: list[str] | None = None
    folders: list[str] = field(default_factory=lambda: list(sys.path))
    command: list[str] = field(default_factory=lambda: list(sys.argv))

    def carry_out(self, ranks: Ranks = ALONE) -> float:
        """Do it, as one of `ranks`; what comes back is what a search maximises.

        Raises:
            BadInput, RunFailed, Interrupted: as runner.run.
        """
        from reft_lab import runner
        from reft_lab.studies.reporting import Report
        from reft_lab.tracking.display import Display

        sys.path += [folder for folder in self.folders if folder not in sys.path]
        sys.argv[:] = self.command
        display = Display() if ranks.leads else None
        report = Report(self.config, display.note) if display else None
        if self.changes is None:
            return runner.run(self.config, self.directory, display, report, ranks)
        return runner.resume(self.config, self.directory, self.changes, display, report, ranks)
