"""The same run from its directory, from W&B's file, and from W&B: the same row and the same history."""

from __future__ import annotations

import os
import re
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas
import pytest

from reft_lab.analysis import load
from reft_lab.analysis import online as client
from reft_lab.errors import BadInput
from reft_lab.run_dir.lock import RunLock
from tests.analysis.loopback_runs import LoopbackRuns
from tests.real_run import copied
from tests.tracking.loopback_wandb import serving

OF_THE_SOURCE = {"run", "directory", "folder", "source"}
CLOSE_ONLY = {"started"}  # W&B begins a moment later
SMALL_RUN = Path(__file__).resolve().parents[1] / "tracking" / "small_run.py"


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return copied(made, tmp_path / "run")


@pytest.fixture(scope="module")
def server(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoopbackRuns]:
    """A server that the run was uploaded to, and a login there."""
    folder = tmp_path_factory.mktemp("online")
    run = copied(made, folder / "run")
    with serving(LoopbackRuns()) as server, pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("WANDB")]:
            patch.delenv(name)
        for name in ("HOME", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"):
            patch.setenv(name, str(folder / "home"))
        patch.setenv("WANDB_BASE_URL", server.url)
        patch.setenv("WANDB_API_KEY", "0" * 40)
        subprocess.run([sys.executable, "-m", "wandb", "sync", str(run / "wandb")], cwd=folder, check=True, timeout=120)
        yield server
        import wandb

        wandb.teardown()


def assert_same(ours: pandas.DataFrame, theirs: pandas.DataFrame, w_and_b_lacks: set[str]) -> None:
    assert list(ours) == list(theirs)
    assert (ours.dtypes == theirs.dtypes).all()
    for name in set(ours) - OF_THE_SOURCE - CLOSE_ONLY:
        if name in w_and_b_lacks:
            continue
        left, right = ours[name][0], theirs[name][0]
        assert (pandas.isna(left) and pandas.isna(right)) or left == right, name


def lacking(table: pandas.DataFrame) -> set[str]:
    """Columns that W&B has only where the number of problems is in its summary, as far as it is not."""
    names = {name for name in table if name.endswith(("_n", "_low", "_high")) or name.startswith("outcome_")}
    return {name for name in names if pandas.isna(table[name][0])}


def test_the_offline_file_gives_the_same_row_and_history(run: Path) -> None:
    ours, theirs = load(run), load(run / "wandb")
    assert_same(ours.table, theirs.table, lacking(theirs.table))
    assert theirs.table.source[0] == "offline"
    assert abs(ours.table.started[0] - theirs.table.started[0]).total_seconds() < 60
    assert theirs.table.run[0] == re.search(r'"id": "(\w+)"', (run / "passport.json").read_text())[1]  # type: ignore[index]
    pandas.testing.assert_frame_equal(ours.history().drop(columns="run"), theirs.history().drop(columns="run"))
    assert theirs.problems == []
    assert theirs.samples().empty
    assert theirs.predictions().empty


def test_w_and_b_gives_the_same_row_and_history(run: Path, server: LoopbackRuns) -> None:
    ours, theirs = load(run), load("wandb:someone/reft_lab")
    assert_same(ours.table, theirs.table, lacking(theirs.table))
    assert theirs.table[["source", "study"]].iloc[0].tolist() == ["wandb", "a study"]
    pandas.testing.assert_frame_equal(ours.history().drop(columns="run"), theirs.history().drop(columns="run"))
    assert theirs.problems == []
    assert load("wandb:someone/reft_lab/a study").table.run.tolist() == theirs.table.run.tolist()


def test_the_file_is_found_by_any_of_its_names(run: Path) -> None:
    (file,) = (run / "wandb").glob("offline-run-*/*.wandb")
    rows = [load(place).table.iloc[0] for place in (run / "wandb", file.parent, file)]
    assert {row.run for row in rows} == {file.stem.removeprefix("run-")}
    assert load(run).table.source.tolist() == ["directory"]


def test_collected_folders_of_w_and_b_are_runs(run: Path, tmp_path: Path) -> None:
    """Files that were taken away from their run directories."""
    (file,) = (run / "wandb").glob("offline-run-*/*.wandb")
    folder = tmp_path / "collected"
    copied(file.parent, folder / file.parent.name)
    (folder / "superseded" / "offline-run-1-old").mkdir(parents=True)
    (folder / "superseded" / "offline-run-1-old" / "run-old.wandb").write_bytes(file.read_bytes())
    row = load(folder).table.iloc[0]
    assert (row.source, row.state) == ("offline", "finished")
    assert len(load(folder)) == 1


def test_sessions_of_one_run_count_once(run: Path, tmp_path: Path) -> None:
    (file,) = (run / "wandb").glob("offline-run-*/*.wandb")
    earlier = run / "wandb" / f"offline-run-20200101_000000-{file.stem.removeprefix('run-')}"
    earlier.mkdir()
    (earlier / file.name).write_bytes(file.read_bytes()[:3000])
    table = load(run / "wandb").table
    assert table.state.tolist() == ["finished"]
    assert table.directory.tolist() == [str(file.parent)]


def test_a_cut_file_holds_what_was_written(run: Path) -> None:
    """A process that was killed leaves such a file; every cut is one that may come."""
    (file,) = (run / "wandb").glob("offline-run-*/*.wandb")
    content, whole = file.read_bytes(), load(run / "wandb").history()
    lengths = []
    for size in range(0, len(content), max(1, len(content) // 12)):
        file.write_bytes(content[:size])
        runs = load(run / "wandb")
        (state,) = runs.table.state
        assert state == ("damaged" if size < 4 else "crashed" if len(whole) else "")
        history = runs.history()
        pandas.testing.assert_frame_equal(history, whole[: len(history)])
        lengths.append(len(history))
    assert lengths == sorted(lengths)
    assert 0 in lengths
    assert len(set(lengths)) > 3


def test_a_file_without_an_end_of_a_run_under_way_is_running(run: Path) -> None:
    (file,) = (run / "wandb").glob("offline-run-*/*.wandb")
    file.write_bytes(file.read_bytes()[:-200])
    lock = RunLock(run)
    try:
        assert load(run / "wandb").table.state.tolist() == ["running"]
    finally:
        lock.release()
    assert load(run / "wandb").table.state.tolist() == ["crashed"]


def test_a_damaged_record_is_told_and_the_rest_is_read(run: Path) -> None:
    """A byte in the first block is wrong; blocks of 32 KiB after it are whole."""
    (file,) = (run / "wandb").glob("offline-run-*/*.wandb")
    content = bytearray(file.read_bytes())
    place = 7
    for _ in range(6):  # a record in the middle
        place += 7 + struct.unpack_from("<IHB", content, place)[1]
    content[place + 12] ^= 0xFF
    file.write_bytes(content)
    runs = load(run / "wandb")
    assert runs.table.state.tolist() == ["damaged"]
    assert runs.table.reason[0] == f"{file.name} has damaged records."
    assert runs.table.model[0] == "tiny"
    runs.history()
    assert runs.problems == [f"{file} has damaged records"]


@pytest.mark.parametrize("content", [b"no file of W&B's", b":W&B" + b"\0" * 5000, b":W&B\xe1\xbe\x00" + b"\xff" * 5000])
def test_other_files_are_damage(run: Path, content: bytes) -> None:
    (file,) = (run / "wandb").glob("offline-run-*/*.wandb")
    file.write_bytes(content)
    row = load(run / "wandb").table.iloc[0]
    assert row.state in ("damaged", "crashed")
    assert row.run == file.stem.removeprefix("run-")


def test_a_long_file_of_a_resumed_run_is_read_whole(repo: Path, tmp_path: Path) -> None:
    """Records that go over the end of a block, and a second session that holds all steps."""
    for steps in (150, 300):
        done = subprocess.run(
            [sys.executable, str(SMALL_RUN), str(tmp_path / "run"), "offline", str(steps), "0"],
            env={**os.environ, "PYTHONPATH": str(repo)},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
    ours, theirs = load(tmp_path / "run").history(), load(tmp_path / "run" / "wandb").history()
    assert ours.step.max() == 300
    pandas.testing.assert_frame_equal(ours.drop(columns="run"), theirs.drop(columns="run"))
    assert len(load(tmp_path / "run" / "wandb")) == 1
    (file,) = (tmp_path / "run" / "wandb").glob("offline-run-*/*.wandb")
    assert file.stat().st_size > 3 * 32 * 1024


@pytest.mark.parametrize(
    ("of_w_and_b", "status", "state"),
    [
        ("running", "interrupted", "running"),  # resumed: the summary is that of the session before
        ("crashed", None, "crashed"),
        ("killed", None, "interrupted"),
        ("failed", "interrupted", "interrupted"),
        ("failed", None, "failed"),
        ("finished", "pruned", "pruned"),
        ("finished", "finished", "finished"),
    ],
)
def test_states_of_w_and_b(server: LoopbackRuns, of_w_and_b: str, status: str | None, state: str) -> None:
    (name,) = server.runs
    before = server.summaries[name]
    server.states[name] = of_w_and_b
    server.summaries[name] = {key: value for key, value in before.items() if key != "status"}
    if status:
        server.summaries[name]["status"] = status
    try:
        assert load("wandb:someone/reft_lab").table.state.tolist() == [state]
    finally:
        server.states.clear()
        server.summaries[name] = before


def test_projects_of_many_pages_are_read_whole(server: LoopbackRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PAGE", 2)
    (name,) = server.runs
    more = {f"copy-{number}": server.runs[name] for number in range(4)}
    server.runs.update(more)
    server.history.update(dict.fromkeys(more, server.history[name][:2]))
    try:
        runs = load("wandb:someone/reft_lab")
        assert runs.table.run.tolist() == [name, *more]
        assert set(runs.table.model) == {"tiny"}
        assert set(runs.history("warmup/loss").groupby("run").size()) == {2, len(server.history[name]) - 3}
    finally:
        for copy in more:
            del server.runs[copy], server.history[copy]


def test_a_history_that_cannot_be_read_is_told(server: LoopbackRuns) -> None:
    runs = load("wandb:someone/reft_lab")
    server.loses_history = True
    try:
        assert runs.history().empty
    finally:
        server.loses_history = False
    (problem,) = runs.problems
    assert problem.startswith(f"the history of {runs.table.run[0]} cannot be read: ")


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("wandb:someone/elsewhere", "there is no such project, or it is not open to you."),
        ("wandb:someone/reft_lab/nogroup", "there are no runs in wandb:someone/reft_lab/nogroup"),
        ("wandb:someone", "names no project of W&B"),
        ("wandb:", "names no project of W&B"),
    ],
)
def test_what_w_and_b_does_not_have_is_one_sentence(server: LoopbackRuns, source: str, sentence: str) -> None:
    with pytest.raises(BadInput, match=re.escape(sentence)) as caught:
        load(source)
    assert "\n" not in str(caught.value)


ASK = "from reft_lab.analysis import load, online; online.TIMEOUT = 2; load('wandb:someone/reft_lab')"


@pytest.mark.parametrize("key", [None, "0" * 40])
def test_without_a_login_or_a_server_there_is_one_sentence(repo: Path, tmp_path: Path, key: str | None) -> None:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
    plain |= {"WANDB_API_KEY": key} if key else {}
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        done = subprocess.run(
            [sys.executable, "-c", ASK],
            env=plain | {"PYTHONPATH": str(repo), "HOME": str(tmp_path), "WANDB_BASE_URL": url},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )
    *_, sentence = done.stderr.strip().splitlines()
    expected = f"the server at {url} does not answer." if key else "there is no login at W&B"
    assert sentence.startswith("reft_lab.errors.BadInput: wandb:someone/reft_lab cannot be read: ")
    assert expected in sentence
    assert done.stdout == ""
    assert "wandb:" not in done.stderr.replace("wandb:someone", "").split("Traceback")[0]
