"""Randomness that is addressed, not consumed.

Every random choice in a run is drawn from a generator made on the spot from a key: (seed, stage, step, problem,
sample). Nothing depends on how work was batched, in which order it was done, or on what was drawn before, so a run
that is resumed, re-batched or spread over processes makes the same choices.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np  # imported where it is used: it takes as long as composing a config

KeyPart = int | str


def key(*parts: KeyPart) -> int:
    """A 128-bit number that stands for `parts`; different parts give unrelated numbers.

    The type of a part counts: key(1) and key("1") differ.
    """
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "little")


def generator(*parts: KeyPart) -> np.random.Generator:
    """A fresh numpy generator (counter-based Philox) for the key `parts`."""
    import numpy as np

    return np.random.Generator(np.random.Philox(key=key(*parts)))


def permutation(n: int, *parts: KeyPart) -> list[int]:
    """A random order of range(n) for the key `parts`."""
    return generator(*parts).permutation(n).tolist()


def uniforms(keys: Sequence[int], length: int) -> np.ndarray:
    """One row of uniform numbers in [0, 1) for each of `keys` (as `key` returns them).

    Returns:
        float64 array of shape (len(keys), length). Entry (i, t) depends on keys[i] and t alone.
    """
    import numpy as np

    rows = [np.random.Generator(np.random.Philox(key=k)).random(length) for k in keys]
    return np.stack(rows) if rows else np.zeros((0, length))


def torch_seed(*parts: KeyPart) -> int:
    """A seed in the range of torch.manual_seed, for the key `parts`."""
    return key(*parts) % (2**63)
