"""The formula: what each phase of a run takes of a device's memory, from shapes and settings to bytes.

Weights, gradients and AdamW's two moments are fp32 whatever the precision. A pass forward keeps activations for the
gradient (`Kept`), the decoder a copy of the matrices and the keys and values of all rows; logits are held in chunks.

Of several processes each has its share of the sequences. With ddp each holds all weights and what goes with them; with
fsdp (ZeRO, 1910.02054, stage 3) a part of them, and gathers what it computes with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from reft_lab.memory.setting import FP32, Setting
from reft_lab.memory.shape import Kept, Shape
from reft_lab.memory.work import MicroBatch, Work
from reft_lab.policy.head import chunk_rows
from reft_lab.ranks.group import BUCKET

# Bytes of an optimiser's moments for each weight of a matrix between layers, and for each other one.
MOMENTS = {"adamw": (8.0, 8.0), "adamw_8bit": (2.03, 8.0)}
# What the C library of a CPU holds on to (measured with glibc, whose heap keeps what is freed: memory/heap.py). Blocks
# of a micro-batch leave holes that those of the next, which has another size, do not fit in. Of what a step takes and
# frees such a share is lost: by precision where a step has several large micro-batches, ALONE where it has one.
HOLES = {"fp32": 0.45, "bf16": 0.85}
ALONE = 0.25
PASSING = ("activations", "logits", "gradients", "gathered", "exchange")  # parts that come and go with a step
LOGITS = 4  # tensors of logits' size while a token is chosen: logits, log-probabilities, probabilities, their sums
BLOCKS = {"cpu": 32, "cuda": 128}  # columns by which the decoders' caches grow


@dataclass(frozen=True)
class Phase:
    """What one phase takes at its peak.

    Attributes:
        name: as errors.phase calls it: training, sampling, scoring, updating, evaluating.
        stage: label of the stage that it is part of.
        parts: bytes by what they are for, the large ones of this phase.
        holes: share of what is freed after a step that is lost between blocks on a CPU.
    """

    name: str
    stage: str
    parts: dict[str, int]
    holes: float = 0.0

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(self.parts.values())

    @property
    def is_pass(self) -> bool:
        """Whether it puts tokens through the model at once, rather than one after the other."""
        return "activations" in self.parts

    @property
    def passing(self) -> int:
        """Bytes that a pass takes and frees again."""
        return sum(self.parts.get(name, 0) for name in PASSING)


def phases(setting: Setting, works: Sequence[Work], *, at_most: bool = False) -> list[Phase]:
    """What each phase takes, stage by stage, beside what the process held before it loaded the model.

    Args:
        setting: model and settings.
        works: what the stages put through the model, in order.
        at_most: whether all texts are as long as the settings allow; otherwise they are as long as gold ones.
    """
    found: list[Phase] = []
    heap = 0  # what training has freed and the C library has kept
    for number, work in enumerate(works):
        stage = _of_stage(setting, work, number > 0, at_most)
        if setting.device != "cuda":
            heap = max(heap, *(round((1 + each.holes) * each.passing) for each in stage if each.is_pass), 0)
            dropped = (
                max((_dropped(each) for each in stage if not each.is_pass), default=0) if setting.is_sharded else 0
            )
            stage = [_with_heap(each, heap, _growing(setting), dropped) for each in stage]
        found += stage
    if not at_most:
        return found
    # Real lengths may fill a micro-batch better than the longest do.
    likely = phases(setting, works)
    return [max(pair, key=lambda phase: phase.size) for pair in zip(found, likely, strict=True)]


def largest(found: Sequence[Phase]) -> Phase:
    """The phase that takes most."""
    return max(found, key=lambda phase: phase.size)


def by_name(found: Sequence[Phase]) -> dict[str, Phase]:
    """The largest phase of each name."""
    return {phase.name: phase for phase in sorted(found, key=lambda phase: phase.size)}


def _of_stage(setting: Setting, work: Work, is_later: bool, at_most: bool) -> list[Phase]:
    shape = setting.shape
    found: list[Phase] = []
    own_values = setting.has_own_values and is_later
    trained = shape.trained + (_trained_trunk(shape) if own_values else 0)
    held = {"weights": setting.held(FP32 * shape.all)}
    if own_values:
        held["value model"] = setting.held(FP32 * (shape.adapter if shape.rank else shape.trunk))
    kept_apart = is_later and setting.has_reference
    reference = {"reference": setting.held(_reference(setting, work))} if kept_apart else {}
    if not setting.parks:
        held |= reference
    if setting.reward:
        held["reward"] = setting.reward
    if work.samples and not work.takes_turns:
        found.append(Phase("sampling", work.stage, held | _decoding(setting, work, work.samples, at_most)))
    if work.is_trained:
        held = held | {"optimiser": setting.held(_moments(setting, trained))}
    if work.takes_turns:
        found.append(Phase("sampling", work.stage, held | _decoding(setting, work, work.samples, at_most)))
    batch = work.micro_batch(setting.tokens, is_packed=setting.is_packed, at_most=at_most, devices=setting.devices)
    if work.scores:
        parts = {"activations": _passing(setting, batch), "logits": _read_logits(setting, batch.predicted)}
        parts |= _gathered(setting, 0, own_values)
        found.append(Phase("scoring", work.stage, held | reference | parts))
    if work.is_trained:
        whole = gradients = setting.held(FP32 * trained * (2 if setting.clips_apart and work.scores else 1))
        trunks = 2 if own_values else 1
        kept = trunks * _kept(setting, batch, setting.kept if work.scores else setting.kept_in_training)
        logits = _trained_logits(setting, batch.predicted)
        if setting.device == "cuda" and not batch.second:  # gradients come as activations go
            kept, gradients = (kept, 0) if kept + logits > gradients else (0, gradients)
        parts = {"gradients": gradients, "activations": kept, "logits": logits}
        parts |= _gathered(setting, trained, own_values)
        if (exchanged := _exchanged(setting, trained)) + whole > sum(parts.values()):  # when the passes are over
            parts = {"gradients": whole, "activations": 0, "exchange": exchanged}
        holes = ALONE + (HOLES[setting.precision] - ALONE) * batch.second / batch.tokens
        found.append(Phase("updating" if work.takes_turns else "training", work.stage, held | parts, holes))
    found.append(Phase("evaluating", work.stage, held | _decoding(setting, work, setting.evaluated, at_most)))
    return found


def _dropped(phase: Phase) -> int:
    """What sampling from weights in parts gathers and copies."""
    return phase.parts["gathered"] + phase.parts["copy for sampling"]


def _with_heap(phase: Phase, heap: int, grows: int, dropped: int) -> Phase:
    """A phase with what lies in the C library's heap beside it, of which passes have made `heap` bytes so far. Keys and
    values are a few blocks so large that of all `grows` copies the last does not fit in between. Weights that were
    gathered to sample and `dropped` are many blocks among others, whose place stays (measured with 18 million weights).
    """
    reused = phase.passing if phase.is_pass else (grows - 1) * phase.parts["keys and values"] // grows
    left = max(round(phase.holes * phase.passing), heap - reused) + dropped
    return replace(phase, parts=phase.parts | {"left in the heap": left})


def _trained_trunk(shape: Shape) -> int:
    return shape.adapter if shape.rank else shape.trunk


def _reference(setting: Setting, work: Work) -> int:
    """The frozen copy; where it scores, its matrices are in the type of their products."""
    shape = setting.shape
    if shape.rank:
        return FP32 * shape.adapter
    is_short = work.scores and not setting.is_sharded
    return FP32 * shape.weights - (_half(setting) * shape.matrices if is_short else 0)


def _moments(setting: Setting, trained: int) -> int:
    """AdamW's, of so many weights."""
    shape, (of_matrix, of_other) = setting.shape, MOMENTS[setting.optimizer]
    others = 0 if shape.rank else shape.weights - shape.matrices
    return round(of_matrix * (trained - others) + of_other * others)


