"""What preflights have found, kept for the runs that they were made for: `outputs/preflight/HASH.json`."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from reft_lab.config.schema import Config
from reft_lab.run_dir import disk
from reft_lab.run_dir.passport import hash_text
from reft_lab.run_dir.reading import read_object

FOLDER = Path("outputs/preflight")
# Options on which no estimate depends.
WITHOUT = ("name", "label", "debug", "seed", "preflight", "resume", "alarms", "tracker", "checkpoint", "study")


def place(config: Config) -> Path:
    """Where the preflight of an experiment on this machine is kept."""
    facts = {name: value for name, value in asdict(config).items() if name not in WITHOUT}
    return FOLDER / f"{hash_text(json.dumps([platform.node(), facts], sort_keys=True))}.json"


def keep(config: Config, found: Mapping[str, Any]) -> Path | None:
    """Keep what was found, in the place of what was there; None where that cannot be written, which is no harm."""
    file = place(config)
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        disk.replace(file, json.dumps(found, indent=2) + "\n")
        return file
    return None


def kept(config: Config) -> dict[str, Any] | None:
    """What the newest preflight of an experiment found on this machine; None where there was none."""
    return read_object(place(config))
