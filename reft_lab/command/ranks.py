"""A run of several processes on this machine: starts them, hands them signals, and says what became of the run.

Where one of them is lost, the others cannot go on: they are ended within seconds, and the run goes on from its last
state when it is resumed, with as many processes as are asked for then.
"""

from __future__ import annotations

import json
import logging
import math
import os
import pickle
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from reft_lab.command.order import Order
from reft_lab.command.rank import BAD_INPUT, FAILED, FINISHED, INTERRUPTED, LOST, ORDER, Outcome
from reft_lab.errors import BadInput, Interrupted, RunFailed
from reft_lab.installed import PACKAGE
from reft_lab.ranks.start import cores
from reft_lab.run_dir import disk
from reft_lab.run_dir.files import CONFIG, LOG, RESULT
from reft_lab.run_dir.log import Log
from reft_lab.run_dir.reading import read_object
from reft_lab.signals import PARENT, let_go_of_lost_terminal, stop_signals

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing import SubprocessContext

HERE = "127.0.0.1"
POLL = 0.05  # seconds between two looks at the processes
GRACE = 15.0  # seconds in which the rank that leads may notice by itself that another is gone, and write its result
LAST_PAGES = 60.0  # seconds in which it writes its audit and report after that
GOODBYE = 10.0  # seconds that the others may take once it has finished


def run_in_ranks(order: Order) -> float:
    """Carry out an order in as many processes as its config asks for.

    Raises:
        BadInput, RunFailed, Interrupted: as the rank that leads raised it; also where a rank was lost.
    """
    with tempfile.TemporaryDirectory(prefix="reft_lab-") as folder:
        (Path(folder) / ORDER).write_bytes(pickle.dumps(order))
        (Path(folder) / "logs").mkdir()
        processes = Processes(order, Path(folder))
        with processes.hearing_signals():
            return processes.run()


