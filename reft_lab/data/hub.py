"""Records of a hub data set, through the `datasets` library."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reft_lab.data.files import SPLITS, split_of
from reft_lab.data.reading import Batch, read_rows
from reft_lab.errors import BadInput

_REACH_TIMEOUT = 4.0
"""Seconds to wait for the hub before only its cache on this machine is tried."""

_CONVERTED = "refs/convert/parquet"
"""Branch on which the hub keeps its own conversion of data sets whose authors published a loading script."""


def read_hub(hub: str, hub_config: str | None, name: str) -> dict[str, Batch]:
    """The splits of a hub data set, or of a folder that `datasets` can load.

    Args:
        name: what ids of records without one of their own begin with.

    Raises:
        BadInput: it cannot be had, or holds nothing that can be read; comes within seconds also without a network.
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
    return batches


def _load(hub: str, hub_config: str | None) -> Any:
    shown = f"{hub}, configuration {hub_config}," if hub_config else hub
    obstacle = None if Path(hub).is_dir() else _obstacle(hub)
    import datasets

    with _quiet(datasets), _cache_only(datasets, wanted=obstacle is not None):
        try:
            try:
                return datasets.load_dataset(hub, hub_config)
            except RuntimeError as error:
                if "scripts are no longer supported" not in str(error):
                    raise
                return datasets.load_dataset(hub, revision=_CONVERTED)
        except Exception as error:
            why = str(error).strip().split("\n")[0].rstrip(".")
            tried = (
                f"{obstacle}, and this machine's cache does not hold it"
                if obstacle
                else f"{type(error).__name__}: {why}"
            )
            raise BadInput(
                f"data set {shown} cannot be loaded from the hub ({tried}); check the id, the network and your login, "
                "or give data.path=FOLDER_OR_FILE"
            ) from None


def _obstacle(hub: str) -> str | None:
    """Why the hub cannot be asked for `hub`, None if it answers. The user's proxies and mirrors are heeded.

    In a thread, because looking up a name may hang for longer than any timeout of the request.
    """
    import huggingface_hub
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return "offline mode is set"
    obstacle: list[str | None] = [f"{constants.ENDPOINT} did not answer within {_REACH_TIMEOUT:g} s"]

    def ask() -> None:
        address = f"{constants.ENDPOINT}/api/datasets/{hub}"
        try:
            status = huggingface_hub.get_session().head(address, timeout=_REACH_TIMEOUT).status_code
            obstacle[0] = f"{constants.ENDPOINT} is out of order: HTTP status {status}" if status >= 500 else None
        except Exception as error:
            obstacle[0] = f"{constants.ENDPOINT} cannot be reached: {error}"

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_REACH_TIMEOUT)
    return obstacle[0]


@contextmanager
def _cache_only(datasets: Any, wanted: bool) -> Iterator[None]:
    """Let `datasets` look in its cache only, where that is `wanted`; it would retry for half a minute otherwise."""
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
    """Without the library's warnings: what matters is in the sentence that is raised."""
    level = datasets.logging.get_verbosity()
    datasets.logging.set_verbosity_error()
    try:
        yield
    finally:
        datasets.logging.set_verbosity(level)
