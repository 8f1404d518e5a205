"""The stand-in for the W&B server, which also tells of the runs that it has."""

from __future__ import annotations

import json
from typing import Any

from tests.tracking.loopback_wandb import LoopbackWandb


class LoopbackRuns(LoopbackWandb):
    """Answers the questions of `wandb.Api` about the runs that were uploaded to it.

    Attributes:
        states: states of runs that W&B would have found out by itself (crashed, killed), by id.
        loses_history: histories can no longer be read.
    """

    def __init__(self) -> None:
        super().__init__()
        self.states: dict[str, str] = {}
        self.loses_history = False

    def answer(self, operation: str, variables: dict[str, Any]) -> dict[str, Any]:
        """As W&B's schema has it."""
        if operation == "GetDefaultEntity":
            return {"viewer": {"id": "u", "entity": "someone"}}
        if operation == "Runs":
            return {"project": self._page(variables)}
        if operation in ("RunHistoryKeys", "RunParquetHistory", "HistoryPage"):
            name = variables.get("name") or variables.get("runName") or variables.get("run")
            run = None if self.loses_history else self._history(operation, self.history[name], variables)
            return {"project": {"run": run}}
        return super().answer(operation, variables)

    def _history(self, operation: str, lines: list[dict[str, Any]], asked: dict[str, Any]) -> dict[str, Any]:
        if operation == "RunHistoryKeys":
            last = max((line["_step"] for line in lines), default=-1)
            return {"historyKeys": {"lastStep": last, "keys": {}, "sets": []}}
        if operation == "RunParquetHistory":  # nothing has been put away in files of that kind yet
            return {"parquetHistory": {"parquetUrls": [], "liveData": [{"_step": line["_step"]} for line in lines]}}
        wanted = [line for line in lines if asked["minStep"] <= line["_step"] < asked["maxStep"]]
        return {"history": [json.dumps(line) for line in wanted]}

    def _page(self, asked: dict[str, Any]) -> dict[str, Any] | None:
        """One page of the runs of a project; None where there is no such project."""
        wanted = json.loads(asked.get("filters") or "{}")
        here = [self._node(name) for name, run in self.runs.items() if run["project"] == asked["project"]]
        runs = [run for run in here if all(_value(run, key) == value for key, value in wanted.items())]
        first = int(asked.get("cursor") or 0)
        end = min(first + asked["perPage"], len(runs))
        edges = [{"node": node, "cursor": str(end)} for node in runs[first:end]]
        page = {"edges": edges, "pageInfo": {"endCursor": str(end), "hasNextPage": end < len(runs)}}
        return (
            {"internalId": "1", "runCount": len(runs), "readOnly": False, "runs": page}
            if self._is_there(asked["project"], here)
            else None
        )

    def _is_there(self, project: str, runs: list[dict[str, Any]]) -> bool:
        """Whether there is such a project, whose runs are given."""
        return bool(runs)

    def _node(self, name: str) -> dict[str, Any]:
        told = self.runs[name]
        code = self.exit_codes.get(name)
        state = "running" if code is None else "failed" if code else "finished"
        return {
            "id": name,
            "name": name,
            "projectId": "1",
            "displayName": told.get("displayName"),
            "state": self.states.get(name, state),
            "group": told.get("groupName"),
            "jobType": told.get("jobType"),
            "tags": told.get("tags", []),
            "config": told.get("config", "{}"),
            "summaryMetrics": json.dumps(self.summaries.get(name, {})),
            "systemMetrics": "{}",
            "createdAt": "2026-01-02T03:04:05",
            "historyLineCount": len(self.history[name]),
            "user": {"name": "someone", "username": "someone"},
        }


def _value(run: dict[str, Any], key: str) -> Any:
    """What a filter looks at: `group`, or `config.method`."""
    section, _, option = key.partition(".")
    return json.loads(run["config"]).get(option, {}).get("value") if section == "config" else run[key]
