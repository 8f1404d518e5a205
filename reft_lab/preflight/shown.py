"""What a preflight found, as people read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reft_lab.analysis.data_audit import QUANTILES, Lengths, TooLong
from reft_lab.cli.rows import Column, print_table
from reft_lab.memory.advice import Change
from reft_lab.memory.phases import Phase
from reft_lab.memory.process import Room
from reft_lab.metrics import part
from reft_lab.numbers import duration, memory, per_cent, plain
from reft_lab.preflight.sampled import Response, Sampled
from reft_lab.preflight.seconds import RunTime

SHOWN = 1500  # characters of a text


def show_lengths(lengths: Sequence[Lengths], too_long: Sequence[TooLong]) -> None:
    """How long texts are, and what does not fit."""
    heads = ["median" if q == 0.5 else "longest" if q == 1 else f"{per_cent(q, 0)} %" for q in QUANTILES]
    _table(
        ("", "texts", *heads),
        [(each.what, f"{len(each.each):,}", *map(plain, each.quantiles)) for each in lengths],
        "Lengths in tokens",
    )
    longer = [each for each in too_long if each.count]
    for each in longer:
        print(f"{each.count:,} of {each.of:,} {each.what} are longer than {each.limit}: {each.done}.")
    if not longer:
        print("nothing is cut or left out for its length.")
    print()


def show_sample(found: Sampled) -> None:
    """One response of the policy as it is, and the gold one."""
    print(f"The policy as it is, asked\n{_indented(found.prompt)}")
    print(f"writes, in {found.policy.tokens} tokens,\n{_indented(found.policy.text)}\n{_judged(found.policy)}")
    print(f"The gold response, in {found.gold.tokens} tokens,\n{_indented(found.gold.text)}\n{_judged(found.gold)}")
    print()


def _judged(response: Response) -> str:
    outcome = response.outcome
    answer = "" if outcome.answer is None else f" (answer {outcome.answer})"
    cut = f", cut at {response.cut}" if response.cut else ""
    return f"judged {outcome.kind.replace('_', ' ')}{answer}, reward {response.reward:g}{cut}"


def _indented(text: str) -> str:
    short = text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
    return "\n".join(f"  | {line}" for line in short.splitlines() or [""])


def show_memory(likely: Sequence[Phase], most: Sequence[Phase], beside: Mapping[str, int], room: Room) -> None:
    """What each phase takes, and of what; `beside` is there all the time."""
    parts = list(dict.fromkeys(name for phase in likely for name, size in phase.parts.items() if size))
    always = sum(beside.values())
    rows = [
        (
            f"{phase.stage}: {phase.name}",
            *map(memory, beside.values()),
            *(memory(phase.parts[name]) if phase.parts.get(name) else "" for name in parts),
            memory(always + phase.size),
            memory(always + longest.size),
        )
        for phase, longest in zip(likely, most, strict=True)
    ]
    _table(("", *beside, *parts, "in all", "at most"), rows, f"Memory, of {memory(room.size)} in {room.where}")
    print("in all: with responses as long as gold ones; at most: with all of them as long as they may be.\n")


def show_time(found: RunTime) -> None:
    """What each stage takes."""
    rows = _times(found)
    if found.beside is not None:
        rows += [(f"beside it: {row[0]}", *row[1:]) for row in _times(found.beside)]
    heads = ("", "how many", "each", "of that", "an epoch", "evaluations", "in all")
    _table(heads, rows, f"Time: {duration(found.seconds)} in all, without saving")


def _times(found: RunTime) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for stage in found.stages:
        count = stage.count
        parts = ", ".join(f"{part(name)} {_short(seconds)}" for name, seconds in stage.parts.items())
        rows.append(
            (
                count.kind.label,
                f"{count.steps:,} {count.kind.unit}",
                _short(stage.step),
                parts if len(stage.parts) > 1 else "",
                _short(stage.step * count.epoch),
                f"{count.evaluations:,} x {_short(stage.evaluation)}",
                duration(stage.seconds),
            )
        )
    return rows + [(name, "", "", "", "", "", duration(seconds)) for name, seconds in found.others.items()]


def _short(seconds: float) -> str:
    return f"{seconds:.2g} s" if seconds < 1 else duration(seconds)


def show_changes(found: Sequence[Change], room: Room, always: int) -> None:
    """What to change; `always` is held beside what each leaves."""
    rows = [(each.words, each.costs, memory(always + each.size)) for each in found]
    _table(("each with those above it", "what it costs", "memory"), rows, f"To fit into {memory(room.size)}")


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], title: str) -> None:
    folds = ("of that", "what it costs")
    columns = [
        Column(head, [row[place] for row in rows], right=place > 0 and head not in folds, folds=head in folds)
        for place, head in enumerate(heads)
    ]
    print_table(columns, title)
    print()
