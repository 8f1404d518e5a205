"""A finished run, run again in a fresh folder: whether the same comes of it, and from where on if not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reft_lab.config.schema import Config
from reft_lab.config.sweeps import StudyConfig
from reft_lab.metrics import is_measured
from reft_lab.numbers import plain
from reft_lab.run_dir.files import BEST, CHECKPOINTS, LAST, METRICS, PASSPORT, PREDICTIONS
from reft_lab.run_dir.reading import read_lines, read_object
from reft_lab.runner.experiment import run
from reft_lab.text import counted
from reft_lab.tracking.display import Display

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Verdict:
    """On one part of what two runs left behind.

    Attributes:
        part: metrics, predictions or weights.
        is_equal: whether it is the same in both, times apart.
        sentence: how much there is of it, or where the two part.
    """

    part: str
    is_equal: bool
    sentence: str


def again(config: Config, threads: int | None, folder: Path) -> Config:
    """The experiment of a run as it is run again in `folder`.

    It trains the same, and tells nobody of it: without a baseline or W&B, with its own warm-up and samples.

    Args:
        config: the run's own.
        threads: the CPU threads that it used; None: not known.
        folder: where the other run goes; its samples are beside it.
    """
    return replace(
        config,
        baseline=None,
        study=StudyConfig(),
        tracker=config.tracker.directory_alone(),
        trainer=replace(config.trainer, threads=config.trainer.threads or threads),
        checkpoint=replace(config.checkpoint, warmups=None),
        pool=replace(config.pool, folder=str(folder.with_name(f"{folder.name}-pools"))),
    )


def verify(config: Config, directory: Path, folder: Path, display: Display) -> list[Verdict]:
    """Run the finished run in `directory` again in `folder`, and hold one against the other.

    Raises:
        BadInput: something that it was given cannot be used any more.
        RunFailed, Interrupted: as `runner.run`.
    """
    hardware = (read_object(directory / PASSPORT) or {}).get("hardware", {})
    run(again(config, hardware.get("threads"), folder), folder, display)
    return compare(directory, folder)


def compare(one: Path, other: Path) -> list[Verdict]:
    """What two run directories have in common, part by part."""
    verdicts = [_metrics(one, other), _predictions(one, other), _weights(one, other)]
    hashes = [(read_object(each / PASSPORT) or {}).get("hashes", {}) for each in (one, other)]
    apart = [
        f"the hash of the {name} was {hashes[0][name]} and is {hashes[1].get(name)}"
        for name in hashes[0]
        if hashes[0][name] != hashes[1].get(name)
    ]
    return [*([Verdict("inputs", False, "; ".join(apart))] if apart else []), *verdicts]


def _metrics(one: Path, other: Path) -> Verdict:
    """Line by line, without what the clock and the machine say."""
    equal = 0
    for ours, theirs in zip_longest(*(map(_timeless, read_lines(each / METRICS)) for each in (one, other))):
        if ours is None or theirs is None:
            who = "the run" if theirs is None else "the new one"
            step = (ours or theirs)["step"]
            return Verdict("metrics", False, f"equal up to {counted(equal, 'step')}; {who} alone has step {step}")
        apart = [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]
        if apart:
            more = f" and {len(apart) - 1} more" if len(apart) > 1 else ""
            values = f"{apart[0]} was {_shown(ours.get(apart[0]))} and is {_shown(theirs.get(apart[0]))}"
            before = f"{counted(equal, 'step')} before are equal" if equal else "no step before is equal"
            return Verdict("metrics", False, f"they part at step {ours['step']}: {values}{more}; {before}")
        equal += 1
    return Verdict("metrics", True, f"all of {counted(equal, 'step')}")


def _timeless(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if not is_measured(name)}


def _shown(value: Any) -> str:
    """A number in full, since two that differ may have many digits in common."""
    return "nothing" if value is None else repr(value)


def _predictions(one: Path, other: Path) -> Verdict:
    ours, theirs = (list(read_lines(each / PREDICTIONS)) for each in (one, other))
    apart = [a or b for a, b in zip_longest(ours, theirs) if a != b]
    if apart:
        first = (apart[0] or {}).get("id")
        return Verdict("predictions", False, f"{len(apart)} of {max(len(ours), len(theirs))} differ, first {first}")
    return Verdict("predictions", True, f"all of {counted(len(ours), 'problem')}")


def _weights(one: Path, other: Path) -> Verdict:
    """The chosen policy, and the newest full state with its optimiser, tensor by tensor."""
    found, unequal, largest = 0, [], 0.0
    for tensor, difference in _differences(one / CHECKPOINTS, other / CHECKPOINTS):
        found += 1
        if difference is None or difference > 0:
            unequal.append(tensor)
            largest = max(largest, difference or 0.0)
    if not found:
        return Verdict("weights", True, "neither run has saved any")
    if unequal:
        by = f", by up to {plain(largest)}" if largest else ""
        return Verdict("weights", False, f"{len(unequal)} of {found} tensors differ{by}, first {unequal[0]}")
    return Verdict("weights", True, f"all of {counted(found, 'tensor')}, the optimiser's included")


def _differences(one: Path, other: Path) -> Iterator[tuple[str, float | None]]:
    """The tensors of two folders of checkpoints, each with its largest difference; None where one folder lacks it, or
    has it in another shape."""
    best = [folder / BEST for folder in (one, other)]
    for name in sorted({file.name for folder in best for file in folder.glob("*.safetensors")}):
        for tensor, difference in _of_files(*(folder / name for folder in best)):
            yield f"{BEST}/{name}:{tensor}", difference
    for tensor, difference in _of_states(one / LAST, other / LAST):
        yield f"{LAST}:{tensor}", difference


def _of_files(one: Path, other: Path) -> Iterator[tuple[str, float | None]]:
    """Those of two files; one pair is in memory at a time."""
    from safetensors import safe_open

    if not (one.is_file() and other.is_file()):
        yield one.name, None
        return
    with safe_open(one, framework="pt") as ours, safe_open(other, framework="pt") as theirs:
        known = set(theirs.keys())
        for name in sorted({*ours.keys(), *known}):
            if name not in known or name not in ours.keys():  # noqa: SIM118, it is no mapping
                yield name, None
                continue
            yield name, _difference(ours.get_tensor(name), theirs.get_tensor(name))


def _of_states(one: Path, other: Path) -> Iterator[tuple[str, float | None]]:
    """Those of two full states, each whole or in parts."""
    from reft_lab.runner.state_tensors import in_turn, kinds

    ours, theirs = kinds(one), kinds(other)
    both = {name: ours[name] for name in sorted(ours) if name in theirs and ours[name].shape == theirs[name].shape}
    yield from ((name, None) for name in sorted({*ours, *theirs} - {*both}))
    for a, b in zip(in_turn(one, both), in_turn(other, both), strict=True):
        yield from ((name, _difference(a[name], b[name])) for name in a)


def _difference(one: Tensor, other: Tensor) -> float | None:
    if one.shape != other.shape:
        return None
    return 0.0 if one.equal(other) else float((one - other).abs().max())
