"""Who started this process as one of several, and as which: torchrun, Slurm's srun, or a run of several processes."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

# torchrun's names; a run that starts its processes itself uses them as well.
RANK, SIZE, LOCAL_RANK, LOCAL_SIZE = "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"
ADDRESS, PORT = "MASTER_ADDR", "MASTER_PORT"


@dataclass(frozen=True)
class Start:
    """One process among several.

    Attributes:
        rank: its number.
        size: how many there are.
        local_rank: its number among those on this machine, and so of its GPU.
        local_size: how many there are on this machine.
        by: what started them, torchrun or srun.
    """

    rank: int
    size: int
    local_rank: int
    local_size: int
    by: str

    @classmethod
    def of_this_process(cls, environment: Mapping[str, str] = os.environ) -> Start | None:
        """As the environment tells it; None where nobody started this process as one of several.

        A batch script of Slurm is no step of several tasks, whatever the job has: there a run starts its own processes.
        """
        if RANK in environment and SIZE in environment:
            size = int(environment[SIZE])
            local = int(environment.get(LOCAL_RANK, 0)), int(environment.get(LOCAL_SIZE, size))
            return cls(int(environment[RANK]), size, *local, "torchrun")
        size = int(environment.get("SLURM_STEP_NUM_TASKS", 1))
        if size == 1:
            return None
        here = re.match(r"\d+", environment.get("SLURM_STEP_TASKS_PER_NODE", str(size)))
        local_size = int(here[0]) if here else size
        return cls(int(environment["SLURM_PROCID"]), size, int(environment["SLURM_LOCALID"]), local_size, "srun")


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def name_meeting_place(start: Start) -> None:
    """Let torch's env:// find where the ranks meet: torchrun says so itself, for Slurm it is the first node of the step
    and a port that follows from the job's number."""
    if start.by != "srun":
        return
    os.environ[RANK], os.environ[SIZE] = str(start.rank), str(start.size)
    os.environ[LOCAL_RANK], os.environ[LOCAL_SIZE] = str(start.local_rank), str(start.local_size)
    if ADDRESS not in os.environ:
        nodes = os.environ["SLURM_STEP_NODELIST"]
        listed = subprocess.run(["scontrol", "show", "hostnames", nodes], capture_output=True, text=True, check=True)
        os.environ[ADDRESS] = listed.stdout.split()[0]
    os.environ.setdefault(PORT, str(20_000 + int(os.environ["SLURM_JOB_ID"]) % 20_000))
