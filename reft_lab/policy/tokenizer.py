"""Tokenizers: loaded with a model, or trained on the run's training split for a model made from scratch.

Special tokens come from the tokenizer; where it lacks one, the model's config names it. No id is ever assumed.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from reft_lab.cot.format import Frame
from reft_lab.errors import BadInput
from reft_lab.policy.settings import ModelConfig, ScratchConfig

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# A word with the space before it, a slot such as x0, a number up to 99 in one piece and longer ones digit by digit, the
# indentation of a program line, or one other sign. Every character falls in exactly one piece.
PIECES = r"\n {4}|\n| ?[A-Za-z_]+\d?\d?(?!\d)| ?\d{1,2}(?!\d)| ?\d| ?[^\sA-Za-z_0-9]|\s"

PARTS = r"[^\W\d_]+_?"  # of a name such as num_apples_left: num_, apples_, left

# Signs after which a tokenizer writes a text as it does within one, for where a prompt's own end would merge with it.
SEAMS = ("\n", ":", ".", "a")


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

    A prompt has the same tokens whatever follows it, so training and sampling start from the same state. What follows
    is written and read in its place: many tokenizers mark the space before a word, and add or drop one where a text
    begins, so neither the ids nor the text of a response stand for themselves.

    Attributes:
        end_ids: the tokens that end a response.
        eos_id: the first of them, which closes a completion.
        pad_id: what pads.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        *,
        begin_of_sequence: bool = True,
        end_ids: Sequence[int] = (),
        chat: Frame | None = None,
    ):
        """Args:
        tokenizer: has an end-of-sequence and a pad token.
        begin_of_sequence: let prompts begin with that token where the tokenizer adds one.
        end_ids: the tokens that end a response, that first which closes a completion; none: end-of-sequence alone.
        chat: what a chat template writes around the question of every prompt. There, and nowhere else, the name of a
            special token is that token.
        """
        self.tokenizer = tokenizer
        self.begin_of_sequence = begin_of_sequence
        self.end_ids = tuple(end_ids) or (int(tokenizer.eos_token_id),)
        self.eos_id = self.end_ids[0]
        self.pad_id: int = tokenizer.pad_token_id
        self.chat = chat

    def prompts(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of prompts, with the beginning-of-sequence token where the tokenizer adds one, never with an end."""
        plain = self._in_frame(texts)
        if not self.begin_of_sequence or not texts:
            return plain
        if self.chat is not None:  # most templates begin with that token themselves
            begin = self._begin
            return [row if row[: len(begin)] == begin else begin + row for row in plain]
        encoded = self._encode(texts, add_special_tokens=True)
        return [_without_end(whole, bare) for whole, bare in zip(encoded, plain, strict=True)]

    def completions(self, prompts: Sequence[str], texts: Sequence[str]) -> list[list[int]]:
        """Ids of completions, each as it is written after its prompt and closed by the end token.

        Args:
            prompts: the text before each completion.
            texts: the completions.
        """
        before = self._in_frame(prompts)
        whole = self._in_frame([prompt + text for prompt, text in zip(prompts, texts, strict=True)])
        ids: list[list[int] | None] = [
            row[len(prompt) :] if row[: len(prompt)] == prompt else None
            for prompt, row in zip(before, whole, strict=True)
        ]
        merged = [i for i, row in enumerate(ids) if row is None]  # a token would reach across the seam
        apart = self._apart([before[i] for i in merged], [texts[i] for i in merged])
        for i, row in zip(merged, apart, strict=True):
            ids[i] = row
        return [[*(row or ()), self.eos_id] for row in ids]

    def read(self, prompts: Sequence[Sequence[int]], responses: Sequence[Sequence[int]]) -> list[str]:
        """Texts of responses as they stand after their prompts, without special tokens.

        Args:
            prompts: ids of what stands before each response; may be empty.
            responses: ids of the responses.
        """
        before = self._decode(prompts)
        whole = self._decode([[*prompt, *response] for prompt, response in zip(prompts, responses, strict=True)])
        return [text[_agreement(prompt, text) :] for prompt, text in zip(before, whole, strict=True)]

    def pieces(self, prompt: Sequence[int], response: Sequence[int]) -> list[str]:
        """What each token adds to the text of a response; joined they are what `read` makes of it.

        A token alone does not tell its text: one tokenizer marks the space before a word, another drops it at the
        start, and a character may be spelled in several tokens (the last one gets it). So prefixes that grow are read,
        which takes time in the square of the length. A special token adds nothing.
        """
        ids = list(response)
        texts = self.read([prompt] * (len(ids) + 1), [ids[:i] for i in range(1, len(ids) + 1)] + [ids])
        whole = texts.pop()
        ends = [0]
        for text in texts:
            ends.append(max(ends[-1], _agreement(text, whole)))
        return [whole[start:end] for start, end in itertools.pairwise(ends)]

    def _encode(
        self, texts: Sequence[str], *, add_special_tokens: bool = False, names_are_text: bool = True
    ) -> list[list[int]]:
        """Ids of texts, where the name of a special token, such as </s>, is text like any other: data that hold it
        would otherwise end sequences, or lose it."""
        if not texts:
            return []
        ids: list[list[int]] = self.tokenizer(
            list(texts), add_special_tokens=add_special_tokens, split_special_tokens=names_are_text
        )["input_ids"]
        return ids

    def _in_frame(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of prompts, or of prompts with what follows them; in a chat, as transformers has them."""
        if self.chat is None:
            return self._encode(texts)
        rows = self._encode(texts, names_are_text=False)
        for row, text in zip(rows, texts, strict=True):
            if names := self._names_in_data(text, self.chat):
                row[:] = self._piece_by_piece(text, names)
        return rows

    def _names_in_data(self, text: str, chat: Frame) -> list[tuple[int, int]]:
        """Where the names of special tokens stand in a text outside of what its chat template wrote."""
        start = len(chat.before) if text.startswith(chat.before) else 0
        end = text.find(chat.after, start)
        rest = len(text) if end < 0 else end + len(chat.after)
        spans = [*self._names.finditer(text, start, end if end >= 0 else rest), *self._names.finditer(text, rest)]
        return [span.span() for span in spans]

    def _piece_by_piece(self, text: str, names: Sequence[tuple[int, int]]) -> list[int]:
        """Ids of a text in which these names of special tokens are text, and all others are not."""
        cuts = [0, *itertools.chain.from_iterable(names), len(text)]
        ids: list[int] = []
        for number, (start, end) in enumerate(itertools.pairwise(cuts)):
            if start == end:
                continue
            # Within a text: many tokenizers put a blank before the first word of one.
            (head,), seam = self._encode(SEAMS[:1]), SEAMS[0] if start else ""
            (row,) = self._encode([seam + text[start:end]], names_are_text=number % 2 == 1)
            ids += row[len(head) :] if seam and row[: len(head)] == head else row
        return ids

    @cached_property
    def _names(self) -> re.Pattern[str]:
        """The names of special tokens, of two that begin alike the longer one first."""
        names = {token.content for token in self.tokenizer.added_tokens_decoder.values() if token.special}
        return re.compile("|".join(re.escape(name) for name in sorted(names, key=len, reverse=True)) or "(?!)")

    @cached_property
    def _begin(self) -> list[int]:
        """What the tokenizer puts before a text."""
        (whole,), (bare,) = self._encode(["a"], add_special_tokens=True), self._encode(["a"])
        return _without_end(whole, bare)[: -len(bare)]

    def _decode(self, rows: Sequence[Sequence[int]]) -> list[str]:
        if not rows:
            return []
        lists = [list(row) for row in rows]
        return self.tokenizer.batch_decode(lists, skip_special_tokens=True, clean_up_tokenization_spaces=False)

    def _apart(self, prompts: Sequence[list[int]], texts: Sequence[str]) -> list[list[int]]:
        """Ids of `texts` after `prompts` where the tokenizer, left to itself, joins the end of one to the start of the
        other: as they are written alone or after a sign that keeps apart, whichever reads back as the text."""
        chosen = self._encode(texts)
        open_ = [i for i, text in enumerate(self.read(prompts, chosen)) if text != texts[i]]
        for sign in SEAMS:
            if not open_:
                break
            (head,) = self._encode([sign])
            tails = self._encode([sign + texts[i] for i in open_])
            apart = {i: row[len(head) :] for i, row in zip(open_, tails, strict=True) if row[: len(head)] == head}
            read = self.read([prompts[i] for i in apart], list(apart.values()))
            chosen_now = {i: row for (i, row), text in zip(apart.items(), read, strict=True) if text == texts[i]}
            for i, row in chosen_now.items():
                chosen[i] = row
            open_ = [i for i in open_ if i not in chosen_now]
        return chosen


def _without_end(whole: list[int], bare: list[int]) -> list[int]:
    """`whole`, the ids of a text with special tokens, up to the end of `bare`, its ids without."""
    for start in range(len(whole) - len(bare) + 1):
        if whole[start : start + len(bare)] == bare:
            return whole[: start + len(bare)]
    return bare


def _agreement(one: str, other: str) -> int:
    """How many characters two texts have in common at their start."""
    if other.startswith(one):
        return len(one)
    return next((place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(other))
