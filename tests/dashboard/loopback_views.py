"""The stand-in for the W&B server, which also keeps workspaces and reports."""

from __future__ import annotations

import json
from typing import Any

from tests.analysis.loopback_runs import LoopbackRuns


class LoopbackViews(LoopbackRuns):
    """Keeps views as the server does: with the id of one that is there it is changed, without one is made.

    Attributes:
        projects: those that are there, all of one entity.
        views: workspaces and reports by id, as they were sent, `spec` read.
        page: views in an answer.
        refuses_views: no view may be made or changed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.projects = ["reft_lab"]
        self.views: dict[str, dict[str, Any]] = {}
        self.page = 2
        self.refuses_views = False
        self.RequestHandlerClass = _refusing(self.RequestHandlerClass)

    def answer(self, operation: str, variables: dict[str, Any]) -> dict[str, Any]:
        if operation in ("UpsertView2", "upsertView"):
            return {"upsertView": self._upsert(variables)}
        if operation == "Views":
            return {"project": self._views(variables) if variables["project"] in self.projects else None}
        if operation == "ProjectInternalId":
            return {"project": {"id": "p", "internalId": f"internal {variables['projectName']}"}}
        if operation == "GetProjects":
            nodes = [
                {"id": name, "name": name, "entityName": variables["entity"]}
                | {"createdAt": "2026-01-02T03:04:05", "isBenchmark": False, "user": None}
                for name in self.projects
            ]
            info = {"__typename": "PageInfo", "endCursor": None, "hasNextPage": False}
            return {"models": {"pageInfo": info, "edges": [{"node": node} for node in nodes]}}
        return super().answer(operation, variables)

    def _is_there(self, project: str, runs: list[dict[str, Any]]) -> bool:
        return project in self.projects

    def titles(self) -> list[str]:
        """What the views are called, in the order in which they were made."""
        return [view["displayName"] for view in self.views.values()]

    def _upsert(self, variables: dict[str, Any]) -> dict[str, Any]:
        identifier = variables.get("id")
        assert identifier is None or identifier in self.views, "an id that this server did not give"
        inserted = identifier is None
        identifier = identifier or f"view-{len(self.views)}"
        self.views[identifier] = variables | {"id": identifier, "spec": json.loads(variables["spec"])}
        project = {"id": "p", "name": variables["projectName"], "entityName": variables["entityName"]}
        view = {name: variables[name] for name in ("type", "name", "displayName", "description", "spec")}
        return {"view": view | {"id": identifier, "project": project, "updatedAt": None}, "inserted": inserted}

    def _views(self, variables: dict[str, Any]) -> dict[str, Any]:
        views = [view for view in self.views.values() if view["type"] == variables["kind"]]
        first = int(variables["cursor"] or 0)
        end = first + self.page
        edges = [{"node": {key: view[key] for key in ("id", "name", "displayName")}} for view in views[first:end]]
        return {"allViews": {"edges": edges, "pageInfo": {"endCursor": str(end), "hasNextPage": end < len(views)}}}


def _refusing(handler: Any) -> Any:
    class Handler(handler):
        def _reply(self, content: dict[str, Any], status: int = 200) -> None:
            if self.server.refuses_views and "upsertView" in (content.get("data") or {}):
                content, status = {"errors": [{"message": "permission denied"}]}, 403
            super()._reply(content, status)

    return Handler
