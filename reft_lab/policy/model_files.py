"""The files of a model in a folder: whether they are all there and as they were written, without loading them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reft_lab.errors import BadInput, first_sentence, foreign_errors
from reft_lab.policy.adapter_files import BASE, is_adapter

CONFIG = "config.json"
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
OTHERS = ("*.safetensors", "*.gguf", "*.onnx", "*.h5", "*.msgpack")  # weights under names that are not read
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
# What transformers reads beside the weights, where it is there.
TEXTS = (
    CONFIG,
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "vocab.txt",
    "tokenizer.model",
)
POINTER = b"version https://git-lfs"  # how the file begins that stands for another one in a git repository

Shapes = dict[str, tuple[list[int], str]]  # of each weight its shape and safetensors' name of its type


def check_files(folder: Path, *, whole: bool = True) -> None:
    """See that the files in `folder` can be read, by their first and last bytes; takes no longer for a large model.

    Args:
        folder: a model folder, or what the cache of the hub holds of one.
        whole: whether weights must be there; the cache may hold a part of them, to be completed by a download.

    Raises:
        BadInput: a file is missing, or not what its name says.
    """
    with foreign_errors(lambda error: f"the model in {folder} cannot be read ({first_sentence(error)})."):
        _check_kind(folder, whole)
        for name in TEXTS:
            if (folder / name).exists():
                _check_text(folder / name)
        for file in weight_files(folder):
            if whole or file.exists():
                _check_weights(file)


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files that transformers would load; none where there are none.

    Raises:
        BadInput: the list of them is damaged.
    """
    if (folder / WEIGHTS).exists():
        return [folder / WEIGHTS]
    index = folder / INDEX
    if not index.exists():
        return []
    content = _check_text(index)
    listed = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(listed, dict) or not listed or not all(isinstance(name, str) for name in listed.values()):
        raise BadInput(f"{index} is damaged (it lists no files of weights); {_fetch_again(index)}")
    return [folder / name for name in sorted(set(listed.values()))]


def shapes(folder: Path) -> Shapes:
    """Shape and type of every weight in the files of `folder`, read from their headers."""
    return {name: facts for file in weight_files(folder) for name, facts in _header(file)}


def _check_kind(folder: Path, whole: bool) -> None:
    """What a folder holds by the names of its files."""
    if not (folder / CONFIG).is_file():
        raise BadInput(_no_model(folder))
    if has_weights(folder) or not whole:
        return
    if any(True for kind in PICKLES for _ in folder.glob(kind)):
        raise BadInput(
            f"model.path={folder} holds no weights as safetensors, and a pickle could run what its author likes; load "
            "it once with transformers, and write it with save_pretrained."
        )
    others = sorted(file.name for kind in OTHERS for file in folder.glob(kind))
    found = f" (only {', '.join(others[:3])})" if others else ""
    raise BadInput(
        f"model.path={folder} holds no weights: there is no {WEIGHTS} and no {INDEX} in it{found}; fetch them, "
        "write the model with save_pretrained, or name a GGUF file itself as model.path=."
    )


def _no_model(folder: Path) -> str:
    """The sentence on a path that is not a model folder, with a folder nearby that is one."""
    start = f"model.path={folder}"
    give = "give a folder written by save_pretrained, a GGUF file or a hub id as model.path=PATH_OR_HUB_ID."
    if folder.is_file():
        is_one = (folder.parent / CONFIG).is_file()
        return f"{start} is a file; {f'give its folder: model.path={folder.parent}.' if is_one else give}"
    if not folder.exists():
        return f"{start} does not exist; {give}"
    inside = [inner for depth in ("*", "*/*") for inner in folder.glob(depth) if _can_be_given(inner)]
    inside.sort(key=lambda inner: (inner.name == BASE, inner))  # the model of a run's adapters is hardly what is meant
    if inside:
        several = f" (or one of {len(inside) - 1} more in it)" if len(inside) > 1 else ""
        return f"{start} is not a model folder (it holds no {CONFIG}); give model.path={inside[0]}{several}."
    if packed := sorted(folder.glob("*.gguf")):
        return f"{start} is not a model folder (it holds no {CONFIG}); give model.path={packed[0]}."
    return f"{start} is not a model folder (it holds no {CONFIG}); {give}"


def _can_be_given(folder: Path) -> bool:
    return is_adapter(folder) or ((folder / CONFIG).is_file() and has_weights(folder))


def has_weights(folder: Path) -> bool:
    """Whether a folder holds weights by the names that transformers looks for."""
    return (folder / WEIGHTS).exists() or (folder / INDEX).exists()


def _check_text(file: Path) -> Any:
    """Content of a JSON file, None of any other; it is there and no pointer."""
    content = file.read_bytes()
    check_no_pointer(file, content)
    if not content.strip():
        raise BadInput(f"{file} is empty; {_fetch_again(file)}")
    if file.suffix != ".json":
        return None
    with foreign_errors(
        lambda error: f"{file} is damaged (it is not JSON: {first_sentence(error)}); {_fetch_again(file)}"
    ):
        parsed = json.loads(content)
    if not isinstance(parsed, dict):
        raise BadInput(f"{file} is damaged (it holds no JSON object); {_fetch_again(file)}")
    return parsed


def _check_weights(file: Path) -> None:
    if not file.is_file():
        raise BadInput(f"{file} is missing, and the list of weights names it; {_fetch_again(file)}")
    with file.open("rb") as opened:
        first = opened.read(len(POINTER))
    check_no_pointer(file, first)
    if not first:
        raise BadInput(f"{file} is empty; {_fetch_again(file)}")
    for _ in _header(file):
        break


def _header(file: Path) -> Iterator[tuple[str, tuple[list[int], str]]]:
    """Names, shapes and types of the weights in a file; its size must be what its header says."""
    from safetensors import safe_open

    with (
        foreign_errors(
            lambda error: (
                f"{file} is damaged or cut off ({first_sentence(error)}; it has {file.stat().st_size:,} bytes); "
                f"{_fetch_again(file)}"
            )
        ),
        safe_open(file, framework="np") as opened,
    ):
        for name in opened.keys():  # noqa: SIM118, it is no mapping
            part = opened.get_slice(name)
            yield name, (list(part.get_shape()), str(part.get_dtype()))


def check_no_pointer(file: Path, content: bytes) -> None:
    """See that a file is itself, by how it begins.

    Raises:
        BadInput: it stands for another one.
    """
    if content.startswith(POINTER):
        raise BadInput(
            f"{file} is a git-lfs pointer and not the file itself, as a clone without git-lfs leaves it; fetch the "
            f"files with `git lfs install` and `git lfs pull` in {file.parent}, or download the model again."
        )


def _fetch_again(file: Path) -> str:
    return f"fetch {file.name} again, or write the model anew with save_pretrained."
