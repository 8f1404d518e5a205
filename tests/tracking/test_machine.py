"""How busy the machine is, held against what this process knows of itself."""

from __future__ import annotations

import ctypes
import subprocess
import sys
import time
from types import SimpleNamespace

import psutil
import pytest

from reft_lab.memory.process import held
from reft_lab.tracking import machine
from reft_lab.tracking.machine import GIB, Machine, _Gpu

CORES = psutil.cpu_count() or 1
TICKS = 0.08  # seconds that counters in hundredths of a second, of several processes, may be off
# Works for 0.2 s, takes 100 MB, says so, and waits.
CHILD = """
import time
while time.process_time() < 0.2: pass
some = b"x" * 100_000_000
print(flush=True)
input()
"""


def work(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_the_run_s_part_is_what_it_used() -> None:
    watched = Machine("cpu")
    began, used = time.monotonic(), time.process_time()
    work(0.2)
    found = watched.look()
    took, used = time.monotonic() - began, time.process_time() - used
    assert found["machine/run_cpu"] * CORES * took == pytest.approx(used, abs=TICKS)
    there = psutil.Process().children(recursive=True)  # of other tests, which may have left some
    children = sum(each.memory_info().rss for each in there if each.is_running())
    assert found["machine/run_memory"] == pytest.approx((held() + children) / GIB, rel=0.2)
    assert 0 < found["machine/memory"] <= 1
    assert 0 <= found["machine/cpu"] <= 1
    assert found.keys() == {"machine/cpu", "machine/run_cpu", "machine/memory", "machine/run_memory"}


def test_children_count_and_those_that_ended_no_second_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "EVERY", 0.0)
    monkeypatch.setattr(machine, "DEAREST", 1.0)
    watched = Machine("cpu")
    before, began = watched.look(), time.monotonic()
    own = time.process_time()
    with subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        during, looked = watched.look(), time.monotonic()
        used = during["machine/run_cpu"] * CORES * (looked - began) - (time.process_time() - own)
        assert used > 0.2 - TICKS
        assert (during["machine/run_memory"] - before["machine/run_memory"]) * GIB > 100e6
        child.communicate(b"\n")
    time.sleep(0.05)
    after = watched.look()
    assert after["machine/run_cpu"] * CORES * (time.monotonic() - looked) < TICKS
    assert after["machine/run_memory"] < during["machine/run_memory"]


def test_it_looks_at_once_and_then_now_and_again() -> None:
    watched = Machine("cpu")
    assert watched.look()
    first = time.monotonic()
    assert watched.look() == {}
    while not watched.look():
        assert time.monotonic() < first + 60
        time.sleep(0.1)
    assert time.monotonic() - first >= machine.EVERY


class Samples(ctypes.Union):
    _fields_ = (("uiVal", ctypes.c_uint), ("dVal", ctypes.c_double))


class Driver:
    """What NVIDIA's library says of a GPU, sampled every 100 ms: it works 40 % of the first second, then 80 %."""

    NVML_GPU_UTILIZATION_SAMPLES = 0

    class NVMLError(Exception):
        pass

    def __init__(self) -> None:
        self.now = 500_000

    def nvmlDeviceGetSamples(self, device: object, kind: int, since: int) -> tuple[int, list[SimpleNamespace]]:
        found = [
            SimpleNamespace(timeStamp=at, sampleValue=Samples(uiVal=40 if at <= 1_000_000 else 80))
            for at in range(100_000, self.now + 1, 100_000)
            if at > since
        ]
        if not found:
            raise self.NVMLError
        return 1, found


def test_a_gpu_is_as_busy_as_its_driver_found_it_since_the_last_look(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = Driver()
    monkeypatch.setattr(machine, "_nvml", lambda: (driver, None))
    gpu = _Gpu()  # what came before is not the run's
    assert gpu._busy() is None
    driver.now = 1_500_000
    assert gpu._busy() == pytest.approx(0.6)
    driver.now = 2_000_000
    assert gpu._busy() == pytest.approx(0.8)
    assert gpu._busy() is None
