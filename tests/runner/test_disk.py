"""Full, small and read-only disks under a run: one sentence, the last checkpoint kept, and on it goes."""

from __future__ import annotations

import os
import re
import resource
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from reft_lab.runner.checkpoint import Checkpoints
from tests.runner.leftovers import assert_same
from tests.runner.processes import Run, Session
from tests.runner.small_runs import finish

KB, MB = 1000, 1000**2
SMALL = (
    "baseline=null",
    "tracker.report=false",
    "data.train_size=96",
    "data.dev_size=16",
    "data.test_size=16",
    "warmup.epochs=2",
    "ppo.iterations=6",
    "ppo.rollouts=16",
    "ppo.mini_batch=8",
    "ppo.max_new_tokens=32",
    "ppo.eval_every=2",
    "checkpoint.every=1",
)
REFT = 12  # steps of the warm-up


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run on a disk with room."""
    return finish(tmp_path_factory.mktemp("whole") / "run", *SMALL, "tracker=none")


class Disk:
    """A small file system of its own, which processes inside see at `folder`, and others through `inside`."""

    def __init__(self, folder: Path, size: int):
        self.folder = folder
        mount = f"mount -t tmpfs -o size={size} small {folder} && echo mounted && exec sleep infinity"
        own = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
        self._holder = subprocess.Popen([*own, mount], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self._holder.stdout is not None
        self.is_there = self._holder.stdout.readline() == "mounted\n"
        self.inside = Path(f"/proc/{self._holder.pid}/root{folder}")

    def close(self) -> None:
        self._holder.kill()
        self._holder.wait()

    def command(self, *words: str) -> list[str]:
        """A command that sees the disk."""
        enter = ["nsenter", "--preserve-credentials", "--user", "--mount", f"--target={self._holder.pid}"]
        return [*enter, "sh", "-c", f"cd {shlex.quote(str(self.folder))} && exec {shlex.join(words)}"]

    def fill(self, but: int) -> None:
        """Leave no more than so many bytes free."""
        with (self.inside / "ballast").open("wb", buffering=0) as ballast, suppress(OSError):
            while (free := self.free - but) > 0:
                ballast.write(bytes(min(free, MB)))

    def empty(self) -> None:
        (self.inside / "ballast").unlink()

    def make_readonly(self) -> None:
        subprocess.run(self.command("mount", "-o", "remount,ro", str(self.folder)), check=True)

    @property
    def free(self) -> int:
        found = os.statvfs(self.inside)
        return found.f_bavail * found.f_bsize


@pytest.fixture
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    """A disk of as many bytes as the test's parameter says."""
    (tmp_path / "disk").mkdir()
    small = Disk(tmp_path / "disk", request.param)
    try:
        if not small.is_there:
            reason = "this machine does not let a process mount a tmpfs of its own (unshare --map-root-user --mount)"
            pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
        yield small
    finally:
        small.close()


class RunOn(Run):
    """A run on a disk of its own."""

    def __init__(self, disk: Disk, repo: Path, folder: Path, *overrides: str):
        super().__init__(repo, folder, *overrides, path=disk.inside / "run", forked=False)
        self._disk = disk

    def command(self, *words: str) -> Session:
        seen = [word.replace(str(self._disk.inside), str(self._disk.folder)) for word in words]
        command = self._disk.command(sys.executable, self._script, *seen)
        return Session(command, self.folder, self.environment, forked=False)


def only_sentence(session: Session, code: int) -> str:
    """The one line that a run printed about its end."""
    assert session.wait() == code
    assert "Traceback" not in session.output
    (said,) = [line for line in session.output.splitlines() if "error" in line.lower()]
    assert session.output.endswith(said + "\n")
    return said


@pytest.mark.parametrize("disk", [64 * MB], indirect=True)
def test_a_disk_that_fills_up_and_in_the_end_breaks(repo: Path, tmp_path: Path, whole: Path, disk: Disk) -> None:
    filled = RunOn(disk, repo, tmp_path / "home", *SMALL, "tracker.wandb=offline")
    for left, what in ((400 * KB, "checkpoints"), (0, "")):  # room for records only, and for nothing
        session, before = filled.start(), filled.step
        session.until(lambda before=before: filled.step > max(REFT, before))
        disk.fill(but=left)
        said = only_sentence(session, 1)
        assert re.search(rf"{what}\S* cannot be written \(No space left on device\); free some space on its disk", said)
        assert said == f"error: {filled.result['reason']}"
        assert filled.result["status"] == "failed"
        state, notes = Checkpoints(filled.path / "checkpoints", keep=2).find()
        assert state is not None
        assert notes == []
        assert not list(filled.path.glob("checkpoints/.*"))
        disk.empty()
    filled.finish()
    assert_same(whole, filled.path)

    disk.make_readonly()
    assert only_sentence(filled.start("ppo.iterations=20"), 2) == (
        f"error: the run directory {disk.folder / 'run'} cannot be written to (Read-only file system); make it "
        "writable and resume again."
    )
    assert only_sentence(filled.command(f"hydra.run.dir={disk.folder / 'other'}", *SMALL), 2) == (
        f"error: the folder {disk.folder / 'other'} cannot be made (Read-only file system); name another: "
        "hydra.run.dir=DIR."
    )


@pytest.mark.parametrize("disk", [20 * MB], indirect=True)
def test_too_little_room_is_said_before_the_run_begins(repo: Path, tmp_path: Path, disk: Disk) -> None:
    never = RunOn(disk, repo, tmp_path / "home", *SMALL, "tracker=none")
    said = only_sentence(never.start(), 2)
    assert " MB free, and the checkpoints of this run take up to " in said
    assert "make room, lower checkpoint.keep, or name a folder on another disk: hydra.run.dir=DIR." in said
    assert list(disk.inside.iterdir()) == []


def test_a_limit_on_the_size_of_files(repo: Path, tmp_path: Path, whole: Path) -> None:
    """What can be tried where nothing can be mounted: a checkpoint that does not fit."""
    limited = Run(repo, tmp_path, *SMALL, "tracker=none")
    session = limited.start()
    session.until(lambda: limited.step > REFT)
    resource.prlimit(session.pid, resource.RLIMIT_FSIZE, (500 * KB, resource.RLIM_INFINITY))
    assert "File too large" in only_sentence(session, 1)
    assert limited.result["status"] == "failed"
    assert Checkpoints(limited.path / "checkpoints", keep=2).find()[0] is not None
    limited.finish()
    assert_same(whole, limited.path)
