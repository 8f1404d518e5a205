"""What is left to do when a run is over, however it ended: its summary for W&B, and its report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reft_lab.run_dir.files import AUDIT
from reft_lab.text import one_line

if TYPE_CHECKING:
    from reft_lab.config.schema import Config
    from reft_lab.programs import ProgramRunner

# Bytes of records of which a page is made in a few seconds; nobody who stopped a run waits for a larger one.
QUICK = 20_000_000


def nothing_yet(config: Config, label: str) -> dict[str, Any]:
    """What result.json says of a run that has found nothing, but for how it ended; `label` is the method's."""
    named = {"name": config.name, "method": config.method, "label": label, "seed": config.seed}
    return named | {"selection": config.selection, "warmup": None, "final": None, "baseline_sft": None, "seconds": {}}


def summary(result: Mapping[str, Any]) -> dict[str, Any]:
    """What W&B shows of a run beside its curves, from what result.json says."""
    told: dict[str, Any] = {"status": result["status"], "reason": result["reason"], "chosen": result.get("chosen")}
    for key in ("warmup", "final", "baseline_sft"):
        for split in ("dev", "test"):
            scores = result.get(key) or {}
            if scores.get(split):
                told[f"result/{key}/{split}_accuracy"] = scores[split]["accuracy"]
                told[f"result/{key}/{split}_n"] = scores[split]["n"]
    if rules := result.get("selection_rules"):
        told |= {f"result/selection_rules/{split}_accuracy": rules[split]["accuracy"] for split in ("dev", "test")}
        told["result/selection_rules/candidates"] = rules["candidates"]
    counts = result.get("outcomes") or {}
    told |= {f"result/outcome/{kind}": count / sum(counts.values()) for kind, count in counts.items()}
    told |= {f"result/cost/{name}": value for name, value in (result.get("cost") or {}).items()}
    for way, curve in (result.get("decoding") or {}).items():
        for k, score in curve.items():
            low, high = score["ci95"]
            parts = {"accuracy": score["accuracy"], "n": score["n"], "low": low, "high": high}
            told |= {f"result/decoding/{way}/{k}_{part}": value for part, value in parts.items()}
    told["result/seconds"] = result["seconds"]["total"]
    return told


def write_audit(directory: Path, programs: ProgramRunner, say: Callable[[str], None], *, is_finished: bool) -> None:
    """Write audit.json and say what stands out in it. What goes wrong with it never fails the run.

    A run that did not finish gets none where it recorded nothing, or so much that it would take long.
    """
    if not is_finished and not 0 < _recorded(directory) <= QUICK:
        return
    try:
        from reft_lab.analysis import load
        from reft_lab.analysis.run_audit import audit
        from reft_lab.run_dir import disk

        (run,) = load(directory).found
        found = audit(run, programs)
        if not found.predictions and not found.samples:
            return
        disk.replace(directory / AUDIT, found.as_text())
    except Exception as error:  # no trouble with it may end a run
        say(f"the run was not audited ({one_line(error)}); try `reft audit {directory}`.")
        return
    if not is_finished:  # the last that is said of it is how to go on
        return
    for each in found.findings:
        if each.stands_out:
            say(f"audit: {each.verdict}")
    looked_at = f"{found.predictions + found.samples:,} responses ({', '.join(each.name for each in found.findings)})"
    if not any(each.stands_out for each in found.findings):
        say(f"audit: nothing stands out in {looked_at}")


def write_report(directory: Path, say: Callable[[str], None], *, is_finished: bool) -> None:
    """Write report.html and say where it is. What goes wrong with it never fails the run.

    A run that did not finish gets none where it recorded nothing, or so much that it would take long.
    """
    if not is_finished and not 0 < _recorded(directory) <= QUICK:
        return
    try:
        from reft_lab.report import run_report

        page = run_report(directory)
    except Exception as error:  # no trouble with it may end a run
        say(f"no report was written ({one_line(error)}); try `reft report {directory}`.")
        return
    say(f"report: {page}")


def _recorded(directory: Path) -> int:
    return sum(file.stat().st_size for file in directory.glob("*.jsonl"))