class Processes:
    """The ranks of one run.

    Attributes:
        heard: signals that came, each of which the rank that leads was sent.
    """

    def __init__(self, order: Order, folder: Path):
        """`folder` has the order; ranks leave there what became of them."""
        self.order, self.folder = order, folder
        self.heard: list[int] = []
        self._size = order.config.trainer.devices
        self._context: SubprocessContext | None = None
        self._began = time.time()
        self._codes: dict[int, int] = {}  # of those that have ended, in the order in which they did

    def run(self) -> float:
        """Start them, wait until all have ended, and give what the run came to; raises as `run_in_ranks`."""
        from torch.distributed import TCPStore

        # The ranks meet at a store of ours, as those of torchrun do: its port is free for sure.
        meeting = TCPStore(HERE, 0, is_master=True, wait_for_workers=False)
        self._start(meeting.port)
        try:
            self._watch()
        finally:
            self.end()
        return self._outcome()

    def end(self) -> None:
        """End those that are still there, and what they have started."""
        if self._context is not None:
            self._context.close(signal.SIGKILL, timeout=5)

    @contextmanager
    def hearing_signals(self) -> Iterator[None]:
        """Inside, a signal that stops a run goes to the rank that leads; the third one ends all ranks at once."""
        before = {number: signal.signal(number, self._hear) for number in stop_signals()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self.heard.append(number)
        let_go_of_lost_terminal()
        if len(self.heard) > 2:
            self.end()
        else:
            self._send(number)

    def _start(self, port: int) -> None:
        from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, Std, start_processes

        several = range(self._size)
        own: dict[str, str] = {
            "WORLD_SIZE": str(self._size),
            "LOCAL_WORLD_SIZE": str(self._size),
            "MASTER_ADDR": HERE,
            "MASTER_PORT": str(port),
            "TORCHELASTIC_USE_AGENT_STORE": "True",
            PARENT: str(os.getpid()),
            "PYTHONPATH": os.pathsep.join(filter(None, [str(PACKAGE.parent), os.environ.get("PYTHONPATH")])),
        }
        if sys.platform == "linux":
            own["GLOO_SOCKET_IFNAME"] = os.environ.get("GLOO_SOCKET_IFNAME", "lo")
        if "OMP_NUM_THREADS" not in os.environ:
            own["OMP_NUM_THREADS"] = str(max(1, cores() // self._size))
        others = {rank: Std.ALL for rank in several if rank}  # that of the rank that leads is our own
        logging.getLogger("torch.distributed.elastic").setLevel(logging.ERROR)  # it tells of each that it ends
        # torch would turn signals into errors in this process; this one of them stops nothing of ours.
        os.environ["TORCHELASTIC_SIGNALS_TO_HANDLE"] = "SIGQUIT"
        context: Any = start_processes(
            "rank",
            sys.executable,
            args={rank: ("-m", "reft_lab.command.rank", str(self.folder)) for rank in several},
            envs={rank: own | {"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in several},
            logs_specs=DefaultLogsSpecs(str(self.folder / "logs"), redirects=others),
        )
        self._context = context
        for number in self.heard:  # one that came too early
            self._send(number)

    def _watch(self) -> None:
        """Wait until all have ended, or as long as those that are left can be expected to do so by themselves."""
        assert self._context is not None
        handlers, ends_at = self._context.subprocess_handlers, math.inf
        is_written = False  # what the rank that leads says of a loss
        while len(self._codes) < self._size and time.monotonic() < ends_at:
            ended = {rank: handler.proc.poll() for rank, handler in handlers.items() if rank not in self._codes}
            self._codes |= {rank: code for rank, code in ended.items() if code is not None}
            if self._codes.get(0):
                return
            if 0 in self._codes:
                ends_at = min(ends_at, time.monotonic() + GOODBYE)
            elif any(self._codes.values()):
                if ends_at == math.inf:
                    ends_at = time.monotonic() + GRACE
                if not is_written and self._has_result:
                    ends_at, is_written = time.monotonic() + LAST_PAGES, True
            time.sleep(POLL)

    @property
    def _has_result(self) -> bool:
        """Whether the run has written a result since it was started."""
        try:
            return (self.order.directory / RESULT).stat().st_mtime >= self._began
        except OSError:
            return False

    def _outcome(self) -> float:
        """What came of it all."""
        leading = Outcome.read(self.folder, 0)
        if leading is not None and leading.kind == FINISHED:
            return leading.value
        if leading is not None and leading.kind == INTERRUPTED:
            raise Interrupted(leading.signal)
        if leading is not None and leading.kind == BAD_INPUT:
            raise BadInput(leading.said)
        if leading is not None and leading.kind == FAILED:
            raise RunFailed(leading.said)
        if self.heard:  # before it could stop in good order
            raise Interrupted(self.heard[-1])
        raise RunFailed(self._tell(next((rank for rank in self._codes if not self._is_lost(rank)), 0)))

    def _is_lost(self, rank: int) -> bool:
        """Whether a rank has ended because another had."""
        found = Outcome.read(self.folder, rank)
        return self._codes[rank] == 0 or (found is not None and found.kind == LOST)

    def _tell(self, rank: int) -> str:
        """The sentence on the rank that was lost first; result.json gets it, too."""
        from reft_lab.methods import method_of
        from reft_lab.runner.ending import nothing_yet
        from reft_lab.runner.failure import resume_command

        outcome, code = Outcome.read(self.folder, rank), self._codes.get(rank)
        if outcome is not None and outcome.said:
            why = outcome.said.rstrip(".")
        elif code is not None and code < 0:
            name = signal.Signals(-code).name
            why = f"killed by {name}" + (", as by a system short of memory" if name == "SIGKILL" else "")
        else:
            lines = self._words(rank).splitlines()
            why = f"ended with code {code}" + (f" ({lines[-1]})" if lines else "")
        directory = self.order.directory
        reason = f"rank {rank} of {self._size} is lost: {why}"
        if (directory / CONFIG).is_file():
            if words := self._words(rank):
                Log(directory / LOG).add(f"rank {rank} said:\n{words}")
            label = method_of(vars(self.order.config)).label
            known = (read_object(directory / RESULT) if self._has_result else None) or {}
            known = nothing_yet(self.order.config, label) | known | {"status": "failed", "reason": reason}
            with disk.explained(directory / RESULT, directory):
                disk.replace(directory / RESULT, json.dumps(known, indent=2) + "\n")
            reason += f"; the others have been ended; go on from the last state with: {resume_command(directory)}"
        return reason

    def _words(self, rank: int) -> str:
        """What a rank that does not lead has written to its standard error, which nobody sees."""
        assert self._context is not None
        try:
            return Path(self._context.stderrs[rank]).read_text(errors="replace").strip()
        except OSError:
            return ""

    def _send(self, number: int) -> None:
        """Hand a signal on to the rank that leads."""
        if self._context is not None:
            self._context.subprocess_handlers[0].proc.send_signal(number)  # does nothing once it has ended
