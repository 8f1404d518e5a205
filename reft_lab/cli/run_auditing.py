"""`reft audit`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

from reft_lab.cli.finding import find_run
from reft_lab.errors import BadInput, OutOfMemory

if TYPE_CHECKING:
    from reft_lab.analysis.findings import Finding

SHOWN = 700  # characters of a response on the terminal


def audit_run(name: str, *, shuffle: bool, problems: int, examples: int) -> Any:
    """Print the audit of a run; writes audit.json, and the report anew where there is one.

    Args:
        name: a run, as `find_run` takes it.
        shuffle: also ask the policy with the options in another order.
        problems: test problems that it is asked so.
        examples: how many of each finding are printed.

    Returns:
        What is in audit.json.

    Raises:
        BadInput: there is no such run, it left no responses, or its policy cannot be asked so.
    """
    from reft_lab.analysis.run_audit import audit, section
    from reft_lab.programs import ProgramRunner
    from reft_lab.programs.settings import ProgramsConfig
    from reft_lab.report import run_report
    from reft_lab.run_dir import disk
    from reft_lab.run_dir.files import AUDIT, REPORT

    run = find_run(name)
    if run.directory is None:
        raise BadInput(f"{name} is not a run directory, and only those have the responses that an audit reads.")
    directory = Path(run.directory)
    with ProgramRunner(section(ProgramsConfig, run.config, "programs")) as programs:
        found = audit(run, programs)
    if not found.predictions and not found.samples:
        raise BadInput(
            f"{directory} holds no responses yet (predictions.jsonl, samples.jsonl), so none can be audited."
        )
    if shuffle:
        found = found.with_finding(_shuffled(directory, problems))
    disk.replace(directory / AUDIT, found.as_text())
    damaged = f", {found.left_out:,} damaged lines left out" if found.left_out else ""
    print(f"{run.run}: {found.predictions:,} predictions, {found.samples:,} sampled responses{damaged}")
    for each in found.findings:
        _print(each, examples)
    print(f"\n{directory / AUDIT}")
    if (directory / REPORT).exists():
        print(run_report(directory))
    return json.loads(found.as_text())


def _shuffled(directory: Path, problems: int) -> Finding:
    from reft_lab.config.check import check
    from reft_lab.methods import METHODS
    from reft_lab.policy import saving
    from reft_lab.programs import ProgramRunner
    from reft_lab.run_dir.files import CHECKPOINTS
    from reft_lab.run_dir.saved import read
    from reft_lab.runner.checkpoint import BEST
    from reft_lab.runner.setup import prepare
    from reft_lab.runner.shuffle import shuffle_test
    from reft_lab.tracking.display import Display

    config = check(read(directory).experiment)
    method = METHODS[config.method]
    if method.answers:
        raise BadInput(
            f"--shuffle asks for greedy answers, and method={config.method} answers otherwise; leave it out."
        )
    best = directory / CHECKPOINTS / BEST
    if method.trains and not best.is_dir():
        raise BadInput(
            f"--shuffle asks the policy again, and {best} is not there; leave it out to audit the files alone."
        )
    try:
        with ProgramRunner(config.programs) as programs:
            setup = prepare(config, programs)
            prompts = setup.given.prompts
            if method.trains:
                saving.load_weights(setup.policy, best)
                prompts = "sft" if saving.facts(best).get("prompts") == "sft" else "rl"
            return shuffle_test(setup, prompts, Display(), problems)
    except OutOfMemory as error:
        raise BadInput(
            f"out of memory while {error.phase}; audit on the machine that trained the run, or one with more memory."
        ) from error


def _print(finding: Finding, examples: int) -> None:
    mark = "  (look at this)" if finding.stands_out else ""
    print(f"\n{finding.title}{mark}\n{finding.verdict}")
    for number, each in enumerate(finding.examples[:examples], start=1):
        print(f"\n  {number}. {_words(each)}")
        for key in ("question", "response"):
            text = str(each.get(key, ""))
            text = text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
            print("\n".join(f"     {line}" for line in dedent(text).strip().splitlines()))
    sys.stdout.flush()


def _words(example: Mapping[str, Any]) -> str:
    """What stands beside an example: all of it but its texts."""
    return ", ".join(
        f"{key.replace('_', ' ')} {value}" for key, value in example.items() if key not in ("question", "response")
    )
