"""Imports follow the way through the house and never turn back; heavy things are imported where they are used."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

FLOORS = (
    {"errors", "phases", "randomness", "hub", "sealed", "text", "numbers", "signals", "fields", "installed", "imports"},
    {"equations", "ranks"},
    {"answers", "programs", "data", "metrics"},
    {"cot"},
    {"policy"},
    {"evaluation"},
    {"rewards"},
    {"methods"},
    {"config"},
    {"compose", "run_dir", "memory"},
    {"tracking"},
    {"analysis"},
    {"charts"},
    {"report"},
    {"runner"},
    {"studies"},
    {"dashboard"},
    {"cli"},
    {"preflight"},
    {"command"},
    {"__main__"},
)
FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def imports(file: Path) -> set[str]:
    """Full names of the modules that a file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def files(repo: Path) -> list[Path]:
    return sorted((repo / "reft_lab").rglob("*.py"))


def room_of(name: str) -> str | None:
    parts = name.split(".")
    return parts[1] if parts[0] == "reft_lab" and len(parts) > 1 and parts[1] in FLOOR_OF else None


def test_every_room_has_a_floor(repo):
    rooms = {p.stem for p in (repo / "reft_lab").iterdir() if p.stem not in ("__init__", "__pycache__")}
    assert rooms == FLOOR_OF.keys()


def test_imports_never_turn_back(repo):
    back = []
    for file in files(repo):
        inside = file.relative_to(repo / "reft_lab")
        own = inside.parts[0].removesuffix(".py")
        for name in imports(file):
            room = room_of(name)
            if room and FLOOR_OF[room] > FLOOR_OF.get(own, -1) and own != "__init__":
                back.append(f"{inside} imports {name}")
    assert not back


@pytest.mark.parametrize(
    ("room", "strangers"),
    [
        ("methods", {"hydra", "omegaconf", "wandb", "pathlib", "rich", "transformers"}),
        ("equations", {"hydra", "omegaconf", "wandb", "pathlib", "rich", "transformers"}),
        ("policy", {"hydra", "omegaconf", "wandb", "rich"}),
        ("cot", {"torch", "hydra", "wandb"}),
        ("data", {"torch", "hydra", "wandb"}),
        ("answers", {"torch", "hydra", "wandb"}),
    ],
)
def test_rooms_do_not_know_what_they_need_not(repo, room, strangers):
    inside = [file for file in files(repo) if room in file.relative_to(repo / "reft_lab").parts[:-1]]
    known = {name.split(".")[0] for file in inside for name in imports(file)}
    assert not known & strangers


def test_heavy_packages_are_not_loaded_on_the_way_in(repo):
    script = "import sys, run; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=repo, capture_output=True, text=True, check=True)
    heavy = {
        "torch",
        "transformers",
        "datasets",
        "pandas",
        "wandb",
        "optuna",
        "scipy",
        "statsmodels",
        "pydantic_monty",
        "sklearn",
        "altair",
        "vl_convert",
        "typer",
        "wandb_workspaces",
    }
    assert not heavy & set(done.stdout.split())
