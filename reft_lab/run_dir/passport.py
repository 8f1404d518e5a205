"""Where a run came from: enough to repeat it, or to know why it cannot be repeated."""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from reft_lab import __version__, installed
from reft_lab.data.problem import Problem

PACKAGES = (
    "torch",
    "transformers",
    "tokenizers",
    "peft",
    "datasets",
    "hydra-core",
    "omegaconf",
    "pydantic",
    "pydantic-monty",
    "wandb",
    "numpy",
)


def passport(seed: int, device: str, precision: str, data_hash: str, tokenizer_hash: str) -> dict[str, Any]:
    """The passport of a run, to be made once torch has as many threads as the run will use.

    `precision` is what it computes in; the hashes are `hash_problems` of its splits and `hash_text` of its tokenizer.
    """
    import torch

    gpus = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
    return {
        "started": _now(),
        "command": command_line(),
        "folder": str(Path.cwd()),
        "git": _git(),
        "seed": seed,
        "hashes": {"data": data_hash, "tokenizer": tokenizer_hash},
        "versions": _versions(),
        "hardware": {
            "host": platform.node(),
            "system": platform.platform(),
            "processor": _processor(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "device": device,
            "precision": precision,
            "gpus": [torch.cuda.get_device_name(i) for i in gpus],
        },
    }


def resumption(passport: Mapping[str, Any], step: int, changed: Mapping[str, str]) -> dict[str, Any]:
    """An entry for the `resumed` of a passport, made by the session that goes on from `step`.

    `changed` are the options that are not as they were, by name: "100 -> 200".
    """
    before = passport.get("versions", {})
    return {
        "time": _now(),
        "command": command_line(),
        "git": _git(),
        "host": platform.node(),
        "step": step,
        "versions": {name: found for name, found in _versions().items() if before.get(name) != found},
        "changed": dict(changed),
    }


def apart(passport: Mapping[str, Any]) -> list[str]:
    """What is not as it was when a passport was written, as `torch: 2.9.0 -> 2.10.0`: code, packages, processor."""
    git, now = passport.get("git") or {}, _git() or {}
    pairs = [("commit", git.get("commit"), now.get("commit"))]
    pairs += [("hash of uncommitted changes", git.get("diff_hash"), now.get("diff_hash"))]
    versions, found = passport.get("versions", {}), _versions()
    pairs += [(name, versions.get(name), found.get(name)) for name in {**versions, **found}]
    hardware = {"system": platform.platform(), "processor": _processor()}
    pairs += [(name, passport.get("hardware", {}).get(name), value) for name, value in hardware.items()]
    return [f"{name}: {before or 'none'} -> {after or 'none'}" for name, before, after in pairs if before != after]


def command_line() -> str:
    """The command line of this process, quoted so that it can be pasted into a shell."""
    return shlex.join([sys.executable, *installed.typed()])


def hash_text(text: str) -> str:
    """First 16 hexadecimal digits of the SHA-256 of `text`."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def hash_problems(*splits: Iterable[Problem]) -> str:
    """One hash over question, answer and gold reasoning of every problem, in order, split by split."""
    return hash_text("\x1e".join("\x1f".join(f"{p.question}\t{p.answer}\t{p.cot}" for p in split) for split in splits))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _versions() -> dict[str, str]:
    """reft_lab, Python and the packages that matter."""
    ours = {"reft_lab": __version__, "python": platform.python_version()}
    return ours | {name: found for name in PACKAGES if (found := _version(name))}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git() -> dict[str, Any] | None:
    """Commit of the code that runs, and a hash of what was changed since; None outside a git checkout."""
    if installed.IS_WHEEL:  # a repository around it is of something else
        return None

    def ask(*words: str) -> str:
        command, code = ["git", *words], installed.HOME
        return subprocess.run(command, cwd=code, capture_output=True, text=True, check=True, timeout=10).stdout

    try:
        diff = ask("diff", "HEAD")
        return {"commit": ask("rev-parse", "HEAD").strip(), "diff_hash": hash_text(diff) if diff else None}
    except (OSError, subprocess.SubprocessError):
        return None


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
