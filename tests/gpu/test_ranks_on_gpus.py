"""Processes with a GPU each, two where there are so many: NCCL adds gradients up. `python -m pytest tests/gpu`."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from reft_lab.methods.stages.update import MiniBatches
from reft_lab.ranks import ALONE, Ranks
from tests.gpu.test_gpu import on_gpu
from tests.methods.test_reft import CONFIG, make_stage
from tests.ranks.test_together import share
from tests.ranks.together import together

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU")


def gradient(ranks: Ranks) -> Tensor:
    """That of a mini-batch of rollouts that a CPU has sampled, computed on GPUs."""
    stage = make_stage(CONFIG)
    rollouts = stage.iterate().rollouts
    share(on_gpu(stage), ranks)
    batches = MiniBatches(stage.policy, rollouts, CONFIG, 0, 50)
    for one in batches.losses(range(7), share=batches.own(range(7))):
        one.whole.backward()
    stage.optimizer.add_up()
    return torch.cat([p.grad.flatten() for p in stage.optimizer.parameters if p.grad is not None]).cpu()


def test_gradients_are_those_of_one_process(repo: Path, tmp_path: Path) -> None:
    alone = gradient(ALONE)
    assert alone.norm() > 1e-3
    for found in together(repo, tmp_path, min(2, torch.cuda.device_count()), gradient):
        assert (found - alone).norm() < 1e-4 * alone.norm()
