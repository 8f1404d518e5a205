"""Folders that are written whole: what is recognised as damaged, and that a kill leaves a whole one."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reft_lab.sealed import MANIFEST, damage, link, recover, sealed


def write(folder: Path, text: str) -> None:
    """A sealed folder of three files, one of them below, all with `text` in them."""
    with sealed(folder) as part:
        (part / "deep").mkdir()
        for name in ("a.json", "b.bin", "deep/c.txt"):
            (part / name).write_text(f"{name} {text}\n" * 3)


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_a_sealed_folder_holds_what_was_written_and_its_manifest(tmp_path: Path) -> None:
    write(tmp_path / "one", "first")
    assert [path.relative_to(tmp_path / "one").as_posix() for path in files(tmp_path / "one")] == [
        "a.json",
        "b.bin",
        "deep/c.txt",
        MANIFEST,
    ]
    manifest = json.loads((tmp_path / "one" / MANIFEST).read_text())["files"]
    assert {name: entry["bytes"] for name, entry in manifest.items()} == {"a.json": 39, "b.bin": 36, "deep/c.txt": 51}
    assert damage(tmp_path / "one") is None
    write(tmp_path / "one", "second")
    assert "second" in (tmp_path / "one" / "b.bin").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_a_folder_that_cannot_be_written_whole_leaves_the_one_before(tmp_path: Path) -> None:
    write(tmp_path / "one", "first")

    def half() -> None:
        with sealed(tmp_path / "one") as part:
            (part / "a.json").write_text("half")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        half()
    assert damage(tmp_path / "one") is None
    assert "first" in (tmp_path / "one" / "a.json").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_every_flipped_bit_is_noticed(tmp_path: Path) -> None:
    """One in every byte of every file; of the manifest, those that change what it says."""
    folder, dice = tmp_path / "one", random.Random(1)
    write(folder, "first")
    said = json.loads((folder / MANIFEST).read_text())
    for file in files(folder):
        whole = file.read_bytes()
        for i in range(len(whole)):
            changed = bytearray(whole)
            changed[i] ^= 1 << dice.randrange(8)
            file.write_bytes(changed)
            problem = damage(folder)
            if problem is None:
                assert file.name == MANIFEST
                assert json.loads(changed) == said
            else:
                assert "\n" not in problem
                assert file.name in problem or file.name == MANIFEST
        file.write_bytes(whole)
        assert damage(folder) is None


def test_every_truncation_is_noticed(tmp_path: Path) -> None:
    folder = tmp_path / "one"
    write(folder, "first")
    for file in files(folder):
        whole = file.read_bytes()
        for length in range(len(whole) - (file.name == MANIFEST)):  # its last byte is a newline, which says nothing
            file.write_bytes(whole[:length])
            problem = damage(folder)
            assert problem is not None
            assert file.name in problem
        file.write_bytes(whole)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    assert damage(tmp_path / "none") == "it does not exist"
    write(tmp_path / "one", "first")
    (tmp_path / "one" / "b.bin").unlink()
    assert damage(tmp_path / "one") == "b.bin is missing"
    (tmp_path / "one" / MANIFEST).unlink()
    assert damage(tmp_path / "one") == f"{MANIFEST} cannot be read (No such file or directory)"
    for nonsense in ("", "[]", "{}", '{"files": 3}', '{"files": {"a.json": null}}', "\xff"):
        (tmp_path / "one" / MANIFEST).write_text(nonsense, encoding="latin-1")
        assert damage(tmp_path / "one") == f"its {MANIFEST} is unreadable"


def test_a_sealed_folder_inside_answers_for_itself(tmp_path: Path) -> None:
    with sealed(tmp_path / "outer") as part:
        (part / "own.txt").write_text("own")
        write(part / "inner", "first")
    assert list(json.loads((tmp_path / "outer" / MANIFEST).read_text())["files"]) == ["own.txt"]
    (tmp_path / "outer" / "inner" / "a.json").write_text("changed")
    assert damage(tmp_path / "outer") is None
    assert damage(tmp_path / "outer" / "inner") is not None


def test_a_second_name_takes_no_room_and_outlives_the_first(tmp_path: Path) -> None:
    with sealed(tmp_path / "one") as part:
        (part / "a.json").write_text("first")
    link(tmp_path / "one", tmp_path / "two")
    assert (tmp_path / "one" / "a.json").samefile(tmp_path / "two" / "a.json")
    with sealed(tmp_path / "one") as part:
        (part / "a.json").write_text("second")
    assert (tmp_path / "two" / "a.json").read_text() == "first"
    assert damage(tmp_path / "two") is None


def test_files_are_copied_where_there_can_be_no_second_name(tmp_path: Path) -> None:
    other = Path("/dev/shm")
    if not os.access(other, os.W_OK) or other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system to write to")
    with sealed(tmp_path / "one") as part:
        (part / "a.json").write_text("first")
    target = other / f"reft-lab-test-{os.getpid()}"
    try:
        link(tmp_path / "one", target)
        assert damage(target) is None
    finally:
        shutil.rmtree(target, ignore_errors=True)


def test_a_replacement_that_is_killed_between_its_renames_is_undone(tmp_path: Path) -> None:
    write(tmp_path / "one", "first")
    (tmp_path / "one").rename(tmp_path / ".one.old")
    recover(tmp_path / "one")
    assert damage(tmp_path / "one") is None
    (tmp_path / ".one.old").mkdir()
    recover(tmp_path / "one")  # nothing to undo
    assert damage(tmp_path / "one") is None


WRITER = """
import sys
from itertools import count
from pathlib import Path
from reft_lab.sealed import sealed
for number in count():
    with sealed(Path(sys.argv[1])) as part:
        for name in "abcd":
            (part / name).write_text(str(number) * 5000)
    print(number, flush=True)
"""


def test_a_writer_that_is_killed_at_any_moment_leaves_a_whole_folder(repo: Path, tmp_path: Path) -> None:
    folder, dice, cut_short = tmp_path / "one", random.Random(2), 0
    for _ in range(12):
        command, environment = [sys.executable, "-c", WRITER, str(folder)], os.environ | {"PYTHONPATH": str(repo)}
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(dice.uniform(0, 0.02))
            writer.kill()
        cut_short += len(list(tmp_path.iterdir())) > 1
        recover(folder)
        assert damage(folder) is None
        assert len({(folder / name).read_text() for name in "abcd"}) == 1
    assert cut_short >= 3, "most kills came between two folders"
