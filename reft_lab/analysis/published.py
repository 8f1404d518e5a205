"""The accuracies that the paper published, as data.

Source: "ReFT: Reasoning with REinforced Fine-Tuning" (Luong et al., ACL 2024, arXiv 2401.08967). All were selected on
the test split (the best of 40 evaluations for SFT, of 300 for ReFT), from one seed, without intervals.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from reft_lab.methods import METHODS, STAGES

if TYPE_CHECKING:
    from pandas import DataFrame

MAIN, DECODING, ABLATION = "main results", "voting and reranking on GSM8K", "ablation on GSM8K"
GREEDY, VOTE, RERANK = "greedy", "vote@100", "rerank@100"
NAMES = {
    "galactica": "Galactica-6.7B",
    "codellama": "CodeLLaMA-7B",
    "gsm8k": "GSM8K",
    "svamp": "SVAMP",
    "mathqa": "MathQA, multiple choice",
    "natural": "N-CoT",
    "program": "P-CoT",
    "warmup": STAGES["warmup"].label,
    "sft": METHODS["sft"].label,
    "offline_st": "Offline-ST",
    "online_st": "Online-ST",
    "reft": METHODS["reft"].label,
}


@dataclass(frozen=True)
class Published:
    """One accuracy.

    Attributes:
        model, data, cot: as in conf/ (`codellama`, `gsm8k`, `natural` for N-CoT or `program` for P-CoT).
        method: `warmup`, `sft`, `offline_st`, `online_st` or `reft`.
        accuracy: a fraction.
        table: which of the paper's tables it is from.
        decoding: `greedy`; `vote@100` and `rerank@100` choose among 100 samples.
        variant: what was different in an ablation, empty for the method as it is.
    """

    model: str
    data: str
    cot: str
    method: str
    accuracy: float
    table: str
    decoding: str = GREEDY
    variant: str = ""


# In per cent, N-CoT and P-CoT, for GSM8K, SVAMP and MathQA (multiple choice).
_MAIN = {
    ("galactica", "sft"): ((42.68, 58.83), (54.50, 70.09), (58.07, 64.61)),
    ("galactica", "offline_st"): ((42.60, 60.72), (57.90, 72.30), (60.75, 67.04)),
    ("galactica", "reft"): ((48.14, 68.91), (61.40, 74.09), (58.13, 70.47)),
    ("codellama", "sft"): ((43.59, 63.68), (58.09, 75.40), (56.01, 64.79)),
    ("codellama", "offline_st"): ((45.10, 68.00), (60.20, 77.69), (59.81, 68.53)),
    ("codellama", "online_st"): ((44.66, 67.85), (58.60, 77.40), (56.95, 68.85)),
    ("codellama", "reft"): ((53.30, 75.28), (64.50, 79.19), (60.13, 71.83)),
}
# GSM8K, P-CoT, in per cent: majority of 100 samples, and the best of 100 by a reward model.
_DECODING = {
    ("galactica", "sft"): (62.9, 73.4),
    ("galactica", "reft"): (71.9, 76.4),
    ("codellama", "sft"): (68.0, 77.0),
    ("codellama", "reft"): (78.0, 81.2),
}
_WARMUP = {"codellama": 63.00, "galactica": 48.37}  # GSM8K, P-CoT, greedy, before ReFT
_VARIANTS = {"exact reward": 74.40, "separate value model": 75.15}  # of ReFT, CodeLLaMA, GSM8K, P-CoT


def published() -> tuple[Published, ...]:
    """Every accuracy that we know of, the main results first."""
    return tuple(_rows())


def published_table() -> DataFrame:
    """`published()` as a frame, one row each, columns as the attributes of Published."""
    import pandas

    return pandas.DataFrame([asdict(each) for each in published()])


def _rows() -> Iterator[Published]:
    for (model, method), sets in _MAIN.items():
        for data, pair in zip(("gsm8k", "svamp", "mathqa"), sets, strict=True):
            for cot, accuracy in zip(("natural", "program"), pair, strict=True):
                yield Published(model, data, cot, method, _fraction(accuracy), MAIN)
    for (model, method), pair in _DECODING.items():
        for decoding, accuracy in zip((VOTE, RERANK), pair, strict=True):
            yield Published(model, "gsm8k", "program", method, _fraction(accuracy), DECODING, decoding)
    for model, accuracy in _WARMUP.items():
        yield Published(model, "gsm8k", "program", "warmup", _fraction(accuracy), DECODING)
    for variant, accuracy in _VARIANTS.items():
        yield Published("codellama", "gsm8k", "program", "reft", _fraction(accuracy), ABLATION, variant=variant)


def _fraction(per_cent: float) -> float:
    return round(per_cent / 100, 6)
