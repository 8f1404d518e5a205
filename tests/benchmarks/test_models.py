"""Benchmarks on other models: their shapes, what a step of decoding must read, the plain loop in bf16, and the GPU's
benchmark in its small form."""

from __future__ import annotations

from dataclasses import asdict, replace
from types import SimpleNamespace

import bench
import gpu
import pytest
import shapes
import torch
import workloads
from decoding import bytes_of_step, mean_columns, seconds_of_step
from plain_loop import PlainLoop

from reft_lab.methods.settings import PPOConfig
from reft_lab.policy.model import Policy
from reft_lab.policy.scoring import score
from tests.rewarding import EOS, PAD
from tests.small_models import make_model

PROMPTS = [[7 + i] * (3 + i % 4) for i in range(8)]


def test_smollm2_has_as_many_weights_as_its_name_says() -> None:
    with torch.device("meta"):
        lm = shapes.make("135M")
    assert sum(p.numel() for p in lm.parameters()) == 134_515_008  # as its model card says: 135M


def test_what_a_step_must_read_is_counted_as_the_model_has_it() -> None:
    lm = shapes.make("small")
    read = [p for p in lm.parameters() if p.ndim == 2]  # the head is the embedding
    rows, columns = 7, 11
    keys = lm.model.layers[0].self_attn.k_proj.out_features
    cache = rows * columns * len(lm.model.layers) * 2 * keys
    assert bytes_of_step(lm.config, "bf16", rows, columns) == 2 * (sum(p.numel() for p in read) + cache)
    assert bytes_of_step(lm.config, "fp32", rows, columns) == 2 * bytes_of_step(lm.config, "bf16", rows, columns)


def test_a_row_looks_at_its_prompt_and_what_it_has_written() -> None:
    prompts, cap = [[1] * 4, [1] * 8], 5
    looked_at = [len(prompt) + written for prompt in prompts for written in range(1, cap)]  # the step reads the newest
    assert mean_columns(prompts, cap) == sum(looked_at) / len(looked_at)


def test_a_step_takes_what_further_tokens_take() -> None:
    def clock(job) -> float:  # type: ignore[no-untyped-def]
        return 2.0 + 0.5 * job()  # what is done once, and half a second a token

    assert seconds_of_step(lambda cap: cap, 9, clock) == pytest.approx(0.5)


def test_the_benchmark_of_a_gpu_runs_in_its_small_form(capsys: pytest.CaptureFixture[str]) -> None:
    gpu.main(["--device", "cpu"])
    found = [line.split(" | ")[1] for line in capsys.readouterr().out.splitlines() if line.startswith("| small")]
    assert found[:3] == ["decoding, steps/s", "decoding as other families, steps/s", "rollouts, tokens/s"]
    assert "iteration of 4 rollouts, s" in found
    with pytest.raises(SystemExit) as ended:
        gpu.main(["--device", "cpu", "135M"])
    assert ended.value.code == 2
    assert "a small model alone" in capsys.readouterr().err


def test_a_shape_is_for_some_benchmarks(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert set(bench.SHAPES) <= set(workloads.WORKLOADS)
    for words, sentence in (
        (["programs", "--shape", "small"], "not for programs"),
        (["--precision", "bf16"], "--precision goes with --shape"),
    ):
        monkeypatch.setattr("sys.argv", ["bench.py", *words])
        with pytest.raises(SystemExit) as ended:
            bench.main()
        assert ended.value.code == 2
        assert sentence in capsys.readouterr().err


def test_the_plain_loop_in_bf16_is_near_fp32_and_scores_as_reft_lab_does() -> None:
    config = PPOConfig(rollouts=8, mini_batch=8, epochs=1, max_new_tokens=30, lr=1e-3)
    tokenizer = SimpleNamespace(eos_token_id=EOS, pad_token_id=PAD)
    plain = {
        kind: PlainLoop(make_model("llama"), tokenizer, [], asdict(replace(config)), kind) for kind in ("fp32", "bf16")
    }
    torch.manual_seed(0)
    responses = plain["bf16"].sample(PROMPTS)
    assert {len(response) for response in responses} != {config.max_new_tokens}
    batch = plain["fp32"].collate(PROMPTS, responses)
    with torch.no_grad():
        exact, rough = (plain[kind].forward(plain[kind].lm, batch)[0][batch.predicts] for kind in ("fp32", "bf16"))
        ours = score(Policy(make_model("llama"), precision="bf16"), PROMPTS, responses, pad_id=PAD).logprobs
    assert 0 < (rough - exact).abs().mean() < 0.02
    assert (ours - rough).abs().mean() < 0.02
    (loss, _) = plain["bf16"].learn(batch, torch.ones(8), [list(range(8))])[0]
    assert abs(loss) < 1
    assert {p.dtype for p in plain["bf16"].lm.parameters()} == {torch.float32}
