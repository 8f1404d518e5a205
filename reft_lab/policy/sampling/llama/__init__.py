"""A lean decoder for Llama, and which models it serves.

It stays beside the general one because it was measured to pay: twice the tokens a second on the tiny model, and CUDA
graphs (docs/performance.md, docs/gpu.md).
"""

from __future__ import annotations

from typing import Any

from torch import nn

from reft_lab.policy.adapters import plain_modules
from reft_lab.policy.model import Policy
from reft_lab.policy.sampling.llama.decoder import LlamaDecoder

__all__ = ["LlamaDecoder", "serves"]

# Rotary embeddings whose angles depend on the position alone; others change with the length of the sequence.
ROTATIONS = {"default", "linear", "llama3", "yarn"}


def serves(policy: Policy) -> bool:
    """Whether this decoder may take the place of the policy's own forward, and computes the same.

    It does for a Llama that is made of nothing but the parts it knows: other activations, quantised layers and hooks
    make another model. An adapter of ours is merged into its copy of the matrices.
    """
    from transformers.activations import SiLUActivation
    from transformers.models.llama import modeling_llama as parts

    known = {
        parts.LlamaModel,
        parts.LlamaDecoderLayer,
        parts.LlamaAttention,
        parts.LlamaMLP,
        parts.LlamaRMSNorm,
        parts.LlamaRotaryEmbedding,
        SiLUActivation,
        nn.SiLU,
        nn.Linear,
        nn.Embedding,
        nn.ModuleList,
    }
    trunk: Any = policy.lm.base_model
    return (
        policy.fast_path
        and type(trunk) is parts.LlamaModel
        and all(type(module) in known and not module._forward_hooks for module in plain_modules(trunk))  # no public way
        and trunk.rotary_emb.rope_type in ROTATIONS
    )
