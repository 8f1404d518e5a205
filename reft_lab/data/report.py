"""The problems of a run, and what loading them found, for people and for the run's record."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from reft_lab.data.problem import Problem


@dataclass(frozen=True)
class DataReport:
    """What was read, kept, left out and noticed.

    Attributes:
        name: the data set.
        counts: problems of each split (`train`, `dev`, `test`) that the run will use.
        kept: training problems whose gold reasoning is usable, before `train_size` takes its subset.
        dropped: why the other training problems were left out: reason -> count.
        broken: one `FILE:LINE: why` for each record that could not be read.
        duplicates: questions that occur more than once, as `likeness.duplicates` counts them: by degree of likeness,
            then by split or pair of splits. They are counted after carving, and none was removed.
        notes: sentences on choices that were made for the user.
    """

    name: str
    counts: dict[str, int]
    kept: int
    dropped: dict[str, int] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    duplicates: dict[str, dict[str, int]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def leaving_out(self, count: int, reason: str) -> DataReport:
        """The report with `count` more training problems left out, for `reason`."""
        counts = self.counts | {"train": self.counts["train"] - count}
        return replace(self, counts=counts, kept=self.kept - count, dropped=self.dropped | {reason: count})

    def by_heart(self, count: int) -> DataReport:
        """The report where the first `count` training problems are all splits."""
        note = f"the first {count} training problems are dev and test, too: what they show is no accuracy"
        counts = dict.fromkeys(("train", "dev", "test"), count)
        return replace(self, counts=counts, duplicates={}, notes=[*self.notes, note])

    def lines(self) -> list[str]:
        """The report as short lines of plain text, the most important first."""
        counts = ", ".join(f"{count} {split}" for split, count in self.counts.items())
        lines = [f"{self.name}: {counts}"]
        if self.dropped:
            total = self.kept + sum(self.dropped.values())
            reasons = "; ".join(
                f"{count} {reason}" for reason, count in sorted(self.dropped.items(), key=lambda item: -item[1])
            )
            lines.append(f"{self.kept} of {total} training problems have usable reasoning ({reasons})")
        if repeated := self._repeated():
            lines.append(repeated)
        if self.broken:
            lines.append(f"{len(self.broken)} broken records left out, the first at {self.broken[0]}")
        return lines + self.notes

    def _repeated(self) -> str:
        """The duplicates in one line, empty where there are none."""
        found = {
            place: [counts[place] for counts in self.duplicates.values()] for place in self.duplicates.get("masked", ())
        }
        places = [
            f"{'in both ' if '/' in place else 'within '}{place} {'/'.join(map(str, counts))}"
            for place, counts in found.items()
            if any(counts)
        ]
        return f"questions that are alike ({'/'.join(self.duplicates)}): {', '.join(places)}" if places else ""


@dataclass(frozen=True)
class Splits:
    """Problems to learn from, with gold reasoning; to select checkpoints by, none of them in train; to test on."""

    train: list[Problem]
    dev: list[Problem]
    test: list[Problem]
    report: DataReport

    def by_heart(self, count: int) -> Splits:
        """The first `count` training problems as all three, to see whether they can be learned."""
        few = self.train[:count]
        return Splits(few, few, few, self.report.by_heart(len(few)))
