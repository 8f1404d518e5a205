"""The hub, through the real `datasets` library: a local repository, a wrong id, a gated one, no answer at all."""

import json
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from reft_lab.data.hub import read_hub
from reft_lab.data.settings import DataConfig
from reft_lab.data.sources import read_sources
from reft_lab.errors import BadInput

LOAD = """
import sys
from reft_lab.cot.settings import CotConfig
from reft_lab.data.settings import DataConfig
from reft_lab.data import load
from reft_lab.errors import BadInput
try:
    load(DataConfig(name="gsm8k", hub="someone/gsm8k", hub_config="main"), "natural", None)
except BadInput as error:
    print(error)
"""


def answering(status, error_code):
    """A stand-in for the hub that answers everything with one status."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self):
            if status is None:
                time.sleep(20)
                return
            self.send_response(status)
            self.send_header("X-Error-Code", error_code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_HEAD = do_POST = answer

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def sentence(tmp_path, repo, endpoint):
    """What loading says in a fresh process whose hub is `endpoint`, and the seconds it took."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    environment |= {"HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path / "home")}
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", LOAD], cwd=repo, env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.strip(), time.monotonic() - started


@pytest.mark.parametrize(
    ("status", "error_code", "says"),
    [
        (404, "RepoNotFound", "doesn't exist on the Hub"),
        (403, "GatedRepo", "gated dataset"),
        (503, "", "out of order: HTTP status 503"),
        (None, "", "did not answer within 4 s"),
    ],
)
def test_a_data_set_that_cannot_be_had_ends_soon_in_one_sentence(tmp_path, repo, status, error_code, says):
    server = answering(status, error_code)
    try:
        message, seconds = sentence(tmp_path, repo, f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
    for part in (says, "someone/gsm8k", "main", "data.path="):
        assert part in message
    assert "\n" not in message
    assert seconds < 20


def test_no_network(tmp_path, repo):
    message, seconds = sentence(tmp_path, repo, "http://hub.invalid")
    assert "hub.invalid" in message
    assert "data.path=" in message
    assert seconds < 15


@pytest.fixture
def local_repository(tmp_path):
    folder = tmp_path / "repository"
    folder.mkdir()
    rows = {
        "train": [{"question": f"{i} and 1?", "answer": f"#### {i + 1}"} for i in range(30)],
        "validation": [{"question": f"{i} and 2?", "answer": f"#### {i + 2}"} for i in range(5)],
        "test": [{"question": f"{i} and 3?", "answer": f"#### {i + 3}"} for i in range(7)],
    }
    for split, items in rows.items():
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    return folder


def test_rows_of_a_repository_are_read_like_files(local_repository, tmp_path, monkeypatch):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    batches = read_hub(str(local_repository), None, "gsm8k")
    assert {split: len(batch.records) for split, batch in batches.items()} == {"train": 30, "dev": 5, "test": 7}
    record = batches["train"].records[4]
    assert (record.question, record.answer, record.format) == ("4 and 1?", "5", "gsm8k")
    assert record.source.endswith(":train:4")


def test_a_data_set_loaded_before_is_had_without_the_network(local_repository, tmp_path, monkeypatch):
    import datasets
    from huggingface_hub import constants

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    read_hub(str(local_repository), None, "gsm8k")
    with pytest.raises(BadInput, match="cache does not hold it"):
        read_hub("someone/repository", "default", "gsm8k")
    # As the library itself files a data set of that name from the hub.
    (tmp_path / "cache" / "repository").rename(tmp_path / "cache" / "someone___repository")
    assert len(read_hub("someone/repository", "default", "gsm8k")["train"].records) == 30
    assert not datasets.config.HF_HUB_OFFLINE


def test_svamp_of_the_hub_is_said_to_be_another_experiment(local_repository, tmp_path, monkeypatch):
    import datasets
    from huggingface_hub import constants

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    here = local_repository.rename(tmp_path / "svamp")
    assert not any(batch.notes for batch in read_hub(str(here), None, "svamp").values())
    (tmp_path / "cache" / "svamp").rename(tmp_path / "cache" / "ChilleD___svamp")  # as the library itself files it
    found = read_sources(DataConfig(name="svamp", hub="ChilleD/SVAMP", hub_config="default"), "program")
    (note,) = [note for note in found.notes if "ChilleD/SVAMP" in note]
    assert "not the experiment of the paper" in note


def test_a_repository_of_something_else(tmp_path, monkeypatch):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / "train.jsonl").write_text('{"text": "hello"}\n')
    with pytest.raises(BadInput, match=r"unknown format \(its records have text\)"):
        read_hub(str(folder), None, "gsm8k")