def _exchanged(setting: Setting, trained: int) -> int:
    """The copy of a bucket of gradients that ranks add up; with fsdp that is part of a pass."""
    if setting.devices == 1 or setting.is_sharded:
        return 0
    return FP32 * min(trained, max(BUCKET, setting.shape.head))


def _gathered(setting: Setting, trained: int, own_values: bool) -> dict[str, int]:
    """Weights that a pass gathers with fsdp, in fp32.

    Those of no layer stay until it is over, those of a value trunk among them, and of layers there are the one at work
    and the next. On the way back gradients of one of each are there until they are dealt out.
    """
    if not setting.is_sharded:
        return {}
    shape = setting.shape
    root, layer = shape.weights - shape.matrices, shape.matrices / shape.layers
    root += (shape.trunk - shape.matrices) if own_values else 0
    gradients = root + layer if trained and not shape.rank else 0.0
    return {"gathered": round(FP32 * (root + 2 * layer + gradients))}


def _computed(setting: Setting) -> int:
    """Bytes of a number that products are computed with."""
    return 2 if setting.precision == "bf16" else FP32


def _kept(setting: Setting, batch: MicroBatch, by: Kept) -> int:
    """What a pass through the trunk keeps of a micro-batch."""
    shape = setting.shape
    if setting.checkpointing and shape.rank:  # the frozen, in the type of their products, come and go with their layer
        by = replace(by, once=0.0)
    kept = by.of(batch.tokens, batch.width)
    if setting.checkpointing:  # of one layer at a time all is computed again
        kept = FP32 * shape.width * (shape.layers + 2) * batch.tokens + by.once + (kept - by.once) / shape.layers
    return round(kept)


