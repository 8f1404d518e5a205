"""A run whose optimiser keeps its moments in 8 bits goes on from its state bit for bit."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.torch import load_file

from reft_lab.command.resume import Resumption, continued
from reft_lab.runner import resume
from reft_lab.tracking.display import Silence
from tests.runner.leftovers import assert_same
from tests.runner.small_runs import SMALL, finish

SHORT = (*SMALL, "trainer.optimizer=adamw_8bit", "ppo.rollouts=8", "ppo.mini_batch=8", "ppo.eval_every=1")


def test_a_longer_run_is_what_it_would_have_been_from_the_start(tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes", reason="it comes with the extra `bitsandbytes`")
    whole = finish(tmp_path / "whole", *SHORT, "ppo.iterations=2")
    longer = finish(tmp_path / "longer", *SHORT, "ppo.iterations=1")
    going_on = continued(longer, ["ppo.iterations=2"])
    assert isinstance(going_on, Resumption)
    resume(going_on.config, longer, going_on.changes, display=Silence())
    assert_same(whole, longer)
    state = load_file(whole / "checkpoints" / "last" / "state.safetensors")
    assert any(name.endswith(".state1") and tensor.element_size() == 1 for name, tensor in state.items())
