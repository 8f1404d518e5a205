"""What goes into an experiment: model, data, how reasoning is written, how answers are judged."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Optional

from reft_lab.config.fields import STRICT, OneOf, doc


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
class ModelConfig:
    """The base model: a hub id or folder, or one made from scratch."""

    __pydantic_config__ = STRICT
    name: Annotated[str, doc("short name, used in run names", min_length=1)] = "tiny"
    path: Annotated[
        Optional[str], doc("hub id or folder to load model and tokenizer from; null makes the model from `scratch`")
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
    gradient_checkpointing: Annotated[
        bool, doc("recompute activations in the backward pass: less memory, about a third more time")
    ] = False


@dataclass
class DataConfig:
    """The questions: which data set, from where, and how it is split."""

    __pydantic_config__ = STRICT
    name: Annotated[
        str,
        doc(
            "data set; arithmetic is generated, mathqa_numeric asks multiple choice for the right option's number, any "
            "other is read as it stands",
            min_length=1,
        ),
    ] = "arithmetic"
    source: Annotated[
        str,
        doc(
            "where the problems come from when neither data.path nor data.train is given: the hub (data.hub), or the "
            "files that the paper's authors released, fetched once and checked (paper)"
        ),
        OneOf("hub", "paper"),
    ] = "hub"
    hub: Annotated[Optional[str], doc("hub id that is loaded with data.source=hub when no path is given")] = None
    hub_config: Annotated[Optional[str], doc("configuration name of the hub data set")] = None
    path: Annotated[Optional[str], doc("file or folder to read instead of the hub; the format is recognised")] = None
    train: Annotated[Optional[str], doc("file with the training problems (goes before what `path` holds)")] = None
    dev: Annotated[Optional[str], doc("file with the dev problems (otherwise dev is carved from train)")] = None
    test: Annotated[Optional[str], doc("file with the test problems")] = None
    train_size: Annotated[Optional[int], doc("seeded subset of the training problems", unit="problems", ge=1)] = None
    dev_size: Annotated[int, doc("problems carved from train for dev", unit="problems", ge=1)] = 200
    test_size: Annotated[
        Optional[int],
        doc("test problems: how many to generate, to carve where there is no test file, or a seeded subset", ge=1),
    ] = None
    families: Annotated[
        str,
        doc(
            "questions that dev and test, where they are carved, do not share with train: equal but for numbers and "
            "names too (masked), but for case, blanks, punctuation and number format (normalised), or but for case and "
            "blanks (exact)"
        ),
        OneOf("masked", "normalised", "exact"),
    ] = "masked"
    split_seed: Annotated[int, doc("seed of every split and subset; the same for all seeds of a study", ge=0)] = 0
    annotation: Annotated[
        str,
        doc("arithmetic only: many annotators' hands (mixed) or one clean style (clean)"),
        OneOf("mixed", "clean"),
    ] = "mixed"


@dataclass
class CotConfig:
    """How reasoning is written: natural language or a program."""

    __pydantic_config__ = STRICT
    name: Annotated[str, doc("natural language (N-CoT) or a Python program (P-CoT)"), OneOf("natural", "program")] = (
        "program"
    )
    number_slots: Annotated[
        Optional[bool],
        doc(
            "programs: write the question's numbers as x0, x1, ... with their values in the program's signature; "
            "null: for model.name=tiny only"
        ),
    ] = None
    sft_trigger: Annotated[
        bool, doc("programs: the SFT prompt ends with `def solution():` and the question as its docstring")
    ] = True
    rl_trigger: Annotated[
        bool, doc("programs: the RL prompt ends with `def solution():` and the question as its docstring")
    ] = True
    cut_at_blank_line: Annotated[bool, doc("programs: cut at the first blank line, as the released code does")] = False
    begin_of_sequence: Annotated[
        bool, doc("prompts begin with the tokenizer's begin-of-sequence token, where it adds one")
    ] = True
    round_trip: Annotated[
        str,
        doc(
            "gold reasoning that the tokenizer does not give back as it was written: exact stops the run, blanks lets "
            "it pass where only blanks differ (natural language only), drop leaves the problem out"
        ),
        OneOf("exact", "blanks", "drop"),
    ] = "exact"
    too_long: Annotated[
        str,
        doc(
            "training examples longer than max_tokens and prompts longer than ppo.max_prompt_tokens are left out and "
            "counted (leave_out), or cut at their end, prompts in evaluation too (cut: a prompt may lose its trigger)"
        ),
        OneOf("leave_out", "cut"),
    ] = "leave_out"


@dataclass
class AnswersConfig:
    """When an answer counts as right."""

    __pydantic_config__ = STRICT
    paper_tolerance: Annotated[bool, doc("|a - y| <= 0.01 whatever y; false asks for 1 % of |y| where |y| < 1")] = False
    statement: Annotated[
        str,
        doc(
            "which answer counts where a response states several, or goes on into a made-up next question: its first, "
            "or the last one, as in the released code"
        ),
        OneOf("first", "last"),
    ] = "first"


@dataclass
class RewardConfig:
    """The terminal reward (paper, section 3.2)."""

    __pydantic_config__ = STRICT
    function: Annotated[
        str, doc("exact, partial, proximity, released, or the import path module.function of your own", min_length=1)
    ] = "partial"


@dataclass
class ProgramsConfig:
    """The sandbox that runs programs the model wrote."""

    __pydantic_config__ = STRICT
    workers: Annotated[int, doc("worker processes", ge=1, le=64)] = 1
    timeout: Annotated[float, doc("time a program may take", unit="s", gt=0, le=60)] = 1.0
    memory: Annotated[int, doc("memory a program may take", unit="MiB", ge=8)] = 64
    recursion: Annotated[int, doc("deepest recursion of a program", unit="frames", ge=50)] = 500
    call_timeout: Annotated[
        float,
        doc("longest a program may hold its worker, killing the worker included; at least 1.5 timeout", unit="s", gt=0),
    ] = 2.5
    imports: Annotated[
        list[str], doc("modules that programs find imported, as if `import NAME` stood at their top")
    ] = field(default_factory=list)
    batch: Annotated[int, doc("programs sent to a worker at once", unit="programs", ge=1, le=1024)] = 32
    cache: Annotated[int, doc("programs whose results are remembered", unit="programs", ge=0)] = 10_000
    fallback: Annotated[
        Optional[str],
        doc(
            "second engine for programs that the first refuses or crashes on (sympy, fractions, generators, "
            "inheritance): CPython in a seccomp jail, Linux only, milliseconds a program; null: none"
        ),
        OneOf("jail"),
    ] = None
