"""What to change where a run does not fit, the cheapest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from reft_lab.config.running import FSDP
from reft_lab.memory.phases import largest, phases
from reft_lab.memory.setting import Setting
from reft_lab.memory.work import Work

LEAST_TOKENS = 64  # of trainer.tokens_per_micro_batch
RANK = 16
NOTICEABLE = 0.99  # of what a run takes; a change that leaves more is none


@dataclass(frozen=True)
class Change:
    """Options to add to those before.

    Attributes:
        words: as one types them.
        costs: what that costs.
        size: bytes that the run takes with these and all before them.
    """

    words: str
    costs: str
    size: int


def changes(setting: Setting, works: Sequence[Work], room: int, *, at_most: bool = False) -> list[Change]:
    """Changes in the order of what they cost, each on top of those before it, until the run fits into `room` bytes; all
    that help where it never does.

    What is changed is what the largest phase consists of, so a change that helps nothing at its place is left out.
    """
    found: list[Change] = []

    def size(changed: Setting) -> int:
        return largest(phases(changed, works, at_most=at_most)).size

    now = size(setting)
    for candidates in (_tokens, _rows, _checkpointing, _parts, _adapter, _moments):
        if now <= room:
            break
        best, least = None, NOTICEABLE * now
        for words, costs, changed in candidates(setting, works):
            becomes = size(changed)
            if becomes < least:
                best, least = (Change(words, costs, becomes), changed), becomes
            if becomes <= room:
                break
        if best is not None:
            change, setting = best
            now = change.size
            found.append(change)
    return found


Candidates = Iterator[tuple[str, str, Setting]]


def _tokens(setting: Setting, works: Sequence[Work]) -> Candidates:
    longest = max(prompt + response for work in works for prompt, response in work.lengths)
    tokens = setting.tokens // 2
    while tokens >= max(LEAST_TOKENS, longest):
        yield f"trainer.tokens_per_micro_batch={tokens}", "some speed, no accuracy", replace(setting, tokens=tokens)
        tokens //= 2


def _rows(setting: Setting, works: Sequence[Work]) -> Candidates:
    rows = setting.rows // 2
    while rows:
        yield f"trainer.decode_batch={rows}", "speed of sampling", replace(setting, rows=rows)
        rows //= 2


def _checkpointing(setting: Setting, works: Sequence[Work]) -> Candidates:
    if not setting.checkpointing:
        words = "model.gradient_checkpointing=true"
        yield words, "a third more time for training", replace(setting, checkpointing=True)


def _parts(setting: Setting, works: Sequence[Work]) -> Candidates:
    if setting.devices > 1 and not (setting.is_sharded or setting.parks):
        words = f"trainer.strategy={FSDP}"
        yield words, "layers are gathered for each pass (docs/scale.md)", replace(setting, strategy=FSDP)


def _adapter(setting: Setting, works: Sequence[Work]) -> Candidates:
    if not setting.shape.rank:
        shape = setting.shape.with_adapter(RANK)
        words = "lora=r16"
        yield words, "an adapter is trained, not all weights (docs/adapters.md)", replace(setting, shape=shape)


def _moments(setting: Setting, works: Sequence[Work]) -> Candidates:
    if setting.optimizer == "adamw":
        words = "trainer.optimizer=adamw_8bit"
        yield words, "moments of 8 bits, close to AdamW's", replace(setting, optimizer="adamw_8bit")
