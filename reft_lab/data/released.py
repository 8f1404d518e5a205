"""The files that the paper's authors released: downloaded once, verified, and kept in the user's cache."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reft_lab.errors import BadInput, first_sentence
from reft_lab.hub import within

ADDRESS = "https://raw.githubusercontent.com/lqtrung1998/mwp_ReFT/main/data"
ADDRESS_VARIABLE = "REFT_LAB_PAPER_DATA"
"""Environment variable with the address of a mirror."""
CACHE_VARIABLE = "REFT_LAB_CACHE"
"""Environment variable with the folder to keep the files in."""

_CONNECT_SECONDS, _READ_SECONDS = 4.0, 30.0
_STEMS = {"gsm8k": "gsm8k", "svamp": "svamp", "mathqa": "mathqa", "mathqa_numeric": "mathqa-numeric"}
_KINDS = {"natural": "nl", "program": "python_sdp"}


@dataclass(frozen=True)
class Released:
    """How a released file is recognised."""

    records: int
    digest: str  # `sha256:` and the checksum of the file, or `git:` and the name under which git lists its content


# The counts of the training files agree with the paper. Git's names come from the listing of the repository.
FILES = {
    "gsm8k_nl.json": Released(7465, "git:deb398325d6e8f1f984ad993dd5c4de7444c1e33"),
    "gsm8k_python_sdp.json": Released(7356, "git:f1b5c9bce340a249333831b7dc63a78b74a646a4"),
    "gsm8k_test_set.json": Released(1319, "sha256:0f2e17554946d235d2c0cdf9343bb9d3319007bba9596e0665d4f8b341f57016"),
    "mathqa-numeric_nl.json": Released(8955, "git:a53a8a6f041efc5e7d724222bf6472f231b36bce"),
    "mathqa-numeric_python_sdp.json": Released(7672, "git:587adb5c00e836bffd4c5452668f64fdb3fef5f2"),
    "mathqa-numeric_test_set.json": Released(
        1605, "sha256:7106aa5810115db4d2767a87753fa549fb870e69a517136b5f690c434072f421"
    ),
    "mathqa_nl.json": Released(14862, "git:3b7af65bad55c86a4873cc8dd86261cdb8cff4f2"),
    "mathqa_python_sdp.json": Released(15250, "git:188c079ee89e55b65311cf23e1ef72b0c3bf3d68"),
    "mathqa_test_set.json": Released(1605, "sha256:0bcd2eaceeb419e6d9ce55aa20f064e92f3ce9fcf7725bfc5a0bf320769cd8bc"),
    "svamp_nl.json": Released(3076, "sha256:12e9ee172f08987112244dc95a03877353874b24ff3b8481eab675123b8fdd9d"),
    "svamp_python_sdp.json": Released(3043, "sha256:09936759f652750064b1cb0dc81bce893f0b3e4a21e81d63d5cf738e0a379c3c"),
    "svamp_test_set.json": Released(1000, "sha256:baba23c85982adad6b7f6a9d6c6cf3b82c4135364a5ac36b8447add90f783d85"),
}


class _Wrong(Exception):
    """The server sent something other than the released file; the message says what is wrong."""


def names_of(data: str, cot: str) -> dict[str, str]:
    """The released file of each split, `train` and `test`.

    Args:
        data: name of the data set.
        cot: `natural` or `program`, which have training files of their own.

    Raises:
        BadInput: the authors released no files of this data set.
    """
    if data not in _STEMS:
        raise BadInput(
            f"data.source=paper has no data={data}: the paper's authors released {', '.join(_STEMS)}; choose one of "
            "them, or give data.path=FOLDER_OR_FILE"
        )
    return {"train": f"{_STEMS[data]}_{_KINDS[cot]}.json", "test": f"{_STEMS[data]}_test_set.json"}


def fetch(name: str) -> Path:
    """The path of a released file on this machine; it is downloaded where it is missing or damaged.

    Args:
        name: one of FILES.

    Raises:
        BadInput: it cannot be downloaded, or is not what the authors released. Without a network this takes seconds.
    """
    import pooch

    address = os.environ.get(ADDRESS_VARIABLE, "").strip().rstrip("/") or ADDRESS
    instead = f"give the files as data.path=FOLDER, or the address of a mirror in {ADDRESS_VARIABLE}"
    if not address.startswith(("https://", "http://")):
        raise BadInput(f"{ADDRESS_VARIABLE}={address} must begin with https:// or http://; {instead}")
    folder = Path(os.environ.get(CACHE_VARIABLE) or pooch.os_cache("reft_lab")).expanduser() / "paper"
    place, expected = folder / name, FILES[name]
    url = f"{address}/{name}"
    try:
        if place.is_file():
            if _fault(place, expected) is None:
                return place
            place.unlink(missing_ok=True)
        if why_not := _obstacle(url):
            raise BadInput(f"{url}, a file of the paper's authors, cannot be fetched ({why_not}); {instead}")
        pooch.get_logger().setLevel("WARNING")  # progress bar and note say more than its lines
        pooch.create(folder, f"{address}/", registry={name: None}).fetch(name, downloader=_download)
    except _Wrong as wrong:
        raise BadInput(f"{url} is not the file that the paper's authors released: it {wrong}; {instead}") from None
    except OSError as error:
        if error.filename is not None:
            raise BadInput(
                f"{name} of the paper's authors cannot be kept in {folder} ({error.strerror}); name another folder in "
                f"{CACHE_VARIABLE}, or {instead}"
            ) from None
        raise BadInput(f"{url} cannot be fetched ({_why(error)}); {instead}") from None
    return place


def _download(url: str, output: Any, registry: Any) -> None:
    """Download one file; a wrong one is refused before it is moved to its place."""
    import pooch

    pooch.HTTPDownloader(
        progressbar=sys.stderr.isatty(), chunk_size=1 << 16, timeout=(_CONNECT_SECONDS, _READ_SECONDS)
    )(url, output, registry)
    fault = _fault(Path(output), FILES[url.rpartition("/")[2]])
    if fault is not None:
        raise _Wrong(fault)


def _fault(file: Path, expected: Released) -> str | None:
    """Why `file` is not the released one; None where it is."""
    content = file.read_bytes()
    kind, _, wanted = expected.digest.partition(":")
    found = (
        hashlib.sha256(content) if kind == "sha256" else hashlib.sha1(b"blob %d\0" % len(content) + content)
    ).hexdigest()
    if found == wanted:
        return None
    try:
        records = json.loads(content)
    except ValueError:
        return f"is not JSON (it begins with {content[:20].decode(errors='replace')!r})"
    if not isinstance(records, list):
        return "is not a list of problems"
    if len(records) != expected.records:
        return f"holds {len(records):,} problems, not {expected.records:,}"
    return f"does not match the {kind} checksum ({found[:12]}, not {wanted[:12]})"


def _obstacle(url: str) -> str | None:
    """Why the server cannot be reached; None if it answers."""
    import requests

    def ask() -> str | None:
        try:
            status = requests.head(url, timeout=_CONNECT_SECONDS, allow_redirects=True).status_code
        except Exception as error:
            return _why(error)
        return f"HTTP status {status}" if status >= 500 else None  # some servers refuse HEAD and answer GET

    return within(_CONNECT_SECONDS, ask, f"there was no answer within {_CONNECT_SECONDS:g} s")


def _why(error: Exception) -> str:
    """An error of `requests` in a few words."""
    import requests

    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"HTTP status {error.response.status_code}"
    if isinstance(error, requests.Timeout):
        return "the server does not answer"
    if isinstance(error, requests.ConnectionError):
        return "the server cannot be reached, or the connection broke off"
    return first_sentence(error)
