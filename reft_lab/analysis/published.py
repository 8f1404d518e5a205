"""The accuracies that the paper published, as data.

Source: "ReFT: Reasoning with REinforced Fine-Tuning" (Luong et al., ACL 2024, arXiv 2401.08967v3), tables 2 to 6; v1
and v2 have other numbers. All were selected on the test split (the best of 40 evaluations for SFT, of 300 for ReFT),
from one seed, without intervals. That of the warm-up is from the cards of the released checkpoints. Accuracy by epochs
of warm-up is a curve in the paper (figure 5), without numbers, so there is none here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reft_lab.methods import METHODS, STAGES

MAIN, NUMERIC, DECODING = "main results", "MathQA with numbers for answers", "voting and reranking on GSM8K"
SMALL, ABLATION = "small models", "ablation on GSM8K"
THEIR_SAMPLES = 100
GREEDY, VOTE, RERANK = "greedy", f"vote@{THEIR_SAMPLES}", f"rerank@{THEIR_SAMPLES}"
NO_PARTIAL, NO_KL, SEPARATE = "no partial reward", "beta 0", "separate value model"
SETS, COTS = ("gsm8k", "svamp", "mathqa"), ("natural", "program")
NAMES = {
    "galactica": "Galactica-6.7B",
    "codellama": "CodeLLaMA-7B",
    "galactica_125m": "Galactica-125M",
    "codeparrot_small": "CodeParrot-small",
    "codegen_350m": "CodeGen-350M",
    "gsm8k": "GSM8K",
    "svamp": "SVAMP",
    "mathqa": "MathQA, multiple choice",
    "mathqa_numeric": "MathQA, numeric",
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
        variant: what was different in an ablation, such as NO_KL; empty for the method as it is.
    """

    model: str
    data: str
    cot: str
    method: str
    accuracy: float
    table: str
    decoding: str = GREEDY
    variant: str = ""


# In per cent, N-CoT and P-CoT, for GSM8K, SVAMP and MathQA (multiple choice). Table 2.
_MAIN = {
    ("galactica", "sft"): ((42.68, 58.83), (54.50, 70.09), (58.07, 64.61)),
    ("galactica", "offline_st"): ((42.60, 60.72), (57.90, 72.30), (60.75, 67.04)),
    ("galactica", "online_st"): ((47.84, 62.93), (59.40, 74.59), (59.38, 61.24)),
    ("galactica", "reft"): ((48.14, 68.91), (61.40, 74.09), (58.13, 70.47)),
    ("codellama", "sft"): ((43.59, 63.68), (58.09, 75.40), (56.01, 64.79)),
    ("codellama", "offline_st"): ((45.10, 68.00), (60.20, 77.69), (59.81, 68.53)),
    ("codellama", "online_st"): ((44.66, 67.85), (58.60, 77.40), (56.95, 68.85)),
    ("codellama", "reft"): ((53.30, 75.28), (64.50, 79.19), (60.13, 71.83)),
}
# MathQA with numbers for answers, N-CoT, in per cent: SFT, Offline-ST, Online-ST, ReFT. Table 3.
_NUMERIC = {"galactica": (40.08, 44.23, 43.78, 45.23), "codellama": (37.32, 41.24, 38.06, 42.24)}
# GSM8K, N-CoT and P-CoT, in per cent: majority of 100 samples, and the best of 100 by a reward model. Table 4. (The
# cards of the released checkpoints have 71.9 where the paper has 71.8.)
_DECODING = {
    ("galactica", "sft"): ((52.8, 62.9), (57.5, 73.4)),
    ("galactica", "reft"): ((58.5, 71.8), (59.2, 76.4)),
    ("codellama", "sft"): ((53.5, 68.0), (62.9, 77.0)),
    ("codellama", "reft"): ((63.2, 78.0), (66.0, 81.2)),
}
_WARMUP = {"codellama": 63.00, "galactica": 48.37}  # GSM8K, P-CoT, greedy, before ReFT
# P-CoT, in per cent: SFT and ReFT for GSM8K, SVAMP and MathQA (multiple choice). Table 5.
_SMALL = {
    "galactica_125m": ((23.7, 29.8), (35.6, 39.4), (58.4, 60.7)),
    "codeparrot_small": ((13.8, 16.8), (25.7, 27.4), (55.3, 58.3)),
    "codegen_350m": ((20.4, 28.4), (34.4, 39.3), (56.4, 59.1)),
}
# Of ReFT, CodeLLaMA, GSM8K, P-CoT, in per cent; without a KL penalty it "collapses", to an accuracy of 0. Table 6.
_ABLATION = {NO_PARTIAL: 74.40, NO_KL: 0.0, SEPARATE: 75.15}


def name_of(word: str) -> str:
    """What the paper calls a model, data set, kind of reasoning or method; where it has no name for it, the word."""
    return NAMES.get(word, word)


def published() -> tuple[Published, ...]:
    """Every accuracy that we know of, the main results first."""
    return tuple(_rows())


def _rows() -> Iterator[Published]:
    for (model, method), sets in _MAIN.items():
        for data, pair in zip(SETS, sets, strict=True):
            for cot, accuracy in zip(COTS, pair, strict=True):
                yield Published(model, data, cot, method, _fraction(accuracy), MAIN)
    for model, accuracies in _NUMERIC.items():
        for method, accuracy in zip(("sft", "offline_st", "online_st", "reft"), accuracies, strict=True):
            yield Published(model, "mathqa_numeric", "natural", method, _fraction(accuracy), NUMERIC)
    for (model, method), pairs in _DECODING.items():
        for decoding, pair in zip((VOTE, RERANK), pairs, strict=True):
            for cot, accuracy in zip(COTS, pair, strict=True):
                yield Published(model, "gsm8k", cot, method, _fraction(accuracy), DECODING, decoding)
    for model, accuracy in _WARMUP.items():
        yield Published(model, "gsm8k", "program", "warmup", _fraction(accuracy), DECODING)
    for model, sets in _SMALL.items():
        for data, pair in zip(SETS, sets, strict=True):
            for method, accuracy in zip(("sft", "reft"), pair, strict=True):
                yield Published(model, data, "program", method, _fraction(accuracy), SMALL)
    for variant, accuracy in _ABLATION.items():
        yield Published("codellama", "gsm8k", "program", "reft", _fraction(accuracy), ABLATION, variant=variant)


def _fraction(per_cent: float) -> float:
    return round(per_cent / 100, 6)
