"""Runs in processes of their own: started and resumed as a user does it, watched, and stopped at a chosen moment."""

from __future__ import annotations

import atexit
import contextlib
import json
import multiprocessing
import os
import platform
import re
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

# What to look for in the stack of the main thread, the most telling first. "final" is the last evaluation.
PHASES = {
    r"reft_lab/.* in <module>$": "loading",  # something of ours is imported
    r"reft_lab/policy/family\.py": "loading",  # it samples, to see whether it could
    r"reft_lab/(sealed|runner/checkpoint)\.py": "saving",
    r"reft_lab/runner/final\.py": "final",
    r"reft_lab/runner/pool\.py": "sampling a pool",
    r"reft_lab/evaluation/(?!answering)": "evaluating",  # which answers in sampling, too
    r"reft_lab/policy/sampling": "sampling",
    r"reft_lab/methods/stages/update\.py": "updating",
    r"reft_lab/methods/stages/reinforcement\.py": "between sampling and updating",
    r"reft_lab/methods/stages/supervised\.py in (advance|_descend)$": "training",
    r"in _wait_for$": "waiting for the baseline",
    r"reft_lab/runner/loop\.py": "between steps",
    r"reft_lab/(runner/setup|policy/loading)\.py": "loading",
}


class Session:
    """One process of a run, in a process group of its own."""

    def __init__(self, command: Sequence[str], folder: Path, environment: Mapping[str, str], *, forked: bool):
        """`command` is a script and its words, or with `forked=False` any command at all."""
        number = time.monotonic_ns()
        self._output, self._stack, self._read = folder / f"output-{number}", folder / f"stack-{number}", 0
        start = _fork if forked else _spawn
        self.pid, self._poll = start(command, folder, self._output, self._stack, environment)
        atexit.register(self.kill)  # where a test fails
        self.until(self._stack.exists)

    @property
    def output(self) -> str:
        """What it printed so far."""
        return self._output.read_text()

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._poll()

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._poll() is None

    def phase(self) -> str:
        """What the main thread is at, empty where that cannot be told."""
        os.kill(self.pid, signal.SIGURG)
        for _ in range(2000):
            time.sleep(0.0005)
            with self._stack.open() as file:
                file.seek(self._read)
                told = file.read()
            if told.endswith("\n\n"):
                self._read += len(told)
                frames = told.rstrip().rpartition("\n\n")[2]
                return next((PHASES[mark] for mark in PHASES if re.search(mark, frames, re.MULTILINE)), "")
            if not self.is_running:
                break
        return ""

    def until(self, happened: Callable[[], Any], seconds: float = 200, pause: float = 0.005) -> None:
        """Wait for something to happen while the process runs."""
        end = time.monotonic() + seconds
        while not happened():
            assert self.is_running, f"it ended with {self.exit_code}: {self.output}"
            assert time.monotonic() < end, f"it did not happen within {seconds} s: {self.output}"
            time.sleep(pause)

    def until_at(self, *phases: str) -> str:
        """Wait until the main thread is at one of `phases`, and say at which."""
        seen = ""

        def there() -> bool:
            nonlocal seen
            seen = self.phase()
            return seen in phases

        self.until(there)
        return seen

    def pause(self, seconds: float) -> None:
        """Let it go on for a while."""
        time.sleep(seconds)

    def press_ctrl_c(self) -> None:
        """As a terminal does."""
        self.send(signal.SIGINT, whole_group=True)

    def send(self, number: signal.Signals, *, whole_group: bool) -> None:
        """A signal to the process, or to all of its process group."""
        (os.killpg if whole_group else os.kill)(self.pid, number)

    def kill(self) -> None:
        """SIGKILL to the whole process group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.wait()

    def wait(self, seconds: float = 300) -> int:
        """Its exit code, once it has ended."""
        end = time.monotonic() + seconds
        while (code := self._poll()) is None:
            if time.monotonic() > end:
                self.kill()
                raise AssertionError(f"it did not end within {seconds} s: {self.output}")
            time.sleep(0.01)
        atexit.unregister(self.kill)
        return code


# What a run imports, at its beginning or later.
LOADED = [
    "reft_lab.command.launch",
    "reft_lab.runner",
    "transformers.models.llama.modeling_llama",
    "tokenizers",
    "scipy.stats",
    "wandb",
    "reft_lab.analysis.run_audit",
]

Started = tuple[int, Callable[[], int | None]]

# What the new process runs first: on SIGURG, which stops nothing, its main thread writes where it is.
TELL_WHERE = """
import os, signal

def tell(number, frame):
    lines = []
    while frame is not None:
        lines.append(f"{frame.f_code.co_filename} in {frame.f_code.co_name}")
        frame = frame.f_back
    os.write(file, "\\n".join([*lines, "", ""]).encode())

