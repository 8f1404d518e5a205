"""Work that several real processes do together, over gloo on this machine."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch.distributed import TCPStore

from reft_lab.ranks import Ranks
from reft_lab.ranks.group import connect, disconnect
from reft_lab.ranks.start import Start
from tests.runner.processes import nursery

HERE = "127.0.0.1"


def together(repo: Path, folder: Path, size: int, work: Callable[[Ranks], Any]) -> list[Any]:
    """What `work`, a function of a module, gives on each of `size` ranks. Notes are passed in `folder`."""
    meeting = TCPStore(HERE, 0, is_master=True, wait_for_workers=False)
    processes = [
        nursery(repo).Process(target=_rank, args=(rank, size, meeting.port, folder, work))  # type: ignore[attr-defined]
        for rank in range(size)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(300)
        process.kill()
    assert [process.exitcode for process in processes] == [0] * size
    return [pickle.loads((folder / str(rank)).read_bytes()) for rank in range(size)]


def _rank(rank: int, size: int, port: int, folder: Path, work: Callable[[Ranks], Any]) -> None:
    os.environ |= {
        "MASTER_ADDR": HERE,
        "MASTER_PORT": str(port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        "GLOO_SOCKET_IFNAME": "lo",
        "OMP_NUM_THREADS": "1",
    }
    ranks = connect(Start(rank, size, rank, size, "a test"))
    (folder / str(rank)).write_bytes(pickle.dumps(work(ranks)))
    disconnect()
