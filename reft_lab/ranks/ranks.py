"""What a process needs to know of the others; a run of one process asks nobody."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from reft_lab.errors import RankLost
from reft_lab.text import one_line

if TYPE_CHECKING:
    from torch import Tensor, nn

Gradient = list["Tensor | None"]  # of some parameters, in their order; None where there is none

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")


class Ranks:
    """The processes of a run, as one of them sees them. As it stands: one alone, for which nothing costs anything.

    All ranks call the methods that exchange something in the same order and equally often, whatever their shares are.
    Where another rank has ended, they raise RankLost.

    Attributes:
        rank: the number of this one.
        size: how many there are.
        keeps_order: whether they share the batches that one process would make, and add up gradients in its order: on a
            CPU all is as in one process, bit for bit. Otherwise they share sequences, each adds up its own, and sums
            are rounded otherwise.
    """

    rank = 0
    size = 1
    keeps_order = False

    @property
    def leads(self) -> bool:
        """Whether this is the rank that decides, writes and prints."""
        return self.rank == 0

    def share(self, costs: Sequence[float]) -> list[int]:
        """The places of this rank's part of some work, rising; there may be none. No message is needed for it.

        Args:
            costs: what each piece of the work takes, in any unit.
        """
        return list(range(len(costs)))

    def gather(self, own: T) -> list[T]:
        """What every rank has, in the order of the ranks."""
        return [own]

    def agreed(self, decide: Callable[[], T]) -> T:
        """What `decide` gives on the rank that leads, which alone calls it. RewardFailed is raised on all of them."""
        return decide()

    def add(self, tensors: Sequence[Tensor]) -> None:
        """Put into each tensor, in place, its sum over the ranks; shapes are the same on all of them."""

    def add_gradient(self, parameters: Sequence[nn.Parameter], gradient: Gradient) -> Gradient:
        """The sum over the ranks of the gradient of some parameters; None where no rank has anything."""
        return gradient

    def add_in_order(self, parameters: Sequence[nn.Parameter], gradients: Mapping[int, Gradient]) -> Gradient:
        """The sum of the gradients that all ranks have of some parameters, in the order of their numbers: the last bit
        is as where one process had added them up. Each number is on one rank."""
        raise NotImplementedError("one process adds up in order as it is")

    def merge(self, own: Mapping[K, V]) -> dict[K, V]:
        """The entries of all ranks."""
        return {key: value for part in self.gather(own) for key, value in part.items()}

    def total(self, own: Mapping[int, Tensor]) -> list[float]:
        """Sums of the numbers (n,) that each micro-batch has come to, by its own number and in the order of these."""
        import torch

        rows = torch.stack([*own.values()]).tolist() if own else []
        found = self.merge(dict(zip(own, rows, strict=True)))
        return torch.tensor([found[number] for number in sorted(found)]).sum(0).tolist()

    def wait(self) -> None:
        """Go on when all are here: what one has written can be read by the others."""

    def take_waited(self) -> float:
        """Seconds that this rank has waited for others since it was last asked."""
        return 0.0

    def __deepcopy__(self, memo: dict[int, Any]) -> Ranks:
        return self  # a copy of a policy is on the same ranks


ALONE = Ranks()


def is_of_loss(error: BaseException) -> bool:
    """Whether torch says by an error, as in the middle of a pass over weights in parts, that another rank has ended."""
    return type(error).__name__.startswith("Dist") or (type(error) is RuntimeError and "gloo" in str(error))


def lost(error: BaseException) -> RankLost:
    """What is raised where another rank has ended, as `error` has it."""
    return RankLost(f"another process of the run has ended ({one_line(error)}); go on from the last state with resume=")
