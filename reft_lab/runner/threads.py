"""How many CPU threads are fastest for a model, by trying."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import torch

from reft_lab.policy.scoring import score

if TYPE_CHECKING:
    from reft_lab.policy.model import Policy

SECONDS = 0.5  # after these no further round begins
ROW = 128  # tokens in a sequence
LEAST_TOKENS = 64  # fewer say nothing about a real micro-batch
PARAMETERS_TIMES_TOKENS = 1e9  # of one pass: about 0.15 s on one slow core
NOTICEABLE = 0.95  # more threads must save 5 % to be taken, since their cores may have other work


def measured_threads(policy: Policy, tokens_per_micro_batch: int) -> int:
    """The number of CPU threads with which a forward and backward pass of `policy` takes the least time.

    Tried are 1, 2, 4, ... up to the number torch is set to, which is the machine's cores unless OMP_NUM_THREADS or
    somebody else said otherwise. A model so large that trying would take seconds gets them all. Weights, gradients,
    modes, random state and the number of threads stay as they were.
    """
    most = torch.get_num_threads()
    parameters = [p for p in policy.parameters() if p.requires_grad]
    affordable = int(PARAMETERS_TIMES_TOKENS / sum(p.numel() for p in policy.parameters()))
    if most == 1 or affordable < LEAST_TOKENS:
        return most
    tokens = min(tokens_per_micro_batch, affordable)
    training = policy.training
    policy.eval()  # dropout would draw from the global random state
    try:
        seconds = _time(policy, parameters, tokens, sorted({*(2**i for i in range(most.bit_length())), most}))
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


def _time(policy: Policy, parameters: list[torch.nn.Parameter], tokens: int, candidates: list[int]) -> dict[int, float]:
    """Least wall seconds of one pass with each number of threads, tried in turn until the time is up."""
    width = min(ROW, tokens, policy.positions or ROW)
    rows = tokens // width
    prompt, response = [0] * (width // 2), [0] * (width - width // 2)

    def one_pass(rows: int) -> float:
        started = time.perf_counter()
        scores = score(policy, [prompt] * rows, [response] * rows, pad_id=0)
        loss = -scores.logprobs.sum() if scores.values is None else scores.values.sum() - scores.logprobs.sum()
        torch.autograd.grad(loss, parameters, allow_unused=True)  # unlike backward(), leaves .grad alone
        return time.perf_counter() - started

    seconds = dict.fromkeys(candidates, float("inf"))
    one_pass(1)  # the first pass pays for what torch sets up
    started = time.perf_counter()
    while True:
        for threads in candidates:
            torch.set_num_threads(threads)
            seconds[threads] = min(seconds[threads], one_pass(rows))
        if time.perf_counter() - started > SECONDS:
            return seconds
