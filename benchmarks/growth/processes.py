"""What an iteration of ReFT costs as processes are added, each with the same work: they meet over gloo on this machine.

With twice the processes an iteration has twice the rollouts, so every part should be flat as long as each process has a
core of its own. One process by itself exchanges next to nothing.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

from .axis import Axis, Panel, Probe

HERE = "127.0.0.1"
ROLLOUTS, TOKENS = 64, 60
"""Of one process: rollouts of an iteration, and tokens of each."""

ITERATIONS = 3
"""That a probe looks at."""

TIMES = Panel("one iteration", "s", ("iteration", "CPU of a process", "waiting", "exchange"), "seconds by the clock")
BYTES = Panel("what a process hands to exchanges", "MiB", ("exchanged",))


@contextmanager
def open_axis(sizes: tuple[int, ...]) -> Iterator[dict[int, Probe]]:
    """A probe for each number of processes, which are there as long as it takes: all of them together are many."""
    yield {size: partial(_probe, size) for size in sizes}


def _probe(size: int) -> Mapping[str, float]:
    """The mean of some iterations, after one that allocates."""
    from torch.distributed import TCPStore

    meeting = TCPStore(HERE, 0, is_master=True, wait_for_workers=False)
    fresh = multiprocessing.get_context("spawn")
    pairs = [fresh.Pipe() for _ in range(size)]
    processes = [
        fresh.Process(target=_rank, args=(rank, size, meeting.port, there), daemon=True)
        for rank, (_, there) in enumerate(pairs)
    ]
    for process in processes:
        process.start()
    for _, there in pairs:
        there.close()  # else nobody would see that a process has ended
    rows = [here.recv() for here, _ in pairs]
    for process in processes:
        process.join()
    found = [together(row) for row in zip(*rows, strict=True)]
    return {name: statistics.fmean(one[name] for one in found) for name in found[0]}


def together(found: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """What an iteration cost, from what each process saw of it.

    The process that is last everywhere waits for nobody, so the least time in exchanges is what they cost themselves;
    what another spends in them beyond that it waits for the slowest.
    """
    in_exchanges = [each["in exchanges"] for each in found]
    return {
        "iteration": max(each["wall"] for each in found),
        "CPU of a process": max(each["cpu"] for each in found),
        "waiting": max(in_exchanges) - min(in_exchanges),
        "exchange": min(in_exchanges),
        "exchanged": max(each["bytes"] for each in found) / 2**20,
    }


def _rank(rank: int, size: int, port: int, line: Connection) -> None:
    os.environ |= {
        "MASTER_ADDR": HERE,
        "MASTER_PORT": str(port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        "GLOO_SOCKET_IFNAME": os.environ.get("GLOO_SOCKET_IFNAME", "lo"),
        "OMP_NUM_THREADS": "1",
    }
    from reft_lab.ranks.group import disconnect
    from reft_lab.ranks.start import Start

    from .training import make_stage, prepared

    ranks = counting(Start(rank, size, rank, size, "a benchmark"))
    with prepared(f"trainer.devices={size}", ranks=ranks) as (setup, judge):
        stage = make_stage(
            setup, judge, rollouts=ROLLOUTS * size, mini_batch=ROLLOUTS * size // 2, max_new_tokens=TOKENS
        )
        line.send([cost(stage, ranks) for _ in range(1 + ITERATIONS)][1:])
    disconnect()


def cost(stage: Any, ranks: Any) -> dict[str, float]:
    """Wall time, CPU time, time in exchanges and bytes handed to them in the next iteration."""
    ranks.wait()
    ranks.take_waited()
    ranks.bytes = 0
    wall, cpu = time.perf_counter(), time.process_time()
    stage.iterate()
    return {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "in exchanges": ranks.take_waited(),
        "bytes": ranks.bytes,
    }


def counting(start: Any) -> Any:
    """Ranks that are connected, of which this one counts in `bytes` what it hands to exchanges."""
    from reft_lab.ranks.group import Group, connect

    class Counting(Group):
        bytes = 0

        def gather(self, own: Any) -> Any:
            self.bytes += len(pickle.dumps(own))
            return super().gather(own)

        def agreed(self, decide: Callable[[], Any]) -> Any:
            said = super().agreed(decide)
            self.bytes += len(pickle.dumps(said)) if self.leads else 0
            return said

        def add(self, tensors: Sequence[Any]) -> None:
            self.bytes += sum(tensor.nbytes for tensor in tensors)
            super().add(tensors)

    connect(start)
    return Counting(start)


PROCESSES = Axis("processes", "processes", (1, 2, 4), (1, 2), (TIMES, BYTES), open_axis)
