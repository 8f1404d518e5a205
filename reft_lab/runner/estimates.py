"""What a run is expected to take, and what it is seen to take, for its result."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from reft_lab.config.schema import Config
from reft_lab.memory.experiment import beside as baseline_of
from reft_lab.memory.experiment import setting, works
from reft_lab.memory.peaks import Peaks
from reft_lab.memory.phases import Phase, by_name, largest, phases
from reft_lab.memory.setting import Setting
from reft_lab.memory.work import Lengths, Work
from reft_lab.run_dir import preflights
from reft_lab.runner.progress import Progress
from reft_lab.runner.setup import Setup
from reft_lab.text import one_line


@dataclass(frozen=True)
class Expected:
    """What is expected of each phase.

    Attributes:
        setting, works: all that it depends on.
        likely: with responses as long as gold ones.
        most: with responses as long as they may be.
        beside: bytes that a baseline takes at the same time in a process of its own, libraries not among them.
    """

    setting: Setting
    works: list[Work]
    likely: list[Phase]
    most: list[Phase]
    beside: int = 0

    @classmethod
    def of(cls, setting: Setting, works: list[Work], beside: int = 0) -> Expected:
        """By the formula."""
        return cls(setting, works, phases(setting, works), phases(setting, works, at_most=True), beside)


def expected(setup: Setup) -> Expected:
    """What is expected of a run, by the shapes of its model and a pass of a few tokens; nothing is trained or drawn."""
    config, limits = setup.config, setup.config.eval
    lengths = lengths_of(setup)
    dev, test = setup.splits.dev[: limits.dev_limit], setup.splits.test[: limits.test_limit]
    found = setting(config, setup.policy, setup.device, lengths, max(len(dev), len(test)))
    found = replace(found, reward=setup.reward.held)
    positions, beside = setup.policy.positions, 0
    if config.baseline is not None:
        other = replace(config, method=config.baseline)
        beside = largest(phases(baseline_of(found, other), works(other, lengths, positions), at_most=True)).size
    return Expected.of(found, works(config, lengths, positions), beside)


def lengths_of(setup: Setup) -> Lengths:
    """Tokens of the prompt and the gold reasoning of each training problem."""
    return [(len(example.prompt), len(example.completion)) for example in setup.gold]


class Estimates:
    """What is expected of one run, and what is seen of it.

    Attributes:
        peaks: watches its memory, while somebody lets it (phases.watched_by).
        memory: what is expected; None before that is known.
    """

    def __init__(self, config: Config):
        """`config` is the experiment as it was asked for, for which a preflight may have been made."""
        self.peaks = Peaks()
        self._preflight = preflights.kept(config)
        self.memory: Expected | None = None

    def expect(self, setup: Setup) -> list[str]:
        """The model is loaded; estimates what the run takes.

        Returns:
            A sentence where that goes wrong, which ends no run.
        """
        try:
            self.memory = expected(setup)
        except Exception as error:  # a pass that no family has failed so far
            return [f"the memory of this run cannot be estimated ({one_line(error)})."]
        return []

    def begin(self, setup: Setup, progress: Progress) -> None:
        """Training is about to begin; `progress` knows what an earlier session saw, and what is seen from now on."""
        progress.preflight = progress.preflight or self._preflight
        if self.memory is None:
            return
        self.peaks.start(setup.device, self.memory.setting.loaded, progress.peaks)
        progress.peaks = self.peaks.found

    def as_json(self, progress: Progress) -> dict[str, Any]:
        """What result.json has of it, which docs/run-directory.md describes."""
        return {
            "memory": None if self.memory is None else _memory(self.memory, self.peaks),
            "speed": progress.times_as_json(),
            "preflight": progress.preflight,
        }


def _memory(found: Expected, peaks: Peaks) -> dict[str, Any]:
    peaks.look()
    likely, most = by_name(found.likely), by_name(found.most)
    return {
        "device": found.setting.device,
        "before": peaks.before,
        "expected": largest(found.likely).size,
        "at_most": largest(found.most).size,
        "measured": max(peaks.found.values(), default=None),
        "phases": {
            name: {
                "expected": likely[name].size if name in likely else None,
                "at_most": most[name].size if name in most else None,
                "measured": peaks.found.get(name),
            }
            for name in dict.fromkeys([*likely, *peaks.found])
        },
    }
