"""Hostile programs end where they should, and nothing around them notices."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hostile import HOSTILE, hostile_programs
from watching import assert_gone, assert_untouched, children, peak_mib

from reft_lab.programs import STATUSES, ProgramRunner
from reft_lab.programs.settings import ProgramsConfig

GOOD = "def solution():\n    return round(2.675, 2) + 40\n"
GOOD_VALUE = round(2.675, 2) + 40
LINUX = sys.platform.startswith("linux")


@pytest.fixture(scope="module")
def runner() -> Iterator[ProgramRunner]:
    with ProgramRunner(ProgramsConfig(cache=0)) as runner:
        yield runner


def workers() -> list[int]:
    return [pid for pid in children(os.getpid()) if Path(f"/proc/{pid}/comm").read_text().strip() == "monty"]


def test_the_corpus_is_large() -> None:
    assert len({text for text, _ in HOSTILE.values()}) >= 60
    assert all(allowed <= set(STATUSES) for _, allowed in HOSTILE.values())


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_program_ends_and_the_next_is_right(
    name: str, runner: ProgramRunner, canary: Path, listener: socket.socket
) -> None:
    program, allowed = hostile_programs(str(canary), listener.getsockname()[1])[name]
    start = time.perf_counter()
    hostile, good = runner.run([program, GOOD])
    assert time.perf_counter() - start < 2.5
    assert hostile.status in allowed, hostile
    assert (hostile.value is None and hostile.letter is None) == (hostile.status != "ok")
    assert "\n" not in hostile.detail
    assert (good.status, good.value) == ("ok", GOOD_VALUE)
    assert_untouched(canary, listener)
    if LINUX:
        assert all(peak_mib(pid) < 256 for pid in workers())


def test_hostile_programs_of_one_batch_do_not_touch_the_others(
    runner: ProgramRunner, canary: Path, listener: socket.socket
) -> None:
    quick = {"ok", "no_answer", "syntax_error", "runtime_error", "forbidden"}
    corpus = hostile_programs(str(canary), listener.getsockname()[1])
    programs = [text for text, allowed in corpus.values() if allowed <= quick]
    alone = [runner.run([text])[0] for text in programs]
    assert len(programs) > 60
    mixed = []
    for text in programs:
        mixed += [text, GOOD]
    results = runner.run(mixed)
    assert results[::2] == alone
    assert {result.value for result in results[1::2]} == {GOOD_VALUE}
    assert runner.run(programs[::-1]) == alone[::-1]
    assert_untouched(canary, listener)


def test_limits_come_from_the_config() -> None:
    loop = "def solution():\n    while True: pass\n"
    deep = "def f(n): return 0 if n == 0 else 1 + f(n - 1)\ndef solution(): return f({})\n"
    big = "def solution():\n    return len([0] * {})\n"
    with ProgramRunner(ProgramsConfig(timeout=0.2, call_timeout=1, memory=16, recursion=100)) as small:
        start = time.perf_counter()
        assert small.run([loop])[0].status == "timeout"
        assert 0.2 <= time.perf_counter() - start < 1
        assert [result.status for result in small.run([deep.format(95), deep.format(300)])] == ["ok", "runtime_error"]
        assert [result.status for result in small.run([big.format(100_000), big.format(2_000_000)])] == ["ok", "memory"]
    with ProgramRunner(ProgramsConfig()) as default:
        assert default.run([deep.format(490)])[0].value == 490
        assert default.run([big.format(2_000_000)])[0].value == 2_000_000


@pytest.mark.skipif(not LINUX, reason="looks into /proc")
def test_a_worker_killed_in_mid_batch_is_replaced() -> None:
    slow = "def solution():\n    return sum(range({})) * 0 + {}\n"
    programs = [slow.format(400_000 + index, index) for index in range(24)]
    others = set(workers())
    with ProgramRunner(ProgramsConfig(cache=0, batch=4)) as runner:
        (worker,) = set(workers()) - others
        killed = threading.Timer(0.05, os.kill, [worker, signal.SIGKILL])
        killed.start()
        results = runner.run(programs)
        killed.join()
        assert [result.value for result in results] == list(range(24))
        assert worker not in workers()


@pytest.mark.skipif(not LINUX, reason="looks into /proc")
def test_nothing_is_left_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = set(children(os.getpid()))
    with ProgramRunner(ProgramsConfig(workers=2)) as runner:
        loop = "def solution():\n    while True: pass\n"
        runner.run([loop, GOOD])
        assert set(children(os.getpid())) - before
    assert set(children(os.getpid())) <= before
    assert not list(tmp_path.iterdir())


def test_a_runner_that_nobody_closed_leaves_no_files(tmp_path: Path) -> None:
    subprocess.run(
        [
            sys.executable,
            "-c",
            "from reft_lab.programs.settings import ProgramsConfig\n"
            "from reft_lab.programs import ProgramRunner\n"
            "runner = ProgramRunner(ProgramsConfig())\n"
            "assert runner.run(['def solution(): return 1'])[0].value == 1\n",
        ],
        check=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not LINUX, reason="looks into /proc")
def test_workers_end_with_a_killed_trainer(tmp_path: Path) -> None:
    trainer = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import time\n"
            "from reft_lab.programs.settings import ProgramsConfig\n"
            "from reft_lab.programs import ProgramRunner\n"
            "runner = ProgramRunner(ProgramsConfig(workers=2))\n"
            "runner.start()\n"
            "print('started', flush=True)\n"
            "time.sleep(60)\n",
        ],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},  # a killed trainer cannot clean up
    )
    assert trainer.stdout is not None
    assert trainer.stdout.readline() == "started\n"
    left = children(trainer.pid)
    assert left
    trainer.kill()
    trainer.wait()
    trainer.stdout.close()
    assert_gone(left)


@pytest.mark.skipif(not LINUX, reason="looks into /proc")
def test_a_worker_gets_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "secret")
    before = set(workers())
    with ProgramRunner(ProgramsConfig()) as runner:
        runner.run([GOOD])
        (worker,) = set(workers()) - before
        assert b"secret" not in Path(f"/proc/{worker}/environ").read_bytes()


def test_a_program_prints_to_nobody(runner: ProgramRunner, capfd: pytest.CaptureFixture[str]) -> None:
    loud = "print('import')\n" + "def solution():\n    print('x' * 1000)\n    exec('print(1)')\n    return 1\n"
    assert runner.run([loud, "def solution():\n    x = 'a'\n    while True: x += x\n"])[0].value == 1
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_refuses_and_leaves_the_workers_to_the_parent(runner: ProgramRunner) -> None:
    assert runner.run([GOOD])[0].value == GOOD_VALUE
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        refusals = 0
        for own in (runner, ProgramRunner(ProgramsConfig())):
            try:
                own.run([GOOD])
            except RuntimeError:
                refusals += 1
            own.close()
        os._exit(0 if refusals == 2 else 1)
    assert runner.run(["def solution(): return 6"])[0].value == 6
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert runner.run(["def solution(): return 7"])[0].value == 7
