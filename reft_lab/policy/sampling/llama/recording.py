"""Decoding steps on a CUDA GPU, recorded once and replayed.

A step of a few hundred small kernels takes a GPU less time than it takes the CPU to start them one by one; a replay
starts them all at once.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import torch
from torch import Tensor

# While a step is recorded, memory that is free but kept for later cannot be given back. Where the device has less than
# this, it is given back first.
ROOM = 2**30


class Recording:
    """One step as a CUDA graph, for as long as all tensors that it reads and writes stay where they are."""

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()
        self._graph: torch.cuda.CUDAGraph | None = None  # kept beyond its use: with its last graph the pool would go
        self._tokens: Tensor | None = None
        self._result: Tensor | None = None
        self.forget()

    def forget(self) -> None:
        """Tensors have moved: the next step is done as it comes, the one after it is recorded anew."""
        self._is_recorded = False
        self._is_warm = False  # libraries set themselves up for new shapes, which cannot be recorded

    def release(self) -> None:
        """Give the memory of what was recorded back to the device.

        Where the pools of some hundred samplers were kept, the driver of an H200 ran out of memory after 45 iterations,
        with a third of the device free.
        """
        self.forget()
        self._graph = self._tokens = self._result = None
        torch.cuda.empty_cache()

    def __call__(self, step: Callable[[Tensor], Tensor], tokens: Tensor) -> Tensor:
        """step(tokens); the result is overwritten by the next call.

        Args:
            step: kernels on one device that never wait for it, reading and writing tensors that stay where they are.
            tokens: its input, of the same shape each time.
        """
        if not self._is_warm:
            self._is_warm = True
            return step(tokens)
        if not self._is_recorded or self._graph is None or self._tokens is None:
            self._tokens = tokens.clone()
            self._graph = self._record(step, self._tokens)
            self._is_recorded = True
        self._tokens.copy_(tokens)
        self._graph.replay()
        assert self._result is not None
        return self._result

    def _record(self, step: Callable[[Tensor], Tensor], tokens: Tensor) -> torch.cuda.CUDAGraph:
        if torch.cuda.mem_get_info()[0] < ROOM:
            torch.cuda.empty_cache()
        graph, current, beside = torch.cuda.CUDAGraph(), torch.cuda.current_stream(), torch.cuda.Stream()
        beside.wait_stream(current)
        with torch.cuda.stream(beside):
            graph.capture_begin(pool=self._pool, capture_error_mode="thread_local")
            try:
                self._result = step(tokens)
            except BaseException:
                with suppress(RuntimeError):  # it says that the recording is broken, and not why
                    graph.capture_end()
                raise
            graph.capture_end()
        current.wait_stream(beside)
        return graph
