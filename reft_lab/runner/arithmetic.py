"""In which precision, and with how many CPU threads, a model is fastest: by trying.

A small model is tried as it is, with each number of threads, in fp32. Of a larger one the products of its own matrices
are, so that it takes a second whatever its size: first fp32 against bf16, then with each number of threads.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from reft_lab.config.running import AUTO, TrainerConfig
from reft_lab.policy.scoring import score

if TYPE_CHECKING:
    from reft_lab.policy.model import Policy

Candidate = TypeVar("Candidate", bound=Hashable)

# Below so many weights bf16 saves less than a third of a training pass, and samples have to be scored a second time for
# it: on a core with bf16 instructions, Llamas of 0.2, 0.9, 5.2, 11.6, 22.9 and 32.6 million weights were 0.70, 1.01,
# 1.25, 1.44, 1.34 and 1.58 times as fast in it.
SMALL = 20_000_000
# bf16 must be so many times as fast in the products. Cores with instructions for it are about twice as fast, those that
# must imitate it no faster, and nothing is known in between, where chance would decide.
FASTER = 1.3
IMITATED = 3.0  # so many times as slow at the first try is no matter of chance

SECONDS = 0.5  # of the clock that is read; after these no further round begins
PATIENCE = 5.0  # seconds on the wall after which none does either, where others have the core
ROW = 128  # tokens in a sequence
LEAST_TOKENS = 64  # fewer say nothing about a real micro-batch
PARAMETERS_TIMES_TOKENS = 1e9  # of one pass: about 0.15 s on one slow core
NOTICEABLE = 0.95  # more threads must save 5 % to be taken, since their cores may have other work

SHAPES = 4  # of matrices, those that most weights are in
# Widest matrix that is tried, and multiplications in the forward products of one round, by device.
WIDEST = {"cpu": 1024, "cuda": 4096}
ROUND = {"cpu": 8e8, "cuda": 5e10}


@dataclass(frozen=True)
class Arithmetic:
    """How a run computes.

    Attributes:
        precision: fp32 or bf16.
        threads: of the CPU; None: as many as torch is set to.
        note: a sentence for the user where the precision was measured.
    """

    precision: str
    threads: int | None = None
    note: str | None = None


def arithmetic(policy: Policy, trainer: TrainerConfig, threads: int | None = None) -> Arithmetic:
    """What `trainer` leaves open of how `policy` is computed, measured on the device that it is on.

    Weights, gradients, modes, random state and the number of threads stay as they were; the precision of the policy is
    the one that was found.

    Args:
        threads: of the CPU, where an earlier part of the run has chosen them.
    """
    found = Arithmetic(trainer.precision)
    if trainer.precision == AUTO:
        found = measured_precision(policy)
    policy.precision = found.precision
    if policy.device.type != "cpu" or trainer.threads is not None:
        return found
    if threads is None:
        threads = measured_threads(policy, trainer.tokens_per_micro_batch)
    return Arithmetic(found.precision, threads, found.note)


def measured_precision(policy: Policy) -> Arithmetic:
    """bf16 where the device multiplies the matrices of a large `policy` noticeably faster in it, else fp32.

    On a CPU one thread is measured by its own clock, which stands still while other processes have the core: trials of
    a study that run side by side come to the same.
    """
    device = policy.device.type
    can = device == "cpu" or (device == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False))
    if _weights(policy) < SMALL or not can:
        return Arithmetic("fp32")
    seconds = _precisions(Products.of(policy))
    precision = "bf16" if seconds["bf16"] * FASTER <= seconds["fp32"] else "fp32"
    told = ", ".join(f"{1000 * seconds[name]:.3g} ms in {name}" for name in ("fp32", "bf16"))
    note = f"computing in {precision}: products of the model's matrices took {told} (trainer.precision=auto)."
    return Arithmetic(precision, note=note)


def measured_threads(policy: Policy, tokens_per_micro_batch: int) -> int:
    """The number of CPU threads with which a forward and backward pass of `policy` takes the least time.

    Tried are 1, 2, 4, ... up to the number torch is set to, which is the machine's cores unless OMP_NUM_THREADS or
    somebody else said otherwise.
    """
    most, weights = torch.get_num_threads(), _weights(policy)
    if most == 1:
        return 1
    training = policy.training
    policy.eval()  # dropout would draw from the global random state
    try:
        if weights < SMALL:
            affordable = max(LEAST_TOKENS, int(PARAMETERS_TIMES_TOKENS / weights))
            work = _passes(policy, min(tokens_per_micro_batch, affordable))
        else:
            work = Products.of(policy).work(policy.precision)
        candidates = sorted({*(2**i for i in range(most.bit_length())), most})
        seconds = tried({threads: _with_threads(threads, work) for threads in candidates}, time.perf_counter)
    finally:
        policy.train(training)
        torch.set_num_threads(most)
    return fastest(seconds)


def fastest(seconds: dict[int, float]) -> int:
    """The number of threads to take, from the seconds of a pass with each: more only where noticeably faster."""
    best = min(seconds)
    for threads in sorted(seconds):
        if seconds[threads] < NOTICEABLE * seconds[best]:
            best = threads
    return best


def tried(works: dict[Candidate, Callable[[], None]], clock: Callable[[], float]) -> dict[Candidate, float]:
    """Least time of each by `clock`, done in turn until the time is up."""
    least = dict.fromkeys(works, float("inf"))
    spent, started = 0.0, time.perf_counter()
    while spent < SECONDS and time.perf_counter() - started < PATIENCE:
        for name, work in works.items():
            before = clock()
            work()
            took = clock() - before
            least[name], spent = min(least[name], took), spent + took
    return least


@dataclass(frozen=True)
class Products:
    """Products of matrices, as those of a model's layers by shape, with rows of ones for tokens."""

    weights: list[Tensor]
    tokens: int

    @classmethod
    def of(cls, policy: Policy) -> Products:
        """Of the shapes that most of the trunk's weights are in, the wide ones cut: they are as fast as wider ones."""
        trunk, device = policy.lm.base_model, policy.device
        tables = {id(module.weight) for module in trunk.modules() if isinstance(module, nn.Embedding)}
        sizes: Counter[tuple[int, int]] = Counter()
        for parameter in trunk.parameters():
            if parameter.ndim > 1 and id(parameter) not in tables:  # of experts, which stand in one tensor, any is one
                sizes[parameter.shape[-2], parameter.shape[-1]] += parameter.numel()
        widest = WIDEST[device.type]
        shapes = [(min(rows, widest), min(columns, widest)) for (rows, columns), _ in sizes.most_common(SHAPES)]
        weights = [torch.ones(shape, device=device, requires_grad=True) for shape in shapes]
        return cls(weights, max(LEAST_TOKENS, int(ROUND[device.type] / sum(weight.numel() for weight in weights))))

    def work(self, precision: str, share: int = 1) -> Callable[[], None]:
        """One round: all of them forward and backward, as autocast has it, on a `share`-th of the tokens."""
        device = self.weights[0].device
        tokens = [
            torch.ones(self.tokens // share, weight.shape[1], device=device, requires_grad=True)
            for weight in self.weights
        ]

        def work() -> None:
            for weight, rows in zip(self.weights, tokens, strict=True):
                with torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
                    product = functional.linear(rows, weight)
                torch.autograd.grad(product, [weight, rows], torch.ones_like(product))
            if device.type == "cuda":
                torch.cuda.synchronize(device)

        return work


def _precisions(products: Products) -> dict[str, float]:
    """Least seconds of a round of `products` in each precision."""
    is_cpu, most = products.weights[0].device.type == "cpu", torch.get_num_threads()
    clock = time.thread_time if is_cpu else time.perf_counter
    torch.set_num_threads(1 if is_cpu else most)
    try:
        short = {precision: products.work(precision, share=16) for precision in ("fp32", "bf16")}
        seconds = {}
        for precision, work in short.items():
            work()  # the first one pays for what torch sets up
            before = clock()
            work()
            seconds[precision] = clock() - before
        if seconds["bf16"] > IMITATED * seconds["fp32"]:
            return seconds
        return tried({precision: products.work(precision) for precision in short}, clock)
    finally:
        torch.set_num_threads(most)


def _passes(policy: Policy, tokens: int) -> Callable[[], None]:
    """A forward and backward pass over so many tokens."""
    parameters = [p for p in policy.parameters() if p.requires_grad]
    width = min(ROW, tokens, policy.positions or ROW)
    prompt, response = [0] * (width // 2), [0] * (width - width // 2)

    def one_pass(rows: int) -> None:
        scores = score(policy, [prompt] * rows, [response] * rows, pad_id=0)
        loss = -scores.logprobs.sum() if scores.values is None else scores.values.sum() - scores.logprobs.sum()
        torch.autograd.grad(loss, parameters, allow_unused=True)  # unlike backward(), leaves .grad alone

    one_pass(1)  # the first pass pays for what torch sets up
    return lambda: one_pass(tokens // width)


def _with_threads(threads: int, work: Callable[[], None]) -> Callable[[], None]:
    def with_threads() -> None:
        torch.set_num_threads(threads)
        work()

    return with_threads


def _weights(policy: Policy) -> int:
    return sum(parameter.numel() for parameter in policy.parameters())
