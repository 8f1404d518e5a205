"""A default-size run that is killed over and over ends with what one leaves behind that was never stopped."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.runner.leftovers import assert_same
from tests.runner.processes import Run, Session
from tests.tracking.wandb_files import history

# Everything as by default, but for the baseline, which has tests of its own, and more checkpoints to be killed in.
DEFAULT = ("baseline=null", "tracker.wandb=offline", "checkpoint.every=2s")
WARMUP, STEPS = 880, 940

# Where it is killed, and the steps in which a random one comes before that.
PLAN = (
    ("loading", 0, 0),
    ("training", 20, 150),
    ("writing .last.part", 150, 300),
    ("evaluating", 300, 450),
    ("loading", 0, 0),
    ("training", 450, 800),
    ("writing .best.part", 801, 801),
    ("sampling", WARMUP + 1, WARMUP + 8),
    ("updating", WARMUP + 9, WARMUP + 17),
    ("writing .last.part", WARMUP + 18, WARMUP + 25),
    ("evaluating", WARMUP + 26, WARMUP + 34),
    ("sampling", WARMUP + 35, WARMUP + 42),
    ("updating", WARMUP + 43, WARMUP + 57),
    ("final", STEPS, STEPS),
)


@dataclass
class Killer:
    """Kills sessions of a run at random moments.

    Attributes:
        kills: where it did, and the last recorded step.
        missed: how often it came too late.
    """

    run: Run
    dice: random.Random
    kills: list[tuple[str, int]] = field(default_factory=list)
    missed: int = 0

    def strike(self, place: str, first: int, last: int) -> None:
        """Start the run, kill it at `place` after a random step from `first` to `last`; again where that fails."""
        while True:
            step = self.dice.randint(first, last)
            session = self.run.start()
            session.until(lambda step=step: self.run.step >= step, seconds=600, pause=0.02)
            part = place.removeprefix("writing ")
            is_hit = self._in_file(session, part) if part != place else self._in_phase(session, place)
            if is_hit:
                self.kills.append((place, self.run.step))
                return
            self.missed += 1

    def _in_phase(self, session: Session, phase: str) -> bool:
        def there() -> bool:
            session.until_at(phase)
            session.pause(self.dice.uniform(0, 0.1))
            return session.phase() == phase

        session.until(there)
        session.kill()
        return True

    def _in_file(self, session: Session, part: str) -> bool:
        """While a checkpoint is written: it must be there, half done, when the process is gone."""
        folder = self.run.path / "checkpoints" / part
        session.until(folder.exists, seconds=600, pause=0.0003)
        session.kill()
        return folder.exists()


@pytest.mark.long
@pytest.mark.timeout(2400)
def test_a_default_run_that_is_killed_in_every_phase_ends_as_if_it_had_not_been(repo: Path, tmp_path: Path) -> None:
    whole = Run(repo, tmp_path / "whole", *DEFAULT, forked=False)
    killed = Run(repo, tmp_path / "killed", *DEFAULT)  # starts often, so as a fork of what is imported already
    untouched = whole.start()  # beside the other one: it is slower than two runs, and faster than one after the other
    killer = Killer(killed, random.Random())
    for blow in PLAN:
        killer.strike(*blow)
    killed.finish()
    assert untouched.wait(600) == 0, untouched.output

    print(f"killed {len(killer.kills)} times: {killer.kills}; {killer.missed} more missed their moment")
    assert Counter(place for place, _ in killer.kills) == Counter(place for place, *_ in PLAN)
    assert sum(0 < step < WARMUP for _, step in killer.kills) >= 5
    assert sum(WARMUP < step < STEPS for _, step in killer.kills) >= 5
    assert_same(whole.path, killed.path)
    assert [record["step"] for record in killed.metrics] == list(range(1, STEPS + 1))
    (curve,) = (killed.path / "wandb").glob("offline-run-*")
    assert history(curve) == killed.metrics
    resumed = killed.passport["resumed"]
    assert len(resumed) >= len(PLAN) - 2
    assert all(entry["changed"] == {} for entry in resumed)
