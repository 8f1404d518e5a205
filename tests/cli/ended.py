"""How a command ended, and the runs it is tried on."""

from __future__ import annotations

from dataclasses import dataclass

OLD, FAILED = "outputs/2026-01-01/10-00-00-old", "outputs/2026-01-02/11-00-00-broken"


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The one line that a command with bad input writes."""
        assert (self.code, self.out) == (2, ""), self
        (line,) = self.err.splitlines()
        return line.removeprefix("error: ")
