"""What is at an address: the table, the page of a run or a study, a file that they left."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from reft_lab.analysis.found import RUNNING, STATES
from reft_lab.cli.listing import age
from reft_lab.cli.serve.shelf import Shelf, Shelved, marks_of, running
from reft_lab.numbers import per_cent
from reft_lab.report.facts import runs_under_way, under_way
from reft_lab.run_dir.files import (
    AUDIT,
    BASELINE,
    CONFIG,
    CRITIC_AUDIT,
    LOCK,
    LOG,
    METRICS,
    PASSPORT,
    PREDICTIONS,
    PROGRESS,
    REPORT,
    RESERVE,
    RESULT,
    SAMPLES,
)
from reft_lab.run_dir.lock import is_held
from reft_lab.run_dir.progress import read_doing

KEPT = 30  # pages that are kept, of about 1 MB each
LISTED = 3000  # runs in the table
UNSEEN = {LOG, REPORT, LOCK, RESERVE, PROGRESS}  # files that change nothing on the page of a run, or not for long
TEXT, HTML, JSON = "text/plain; charset=utf-8", "text/html; charset=utf-8", "application/json"
NOW = "now.json"  # not a file: how far a run or a study is
OF_A_RUN = (CONFIG, PASSPORT, METRICS, SAMPLES, PREDICTIONS, RESULT, LOG, AUDIT, CRITIC_AUDIT)
OF_A_STUDY = {"study.csv": TEXT, "best.yaml": TEXT, "confirm.json": TEXT, "study.html": HTML}
FILES = dict.fromkeys(OF_A_RUN, TEXT)


@dataclass(frozen=True)
class Answer:
    """What is sent.

    Attributes:
        content: the bytes.
        kind: their media type.
        tag: another one whenever the content is another one, as an ETag.
        elsewhere: the address to go to in place of this one.
    """

    content: bytes = b""
    kind: str = HTML
    tag: str = ""
    elsewhere: str | None = None


class Pages:
    """The pages of what is on a shelf, each made when it is asked for and kept until its files change.

    Nothing is written but in a temporary folder, which leaving the context takes away.
    """

    def __init__(self, shelf: Shelf):
        self.shelf = shelf
        self._session = secrets.token_hex(4)
        self._folder = tempfile.TemporaryDirectory(prefix="reft-serve-")
        self._made: OrderedDict[str, tuple[str, Path]] = OrderedDict()
        self._lock = threading.Lock()
        # One report at a time, since Hydra composes the default experiment for one thread; the table need not wait.
        self._reports, self._tables = threading.Lock(), threading.Lock()

    def __enter__(self) -> Pages:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def at(self, target: str) -> Answer:
        """What is at `target`, the path of a request.

        Only runs and studies on the shelf are found, and of their files those whose names are known here.

        Raises:
            LookupError: there is nothing.
            BadInput, OSError: it cannot be read.
        """
        parts = [unquote(part) for part in urlsplit(target).path.split("/")[1:]]
        runs = self.shelf.look()
        if parts == [""]:
            return self._page("", f"{self._session}-{self.shelf.version}", self._table, self._tables)
        *folders, name = parts
        address = "/".join(folders)
        if name in ("", REPORT):
            if address in runs:
                return self._run(runs[address])
            return self._study(address, self.shelf.studies()[address], runs.values())
        if name == NOW:
            return self._now(address, runs)
        whole, studies = "/".join(parts), self.shelf.studies()
        if whole in runs or whole in studies:
            return Answer(elsewhere=f"/{quote(whole)}/")
        known = runs[address].directory if address in runs else studies[address]
        return self._file(known, name, (FILES if address in runs else OF_A_STUDY)[name])

    def _run(self, run: Shelved) -> Answer:
        from reft_lab.report import run_report

        tag = _tag_of_a_run(run)
        return self._page(run.address, tag, lambda file: run_report(run.directory, file, live=tag), self._reports)

    def _study(self, address: str, folder: Path, runs: Iterable[Shelved]) -> Answer:
        from reft_lab.report import study_report

        tag = _tag_of_a_study(folder, _inside(address, runs))
        return self._page(address, tag, lambda file: study_report(folder, file, live=tag), self._reports)

    def _now(self, address: str, runs: Mapping[str, Shelved]) -> Answer:
        """What the page of something that runs asks for: how far it is, and whether there is a newer page."""
        if address in runs:
            run = runs[address]
            found = replace(run.found, doing=read_doing(run.directory))
            page, is_running, standing = _tag_of_a_run(run), found.state == RUNNING, under_way(found)
        else:
            inside = _inside(address, runs.values())
            count = running(inside)
            page, is_running = _tag_of_a_study(self.shelf.studies()[address], inside), count > 0
            standing = f"{runs_under_way(count)}."
        content = json.dumps({"page": page, "running": is_running, "standing": standing})
        return Answer(content.encode(), JSON, f'"{_tag(content)}"')

    def _page(self, address: str, tag: str, make: Callable[[Path], object], turn: threading.Lock) -> Answer:
        """A page as it was made before, or where its `tag` is another one, as `make` writes it at its `turn`."""
        if (kept := self._kept(address, tag)) is not None:
            return kept
        with turn:
            if (kept := self._kept(address, tag)) is not None:
                return kept
            file = Path(self._folder.name) / f"{secrets.token_hex(8)}.html"
            make(file)
            content = file.read_bytes()
        with self._lock:
            if address in self._made:
                self._made.pop(address)[1].unlink()
            self._made[address] = tag, file
            while len(self._made) > KEPT:
                self._made.popitem(last=False)[1][1].unlink()
        return Answer(content, HTML, f'"{tag}"')

    def _kept(self, address: str, tag: str) -> Answer | None:
        with self._lock:
            before, file = self._made.get(address, ("", Path()))
            if before != tag:
                return None
            self._made.move_to_end(address)
            return Answer(file.read_bytes(), HTML, f'"{tag}"')

    def _file(self, folder: Path, name: str, kind: str) -> Answer:
        file = folder / name
        if file.resolve().parent != folder.resolve() or not file.is_file():  # a link may lead anywhere
            raise LookupError(name)
        tag = _tag(marks_of(folder, [name]))
        return Answer(file.read_bytes(), kind, f'"{tag}"')

    def _table(self, file: Path) -> None:
        from reft_lab.report.page import read, write_page

        runs = sorted(self.shelf.look().values(), key=_newest_first)
        listed = runs[:LISTED]
        settings = self.shelf.settings(listed)
        counts = {state: sum(run.found.state == state for run in listed) for state in STATES}
        write_page(
            file,
            "runs.html",
            [read("runs.js")],
            {"live": {"running": running(listed)}},
            title=f"Runs in {', '.join(map(str, self.shelf.roots.values()))}",
            states={state: count for state, count in counts.items() if count},
            runs=[_row(run, settings[run.address]) for run in listed],
            shared=_shared(listed),
            studies=_studies(self.shelf.studies(), listed),
            left_out=len(runs) - len(listed),
        )


def _newest_first(run: Shelved) -> tuple[float, str]:
    return -run.found.started.timestamp() if run.found.started else 0.0, run.address


def _row(run: Shelved, settings: str) -> dict[str, Any]:
    row, started = run.row, run.found.started
    return {
        "state": run.found.state,
        "reason": run.found.reason or "",
        "address": run.address,
        "link": quote(run.address),
        **{key: row[key] or "" for key in OBVIOUS},
        "settings": settings,
        "step": run.found.step,
        **{split: row[f"final_{split}_accuracy"] for split in ("dev", "test")},
        **{f"{split}_shown": per_cent(row[f"final_{split}_accuracy"]) for split in ("dev", "test")},
        "started": started.timestamp() if started else 0,
        "age": age(started),
        "files": [name for name in (LOG, CONFIG) if (run.directory / name).is_file()],
    }


OBVIOUS = ("model", "data", "method")  # columns that say nothing where all runs have the same


def _shared(runs: Sequence[Shelved]) -> dict[str, str]:
    """Those of OBVIOUS that are the same in all runs."""
    values = {key: {run.row[key] for run in runs} - {None} for key in OBVIOUS}
    return {key: next(iter(found)) for key, found in values.items() if len(found) == 1}


def _studies(folders: dict[str, Path], runs: Sequence[Shelved]) -> list[tuple[str, str, int]]:
    """The studies and folders that have pages: address, link, and how many runs are in them."""
    counts = {address: sum(run.address.startswith(f"{address}/") for run in runs) for address in folders}
    return [(address, quote(address), count) for address, count in counts.items() if count]


def _seen(folder: Path) -> list[Any]:
    """Names and marks of the files of a run that its page may show."""
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if entry.is_file() and entry.name not in UNSEEN)
    except OSError:
        return []
    return list(zip(names, marks_of(folder, names), strict=True))


def _inside(address: str, runs: Iterable[Shelved]) -> list[Shelved]:
    found = [run for run in runs if run.address.startswith(f"{address}/")]
    if not found:
        raise LookupError(address)
    return found


def _tag_of_a_run(run: Shelved) -> str:
    folders = (run.directory, run.directory / BASELINE)
    return _tag([is_held(run.directory), *(_seen(folder) for folder in folders)])


def _tag_of_a_study(folder: Path, runs: Iterable[Shelved]) -> str:
    return _tag([[(run.address, run.marks) for run in runs], marks_of(folder, OF_A_STUDY)])


def _tag(content: Any) -> str:
    return hashlib.sha256(repr(content).encode()).hexdigest()[:24]
