"""Gold reasoning as token ids, and the proof that the tokenizer gives it back as it was written.

What a policy writes is judged as the tokenizer reads it. Where not even gold reasoning survives writing and reading,
a policy that has learned everything still scores nothing, so training does not begin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from reft_lab.cot import CotFormat
from reft_lab.cot.settings import CotConfig
from reft_lab.data import Problem
from reft_lab.errors import BadInput
from reft_lab.methods.stages.supervised import Example
from reft_lab.policy.tokenizer import Codec

SHOWN = 30  # characters of context on either side of a difference


@dataclass(frozen=True)
class Gold:
    """The problems whose gold reasoning reads back well enough, what is trained on for each, and how many do not."""

    problems: list[Problem]
    examples: list[Example]
    left_out: int


def encode_gold(problems: Sequence[Problem], form: CotFormat, codec: Codec, cot: CotConfig) -> Gold:
    """Prompts and gold reasoning of the training problems as ids.

    `cot.round_trip` says what becomes of reasoning that is read back otherwise than it was written.

    Raises:
        BadInput: gold reasoning is not read back as it was written, and `round_trip` does not allow for it.
    """
    prompts = [form.prompt(problem, "sft") for problem in problems]
    completions = [form.completion(problem, "sft") for problem in problems]
    prompt_ids, completion_ids = codec.prompts(prompts), codec.completions(prompts, completions)
    read = codec.read(prompt_ids, completion_ids)
    changed = changed_by(completions, read, cot)
    if changed and (cot.round_trip != "drop" or len(changed) == len(problems)):
        first = changed[0]
        difference = _first_difference(completions[first], read[first])
        blanks = all(completions[i].split() == read[i].split() for i in changed)
        raise BadInput(
            f"{problems[first].source}: the tokenizer does not give gold reasoning back as it was written: "
            f"{difference} ({len(changed)} of {len(problems)} training problems), so what the policy writes could not "
            f"be judged; {_remedy(cot, len(changed) < len(problems), blanks)}."
        )
    kept = sorted(set(range(len(problems))).difference(changed))
    examples = [Example(prompt_ids[i], completion_ids[i]) for i in kept]
    return Gold([problems[i] for i in kept], examples, len(changed))


def changed_by(written: Sequence[str], read: Sequence[str], cot: CotConfig) -> list[int]:
    """Places of the texts that are read otherwise than they were written, as far as `cot.round_trip` minds."""
    changed = [i for i, (text, back) in enumerate(zip(written, read, strict=True)) if text != back]
    if cot.round_trip == "blanks":
        changed = [i for i in changed if written[i].split() != read[i].split()]
    return changed


def _first_difference(written: str, read: str) -> str:
    """Where two texts part: `'...x = 1' comes back as '...x =1'`."""
    place = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(written, read, strict=False)))
    start = max(0, place - SHOWN)
    return f"{_extract(written, start, place)} comes back as {_extract(read, start, place)}"


def _extract(text: str, start: int, place: int) -> str:
    end = place + SHOWN
    return repr(("..." if start else "") + text[start:end] + ("..." if end < len(text) else ""))


def _remedy(cot: CotConfig, some_survive: bool, blanks: bool) -> str:
    remedies = ["use the tokenizer the model came with"]
    if cot.name == "natural" and blanks:
        remedies.append("allow for blanks that change with cot.round_trip=blanks")
    if some_survive:
        remedies.append("leave such problems out with cot.round_trip=drop")
    if len(remedies) == 1:
        remedies.append("take another model")
    return ", or ".join(remedies)
