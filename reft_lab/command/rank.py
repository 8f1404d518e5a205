"""A process that a run of several processes has started: `python -m reft_lab.command.rank FOLDER`.

It reads from the folder what to do, and leaves there what came of it. It never sees a command line or Hydra.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path

from reft_lab.command.exits import end_with_sweep, exit_on_signals
from reft_lab.errors import BadInput, Interrupted, RankLost, RunFailed
from reft_lab.text import one_line

ORDER = "order.pickle"
FINISHED, BAD_INPUT, FAILED, INTERRUPTED, LOST = "finished", "bad input", "failed", "interrupted", "lost another"


@dataclass(frozen=True)
class Outcome:
    """What became of a rank.

    Attributes:
        kind: FINISHED, BAD_INPUT, FAILED, INTERRUPTED or LOST.
        said: a sentence; empty where there is nothing to say.
        value: what the run is judged by, where it finished.
        signal: that interrupted it.
    """

    kind: str
    said: str = ""
    value: float = 0.0
    signal: int = 0

    @staticmethod
    def file(folder: Path, rank: int) -> Path:
        """Where a rank leaves it."""
        return folder / f"rank-{rank}.json"

    @classmethod
    def read(cls, folder: Path, rank: int) -> Outcome | None:
        """That of a rank; None where it had no time to tell."""
        try:
            return cls(**json.loads(cls.file(folder, rank).read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return None

    def leave(self, folder: Path, rank: int) -> None:
        """Let whoever started the rank know."""
        self.file(folder, rank).write_text(json.dumps(asdict(self)), encoding="utf-8")


def work(folder: Path) -> int:
    """Do what the order in `folder` says, as the rank that the environment says; returns the exit code."""
    from reft_lab.ranks.group import connect, disconnect
    from reft_lab.ranks.start import Start

    start = Start.of_this_process()
    assert start is not None
    order = pickle.loads((folder / ORDER).read_bytes())
    try:
        ranks = connect(start)
        outcome, code = Outcome(FINISHED, value=order.carry_out(ranks)), 0
        disconnect()
    except RankLost as error:
        outcome, code = Outcome(LOST, str(error)), 1
    except BadInput as error:
        outcome, code = Outcome(BAD_INPUT, str(error)), 2
    except RunFailed as error:
        outcome, code = Outcome(FAILED, str(error)), 1
    except Interrupted as stop:
        # One that follows ends in good order with the one that leads, which is told to stop.
        outcome, code = Outcome(INTERRUPTED, signal=stop.signal), 128 + stop.signal if start.rank == 0 else 0
    except Exception as error:
        traceback.print_exc()
        outcome, code = Outcome(FAILED, f"{type(error).__name__}: {one_line(error)}"), 1
    outcome.leave(folder, start.rank)
    return code


def main() -> None:
    """The process from start to end."""
    exit_on_signals()
    end_with_sweep()
    code = work(Path(sys.argv[1]))
    sys.stdout.flush()
    sys.stderr.flush()
    if code:
        os._exit(code)  # without a goodbye to the others, some of which may be gone


if __name__ == "__main__":
    main()
