"""Every test problem: what the policy made of it in the end, beside what it made of it after the warm-up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reft_lab.analysis.found import Found
from reft_lab.cot.slots import signature, slot_question
from reft_lab.methods import method_of, result_labels

MOST = 5_000  # problems in a page, about 1 KB each
LONGEST = 6_000  # characters of one text
NONE = "There are no predictions yet: the test problems are read once, at the end of a run."


@dataclass(frozen=True)
class ProblemView:
    """The data of the table.

    Attributes:
        content: what problems.js reads; None where there is nothing to show.
        said: sentences on what is missing or left out.
        before, after: what answered: the policy after the warm-up (empty where there is none), and in the end.
        is_program: whether responses are programs, which return an answer.
    """

    content: dict[str, Any] | None
    said: list[str]
    before: str = ""
    after: str = ""
    is_program: bool = False


def problem_view(run: Found) -> ProblemView:
    """The table of what predictions.jsonl holds; lines without question and outcome are left out."""
    is_program = run.config.get("cot.name") != "natural"
    has_slots = is_program and bool(run.config.get("cot.number_slots"))
    problems: list[dict[str, Any]] = []
    left_out, both = 0, False
    for line in run.predictions():
        question, outcome = line.get("question"), line.get("outcome")
        if not isinstance(question, str) or not isinstance(outcome, str):
            continue
        if len(problems) == MOST:
            left_out += 1
            continue
        after, before = _answer(line), _answer(line, "warmup_")
        both = both or before is not None
        problems.append(
            {
                "id": str(line.get("id")),
                "question": _cut(question),
                "gold": _cut(line.get("gold")),
                "reasoning": _cut(line.get("reasoning")),
                "head": signature(slot_question(question).numbers) if has_slots else "",
                "after": after,
                # The same once more costs nothing.
                "before": "same" if before == after else before,
            }
        )
    if not problems:
        return ProblemView(None, [NONE])
    labels = result_labels(method_of({**run.result, **run.config}))
    said = [f"The first {MOST:,} are here, and {left_out:,} more in predictions.jsonl."] if left_out else []
    if both and not any("response" in (each["before"] or ()) or each["before"] == "same" for each in problems):
        said.append("What the policy wrote after the warm-up was not recorded by the version that made this run.")
    content = {"problems": problems, "is_program": is_program}
    return ProblemView(content, said, labels["warmup"] if both else "", labels["final"], is_program)


def _answer(line: Mapping[str, Any], prefix: str = "") -> dict[str, str] | None:
    """What one policy made of a problem, without what is empty; None where that is not known."""
    if not isinstance(line.get(prefix + "outcome"), str):
        return None
    found = {name: _cut(line.get(prefix + name)) for name in ("response", "answer", "outcome", "detail")}
    return {name: text for name, text in found.items() if text is not None and (text or name == "response")}


def _cut(text: Any) -> str | None:
    if text is None:
        return None
    text = str(text)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} … ({len(text) - LONGEST:,} more characters)"