if stack := os.environ.pop("STACK", None):
    file = os.open(stack + ".new", os.O_WRONLY | os.O_CREAT)
    signal.signal(signal.SIGURG, tell)
    os.rename(stack + ".new", stack)  # from now on the signal does no harm
"""


def _spawn(command: Sequence[str], folder: Path, output: Path, stack: Path, environment: Mapping[str, str]) -> Started:
    site = folder / "site"
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(TELL_WHERE)  # Python loads a module of this name by itself
    own = {"STACK": str(stack), "PYTHONPATH": str(site)}
    with output.open("w") as said:
        process = subprocess.Popen(
            command, cwd=folder, env=environment | own, stdout=said, stderr=said, start_new_session=True
        )
    return process.pid, process.poll


def _fork(command: Sequence[str], folder: Path, output: Path, stack: Path, environment: Mapping[str, str]) -> Started:
    process = nursery(Path(command[0]).parent).Process(  # type: ignore[attr-defined]
        target=_run_script, args=(command, folder, output, stack, environment)
    )
    process.start()
    return process.pid, lambda: process.exitcode


@cache
def nursery(repo: Path) -> ForkServerContext:
    """Starts processes as forks of one that has imported everything and has no threads; saves most of a run's start."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LOADED)
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(repo)
    try:
        multiprocessing.forkserver.ensure_running()
    finally:
        del os.environ["PYTHONPATH"]
        if before is not None:
            os.environ["PYTHONPATH"] = before
    return context


def _run_script(
    command: Sequence[str], folder: Path, output: Path, stack: Path, environment: Mapping[str, str]
) -> None:
    """In the new process: what `python COMMAND` does in `folder`."""
    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment, STACK=str(stack))
    said = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(said, 1)
    os.dup2(said, 2)
    sys.argv[:] = command
    exec(TELL_WHERE, {})
    runpy.run_path(command[0], run_name="__main__")


class Run:
    """One run, in as many sessions as it takes.

    Attributes:
        path: its run directory.
        environment: of its processes.
    """

    def __init__(self, repo: Path, folder: Path, *overrides: str, path: Path | None = None, forked: bool = True):
        """The commands are typed in `folder`; with `forked=False` each is a Python that starts from nothing."""
        self.folder = folder
        self.path = path or folder / "run"
        self._script = str(repo / "run.py")
        self._overrides = overrides
        self._forked = forked
        plain = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
        self.environment = plain | {"HOME": str(folder), "OMP_NUM_THREADS": "1"}
        folder.mkdir(parents=True, exist_ok=True)

    def start(self, *more: str) -> Session:
        """Begin, or go on where there is something to go on with."""
        if (self.path / "config.yaml").exists():
            return self.command(f"resume={self.path}", *more)
        given = any(word.startswith("tracker.report=") for word in self._overrides)
        report = [] if given else ["tracker.report=false"]
        return self.command(f'hydra.run.dir="{self.path}"', *report, *self._overrides, *more)

    def command(self, *words: str) -> Session:
        """`python run.py WORDS`."""
        python = [] if self._forked else [sys.executable]
        return Session([*python, self._script, *words], self.folder, self.environment, forked=self._forked)

    def shell(self, line: str) -> Session:
        """A command line as it was printed."""
        return Session(["sh", "-c", f"exec {line}"], self.folder, self.environment, forked=False)

    def finish(self, *more: str) -> Session:
        """Begin or go on, to the end."""
        session = self.start(*more)
        assert session.wait() == 0, session.output
        assert self.result["status"] == "finished"
        return session

    @property
    def result(self) -> dict[str, Any]:
        """result.json; empty where there is none."""
        try:
            return json.loads((self.path / "result.json").read_text())
        except FileNotFoundError:
            return {}

    @property
    def host(self) -> str:
        """Where it runs."""
        return platform.node()

    @property
    def passport(self) -> dict[str, Any]:
        """passport.json."""
        return json.loads((self.path / "passport.json").read_text())

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The whole lines of metrics.jsonl."""
        try:
            text = (self.path / "metrics.jsonl").read_text()
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    @property
    def step(self) -> int:
        """The last recorded step."""
        try:
            with (self.path / "metrics.jsonl").open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - 8000))
                lines = file.read().split(b"\n")
            return json.loads(lines[-2])["step"]
        except (FileNotFoundError, LookupError, ValueError):
            return 0


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended may keep its number until its parent asks."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False


def descendants(pid: int) -> set[int]:
    """The processes that a process started, and that these started."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    found: set[int] = set()
    while more := {child for child, parent in parents.items() if parent in found | {pid}} - found:
        found |= more
    return found
