"""Models in a GGUF file, as llama.cpp keeps them: whether one can be read here, and an ordinary model made of it.

transformers takes the weights out of their blocks and names them as it does. What is made of them here is a model like
any other, which is trained and saved as one.
"""

from __future__ import annotations

import copy
import io
from contextlib import redirect_stderr
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reft_lab.errors import BadInput, first_sentence, foreign_errors
from reft_lab.policy.model_files import check_no_pointer

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

MAGIC = b"GGUF"
NEEDED = ("gguf", "accelerate")  # packages that transformers reads such a file with
# Tensors by which llama.cpp scales the angles of rotary embeddings; transformers passes over them.
ANGLES = ("rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight")
READS_SCALING = ("gpt-oss",)  # architectures whose scaling of angles transformers takes from the file


def check_gguf(file: Path) -> None:
    """See, by its header, that a GGUF file can be read here and is all there.

    Raises:
        BadInput: it is not, or a package is missing, or transformers would make another model of it.
    """
    if not file.is_file():
        raise BadInput(f"model.path={file} does not exist; give a GGUF file, a folder or a hub id.")
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise BadInput(
            f"a GGUF file such as {file} is read with {' and '.join(NEEDED)}, and {' and '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} not installed; install them with pip install -c constraints.txt "
            "-e '.[gguf]', or give a folder that save_pretrained wrote."
        )
    with foreign_errors(lambda error: f"{file} cannot be read ({first_sentence(error)})."), file.open("rb") as opened:
        first = opened.read(64)
    check_no_pointer(file, first)
    if not first.startswith(MAGIC):
        raise BadInput(f"{file} is no GGUF file (it does not begin with GGUF); fetch it again.")
    _check_header(file, *_version(file))


def _version(file: Path) -> tuple[int, int]:
    """Size and time of a file. What is in it takes seconds to read, so each part is read once as long as they stay."""
    state = file.stat()
    return state.st_size, state.st_mtime_ns


@lru_cache(maxsize=1)
def _check_header(file: Path, size: int, time: int) -> None:
    from gguf import GGUFReader

    with foreign_errors(
        lambda error: f"{file} is damaged or cut off ({first_sentence(error)}; it has {size:,} bytes); fetch it again."
    ):
        reader = GGUFReader(file)
        architecture = reader.fields["general.architecture"].contents()
        scaling = reader.fields.get(f"{architecture}.rope.scaling.type")
        kinds = [] if scaling is None or scaling.contents() == "none" else [str(scaling.contents())]
        angles = [t.name for t in reader.tensors if t.name in ANGLES and not (t.data == 1).all()]
    if (kinds or angles) and architecture not in READS_SCALING:
        raise BadInput(
            f"{file} scales the angles of its rotary embeddings ({', '.join([*kinds, *angles])}), which transformers "
            "does not take from such a file, so another model would be trained; give the folder or hub id of the "
            "model that it was made from."
        )


def gguf_config(file: Path) -> PreTrainedConfig:
    """The config that transformers makes of a GGUF file, for the caller to change."""
    return copy.deepcopy(_config(file, *_version(file)))


@lru_cache(maxsize=1)
def _config(file: Path, size: int, time: int) -> PreTrainedConfig:
    from transformers import AutoConfig

    config: PreTrainedConfig = AutoConfig.from_pretrained(str(file.parent), gguf_file=file.name)
    return config


def gguf_tokenizer(file: Path, **options: Any) -> PreTrainedTokenizerBase:
    """The tokenizer in a GGUF file, for the caller to change.

    Args:
        file: the file.
        options: of `from_pretrained`, plain values.
    """
    return copy.deepcopy(_tokenizer(file, *_version(file), **options))


@lru_cache(maxsize=1)
def _tokenizer(file: Path, size: int, time: int, **options: Any) -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer

    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(str(file.parent), gguf_file=file.name, **options)
    return tokenizer


def load_gguf(file: Path, **options: Any) -> tuple[PreTrainedModel, dict[str, Any]]:
    """The language model in a GGUF file in fp32, and what `from_pretrained` says of its weights.

    Args:
        file: the file.
        options: of `from_pretrained`.
    """
    import torch
    from transformers import AutoModelForCausalLM, GgufConfig

    given: dict[str, Any] = {"gguf_file": file.name, "quantization_config": GgufConfig(dequantize=True)}
    with redirect_stderr(io.StringIO()):  # a bar that transformers has no switch for
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            str(file.parent), config=gguf_config(file), dtype=torch.float32, **given, **options
        )
    lm, info = loaded
    # What was loaded calls itself quantised and cannot be saved, so its weights are put into a model that is neither.
    fresh = type(lm).from_pretrained(None, config=gguf_config(file), state_dict=lm.state_dict(), dtype=torch.float32)
    return fresh, info
