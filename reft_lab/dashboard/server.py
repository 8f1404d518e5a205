"""The W&B server: whether one can talk to it, and what a project has already.

The only place that reaches into private parts of wandb_workspaces, whose public interface makes a new workspace with
every save, unless it is given the address of the one that is there: which workspaces a project has is asked by the
library's own GraphQL helper, and the library's objects are told which view they are. pyproject.toml pins its version.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from reft_lab.errors import BadInput
from reft_lab.methods import METHODS
from reft_lab.text import one_line
from reft_lab.tracking.wandb_settings import is_logged_in, server_url, why_unreachable

WORKSPACES, REPORTS = "project-view", "runs"  # kinds of views, as W&B calls them
TIMEOUT = 20  # seconds that the server may take for an answer
VIEWS = """
    query Views($entity: String!, $project: String!, $kind: String!, $cursor: String) {
        project(name: $project, entityName: $entity) {
            allViews(viewType: $kind, first: 100, after: $cursor) {
                edges { node { id name displayName } }
                pageInfo { endCursor hasNextPage }
            }
        }
    }
"""


def parse_project(text: str) -> tuple[str, str]:
    """`ENTITY/PROJECT` -> both.

    Raises:
        BadInput: it does not have that form.
    """
    found = re.fullmatch(r"([^/\s]+)/([^/\s]+)", text)
    if found is None:
        raise BadInput(f"{text!r} names no project of W&B; write ENTITY/PROJECT, as in the address of its page.")
    return found[1], found[2]


@contextmanager
def asking(what: str) -> Iterator[None]:
    """Inside, W&B's client never asks for a password, and what goes wrong is one sentence that begins with `what`.

    Raises:
        BadInput: there is no login, no server, or the server refuses.
    """
    if not is_logged_in():  # the client would stop and ask
        raise BadInput(
            f"{what}: there is no login at W&B, or WANDB_MODE says offline; `wandb login` does it, and --preview "
            "needs none."
        )
    url = server_url()
    if problem := why_unreachable(url, TIMEOUT):
        raise BadInput(f"{what}: the W&B server {url} cannot be reached ({problem}); --preview needs none.")
    try:
        yield
    except BadInput:
        raise
    except Exception as error:  # of many kinds, none of which is ours
        reason = one_line(error).rstrip(".")
        raise BadInput(f"{what}: the W&B server {url} refuses: {reason}.") from error


def find_view(entity: str, project: str, kind: str, title: str) -> dict[str, str] | None:
    """W&B's `id` and `name` of the first workspace or report of a project that has `title`; None where there is none.

    Raises:
        BadInput: there is no such project.
    """
    import wandb
    from wandb_workspaces._graphql import execute_graphql

    api = wandb.Api(timeout=TIMEOUT)
    cursor, more = None, True
    while more:
        asked: dict[str, Any] = {"entity": entity, "project": project, "kind": kind, "cursor": cursor}
        answer = execute_graphql(api, VIEWS, asked)
        if answer.get("project") is None:
            raise BadInput(
                f"W&B has no project {entity}/{project}, or it is not open to you; a first run that is online makes it."
            )
        page = answer["project"]["allViews"]
        for edge in page["edges"]:
            view: dict[str, str] = edge["node"]
            if view["displayName"] == title:
                return view
        cursor, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
    return None


def methods_in(entity: str, project: str) -> list[str]:
    """The names of the methods that a project has runs of."""
    import wandb

    api, path = wandb.Api(timeout=TIMEOUT), f"{entity}/{project}"
    return [name for name in METHODS if len(api.runs(path, filters={"config.method": name}, per_page=1))]


def replaces(workspace: Any, view: dict[str, str]) -> None:
    """Have `workspace.save()` change a workspace that is there, where it would make another one."""
    workspace._internal_id, workspace._internal_name = view["id"], view["name"]


def specification(made: Any) -> dict[str, Any]:
    """What a workspace or report would send to the server."""
    dumped: dict[str, Any] = made._to_model().model_dump(by_alias=True, exclude_none=True, mode="json")
    return dumped
