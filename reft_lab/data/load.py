"""From a data config to the problems of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from reft_lab.data.formats import as_numeric
from reft_lab.data.likeness import LIKENESS, duplicates, families
from reft_lab.data.problem import Problem, Record, Unusable
from reft_lab.data.reasoning import gold_reasoning, no_reasoning
from reft_lab.data.report import DataReport, Splits
from reft_lab.data.settings import DataConfig
from reft_lab.data.sources import RawSplits, read_sources
from reft_lab.data.splits import carve, subset, without
from reft_lab.errors import BadInput

if TYPE_CHECKING:
    from reft_lab.programs import ProgramRunner

_GENERATED_TRAIN, _GENERATED_TEST = 700, 500
_LARGEST_SHARE = 5
"""At most one in this many training problems is carved off for dev, and for test."""
_LARGEST_CUT = 20
"""A family that is cut for dev or test holds at most one in this many problems; the rest of it is in no split."""


def load(config: DataConfig, cot: str, runner: ProgramRunner) -> Splits:
    """The train, dev and test problems of `config`; train with gold reasoning of the kind `cot` (natural, program).

    Dev is carved from train by `config.split_seed` before problems without usable reasoning are left out of train, so
    that dev and test are drawn alike. Dev and test problems that are read from a source have no reasoning.

    Raises:
        BadInput: a source is missing, cannot be read or is mostly broken, or nothing is left to train on.
    """
    config.check()
    if config.name == "arithmetic":
        return _arithmetic(config, cot)
    found = read_sources(config, cot)
    notes = list(found.notes)
    dropped: Counter[str] = Counter()
    splits = _numeric(found, config.name, notes) if config.name == "mathqa_numeric" else dict(found.by_split)
    train, dev, test = _split(splits, config, notes)
    trainable = _with_reasoning(train, cot, runner, dropped)
    if not trainable:
        raise BadInput(no_reasoning(config.name, cot, train, dropped, found.keys, runner))
    kept = len(trainable)
    trainable, dev_problems, test_problems = _with_unique_ids(
        trainable, *([*map(_problem, each)] for each in (dev, test))
    )
    problems = (
        subset(trainable, config.train_size, config.split_seed, "train"),
        dev_problems,
        subset(test_problems, config.test_size, config.split_seed, "test"),
    )
    return _report(config, problems, DataReport(config.name, {}, kept, dict(dropped), found.broken, {}, notes))


def _arithmetic(config: DataConfig, cot: str) -> Splits:
    from reft_lab.data.arithmetic import generate

    train, dev, test = generate(
        config.train_size or _GENERATED_TRAIN,
        config.dev_size,
        config.test_size or _GENERATED_TEST,
        config.split_seed,
        config.annotation,
        cot,
    )
    return _report(config, (train, dev, test), DataReport(config.name, {}, len(train)))


def _numeric(found: RawSplits, name: str, notes: list[str]) -> dict[str, list[Record]]:
    """The records of each split whose right option is a number."""
    splits: dict[str, list[Record]] = {}
    for split, records in found.by_split.items():
        kept: list[Record] = []
        for record in records:
            try:
                kept.append(as_numeric(record))
            except Unusable:
                continue
        if records and not kept and split != "test":
            raise BadInput(
                f"none of the {len(records)} {split} problems has a number as its right option, which "
                f"data={name} needs; data=mathqa asks for letters"
            )
        splits[split] = kept
        if len(kept) < len(records):
            left_out = f"{len(records) - len(kept)} of {len(records)} {split} problems are left out"
            notes.append(f"{left_out}: their right option is not a number")
    return splits


def _split(
    found: dict[str, list[Record]], config: DataConfig, notes: list[str]
) -> tuple[list[Record], list[Record], list[Record]]:
    """Train, dev and test records."""
    train, dev, test = found.get("train"), found.get("dev"), found.get("test")
    likeness = config.families
    if train is None:
        train, dev = dev or [], None
        notes.append("no train file: the dev file takes its place")
    if dev is not None:
        # Before test is carved, so that no question of dev ends up in test.
        count, train = len(train), without(train, dev, "exact" if likeness == "exact" else "normalised")
        if not train:
            raise BadInput(
                f"every training question is also in dev; give data={config.name} another data.dev= or data.train="
            )
        if len(train) < count:
            notes.append(f"{count - len(train)} training problems left out: dev asks the same questions")
    if test is None:
        train, test, likeness = _carve(train, config.test_size or config.dev_size, config, likeness, "test", notes)
        notes.append(f"no test file: {len(test)} problems carved off train with data.split_seed={config.split_seed}")
    if dev is None:
        train, dev, _ = _carve(train, config.dev_size, config, likeness, "dev", notes)
    return train, dev, test


def _carve(
    train: list[Record], wanted: int, config: DataConfig, likeness: str, name: str, notes: list[str]
) -> tuple[list[Record], list[Record], str]:
    """What stays in train, what was carved off, and the likeness by which it was carved.

    A stricter likeness than `likeness` is used where its families are too large or too few to give half of what is
    wanted: problems that share one template cannot be kept apart by template.
    """
    size = min(wanted, max(1, len(train) // _LARGEST_SHARE))
    rest: list[Record] = []
    carved: list[Record] = []
    left_out = 0
    degrees = LIKENESS[: LIKENESS.index(likeness) + 1]
    for likeness in reversed(degrees):
        rest, carved, left_out = carve(train, size, config.split_seed, name, likeness, cut=len(train) // _LARGEST_CUT)
        if rest and 2 * len(carved) >= size:
            break
    if not rest or not carved:
        raise BadInput(
            f"train has {len(set(families(train, 'normalised')))} different questions, too few to carve {name} from; "
            f"give data={config.name} more problems, or data.{name}=FILE"
        )
    if likeness != config.families:
        notes.append(
            f"{name} shares families with train: the {config.families} families of the {len(train)} training problems "
            f"are too large to be kept apart, so {name} is carved as with data.families={likeness}"
        )
    if size < wanted:
        notes.append(f"{name} has {size} problems, not {wanted}: a fifth of the {len(train)} training problems at most")
    if len(carved) < size:
        notes.append(f"{name} has {len(carved)} problems, not {size}: the remaining families are too large")
    if left_out:
        notes.append(
            f"{left_out} training problems left out: copies of problems in {name}, or of a family that was cut for it"
        )
    return rest, carved, likeness


def _with_reasoning(records: Sequence[Record], cot: str, runner: ProgramRunner, dropped: Counter[str]) -> list[Problem]:
    """The problems with usable gold reasoning; the others are counted in `dropped` by reason."""
    problems: list[Problem] = []
    for record, reasoning in zip(records, gold_reasoning(records, cot, runner), strict=True):
        if isinstance(reasoning, Unusable):
            dropped[str(reasoning)] += 1
        else:
            problems.append(_problem(record, reasoning))
    return problems


def _problem(record: Record, cot: str | None = None) -> Problem:
    solution = None if cot else record.reasoning or record.program or record.formula
    return Problem(record.id, record.question, record.answer, cot, record.source, record.options, solution)


def _with_unique_ids(*splits: list[Problem]) -> tuple[list[Problem], ...]:
    """Give later problems a suffix where an id occurs twice, in one file or in two."""
    seen: Counter[str] = Counter()
    result: list[list[Problem]] = []
    for problems in splits:
        renamed: list[Problem] = []
        for problem in problems:
            seen[problem.id] += 1
            again = seen[problem.id]
            renamed.append(problem if again == 1 else replace(problem, id=f"{problem.id}#{again}"))
        result.append(renamed)
    return tuple(result)


def _report(config: DataConfig, splits: Sequence[list[Problem]], report: DataReport) -> Splits:
    train, dev, test = splits
    by_split = {"train": train, "dev": dev, "test": test}
    counts = {split: len(problems) for split, problems in by_split.items()}
    for name, size in (("train", config.train_size), ("test", config.test_size)):
        if size is not None and size > counts[name]:
            report.notes.append(f"data.{name}_size={size} asks for more than the {counts[name]} problems there are")
    return Splits(train, dev, test, replace(report, counts=counts, duplicates=duplicates(by_split)))
