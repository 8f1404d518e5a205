"""Tokenizers: loaded with a model, or trained on the run's training split for a model made from scratch.

Special tokens come from the tokenizer; where it lacks one, the model's config names it. No id is ever assumed.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from reft_lab.config.inputs import ModelConfig, ScratchConfig
from reft_lab.errors import BadInput

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# A word with the space before it, a slot such as x0, a number up to 99 in one piece and longer ones digit by digit, the
# indentation of a program line, or one other sign. Every character falls in exactly one piece.
PIECES = r"\n {4}|\n| ?[A-Za-z_]+\d?\d?(?!\d)| ?\d{1,2}(?!\d)| ?\d| ?[^\sA-Za-z_0-9]|\s"

PARTS = r"[^\W\d_]+_?"  # of a name such as num_apples_left: num_, apples_, left


def set_special_tokens(tokenizer: PreTrainedTokenizerBase, model: ModelConfig) -> None:
    """Give `tokenizer` an end-of-sequence and a pad token where it has none.

    The end-of-sequence token must be known, since it is predicted. Padding is masked wherever it stands, so any token
    can serve: config first, else end-of-sequence.

    Raises:
        BadInput: no end-of-sequence token is known, or a configured token is not in the vocabulary.
    """
    vocabulary = tokenizer.get_vocab()
    for kind, configured in (("eos_token", model.eos_token), ("pad_token", model.pad_token)):
        if getattr(tokenizer, kind) is not None:
            continue
        if configured is not None and configured not in vocabulary:
            raise BadInput(
                f"model.{kind}={configured} is not in the vocabulary of the tokenizer of {model.path}; "
                f"set model.{kind} to a token that is."
            )
        if configured is None and kind == "eos_token":
            raise BadInput(
                f"the tokenizer of {model.path} has no end-of-sequence token; name one with model.eos_token=TOKEN."
            )
        setattr(tokenizer, kind, configured or tokenizer.eos_token)


def train_tokenizer(texts: Iterable[str], scratch: ScratchConfig) -> PreTrainedTokenizerBase:
    """A word-level tokenizer that reproduces any text exactly.

    The vocabulary is the words of `texts`, most frequent first, the parts of rare ones that are joined by underscores,
    and every single byte; a word that is not in it is spelled with the longest pieces that are.

    Args:
        texts: everything the model is going to read or write in training.
        scratch: limits of the vocabulary.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    split = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(piece for piece, _ in split.pre_tokenize_str(text))

    special = ["<pad>", "<eos>", "<unk>"]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    room = scratch.vocabulary - len(special) - len(alphabet)
    for word, count in list(counts.items()):
        if count < scratch.min_count:  # a long name of a program's variable is likely to be met in other compositions
            counts.update({part: count for part in re.findall(PARTS, word) if part != word})
    by_frequency = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    words = [word for word, count in by_frequency if count >= scratch.min_count and len(word) > 1][:room]
    vocabulary = {token: index for index, token in enumerate(special + alphabet + words)}

    tokenizer = Tokenizer(
        models.WordPiece(vocabulary, unk_token="<unk>", continuing_subword_prefix="", max_input_chars_per_word=10_000)
    )
    tokenizer.pre_tokenizer = split
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>", padding_side="left"
    )


class Codec:
    """Text to token ids and back, the same way in supervised fine-tuning and in reinforcement.

    Prompt and completion are encoded apart and joined as ids, so the tokens of a prompt never depend on what follows:
    there is no seam.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase):
        self.tokenizer = tokenizer
        self.eos_id: int = tokenizer.eos_token_id
        self.pad_id: int = tokenizer.pad_token_id

    def prompts(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of prompts, with the beginning-of-sequence token where the tokenizer adds one, never with an end."""
        encoded: list[list[int]] = self.tokenizer(list(texts), add_special_tokens=True)["input_ids"] if texts else []
        plain: list[list[int]] = self.tokenizer(list(texts), add_special_tokens=False)["input_ids"] if texts else []
        return [
            ids[:-1] if ids and ids[-1] == self.eos_id and (not bare or bare[-1] != self.eos_id) else ids
            for ids, bare in zip(encoded, plain, strict=True)
        ]

    def completions(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of completions, each closed by the end-of-sequence token."""
        if not texts:
            return []
        ids = self.tokenizer(list(texts), add_special_tokens=False)["input_ids"]
        return [[*row, self.eos_id] for row in ids]

    def read(self, responses: Sequence[Sequence[int]]) -> list[str]:
        """Texts of responses, without special tokens."""
        return [
            str(self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False))
            for ids in responses
        ]

    def pieces(self, response: Sequence[int]) -> list[str]:
        """What each token adds to the text of a response; joined they are what `read` makes of it.

        A token alone does not tell its text: one tokenizer marks the space before a word, another drops it at the
        start, and a character may be spelled in several tokens (the last one gets it). So prefixes that grow are read,
        which takes time in the square of the length. A special token adds nothing.
        """
        ids = list(response)
        (whole,) = self.read([ids])
        ends = [0]
        for text in self.read([ids[: i + 1] for i in range(len(ids))]):
            differs = (place for place, (a, b) in enumerate(zip(whole, text, strict=False)) if a != b)
            agreed = len(text) if whole.startswith(text) else next(differs, len(whole))
            ends.append(max(ends[-1], agreed))
        return [whole[start:end] for start, end in itertools.pairwise(ends)]
