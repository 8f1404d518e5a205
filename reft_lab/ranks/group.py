"""Several processes, by torch.distributed: gloo for what is on a CPU, NCCL for what is on a GPU."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn

from reft_lab.errors import RewardFailed, is_memory
from reft_lab.ranks.dealing import deal
from reft_lab.ranks.ranks import Gradient, Ranks, lost
from reft_lab.ranks.start import Start, cores, name_meeting_place

T = TypeVar("T")

# One rank may wait for another as long as a reward or an evaluation takes; that one has ended is noticed otherwise.
PATIENCE = timedelta(days=1)
BUCKET = 16_000_000  # numbers that are added up together: fewer messages, and a copy of no more than 64 MB


class Group(Ranks):
    """The ranks of a run of several processes."""

    def __init__(self, start: Start):
        """`start` is this process, which is connected with the others."""
        self.rank, self.size = start.rank, start.size
        self._waited = 0.0

    def share(self, costs: Sequence[float]) -> list[int]:
        return deal(costs, self.size)[self.rank]

    def gather(self, own: T) -> list[T]:
        found: list[T | None] = [None] * self.size
        with self._exchange():
            distributed.all_gather_object(found, own)
        return found  # type: ignore[return-value]

    def agreed(self, decide: Callable[[], T]) -> T:
        said: list[Any] = [None, None]
        failed: RewardFailed | None = None
        if self.leads:
            try:
                said[0] = decide()
            except RewardFailed as error:
                failed = error
                said[1] = str(error)
        with self._exchange():
            distributed.broadcast_object_list(said, src=0)
        if said[1] is not None:
            raise failed or RewardFailed(said[1])
        found: T = said[0]
        return found

    def add(self, tensors: Sequence[Tensor]) -> None:
        with self._exchange():
            for tensor in tensors:
                distributed.all_reduce(tensor)

    def add_gradient(self, parameters: Sequence[nn.Parameter], gradient: Gradient) -> Gradient:
        if parameters[0].is_cuda:
            torch.cuda.synchronize()  # so that what follows is waiting for others, not for this one
        present = torch.tensor([grad is not None for grad in gradient], dtype=torch.uint8)
        with self._exchange():
            distributed.all_reduce(present, distributed.ReduceOp.MAX)
        pairs = zip(parameters, gradient, present.tolist(), strict=True)
        whole = [
            None if not is_somewhere else torch.zeros_like(parameter) if grad is None else grad
            for parameter, grad, is_somewhere in pairs
        ]
        for bucket in _buckets([grad for grad in whole if grad is not None]):
            flat = torch.cat([grad.reshape(-1) for grad in bucket])
            self.add([flat])
            parts = flat.split([grad.numel() for grad in bucket])
            for grad, part in zip(bucket, parts, strict=True):
                grad.copy_(part.view_as(grad))
        return whole

    def add_in_order(self, parameters: Sequence[nn.Parameter], gradients: Mapping[int, Gradient]) -> Gradient:
        owners = self.merge(
            {number: (self.rank, [grad is not None for grad in own]) for number, own in gradients.items()}
        )
        whole: Gradient = [None] * len(parameters)
        for number, (owner, present) in sorted(owners.items()):
            there = [i for i, is_there in enumerate(present) if is_there]
            own = gradients.get(number)
            parts = [torch.empty_like(parameters[i]) if own is None else own[i] for i in there]
            flat = torch.cat([part.reshape(-1) for part in parts if part is not None])
            with self._exchange():
                distributed.broadcast(flat, src=owner)
            for i, part in zip(there, flat.split([parameters[i].numel() for i in there]), strict=True):
                grad, before = part.view_as(parameters[i]), whole[i]
                whole[i] = grad.clone() if before is None else before.add_(grad)
        return whole

    def wait(self) -> None:
        self.agreed(lambda: None)

    def take_waited(self) -> float:
        waited, self._waited = self._waited, 0.0
        return waited

    @contextmanager
    def _exchange(self) -> Iterator[None]:
        """Inside, all ranks exchange something; one that is there first waits."""
        began = time.perf_counter()
        try:
            yield
        except RuntimeError as error:
            if is_memory(error):
                raise
            raise lost(error) from error
        finally:
            self._waited += time.perf_counter() - began


def connect(start: Start) -> Group:
    """Meet the other ranks; each gets the GPU of its number, and its share of the cores where none was given."""
    if "OMP_NUM_THREADS" not in os.environ:
        # Where some of the cores are all that this process may use, as under srun, they are its share already.
        torch.set_num_threads(cores() if cores() < (os.cpu_count() or 1) else max(1, cores() // start.local_size))
    has_gpu = torch.cuda.is_available()
    if has_gpu and start.local_rank < torch.cuda.device_count():
        torch.cuda.set_device(start.local_rank)
    name_meeting_place(start)
    distributed.init_process_group(
        "cpu:gloo,cuda:nccl" if has_gpu else "gloo", rank=start.rank, world_size=start.size, timeout=PATIENCE
    )
    return Group(start)


def disconnect() -> None:
    """Say goodbye to the others, who do the same."""
    distributed.destroy_process_group()


def _buckets(gradients: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """Gradients to be added up together: those that follow each other, of one type, up to BUCKET numbers."""
    bucket: list[Tensor] = []
    for grad in gradients:
        if bucket and (grad.dtype != bucket[0].dtype or sum(each.numel() for each in bucket) + grad.numel() > BUCKET):
            yield bucket
            bucket = []
        bucket.append(grad)
    if bucket:
        yield bucket
