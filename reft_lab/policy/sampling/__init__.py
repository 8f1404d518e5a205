"""Responses from a policy: temperature sampling for rollouts, greedy decoding for evaluation.

`sample` is the way in. It sorts the prompts by length and hands them to a decoder, batch by batch; rows that are
finished are dropped, and decoding stops when all are done. Two decoders do the arithmetic behind one interface: one
for any causal language model of transformers, and a lean one for Llama.
"""

from reft_lab.policy.sampling.complete import decode_batches, response_limits, sample
from reft_lab.policy.sampling.responses import Responses

__all__ = ["Responses", "decode_batches", "response_limits", "sample"]
