"""A stand-in for the W&B server on the loopback interface: it keeps runs, files and artifacts, and resumes runs."""

from __future__ import annotations

import gzip
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar
from urllib.parse import unquote


class LoopbackWandb(ThreadingHTTPServer):
    """Keeps what a W&B client uploads.

    Attributes:
        history: the lines of each run, by id.
        exit_codes: how runs ended, by id.
        runs: what the newest word on each run was (groupName, jobType, tags, config and the like), by id.
        summaries: the newest summary of each run, by id.
        events: the lines of system metrics of each run, by id.
        files: what was uploaded, by its path: RUN/NAME, or artifacts/ID/NAME.
        artifacts: the artifacts, by id: what they were made with, and `committed`.
        refuses_runs: no run may be made or resumed.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.history: dict[str, list[dict[str, Any]]] = {}
        self.exit_codes: dict[str, int] = {}
        self.runs: dict[str, dict[str, Any]] = {}
        self.summaries: dict[str, dict[str, Any]] = {}
        self.events: dict[str, list[str]] = {}
        self.files: dict[str, bytes] = {}
        self.artifacts: dict[str, dict[str, Any]] = {}
        self.refuses_runs = False

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients are killed in these tests."""

    def answer(self, operation: str, variables: dict[str, Any]) -> dict[str, Any]:
        """The data of a GraphQL answer."""
        entity = {"id": "e", "name": "someone"}
        name, project = variables.get("name"), {"id": "p", "name": variables.get("project"), "entity": entity}
        if operation == "Viewer":
            return {"viewer": {"id": "u", "entity": "someone", "flags": "{}", "teams": {"edges": []}}}
        if operation == "RunResumeStatus":
            return {"model": project | {"bucket": self._resumable(name) if name in self.history else None}}
        if operation == "UpsertBucket":
            self.history.setdefault(str(name), [])
            told = {key: value for key, value in variables.items() if value is not None}
            self.runs[str(name)] = self.runs.get(str(name), {}) | told
            shown = self.runs[str(name)].get("displayName", name)
            bucket = {"id": "b", "name": name, "displayName": shown, "config": "{}", "sweepName": None}
            return {"upsertBucket": {"bucket": bucket | {"project": project}, "inserted": True}}
        if operation == "CreateRunFiles":
            run = variables["run"]
            files = [{"name": file, "uploadUrl": f"{self.url}/upload/{run}/{file}"} for file in variables["files"]]
            return {"createRunFiles": {"runID": "b", "uploadHeaders": [], "files": files}}
        return self._answer_on_artifacts(operation, variables.get("input") or variables)

    def _answer_on_artifacts(self, operation: str, asked: dict[str, Any]) -> dict[str, Any]:
        if operation == "CreateArtifact":
            identifier = f"artifact-{len(self.artifacts)}"
            self.artifacts[identifier] = asked | {"committed": False}
            sequence = {"id": "s", "latestArtifact": None}
            made = {"id": identifier, "state": "PENDING", "artifactSequence": sequence}
            return {"createArtifact": {"artifact": made}}
        if operation == "CreateArtifactManifest":
            return {"createArtifactManifest": {"artifactManifest": {"id": "m", "file": self._place(asked, "manifest")}}}
        if operation == "CreateArtifactFiles":
            places = [{"node": self._place(file, file["name"])} for file in asked["artifactFiles"]]
            return {"createArtifactFiles": {"files": {"edges": places}}}
        if operation == "CommitArtifact":
            self.artifacts[asked["artifactID"]]["committed"] = True
            return {"commitArtifact": {"artifact": {"id": asked["artifactID"], "digest": "d"}}}
        if operation == "ArtifactType":  # whether the name is taken by an artifact of another type
            return {"project": None}
        if operation == "ArtifactByID":
            return {"artifact": self._described(asked["id"])}
        return {}

    def _described(self, identifier: str) -> dict[str, Any]:
        """An artifact that was uploaded, as the client asks for it afterwards."""
        made = self.artifacts[identifier]
        absent = ("description", "metadata", "historyStep", "commitHash", "updatedAt")
        facts = {"id": identifier, "versionIndex": 0, "artifactType": {"name": made["artifactTypeName"]}}
        facts |= {"artifactSequence": {"__typename": "ArtifactSequence", "name": "c", "project": None}, "tags": []}
        facts |= {"state": "COMMITTED", "size": 0, "digest": "d", "fileCount": 2, "createdAt": "2026-01-02T03:04:05"}
        facts |= {"ttlDurationSeconds": -2, "ttlIsInherited": True, "aliases": []}
        return facts | dict.fromkeys(absent)

    def _place(self, asked: dict[str, Any], name: str) -> dict[str, Any]:
        """Where a file of an artifact is to be uploaded to."""
        path = f"artifacts/{asked['artifactID']}/{name}"
        url = {"uploadUrl": f"{self.url}/upload/{path}", "uploadHeaders": [], "uploadMultipartUrls": None}
        return url | {"id": path, "name": name, "displayName": name, "storagePath": path, "artifact": {"id": "a"}}

    def _resumable(self, name: Any) -> dict[str, Any]:
        lines = self.history[name]
        counts = {"historyLineCount": len(lines), "eventsLineCount": 0, "logLineCount": 0}
        tails = {"historyTail": json.dumps([json.dumps(line) for line in lines[-1:]]), "eventsTail": "[]"}
        names = {"id": "b", "name": name, "displayName": name, "tags": []}
        return counts | tails | names | {"summaryMetrics": "{}", "config": "{}", "wandbConfig": '{"t": 1}'}

    def take(self, name: str, stream: dict[str, Any]) -> None:
        """A piece of a run's stream."""
        chunk = stream.get("files", {}).get("wandb-history.jsonl", {"offset": 0, "content": []})
        lines = self.history[name]
        for place, line in enumerate(chunk["content"], start=chunk["offset"]):
            assert place <= len(lines), "a gap between what is there and what comes"
            lines[place : place + 1] = [json.loads(line)]
        files = stream.get("files", {})
        for summary in files.get("wandb-summary.json", {}).get("content", []):
            self.summaries[name] = json.loads(summary)
        self.events.setdefault(name, []).extend(files.get("wandb-events.jsonl", {}).get("content", []))
        if stream.get("complete"):
            self.exit_codes[name] = stream["exitcode"]


Server = TypeVar("Server", bound=LoopbackWandb)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: LoopbackWandb

    def do_GET(self) -> None:
        self._reply({})

    def do_PUT(self) -> None:
        self.server.files[unquote(self.path).removeprefix("/upload/")] = self._body()
        self._reply({})

    def do_POST(self) -> None:
        body = self._body()
        if self.path == "/graphql":
            asked = json.loads(body)
            found = re.search(r"(?:query|mutation)\s+(\w+)", asked["query"])
            operation = found[1] if found else ""
            if operation == "UpsertBucket" and self.server.refuses_runs:
                self._reply({"errors": [{"message": "no such project"}]}, status=400)
            else:
                self._reply({"data": self.server.answer(operation, asked.get("variables") or {})})
            return
        if self.path.endswith("/file_stream"):
            self.server.take(self.path.split("/")[-2], json.loads(body))
        self._reply({})

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def _body(self) -> bytes:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def _reply(self, content: dict[str, Any], status: int = 200) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    """Inside, the server listens."""
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
