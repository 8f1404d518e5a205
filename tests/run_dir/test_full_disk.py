"""Disks that are full or refuse: one sentence, result.json all the same, and a directory that can be gone on with."""

from __future__ import annotations

import errno
import json
import os
import resource
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from reft_lab.errors import RunFailed
from reft_lab.run_dir.directory import RunDirectory
from reft_lab.run_dir.disk import explained

KIB = 1024

# Fills the disk, ends as a run does, makes room, and goes on. Says what it saw.
SCRIPT = """
import json, sys
from contextlib import closing
from pathlib import Path
from reft_lab.errors import RunFailed
from reft_lab.run_dir.directory import RunDirectory
path = Path(sys.argv[1])
ballast = path.parent / "ballast"
said, seen = [], {}
with closing(RunDirectory(path)) as directory:
    (path / "config.yaml").write_text("seed: 0")
    ballast.write_bytes(bytes(BALLAST))
    step = 0
    try:
        while True:
            step += 1
            directory.append_metrics({"step": step, "text": "x" * 1500})
    except RunFailed as error:
        said.append(str(error))
    for write in (lambda: directory.append_samples([{"step": 1, "text": "y" * 9000}]),
                  lambda: directory.write_predictions([{"id": "1", "text": "z" * 90000}])):
        try:
            write()
        except RunFailed as error:
            said.append(str(error))
    directory.write_result({"status": "failed", "reason": said[0], "notes": "n" * 20000})
seen["lines"] = [json.loads(line)["step"] for line in (path / "metrics.jsonl").read_text().splitlines()]
seen["failed_at"] = step
seen["result"] = json.loads((path / "result.json").read_text())["status"]
seen["files"] = sorted(file.name for file in path.iterdir())
ballast.unlink()
with closing(RunDirectory(path, resume=True)) as directory:
    directory.rewind(step - 5)
    for more in range(step - 4, step + 5):
        directory.append_metrics({"step": more})
seen["after"] = [json.loads(line)["step"] for line in (path / "metrics.jsonl").read_text().splitlines()]
print(json.dumps(seen | {"said": said}))
"""


def test_a_full_disk(repo, tmp_path):
    """On a file system of 512 KiB, mounted in a namespace of the process's own."""
    small = f"mount -t tmpfs -o size=512k small {tmp_path} && exec "
    own = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    if subprocess.run([*own, small + "true"], capture_output=True).returncode:
        reason = "this machine does not let a process mount a tmpfs of its own (unshare --map-root-user --mount)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    command = f'{small} {sys.executable} -c "$0" {tmp_path / "run"}'
    script = SCRIPT.replace("BALLAST", "300 * 1024")  # when it goes, metrics.jsonl fits twice, as it must
    done = subprocess.run([*own, command, script], cwd=repo, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    path = tmp_path / "run"
    assert seen["said"] == [
        f"{path / name} cannot be written (No space left on device); free some space on its disk, then resume={path}."
        for name in ("metrics.jsonl", "samples.jsonl", "predictions.jsonl")
    ]
    assert seen["lines"] == list(range(1, seen["failed_at"])), "a line that did not fit leaves nothing behind"
    assert seen["result"] == "failed"
    assert seen["files"] == ["config.yaml", "metrics.jsonl", "result.json", "samples.jsonl"]
    assert seen["after"] == list(range(1, seen["failed_at"] + 5))


def test_a_limit_on_the_size_of_files(repo, tmp_path):
    script = SCRIPT.replace("BALLAST", "0")
    script = script.replace(
        "ballast.unlink()", "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (10**7, 10**7))"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "run")]
    soft = resource.RLIMIT_FSIZE, (70 * KIB, 10**7)
    done = subprocess.run(
        command, cwd=repo, capture_output=True, text=True, timeout=60, preexec_fn=lambda: resource.setrlimit(*soft)
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert "metrics.jsonl cannot be written (File too large); raise the limit on the size of files" in seen["said"][0]
    assert seen["lines"] == list(range(1, seen["failed_at"]))
    assert seen["result"] == "failed"
    assert seen["after"] == list(range(1, seen["failed_at"] + 5))


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.EROFS, "read-only"), r"best cannot be written \(Read-only file system\); make its file system"),
        (OSError(errno.EIO, "input/output"), r"best cannot be written \(Input/output error\); see to its disk"),
        (OSError(errno.EDQUOT, "quota"), r"free some of your disk quota, then resume=run\."),
        (PermissionError(errno.EACCES, "no"), r"\(Permission denied\); make it writable"),
        (RuntimeError("I/O error: No space left on device (os error 28)"), r"\(No space left on device\); free some"),
    ],
)
def test_every_refusal_is_one_sentence(error, sentence):
    with pytest.raises(RunFailed, match=sentence), explained(Path("run/checkpoints/best"), Path("run")):
        raise error


def test_other_errors_stay_what_they_are():
    with pytest.raises(ValueError, match="shapes"), explained(Path("best"), Path("run")):
        raise ValueError("shapes differ")


def test_a_folder_that_is_gone_is_one_sentence(tmp_path):
    path = tmp_path / "run"
    with closing(RunDirectory(path)) as directory:
        for file in path.iterdir():
            file.unlink()
        path.rmdir()
        with pytest.raises(RunFailed, match=r"result\.json cannot be written \(No such file or directory\)"):
            directory.write_result({})
