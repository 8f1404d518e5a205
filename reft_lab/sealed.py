"""Folders that are written atomically and can be verified before they are trusted.

A folder is written under another name, with size and hash of every file in `manifest.json`, flushed to the disk, and
then renamed. So a folder that exists was complete once; `damage` tells whether it still is.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"
CHUNK = 1 << 20


@contextmanager
def sealed(folder: Path) -> Iterator[Path]:
    """A new folder to write to, which replaces `folder` when the block ends without an error.

    Sealed folders inside keep their own manifests and are not part of this one.
    """
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # an earlier attempt may have been killed
    part.mkdir(parents=True)
    try:
        yield part
        _seal(part)
        _replace(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _seal(folder: Path) -> None:
    """Write the manifest of a folder, and flush both to the disk."""
    files = {}
    for path in _own_files(folder):
        with path.open("rb") as file:
            files[path.relative_to(folder).as_posix()] = {"bytes": path.stat().st_size, "xxh3": _hash(file)}
            os.fsync(file.fileno())
    with (folder / MANIFEST).open("w", encoding="utf-8") as file:
        json.dump({"files": files}, file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    sync_folder(folder)


def _replace(part: Path, folder: Path) -> None:
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    part.rename(folder)
    sync_folder(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def recover(folder: Path) -> None:
    """Undo a replacement of `folder` that was killed between its two renames, when neither folder has the name."""
    old = folder.with_name(f".{folder.name}.old")
    if old.exists() and not folder.exists():
        old.rename(folder)


def damage(folder: Path) -> str | None:
    """What is wrong with a sealed folder, in a few words; None if every file is as it was written."""
    if not folder.is_dir():
        return "it does not exist"
    try:
        files = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
        for name, expected in files.items():
            path = folder / name
            if not path.is_file():
                return f"{name} is missing"
            size = path.stat().st_size
            if size != expected["bytes"]:
                return f"{name} has {size} bytes where {expected['bytes']} were written"
            with path.open("rb") as file:
                if _hash(file) != expected["xxh3"]:
                    return f"{name} is not what was written"
    except OSError as error:
        return f"{Path(error.filename or folder).name} cannot be read ({error.strerror})"
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"its {MANIFEST} is unreadable"
    return None


def link(source: Path, target: Path) -> None:
    """Hard links to the files of a folder, or copies where the file system has no hard links."""
    target.mkdir(parents=True)
    for path in source.iterdir():
        link_file(path, target / path.name)
    sync_folder(target)


def link_file(source: Path, target: Path) -> None:
    """A hard link to a file, or a copy where the file system has no hard links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
        with target.open("rb") as file:
            os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Flush the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _own_files(folder: Path) -> list[Path]:
    found: list[Path] = []
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            found += [] if (path / MANIFEST).exists() else _own_files(path)
        elif path.name != MANIFEST:
            found.append(path)
    return found


def _hash(file: Any) -> str:
    from xxhash import xxh3_128

    digest = xxh3_128()
    while chunk := file.read(CHUNK):
        digest.update(chunk)
    return digest.hexdigest()
