"""The formula of memory against tensors that are really there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from reft_lab.memory.advice import changes
from reft_lab.memory.experiment import setting, works
from reft_lab.memory.phases import Phase, by_name, largest, phases
from reft_lab.memory.setting import Setting
from reft_lab.memory.shape import Kept, Shape
from reft_lab.memory.work import Work, widths
from reft_lab.methods.sft import WARMUP
from reft_lab.methods.stages.optimizer import Optimizer, constant
from reft_lab.policy.adapters import with_adapter
from reft_lab.policy.model import Policy, checkpoint_layers
from reft_lab.policy.packing import Sequences
from reft_lab.policy.sampling.batch import decode_batch
from reft_lab.policy.sampling.llama import LlamaDecoder
from reft_lab.policy.sampling.responses import Step, Transcript
from reft_lab.policy.settings import LoraConfig, ModelConfig
from reft_lab.randomness import generator
from tests.memory.experiments import LENGTHS, experiment
from tests.small_models import make_kind

GIB = 2**30


def expected(policy: Policy, *words: str) -> dict[str, Phase]:
    config = experiment(*words)
    found = setting(config, policy, "cpu", LENGTHS, 40)
    return by_name(phases(found, works(config, LENGTHS, policy.positions)))


def storages(thing: Any, seen: set[int] | None = None) -> Iterator[tuple[int, int]]:
    """Address and bytes of all storage that an object of ours holds."""
    seen = set() if seen is None else seen
    if isinstance(thing, Tensor):
        yield thing.untyped_storage().data_ptr(), thing.untyped_storage().nbytes()
    elif isinstance(thing, (list, tuple)):
        for part in thing:
            yield from storages(part, seen)
    elif is_dataclass(thing):
        for field in fields(thing):
            yield from storages(getattr(thing, field.name), seen)
    elif type(thing).__module__.startswith("reft_lab") and id(thing) not in seen:
        seen.add(id(thing))
        yield from storages(list(vars(thing).values()), seen)


def adapted(rank: int) -> Policy:
    model = ModelConfig(lora=LoraConfig(rank=rank))
    return Policy(with_adapter(make_kind("llama"), model, seed=0), critic=False)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(
    ("kind", "mode"),
    [("llama", "eval"), ("gpt2", "eval"), ("gpt2", "train"), ("gemma3_text", "train"), ("gemma2", "eval")],
)
def test_what_a_few_tokens_keep_tells_what_many_keep(kind, mode, precision):
    policy = Policy(make_kind(kind), critic=False, precision=precision).train(mode == "train")
    kept = Kept.by(policy, 0.3)
    if mode == "train":
        kept = kept.in_training(policy, 0.3)
    draw = generator("lengths")
    texts = [(int(draw.integers(20, 60)), int(draw.integers(8, 25))) for _ in range(12)]
    sequences = Sequences([[1] * prompt for prompt, _ in texts], [[1] * response for _, response in texts], 0)
    weights = {weight.untyped_storage().data_ptr() for weight in policy.parameters()}
    held: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        held[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor.detach()

    batch = sequences.packed(range(12), policy.device)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        policy.response_states(batch)
    there = sum(size for place, size in held.items() if place not in weights)
    tokens = len(batch.ids) if policy.is_packed else batch.rows.shape[0] * batch.rows.shape[1]
    assert kept.of(tokens, batch.rows.shape[1]) == pytest.approx(there, rel=0.15)


def test_asking_leaves_a_policy_as_it_is():
    policy = Policy(make_kind("gpt2")).train()
    policy.lm.eval()
    torch.manual_seed(3)
    drawn = torch.get_rng_state()
    setting(experiment(), policy, "cpu", LENGTHS, 8)
    assert torch.equal(torch.get_rng_state(), drawn)
    assert policy.training
    assert not any(module.training for module in policy.lm.modules())
    assert all(weight.grad is None for weight in policy.parameters())


@pytest.mark.parametrize("rank", [0, 4])
def test_weights_gradients_and_moments_are_those_of_an_optimiser(rank):
    policy = adapted(rank) if rank else Policy(make_kind("llama"), critic=False)
    config = experiment("method=sft")
    optimizer = Optimizer(policy, policy.trained_parameters(), config.sft, constant(0))
    for weight in optimizer.parameters:
        weight.grad = torch.ones_like(weight)
    parts = expected(policy, "method=sft")["training"].parts
    assert parts["gradients"] == sum(w.grad.nbytes for w in optimizer.parameters if w.grad is not None)
    optimizer.step()
    moments = [tensor for name, tensor in optimizer.tensors().items() if not name.endswith(".step")]
    assert parts["optimiser"] == sum(tensor.nbytes for tensor in moments)
    assert parts["weights"] == sum(weight.nbytes for weight in policy.parameters())


def test_a_reference_beside_an_adapter_is_an_adapter():
    policy = adapted(4)
    own = {weight.data_ptr() for weight in policy.parameters()}
    copied = sum(weight.nbytes for weight in policy.reference().parameters() if weight.data_ptr() not in own)
    assert expected(policy)["updating"].parts["reference"] == copied


def test_an_adapter_that_is_not_there_yet_is_counted_as_one_that_is():
    plain = Shape.of(make_kind("llama"))
    assert plain.with_adapter(4) == Shape.of(adapted(4).lm)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@torch.no_grad()
def test_the_decoder_holds_what_is_expected(precision):
    policy = Policy(make_kind("llama"), critic=False, precision=precision)
    decoder = LlamaDecoder(policy)
    own = {weight.untyped_storage().data_ptr() for weight in policy.parameters()}
    copied = sum(size for place, size in dict(storages(decoder)).items() if place not in own)
    parts = expected(policy)["sampling"].parts
    assert parts["copy for sampling"] == pytest.approx(copied, rel=0.1)

    before = dict(storages(decoder))
    decoder.start([[1] * 10, [1] * 12], 40)
    for _ in range(40):
        decoder.step(torch.tensor([1, 1]))
    cache = sum(size for place, size in dict(storages(decoder._cache)).items() if place not in before)
    found = Work("", True, 2, True, False, 1, (12, 40), [(10, 40), (12, 40)]).decoding(2, 32, at_most=False)
    shape, size = Shape.of(policy.lm), 2 if precision == "bf16" else 4
    assert found.places * shape.layers * 2 * shape.keys * size == pytest.approx(cache, rel=0.1)


class Scripted:
    """A decoder whose rows end where they are told to, which remembers how many rows each step had."""

    def __init__(self, lengths: list[int]):
        self.lengths, self.steps, self.done = torch.tensor(lengths), [], 0

    def start(self, prompts, cap):
        return torch.arange(len(prompts))[:, None]

    def step(self, tokens):
        self.done += 1
        self.steps.append(len(tokens))
        return self.rows[:, None]

    def keep(self, order):
        self.rows = self.rows[order]

    def stop(self): ...

    def choose(self, hidden, places, t):
        self.rows = hidden[:, 0]
        ended = (self.lengths[self.rows] == t + 1).long()
        return Step(ended, torch.zeros(len(ended)), torch.zeros(len(ended)), None)


def test_rows_are_dropped_as_they_are_when_responses_are_sampled():
    lengths = generator("rows").integers(1, 30, size=50).tolist()
    decoder = Scripted(lengths)
    transcript = Transcript(50, 40, (1,), 0, has_values=False)
    prompts = [(number,) for number in range(50)]
    decode_batch(
        decoder,
        prompts,
        torch.arange(50),
        decoder.choose,
        transcript,
        cap=40,
        limits=None,
        ends=(1,),
        on_finished=lambda rows: None,
    )
    assert [50, *decoder.steps] == widths(lengths)


def of_size(weights: float, *words: str) -> tuple[Setting, list[Work]]:
    """A setting as of a model of so many weights in the shape of a Llama."""
    policy = Policy(make_kind("llama"), critic=False)
    config = experiment(*words)
    found = setting(config, policy, "cuda", LENGTHS, 64)
    big = Shape(
        weights=round(weights),
        trunk=round(0.95 * weights),
        matrices=round(0.9 * weights),
        adapted=round(weights / 1500),
        rank=0,
        adapter=0,
        vocabulary=32000,
        width=4096,
        layers=32,
        keys=1024,
        mlp=11008,
    )
    kept = Kept.supposed(big, "fp32")
    return replace(found, shape=big, kept=kept, kept_in_training=kept), works(config, LENGTHS, 4096)


def test_what_to_change_comes_in_the_order_of_its_cost_until_it_fits():
    found, loads = of_size(7e9, "trainer.tokens_per_micro_batch=8192", "ppo.rollouts=512", "ppo.mini_batch=512")
    needs = largest(phases(found, loads)).size
    assert needs > 16 * 7e9  # weights, gradients, moments; and the reference
    proposed = changes(found, loads, 80 * GIB)
    names = [change.words.partition("=")[0] for change in proposed]
    order = ["trainer.tokens_per_micro_batch", "model.gradient_checkpointing", "lora", "trainer.optimizer"]
    assert names == [name for name in order if name in names]
    assert "lora" in names
    sizes = [needs, *(change.size for change in proposed)]
    assert sizes == sorted(sizes, reverse=True)
    assert proposed[-1].size <= 80 * GIB
    assert all(change.size > 80 * GIB for change in proposed[:-1])


def test_rows_are_what_to_change_where_sampling_takes_most():
    words = ("trainer.decode_batch=100000", "ppo.rollouts=100000", "trainer.tokens_per_micro_batch=256")
    found, loads = of_size(1e8, *words)
    assert largest(phases(found, loads)).name == "sampling"
    (first, *_) = changes(found, loads, 20 * GIB)
    assert first.words.startswith("trainer.decode_batch=")


def test_what_fits_needs_no_change():
    assert changes(*of_size(1e8), 10**15) == []


def test_recomputing_layers_keeps_what_it_is_said_to_keep():
    lm = make_kind("llama", hidden_size=128, intermediate_size=256, num_hidden_layers=8)
    plain = Policy(lm, critic=False)
    found = setting(experiment("method=sft"), plain, "cpu", LENGTHS, 8)
    loads = works(experiment("method=sft"), LENGTHS, 512)
    said = by_name(phases(replace(found, checkpointing=True), loads))["training"].parts["activations"]
    checkpoint_layers(lm)
    batch = loads[0].micro_batch(found.tokens, is_packed=True, at_most=False)
    inputs = Kept.by(plain, 0.3).of(batch.tokens, batch.width)
    one_layer = found.kept.of(batch.tokens, batch.width) / found.shape.layers
    assert said == pytest.approx(inputs + one_layer, rel=0.15)


def test_at_most_is_never_less():
    for words in (("method=sft",), (), ("method=online_st",), ("method=offline_st",), ("method=reranker",)):
        policy = Policy(make_kind("llama"))
        config = experiment(*words)
        found = setting(config, policy, "cpu", LENGTHS, 8)
        loads = works(config, LENGTHS, policy.positions)
        for likely, most in zip(phases(found, loads), phases(found, loads, at_most=True), strict=True):
            assert likely.size <= most.size
    assert loads[0].stage == WARMUP.label
