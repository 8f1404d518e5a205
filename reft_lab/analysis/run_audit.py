"""The audit of a run: what its reward paid for and its answers rest on, from the files that it left."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from reft_lab.analysis import findings, second_reader
from reft_lab.analysis.findings import Finding
from reft_lab.analysis.found import Found
from reft_lab.analysis.responses import Response, responses, thinned
from reft_lab.answers.settings import AnswersConfig
from reft_lab.cot.program import ProgramFormat
from reft_lab.cot.settings import CotConfig
from reft_lab.run_dir.files import AUDIT
from reft_lab.run_dir.reading import read_object

if TYPE_CHECKING:
    from reft_lab.programs import ProgramRunner

Section = TypeVar("Section")


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Attributes:
        predictions, samples: how many responses were read.
        left_out: lines that lack what an audit needs.
        findings: in the order in which they are shown; what does not concern the run is not among them.
    """

    predictions: int
    samples: int
    left_out: int
    findings: list[Finding]

    def with_finding(self, finding: Finding) -> Audit:
        """The audit with one more finding, in place of an earlier one of that name."""
        others = [each for each in self.findings if each.name != finding.name]
        return Audit(self.predictions, self.samples, self.left_out, [*others, finding])

    def as_text(self) -> str:
        """The text of audit.json."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"


def audit(run: Found, programs: ProgramRunner) -> Audit:
    """Audit a run in any state; damaged lines are left out.

    Args:
        run: its config decides how its responses are read; an option that is not known has its default.
        programs: runs the few programs that the second reader cuts otherwise.
    """
    cot, answers = section(CotConfig, run.config, "cot"), section(AnswersConfig, run.config, "answers")
    predictions, damaged = responses(run.predictions())
    samples, more = responses(run.samples())
    samples = thinned(samples)
    both = [*predictions, *samples]
    is_program = cot.name == "program"
    found: list[Finding | None] = [
        findings.outcomes(run.history()),
        findings.partial_reward(samples),
    ]
    if is_program:
        form = ProgramFormat(cot, answers, programs)

        def program(each: Response) -> str:
            return form.program(each.problem, each.text)

        found.append(findings.shortcuts(predictions, samples, program))
        read = second_reader.read_programs(both, cot, answers, programs)
    else:
        found.append(findings.bare_letters(predictions, samples))
        read = second_reader.read_words(both, answers)
    found += [
        findings.letter_prior(predictions),
        findings.second_reader(read, second_reader.RELEASED if is_program else second_reader.IN_WORDS),
        findings.tolerance_hits(predictions, samples),
    ]
    return Audit(len(predictions), len(samples), damaged + more, [each for each in found if each is not None])


def read_audit(directory: Path | None) -> dict[str, Any] | None:
    """The audit.json of a run directory; None where there is none that can be read."""
    stored = read_object(directory / AUDIT) if directory else None
    shapes = {"findings": list, "predictions": int, "samples": int}
    if stored is None or not all(isinstance(stored.get(key), kind) for key, kind in shapes.items()):
        return None
    keys = {field.name for field in fields(Finding)}
    stored["findings"] = [each for each in stored["findings"] if isinstance(each, dict) and keys <= each.keys()]
    return stored


def section(kind: type[Section], config: Mapping[str, Any], name: str) -> Section:
    """A section of a flat config as its dataclass; what the config does not say is as by default."""
    known: dict[str, Any] = {}
    for field in fields(kind):  # type: ignore[arg-type]
        value = config.get(f"{name}.{field.name}")
        if value is not None:  # a list was made text
            is_list = field.default_factory is list
            known[field.name] = [word for word in str(value).split(", ") if word] if is_list else value
    return kind(**known)
