"""`reft serve`: a real server, asked by HTTP."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from reft_lab.cli.serve.pages import Pages
from reft_lab.cli.serve.server import ADDRESS, Server
from reft_lab.cli.serve.shelf import Shelf
from reft_lab.run_dir.lock import RunLock
from reft_lab.run_dir.progress import Doing, ProgressFile
from tests.cli.ended import OLD

KL = "multirun/kl"


class Served:
    """A server on `folder`, and what it answers."""

    def __init__(self, folder: Path, server: Server):
        self.folder, self.server, self.shelf = folder, server, server.pages.shelf

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], str]:
        """Status, headers and content. A path is sent as it stands."""
        with closing(http.client.HTTPConnection(ADDRESS, self.server.server_port, timeout=60)) as connection:
            connection.putrequest(method, path, skip_host="Host" in headers)
            for name, value in headers.items():
                if value:
                    connection.putheader(name.replace("_", "-"), value)
            connection.endheaders()
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read().decode()


@pytest.fixture
def served(made: Path, tmp_path: Path) -> Iterator[Served]:
    folder = tmp_path / "here"
    shutil.copytree(made, folder)
    (folder / KL / "study.csv").write_text("trial\n")  # by which a folder is known as a study
    with Pages(Shelf({name: folder / name for name in ("outputs", "multirun")})) as pages, Server(pages, 0) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield Served(folder, server)
        server.shutdown()


def test_it_begins_with_a_table_of_all_runs(served: Served) -> None:
    status, headers, page = served.ask("/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    for address in (f"{KL}/0", f"{KL}/1", f"{KL}/2", OLD):
        assert f'<a href="/{address}/">{address}</a>' in page
    assert '<span class="option">ppo.kl_coef=0.05</span>' in page
    assert 'data-value="0.6">60.0</td>' in page  # 6 of 10 are right in multirun/kl/1
    assert f'<a href="/{KL}/">' in page


def test_behind_a_run_and_a_study_are_their_pages_and_files(served: Served) -> None:
    assert served.ask(f"/{KL}/1")[:2][1]["Location"] == f"/{KL}/1/"
    status, _, page = served.ask(f"/{KL}/1/")
    assert status == 200
    assert "<h1>tiny-arithmetic-program-reft</h1>" in page
    assert served.ask(f"/{KL}/1/report.html")[2] == page
    status, _, study = served.ask(f"/{KL}/")
    assert (status, "<h1>kl</h1>" in study) == (200, True)
    assert 'href="1/"' in study  # as its run is linked from there
    status, headers, text = served.ask(f"/{KL}/1/metrics.jsonl")
    assert (status, headers["Content-Type"]) == (200, "text/plain; charset=utf-8")
    assert json.loads(text)["step"] == 1


def test_nothing_is_read_or_sent_again_until_something_changes(served: Served) -> None:
    for path in ("/", f"/{KL}/1/"):
        headers = served.ask(path)[1]
        before = served.shelf.look()
        status, again, empty = served.ask(path, If_None_Match=headers["ETag"])
        assert (status, empty, again["ETag"]) == (304, "", headers["ETag"])
        assert all(run is before[address] for address, run in served.shelf.look().items())
        with (served.folder / KL / "1" / "metrics.jsonl").open("a") as file:
            file.write('{"step": 1234, "seconds": 9.5, "eval/accuracy": 0.5}\n')
        status, again, other = served.ask(path, If_None_Match=headers["ETag"])
        assert status == 200
        assert again["ETag"] != headers["ETag"]
        assert "1,234" in other
        now = served.shelf.look()
        assert [address for address in now if now[address] is not before[address]] == [f"{KL}/1"]


def test_a_run_is_running_while_a_process_holds_it(served: Served) -> None:
    running = '<span class="state running">1 running</span>'
    lock = RunLock(served.folder / KL / "2")
    assert running in served.ask("/")[2]
    page = served.ask(f"/{KL}/2/")[2]
    assert '<span class="state running">running</span>' in page
    lock.release()  # as a kill does; no file changes
    assert running not in served.ask("/")[2]
    assert '<span class="state crashed">crashed</span>' in served.ask(f"/{KL}/2/")[2]


def test_the_page_of_what_runs_asks_how_far_it_is(served: Served) -> None:
    run, study, directory = f"/{KL}/2/", f"/{KL}/", served.folder / KL / "2"
    assert 'id="live"' not in served.ask(run)[2]
    lock = RunLock(directory)
    ProgressFile(directory).write(Doing("ReFT", "iterations", 24, 60, 0.4))
    expected = {run: "Under way: ReFT 24/60 iterations, 40 %.", study: "1 run under way."}
    for address, standing in expected.items():
        now = json.loads(served.ask(f"{address}now.json")[2])
        assert (now["running"], now["standing"]) == (True, standing)
        page = served.ask(address)[2]
        assert f'<script type="application/json" id="live">{{"page":"{now["page"]}"}}</script>' in page
        assert "connect-src &#39;self&#39;" in page
        with (directory / "metrics.jsonl").open("a") as file:
            file.write('{"step": 1234, "seconds": 9.5}\n')
        assert json.loads(served.ask(f"{address}now.json")[2])["page"] != now["page"]
    lock.release()
    for address in expected:
        assert json.loads(served.ask(f"{address}now.json")[2])["running"] is False
        assert 'id="live"' not in served.ask(address)[2]


def test_a_new_run_is_found(served: Served) -> None:
    served.ask("/")
    shutil.copytree(served.folder / KL / "1", served.folder / "outputs" / "a new one & <more>")
    page = served.ask("/")[2]
    assert '<a href="/outputs/a%20new%20one%20%26%20%3Cmore%3E/">outputs/a new one &amp; &lt;more&gt;</a>' in page
    assert served.ask("/outputs/a%20new%20one%20%26%20%3Cmore%3E/")[0] == 200


def test_no_path_leads_out(served: Served) -> None:
    run = served.folder / KL / "1"
    (served.folder / "secret.txt").write_text("secret")
    (run / "secret.txt").write_text("secret")
    (run / "checkpoints").mkdir()
    (run / "checkpoints" / "config.yaml").write_text("secret")
    (run / "log.txt").symlink_to(served.folder / "secret.txt")
    (served.folder / "outputs" / "away").symlink_to("/etc")
    for path in (
        "/../secret.txt",
        "/outputs/../../secret.txt",
        "/outputs/..%2f..%2fsecret.txt",
        "/%2e%2e/secret.txt",
        f"/{KL}/1/../../../secret.txt",
        f"/{KL}/1/secret.txt",
        f"/{KL}/1/log.txt",
        f"/{KL}/1/checkpoints/config.yaml",
        f"/{KL}/1/config.yaml%00",
        f"/{run}/config.yaml",
        "//etc/passwd",
        "/etc/passwd",
        "/outputs/away/passwd",
        "/nothing/",
    ):
        status, _, text = served.ask(path)
        assert (status, text) == (404, "There is no such run, study or file.\n"), path


def test_only_browsers_that_name_this_machine_are_answered(served: Served) -> None:
    for host in ("127.0.0.1:7338", "localhost:9999", "[::1]:7338", "LOCALHOST"):
        assert served.ask("/", Host=host)[0] == 200, host
    for host in ("evil.example", "evil.example:7338", "localhost.evil.example", "127.0.0.1.evil.example", ""):
        status, _, text = served.ask("/", Host=host)
        assert (status, "<" in text) == (403, False), host


def test_it_is_of_this_machine_and_only_reads(served: Served) -> None:
    assert served.server.server_address[0] == ADDRESS
    before = {file: file.stat().st_mtime_ns for file in served.folder.rglob("*")}
    for path in ("/", f"/{KL}/1/", f"/{KL}/", f"/{KL}/1/config.yaml"):
        assert served.ask(path)[0] == 200
        assert served.ask(path, "HEAD")[::2] == (200, "")
        for method in ("POST", "PUT", "DELETE"):
            assert served.ask(path, method)[0] == 501
    assert {file: file.stat().st_mtime_ns for file in served.folder.rglob("*")} == before


def test_bad_input_is_one_sentence(reft, tmp_path: Path) -> None:
    with closing(socket.create_server((ADDRESS, 0))) as taken:
        port = taken.getsockname()[1]
        ended = reft("serve", "--port", str(port))
        assert ended.code == 2
        assert ended.err.startswith(f"error: port {port} of 127.0.0.1 is taken")
    ended = reft("serve", "nowhere")
    assert (ended.code, ended.err.startswith("error: nowhere is not a folder")) == (2, True)


def test_the_command_says_where_it_is_and_ends_with_ctrl_c(made: Path, repo: Path) -> None:
    command = [sys.executable, "-m", "reft_lab.cli", "serve", "multirun", "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": str(repo)}
    with subprocess.Popen(command, cwd=made, env=environment, stdout=subprocess.PIPE, text=True) as process:
        said = process.stdout.readline()
        assert said.startswith("3 runs in multirun: http://127.0.0.1:")
        address = urlsplit(said.split()[-1])
        with closing(http.client.HTTPConnection(address.hostname, address.port, timeout=60)) as connection:
            connection.request("GET", "/")
            assert connection.getresponse().status == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
