"""The base model."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Optional

from reft_lab.errors import BadInput, first_sentence, foreign_errors
from reft_lab.fields import STRICT, OneOf, doc

GGUF = ".gguf"  # how files of llama.cpp's end


@dataclass
class ScratchConfig:
    """A small Llama made on the spot, with a tokenizer trained on the run's training split."""

    __pydantic_config__ = STRICT
    hidden_size: Annotated[int, doc("width of the model", unit="units", ge=8)] = 64
    layers: Annotated[int, doc("transformer layers", ge=1)] = 3
    heads: Annotated[int, doc("attention heads; must divide hidden_size into even parts", ge=1)] = 4
    mlp_size: Annotated[int, doc("width of the feed-forward part", unit="units", ge=8)] = 192
    max_positions: Annotated[int, doc("longest prompt plus response", unit="tokens", ge=64)] = 1024
    vocabulary: Annotated[
        int, doc("most tokens the trained tokenizer may have (256 of them are single bytes)", unit="tokens", ge=300)
    ] = 4096
    min_count: Annotated[int, doc("a word seen less often in training is spelled from smaller pieces", ge=1)] = 3


@dataclass
class LoraConfig:
    """An adapter of low rank beside frozen weights (LoRA, 2106.09685), by peft. Everything else is for a set rank."""

    __pydantic_config__ = STRICT
    rank: Annotated[
        Optional[int],
        doc(
            "train an adapter of this rank and leave the model's own weights as they are; null: train all weights", ge=1
        ),
    ] = None
    alpha: Annotated[int, doc("what the adapter adds is multiplied by alpha / rank", ge=1)] = 32
    dropout: Annotated[
        float, doc("share of the adapter's inputs that are dropped in supervised training", ge=0, lt=1)
    ] = 0.0
    targets: Annotated[
        Optional[list[str]],
        doc("linear layers that are adapted, by the ends of their names (q_proj); null: all but the output head"),
    ] = None
    merge: Annotated[bool, doc("write the best policy at the end as an ordinary model too, to checkpoints/merged")] = (
        False
    )


@dataclass
class ModelConfig:
    """The base model: a hub id, a folder or a GGUF file, or one made from scratch."""

    __pydantic_config__ = STRICT
    name: Annotated[str, doc("short name, used in run names", min_length=1)] = "tiny"
    path: Annotated[
        Optional[str],
        doc("hub id, folder or .gguf file to load model and tokenizer from; null makes the model from `scratch`"),
    ] = None
    revision: Annotated[Optional[str], doc("branch, tag or commit on the hub; null takes the newest")] = None
    scratch: Annotated[ScratchConfig, doc("shape of a model made on the spot, used when `path` is null")] = field(
        default_factory=ScratchConfig
    )
    pad_token: Annotated[Optional[str], doc("pad token to use where the tokenizer has none")] = None
    eos_token: Annotated[Optional[str], doc("end-of-sequence token to use where the tokenizer has none")] = None
    value: Annotated[
        str,
        doc(
            "value model: a head on the policy's trunk (shared), or on a copy of it that is made after the warm-up "
            "(separate, ablation)"
        ),
        OneOf("shared", "separate"),
    ] = "shared"
    lora: Annotated[LoraConfig, doc("adapters in place of full fine-tuning (docs/adapters.md)")] = field(
        default_factory=LoraConfig
    )
    gradient_checkpointing: Annotated[
        bool, doc("recompute activations in the backward pass: less memory, about a third more time")
    ] = False

    @property
    def place(self) -> tuple[Path, bool]:
        """Where `path` points to as a folder or GGUF file, and whether it is meant as one rather than as a hub id.

        Raises:
            BadInput: it cannot be looked at.
        """
        path = str(self.path)
        with foreign_errors(lambda error: f"model.path={path} cannot be looked at ({first_sentence(error)})."):
            folder = Path(path).expanduser()
            is_local = path.startswith((".", "/", "~")) or is_gguf(folder)
            return folder, is_local or folder.exists()

    def check(self) -> None:
        """Check that a folder or file is there.

        Raises:
            BadInput: it is not, or cannot be looked at.
        """
        if self.path is None:
            return
        place, is_local = self.place
        if is_local and not place.exists():
            raise BadInput(f"model.path={self.path} does not exist; give a GGUF file, a folder or a hub id.")


def is_gguf(path: Path) -> bool:
    """Whether a path names a GGUF file."""
    return path.suffix == GGUF and not path.is_dir()
