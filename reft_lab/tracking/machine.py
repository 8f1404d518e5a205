"""How busy the machine is while a run goes, and how much of it is the run: its CPUs, its memory, a GPU.

There is no thread: counters of the system are read as steps are recorded, and what they counted since they were read
last belongs to the step. Children count as the run: its sandboxes, a baseline, W&B's service.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from reft_lab.memory import process

EVERY = 1.0  # seconds between two looks, at least: the system counts in hundredths of a second
DEAREST = 0.01  # of the time, at most, is spent on them: where many processes run, it takes long to find the children
DIGITS = 4
GIB = 2**30


class Machine:
    """The machine that a run is on, from now on."""

    def __init__(self, device: str):
        """`device` is the run's: cpu, cuda or mps."""
        import psutil

        self._errors = (psutil.Error, OSError)
        self._cores = psutil.cpu_count() or 1
        self._run = psutil.Process()
        self._whole = process.whole("cpu").size
        self._gpu = _Gpu() if device == "cuda" else None
        self._due = 0.0  # at once: however short it is, a run says something
        self._at = time.monotonic()
        self._used = 0.0
        self._now()

    def look(self) -> dict[str, float]:
        """Metrics of machine/ since the last look that had some; none as long as it is too early for the next."""
        if time.monotonic() < self._due:
            return {}
        began = time.monotonic()
        found = self._now() | (self._gpu.look() if self._gpu is not None else {})
        ended = time.monotonic()
        self._due = ended + max(EVERY, (ended - began) / DEAREST)
        return {name: round(value, DIGITS) for name, value in found.items()}

    def _now(self) -> dict[str, float]:
        """Of CPUs and RAM; what the system does not tell is left out."""
        import psutil

        found: dict[str, float] = {}
        with suppress(*self._errors):
            found["machine/cpu"] = min(1.0, psutil.cpu_percent() / 100)
        with suppress(*self._errors):
            left = process.room("cpu").size - process.held()
            found["machine/memory"] = min(1.0, max(0.0, 1 - left / self._whole))
        with suppress(*self._errors):
            used, held = self._of_the_run()
            now = time.monotonic()
            share = (used - self._used) / max(now - self._at, 1e-9) / self._cores
            found["machine/run_cpu"] = min(1.0, max(0.0, share))  # a child that nobody waited for takes its own along
            found["machine/run_memory"] = held / GIB
            self._used, self._at = used, now
        return found

    def _of_the_run(self) -> tuple[float, int]:
        """Seconds of CPU that this process and its children, those that ended included, have used, and the bytes of RAM
        that they hold."""
        used, held = 0.0, 0
        for each in (self._run, *self._run.children(recursive=True)):
            with suppress(*self._errors):  # it has ended meanwhile
                used += sum(each.cpu_times()[:4])  # user, system, and those of children that it has waited for
                held += each.memory_info().rss
        return used, held


class _Gpu:
    """The GPU of the run: memory by torch, work by NVIDIA's library where nvidia-ml-py is installed."""

    def __init__(self) -> None:
        self._nvml, self._device = _nvml()
        self._seen = 0  # microseconds
        self._busy()

    def look(self) -> dict[str, float]:
        """Its metrics."""
        import torch

        free, total = torch.cuda.mem_get_info()
        found = {"machine/gpu_memory": 1 - free / total, "machine/run_gpu_memory": torch.cuda.memory_reserved() / GIB}
        busy = self._busy()
        return found if busy is None else {"machine/gpu": busy, **found}

    def _busy(self) -> float | None:
        """The mean of the samples that the driver has taken since the last look; it keeps those of some seconds."""
        if self._nvml is None:
            return None
        try:
            _, samples = self._nvml.nvmlDeviceGetSamples(
                self._device, self._nvml.NVML_GPU_UTILIZATION_SAMPLES, self._seen
            )
        except self._nvml.NVMLError:  # there is none, or this GPU takes none
            return None
        new = [sample for sample in samples if sample.timeStamp > self._seen]
        if not new:
            return None
        self._seen = max(sample.timeStamp for sample in new)
        return sum(sample.sampleValue.uiVal for sample in new) / len(new) / 100


def _nvml() -> tuple[Any, Any]:
    """NVIDIA's library and its name for the GPU at hand; None where either is missing."""
    import torch

    try:
        import pynvml
    except ImportError:
        return None, None
    try:
        pynvml.nvmlInit()
        return pynvml, pynvml.nvmlDeviceGetHandleByUUID(
            f"GPU-{torch.cuda.get_device_properties(torch.cuda.current_device()).uuid}"
        )
    except (pynvml.NVMLError, AttributeError):  # no driver of NVIDIA's, or a part of a GPU, which has no such counter
        return None, None
