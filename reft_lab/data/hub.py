"""Records of a hub data set, through the `datasets` library."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from reft_lab.data.file_names import SPLITS, split_of
from reft_lab.data.reading import Batch, read_rows
from reft_lab.errors import BadInput, first_sentence
from reft_lab.hub import obstacle

NOTES = {
    "ChilleD/SVAMP": (
        "ChilleD/SVAMP splits SVAMP's challenge set itself into 700 problems to train on and 300 to test on: not the "
        "experiment of the paper, which trains on other problems and tests on all 1,000 (docs/data.md)"
    )
}
"""What to know about a data set of the hub before comparing accuracies with the paper's."""


def read_hub(hub: str, hub_config: str | None, name: str) -> dict[str, Batch]:
    """The splits of a hub data set, or of a folder that `datasets` can load.

    Args:
        name: what ids of records without one of their own begin with.

    Raises:
        BadInput: it cannot be loaded, or holds nothing that can be read. Without a network this takes seconds.
    """
    found = _load(hub, hub_config)
    batches: dict[str, Batch] = {}
    for key in found:
        split = split_of(str(key))
        if split in SPLITS and split not in batches:
            rows = ((number, str(number), dict(row)) for number, row in enumerate(found[key]))
            batches[split] = read_rows(rows, f"{hub}:{key}", f"{name}-{split}", f"{hub}:{key}")
    if not batches.keys() & {"train", "dev"}:
        raise BadInput(
            f"data set {hub} on the hub has no training split, only {', '.join(map(str, found))}; give data.path="
        )
    if hub in NOTES:
        first = next(iter(batches))
        batches[first] = replace(batches[first], notes=(NOTES[hub], *batches[first].notes))
    return batches


def _load(hub: str, hub_config: str | None) -> Any:
    shown = f"{hub}, configuration {hub_config}," if hub_config else hub
    why_not = None if Path(hub).is_dir() else obstacle("datasets", hub)
    import datasets

    with _quiet(datasets), _cache_only(datasets, wanted=why_not is not None):
        try:
            return datasets.load_dataset(hub, hub_config)
        except Exception as error:
            tried = (
                f"{why_not}, and this machine's cache does not hold it"
                if why_not
                else f"{type(error).__name__}: {first_sentence(error)}"
            )
            raise BadInput(
                f"data set {shown} cannot be loaded from the hub ({tried}); check the id, the network and your login, "
                "or give data.path=FOLDER_OR_FILE"
            ) from None


@contextmanager
def _cache_only(datasets: Any, wanted: bool) -> Iterator[None]:
    """Let `datasets` look only in its cache, where that is `wanted`; otherwise it would retry for half a minute."""
    from huggingface_hub import constants

    before = datasets.config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE
    if wanted:
        datasets.config.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE = before


@contextmanager
def _quiet(datasets: Any) -> Iterator[None]:
    """Silence the library's warnings: what matters is in the sentence that is raised."""
    level = datasets.logging.get_verbosity()
    datasets.logging.set_verbosity_error()
    try:
        yield
    finally:
        datasets.logging.set_verbosity(level)
