"""The files that the paper's authors released, fetched from a server on this machine that stands for theirs."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from reft_lab.data import load, released
from reft_lab.data.released import FILES, Released, fetch, names_of
from reft_lab.data.settings import DataConfig
from reft_lab.data.sources import read_sources
from reft_lab.errors import BadInput
from reft_lab.programs import ProgramRunner
from reft_lab.programs.settings import ProgramsConfig
from tests.runner.processes import Run


def problems(count: int, first: int = 0) -> bytes:
    made = [
        {
            "item_id": f"gsm8k_{i}",
            "question": f"Ann has {i} pens and buys {i % 7} more. How many has she?",
            "answer_cot": f'def solution():\n    """..."""\n    result = {i} + {i % 7}\n    return result',
            "answer_value": f"{i + i % 7}.0",
        }
        for i in range(first, first + count)
    ]
    return json.dumps(made, indent=1).encode()


TRAIN, TEST = problems(30), problems(8, first=100)


class Server:
    """Serves `files` by name, and counts what it was asked for."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.wait = 0.0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                time.sleep(outer.wait)
                name = self.path.rpartition("/")[2]
                if self.command == "GET":
                    outer.asked.append(name)
                content = outer.files.get(name)
                self.send_response(404 if content is None else 200)
                self.send_header("Content-Length", str(len(content or b"")))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(content or b"")

            do_GET = do_HEAD = answer

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self._http.server_port}/data"

    def close(self) -> None:
        self._http.shutdown()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("REFT_LAB_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "reft_lab" / "paper"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, cache: Path) -> Iterator[Server]:
    """Small files in place of GSM8K's, known by a checksum and by git's name."""
    git = hashlib.sha1(b"blob %d\0" % len(TRAIN) + TRAIN).hexdigest()
    monkeypatch.setitem(FILES, "gsm8k_python_sdp.json", Released(30, f"git:{git}"))
    monkeypatch.setitem(FILES, "gsm8k_test_set.json", Released(8, f"sha256:{hashlib.sha256(TEST).hexdigest()}"))
    stand_in = Server()
    stand_in.files = {"gsm8k_python_sdp.json": TRAIN, "gsm8k_test_set.json": TEST}
    monkeypatch.setenv("REFT_LAB_PAPER_DATA", stand_in.address + "/")
    yield stand_in
    stand_in.close()


PAPER = DataConfig(name="gsm8k", source="paper", hub="someone/gsm8k", dev_size=4)


def test_both_files_are_fetched_once_and_read(server: Server, cache: Path) -> None:
    for _ in range(2):
        with ProgramRunner(ProgramsConfig()) as runner:
            splits = load(PAPER, "program", runner)
        assert splits.report.counts == {"train": 26, "dev": 4, "test": 8}
        notes = " ".join(splits.report.notes)
        assert "train is gsm8k_python_sdp.json, as the paper's authors released it" in notes
        assert "test is gsm8k_test_set.json, as the paper's authors released it" in notes
    assert sorted(server.asked) == ["gsm8k_python_sdp.json", "gsm8k_test_set.json"]
    assert sorted(file.name for file in cache.iterdir()) == ["gsm8k_python_sdp.json", "gsm8k_test_set.json"]


@pytest.mark.parametrize("name", ["gsm8k_python_sdp.json", "gsm8k_test_set.json"])
@pytest.mark.parametrize("damage", [b"", b"[]", TRAIN[:-9], TEST.replace(b"pens", b"pans")])
def test_a_damaged_file_in_the_cache_is_fetched_anew(server: Server, cache: Path, name: str, damage: bytes) -> None:
    place = fetch(name)
    place.write_bytes(damage)
    assert fetch(name) == place == cache / name
    assert place.read_bytes() == server.files[name]
    assert server.asked == [name, name]


@pytest.mark.parametrize("name", ["gsm8k_python_sdp.json", "gsm8k_test_set.json"])
@pytest.mark.parametrize(
    ("content", "why"),
    [
        (problems(12), "it holds 12 problems, not "),
        (b"<html>gone</html>", "it is not JSON (it begins with '<html>gone</html>')"),
        (b"version https://git-lfs.github.com/spec/v1\n", "it is not JSON (it begins with 'version https://git-"),
        (b'{"a": 1}', "it is not a list of problems"),
        (b"", "it is not JSON"),
    ],
)
def test_another_file_on_the_server_is_refused_and_not_kept(
    server: Server, cache: Path, name: str, content: bytes, why: str
) -> None:
    server.files[name] = content
    with pytest.raises(BadInput) as refused:
        fetch(name)
    sentence = str(refused.value)
    assert f"{server.address}/{name} is not the file that the paper's authors released: {why}" in sentence
    assert "data.path=FOLDER" in sentence
    assert "\n" not in sentence
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("name", ["gsm8k_python_sdp.json", "gsm8k_test_set.json"])
def test_the_right_number_of_other_problems_is_refused(server: Server, name: str) -> None:
    server.files[name] = server.files[name].replace(b"pens", b"pans")
    with pytest.raises(BadInput, match=r"does not match the (git|sha256) checksum"):
        fetch(name)


def test_what_the_server_does_not_have(server: Server) -> None:
    del server.files["gsm8k_test_set.json"]
    with pytest.raises(BadInput, match=r"gsm8k_test_set\.json.* cannot be fetched \(HTTP status 404\).*data\.path="):
        fetch("gsm8k_test_set.json")


def test_numeric_questions_are_read_as_they_stand(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that ends in a list, which would be the options of a multiple-choice question."""
    asked = ["how many zeroes ?", "the sum of these ?\na ) 3 , b ) 4 , c ) 5"]
    rows = [
        {
            "item_id": f"mathqa-numeric_{i}",
            "question": f"{i} . {asked[i % 2]}",
            "answer_cot": "there are some .",
            "answer_value": f"{i}.5",
        }
        for i in range(12)
    ]
    content = json.dumps(rows).encode()
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    for name in ("mathqa-numeric_nl.json", "mathqa-numeric_test_set.json"):
        monkeypatch.setitem(FILES, name, Released(12, digest))
        server.files[name] = content
    with ProgramRunner(ProgramsConfig()) as runner:
        splits = load(DataConfig(name="mathqa_numeric", source="paper", dev_size=1), "natural", runner)
    assert [(p.question, p.answer, p.options) for p in splits.test] == [
        (row["question"], row["answer_value"], ()) for row in rows
    ]
    assert len(splits.train) + len(splits.dev) == 12


def test_a_server_that_does_not_answer(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(released, "_CONNECT_SECONDS", 0.3)
    server.wait = 20
    started = time.monotonic()
    with pytest.raises(BadInput, match="cannot be fetched"):
        fetch("gsm8k_test_set.json")
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/data", "https://paper.invalid/data"])
def test_no_network(cache: Path, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("REFT_LAB_PAPER_DATA", address)
    started = time.monotonic()
    with pytest.raises(BadInput) as refused:
        read_sources(PAPER, "natural")
    assert time.monotonic() - started < 10
    for part in (f"{address}/gsm8k_nl.json", "data.path=FOLDER", "REFT_LAB_PAPER_DATA"):
        assert part in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_address_that_is_none(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFT_LAB_PAPER_DATA", "ftp.example.org")
    with pytest.raises(BadInput, match=r"REFT_LAB_PAPER_DATA=ftp\.example\.org must begin with"):
        fetch("gsm8k_test_set.json")


def test_a_cache_that_cannot_be_written(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("REFT_LAB_CACHE", str(tmp_path / "file"))
    with pytest.raises(BadInput, match="another folder in REFT_LAB_CACHE"):
        fetch("gsm8k_test_set.json")


def test_the_cache_may_be_elsewhere(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFT_LAB_CACHE", str(tmp_path / "elsewhere"))
    assert fetch("gsm8k_test_set.json") == tmp_path / "elsewhere" / "paper" / "gsm8k_test_set.json"


def test_files_that_are_given_go_before_it(server: Server, tmp_path: Path) -> None:
    own = tmp_path / "own.json"
    own.write_bytes(problems(20))
    for given in ("path", "train"):
        config = DataConfig(name="gsm8k", source="paper", **{given: str(own)})
        assert len(read_sources(config, "program").by_split["train"]) == 20
    assert server.asked == []
    found = read_sources(DataConfig(name="gsm8k", source="paper", test=str(own)), "program").by_split
    assert {split: len(records) for split, records in found.items()} == {"train": 30, "test": 20}
    assert server.asked == ["gsm8k_python_sdp.json"]


@pytest.mark.parametrize(("data", "stem"), [("svamp", "svamp"), ("mathqa_numeric", "mathqa-numeric")])
def test_every_kind_of_reasoning_has_its_training_file(data: str, stem: str) -> None:
    assert names_of(data, "program") == {"train": f"{stem}_python_sdp.json", "test": f"{stem}_test_set.json"}
    assert names_of(data, "natural")["train"] == f"{stem}_nl.json"


def test_all_that_can_be_asked_for_is_known() -> None:
    asked = {
        name
        for data in ("gsm8k", "svamp", "mathqa", "mathqa_numeric")
        for cot in ("natural", "program")
        for name in names_of(data, cot).values()
    }
    assert asked == FILES.keys()


def test_other_data_sets_are_refused() -> None:
    with pytest.raises(BadInput, match="released gsm8k, svamp, mathqa, mathqa_numeric"):
        read_sources(DataConfig(name="school", source="paper"), "program")


def test_the_counts_and_checksums_are_those_of_the_real_files(shared_data: Path) -> None:
    found = 0
    for name, expected in FILES.items():
        for file in shared_data.glob(f"*/{name}"):
            found += 1
            assert len(json.loads(file.read_text())) == expected.records
            assert expected.digest == f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"
    assert found == 6


def test_a_run_of_a_paper_experiment(repo: Path, shared_data: Path, tmp_path: Path) -> None:
    """SVAMP's real files; the model is made on the spot."""
    stand_in = Server()
    stand_in.files = {file.name: file.read_bytes() for file in (shared_data / "svamp").glob("*.json")}
    words = ["experiment=paper/svamp_program_codellama", "model=tiny", "debug=quick", "tracker=none", "baseline=null"]
    run = Run(repo, tmp_path, *words, "ppo.iterations=1")
    run.environment |= {"REFT_LAB_PAPER_DATA": stand_in.address, "REFT_LAB_CACHE": str(tmp_path / "cache")}
    try:
        printed = run.finish().output
    finally:
        stand_in.close()
    assert "train is svamp_python_sdp.json, as the paper's authors released it" in " ".join(printed.split())
    assert any("svamp_test_set.json" in note for note in run.result["notes"])
    assert sorted(stand_in.asked) == ["svamp_python_sdp.json", "svamp_test_set.json"]
