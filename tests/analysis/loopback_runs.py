"""The stand-in for the W&B server, which also tells of the runs it has."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.tracking.loopback_wandb import LoopbackWandb


class LoopbackRuns(LoopbackWandb):
    """Answers the questions of `wandb.Api` about the runs that were uploaded to it.

    Attributes:
        runs: what a run is, by id, as W&B's GraphQL has it.
        asked: the operations that clients asked for.
    """

    def __init__(self) -> None:
        super().__init__()
        self.runs: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []

    def answer(self, operation: str, variables: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(operation)
        if operation == "UpsertBucket":
            self._keep(variables)
        if operation == "GetDefaultEntity":
            return {"viewer": {"id": "u", "entity": "someone"}}
        if operation == "RunHistoryKeys":
            lines = self.history[variables["name"]]
            last = max((line["_step"] for line in lines), default=-1)
            return {"project": {"run": {"historyKeys": {"lastStep": last, "keys": {}, "sets": []}}}}
        if operation == "RunParquetHistory":  # everything is still live, nothing in parquet files
            steps = [{"_step": line["_step"]} for line in self.history[variables["runName"]]]
            return {"project": {"run": {"parquetHistory": {"parquetUrls": [], "liveData": steps}}}}
        if operation == "HistoryPage":
            first, end = variables["minStep"], variables["maxStep"]
            lines = [line for line in self.history[variables["run"]] if first <= line["_step"] < end]
            return {"project": {"run": {"history": [json.dumps(line) for line in lines]}}}
        if operation == "Runs":
            return {"project": self._page(variables)}
        return super().answer(operation, variables)

    def take(self, name: str, stream: dict[str, Any]) -> None:
        super().take(name, stream)
        summary = stream.get("files", {}).get("wandb-summary.json")
        if summary:
            self.runs[name]["summaryMetrics"] = summary["content"][-1]
        if stream.get("complete"):
            self.runs[name]["state"] = "failed" if stream["exitcode"] else "finished"

    def _keep(self, variables: dict[str, Any]) -> None:
        name = str(variables["name"])
        run = self.runs.setdefault(
            name,
            {
                "id": name,
                "name": name,
                "project": variables.get("project"),
                "state": "running",
                "config": "{}",
                "summaryMetrics": "{}",
                "systemMetrics": "{}",
                "createdAt": "2026-01-02T03:04:05",
                "group": None,
                "jobType": None,
                "displayName": name,
                "tags": [],
                "projectId": "1",
                "user": {"name": "someone", "username": "someone"},
            },
        )
        given = {"displayName": "displayName", "groupName": "group", "jobType": "jobType", "config": "config"}
        run |= {ours: variables[theirs] for theirs, ours in given.items() if variables.get(theirs)}
        run["tags"] = variables.get("tags") or run["tags"]

    def _page(self, variables: dict[str, Any]) -> dict[str, Any] | None:
        wanted = json.loads(variables.get("filters") or "{}")
        group = wanted.get("group")
        here = [run for run in self.runs.values() if run["project"] == variables["project"]]
        if not here:
            return None
        runs = [run for run in here if group in (None, run.get("group"))]
        first = int(variables.get("cursor") or 0)
        page = runs[first : first + variables["perPage"]]
        edges = [
            {"node": run | {"historyLineCount": len(self.history.get(run["name"], []))}, "cursor": str(first + place)}
            for place, run in enumerate(page, start=1)
        ]
        more = first + len(page) < len(runs)
        info = {"endCursor": str(first + len(page)), "hasNextPage": more}
        return {"internalId": "1", "runCount": len(runs), "readOnly": False, "runs": {"edges": edges, "pageInfo": info}}


@contextmanager
def loopback_runs() -> Iterator[LoopbackRuns]:
    """A server that listens while the block runs."""
    server = LoopbackRuns()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
