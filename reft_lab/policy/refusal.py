"""What is said of a model that transformers does not load."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from reft_lab.errors import first_sentence
from reft_lab.policy.settings import is_gguf


def cannot_load(part: str, path: str, folder: Path | None, error: BaseException, why_not: str | None) -> str:
    """The sentence on a model that transformers does not load.

    Args:
        part: what was asked for: config, generation settings, tokenizer or weights.
        path: what the user calls the model.
        folder: the folder or GGUF file; None for an id on the hub.
        error: what was raised.
        why_not: why the hub could not be asked.
    """
    said = first_sentence(error)
    if "trust_remote_code" in str(error):
        return (
            f"cannot load the {part} of model {path}: it is computed by code that comes with it, which is not run "
            "here; choose a model that transformers knows itself."
        )
    versions = f"transformers {version('transformers')} and tokenizers {version('tokenizers')}"
    if folder is None:
        tried = f"{why_not}, and this machine's cache does not hold it" if why_not else said
        return (
            f"cannot load the {part} of model {path} ({tried}); check the name, the network and your access to it, or "
            "give a folder or another hub id as model.path=PATH_OR_HUB_ID."
        )
    if is_gguf(folder):
        return (
            f"cannot load the {part} of model {path} ({said}); give the folder or hub id of the model that it was made "
            f"from, or a file that transformers {version('transformers')} reads."
        )
    if part == "tokenizer" and not (folder / "tokenizer.json").exists():
        return (
            f"cannot load the tokenizer of model {path}: there is no tokenizer.json in it, and none can be made of "
            f"what is there ({said}); copy tokenizer.json and tokenizer_config.json from where the model came from, "
            f"or write them with save_pretrained of {versions}."
        )
    if part == "tokenizer":
        return (
            f"cannot load the tokenizer of model {path} ({said}); its files are damaged, or of a newer version than "
            f"{versions} here: fetch them again, or write them with save_pretrained of these versions."
        )
    file = "generation_config.json" if part == "generation settings" else "config.json"
    return (
        f"cannot load the {part} of model {path} from this folder ({said}); its {file} is damaged, or of a newer "
        f"version than transformers {version('transformers')} here: take the one that the model came with, or choose "
        "another model."
    )