def _passing(setting: Setting, batch: MicroBatch) -> int:
    """What the tokens of a pass without a gradient take on their way through a layer."""
    shape, kept = setting.shape, setting.kept.of(batch.tokens, batch.width) - setting.kept.once
    return round(0.6 * kept / shape.layers + 2 * FP32 * shape.width * batch.tokens)


def _read_logits(setting: Setting, predicted: int) -> int:
    """Logits and log-probabilities of a chunk."""
    shape = setting.shape
    rows = min(predicted, chunk_rows(shape.vocabulary, shape.width))
    return rows * shape.vocabulary * (2 * FP32 + _half(setting)) + _half(setting) * shape.head


def _trained_logits(setting: Setting, predicted: int) -> int:
    """The same in a backward pass, with the gradient of the head as it is added up."""
    shape = setting.shape
    rows = min(predicted, chunk_rows(shape.vocabulary, shape.width))
    chunks = rows * shape.vocabulary * (2 * FP32 + _half(setting))
    gradient = 0 if shape.rank else shape.head * (FP32 + _half(setting) * 2)
    return chunks + gradient + _half(setting) * shape.head


def _half(setting: Setting) -> int:
    """Bytes of a number's copy in bf16, where there is one."""
    return 2 if setting.precision == "bf16" else 0


def _decoding(setting: Setting, work: Work, responses: int, at_most: bool) -> dict[str, int]:
    shape, size = setting.shape, _computed(setting)
    rows = min(setting.rows, setting.share(responses))
    decoded = work.decoding(rows, BLOCKS.get(setting.device, 32), at_most=at_most)
    if setting.is_lean:
        copied = size * shape.matrices + _half(setting) * shape.head
    elif setting.is_sharded:
        copied = 0
    else:
        copied = size * shape.matrices if shape.rank else _half(setting) * shape.matrices
    cache = _growing(setting) * decoded.places * shape.layers * 2 * shape.keys * size
    logits = LOGITS * FP32 * rows * shape.vocabulary
    found = {"copy for sampling": copied, "keys and values": cache, "logits": logits}
    if setting.is_sharded:  # all weights, of which the matrices are in the type of their products
        found["gathered"] = FP32 * (shape.weights - shape.matrices) + size * shape.matrices
    return found


def _growing(setting: Setting) -> int:
    """Copies of keys and values there are while they grow: in the lean decoder all layers do so at once, from one
    tensor to another."""
    return 2 if setting.is_lean else 1
