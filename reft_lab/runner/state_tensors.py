"""The tensors of a full state on disk: one file of whole tensors, or files in which each rank has written its parts.

Parts are written by torch.distributed.checkpoint, in safetensors: each rank writes its own, and none ever has all of
them. Whatever has written a state, it is read into any tensors that are there, whole or in parts.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor
from torch.distributed.checkpoint import (
    CheckpointException,
    HuggingFaceStorageReader,
    HuggingFaceStorageWriter,
    TensorStorageMetadata,
    load,
    save,
)

from reft_lab.ranks import Ranks
from reft_lab.run_dir.files import STATE_TENSORS, tensor_files

AT_ONCE = 1 << 30  # bytes of whole tensors of which a rank has its part in memory once more while it is written


def write(tensors: Mapping[str, Tensor], folder: Path) -> None:
    """Write whole tensors to the folder of a new state."""
    from safetensors.torch import save_file

    save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, folder / STATE_TENSORS)


def write_parts(tensors: Mapping[str, Tensor], folder: Path, ranks: Ranks) -> None:
    """Write tensors of which each rank has a part; all ranks come here, and go on when all is written.

    Args:
        tensors: the same names on all ranks; whole ones are the same everywhere.
        folder: of a new state, as the rank that leads has made it; what others give is not looked at.

    Raises:
        OSError: the disk refused; on all ranks.
    """
    folder = ranks.agreed(lambda: folder)
    files = {name: number for number, names in enumerate(_batches(tensors), start=1) for name in names}
    with _plain_errors():
        save(dict(tensors), storage_writer=HuggingFaceStorageWriter(str(folder), files, save_distributed=True))


def kinds(folder: Path) -> dict[str, Tensor]:
    """Shapes and types of all tensors of a state, as tensors without numbers; none where it has a policy alone."""
    if not tensor_files(folder):
        return {}
    stored = HuggingFaceStorageReader(str(folder)).read_metadata().state_dict_metadata
    return {
        name: torch.empty(each.size, dtype=each.properties.dtype, device="meta")
        for name, each in stored.items()
        if isinstance(each, TensorStorageMetadata)
    }


def read(tensors: Mapping[str, Tensor], folder: Path) -> None:
    """Put the tensors of a state that have these names into those given; a rank reads its parts, and exchanges nothing.

    Raises:
        ValueError: one has another shape.
    """
    with _plain_errors(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.distributed is disabled", UserWarning)  # as it is meant to be
        load({**tensors}, storage_reader=HuggingFaceStorageReader(str(folder)), no_dist=True)


def in_turn(folder: Path, names: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """The whole tensors of a state that have these names, some at a time; `names` are those of `kinds`."""
    for batch in _batches(names):
        some = {name: torch.empty_like(names[name], device="cpu") for name in batch}
        read(some, folder)
        yield some


def _batches(tensors: Mapping[str, Tensor]) -> Iterator[list[str]]:
    """Their names in order, as many together as come to AT_ONCE."""
    names: list[str] = []
    size = 0
    for name, tensor in tensors.items():
        own = tensor.numel() * tensor.itemsize
        if names and size + own > AT_ONCE:
            yield names
            names, size = [], 0
        names.append(name)
        size += own
    if names:
        yield names


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Inside, what went wrong on some rank is raised as it is, not within an error of torch's that is no Exception."""
    try:
        yield
    except CheckpointException as failed:
        error, _ = failed.failures[min(failed.failures)]
        raise error from None
