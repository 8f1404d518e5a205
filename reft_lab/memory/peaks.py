"""The most memory that each phase of a run took, as it is seen."""

from __future__ import annotations

from collections.abc import Mapping

from reft_lab.memory import process

BETWEEN = "between phases"  # reading data, writing checkpoints and pages


class Peaks:
    """Watches the phases of this process (phases.Watcher). A look takes some microseconds.

    What a C library keeps of freed memory counts as held: on a CPU the peak of a phase has in it what an earlier one
    has left, so the largest of all is what tells there. On a GPU each phase tells.

    Attributes:
        before: bytes of RAM held beside the model's weights as training begins: interpreter, libraries and data; None
            as long as that is not known, and nothing is noted. On a GPU 0.
        found: most bytes by phase, of a GPU's memory, or of RAM above `before`.
    """

    def __init__(self) -> None:
        self.before: int | None = None
        self.found: dict[str, int] = {}
        self._open: list[str] = []
        self._is_on_gpu = False

    def start(self, device: str, weights: int, known: Mapping[str, int]) -> None:
        """Take notes from now on.

        Args:
            device: cpu, cuda or mps.
            weights: bytes of the weights, which have been loaded.
            known: what an earlier session of the run has found.
        """
        self._is_on_gpu = device == "cuda"
        process.give_back()
        self.before = 0 if self._is_on_gpu else process.held() - weights
        for name, size in known.items():
            self._take(name, size)
        self._begin_anew()

    def begin(self, name: str) -> None:
        """A phase begins."""
        self.look()
        self._open.append(name)

    def end(self) -> None:
        """The phase that began last ends."""
        self.look()
        self._open.pop()

    def look(self) -> None:
        """Take note of what was held since the last look."""
        if self.before is None:
            return
        name = self._open[-1] if self._open else BETWEEN
        if self._is_on_gpu:
            import torch

            self._take(name, torch.cuda.max_memory_allocated())
        else:
            self._take(name, process.peak() - self.before)
        self._begin_anew()

    def _begin_anew(self) -> None:
        if self._is_on_gpu:
            import torch

            torch.cuda.reset_peak_memory_stats()
        else:
            process.begin_anew()

    def _take(self, name: str, size: int) -> None:
        self.found[name] = max(size, self.found.get(name, 0))
