"""The formula of memory for several processes, and the table of docs/scale.md."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reft_lab.memory.advice import changes
from reft_lab.memory.experiment import setting, works
from reft_lab.memory.phases import Phase, by_name, phases
from reft_lab.memory.process import Room, sharers
from reft_lab.memory.setting import Setting
from reft_lab.memory.table import GPUS, MODELS, PAGE, WAYS, peak, renewed, shape_of, smallest
from reft_lab.memory.work import Work
from reft_lab.policy.model import Policy
from reft_lab.policy.packing import micro_batches
from reft_lab.ranks.dealing import deal
from tests.memory.experiments import LENGTHS, experiment
from tests.small_models import make_kind

HELD = ("weights", "reference", "optimiser", "gradients")


@pytest.fixture(scope="module")
def one() -> tuple[Setting, list[Work]]:
    policy, config = Policy(make_kind("llama"), critic=False), experiment("trainer.tokens_per_micro_batch=256")
    return setting(config, policy, "cuda", LENGTHS, 40), works(config, LENGTHS, policy.positions)


def of(one: tuple[Setting, list[Work]], devices: int, strategy: str) -> dict[str, Phase]:
    found, loads = one
    return by_name(phases(replace(found, devices=devices, strategy=strategy), loads))


def test_with_ddp_each_process_holds_all_and_computes_its_share(one) -> None:
    whole, each = of(one, 1, "ddp"), of(one, 4, "ddp")
    for name in HELD:
        assert each["updating"].parts[name] == whole["updating"].parts[name]
    assert each["sampling"].parts["copy for sampling"] == whole["sampling"].parts["copy for sampling"]
    assert each["sampling"].parts["keys and values"] < whole["sampling"].parts["keys and values"] / 2
    assert each["updating"].parts["activations"] <= whole["updating"].parts["activations"]


def test_with_fsdp_each_process_holds_a_part_and_gathers_what_it_computes_with(one) -> None:
    whole, each = of(one, 1, "fsdp"), of(one, 4, "fsdp")
    assert whole == of(one, 1, "ddp")
    for name in HELD:
        assert each["updating"].parts[name] == pytest.approx(whole["updating"].parts[name] / 4, abs=4)
    shape, numbers = one[0].shape, each["scoring"].parts["gathered"] // 4  # fp32
    root, layer = shape.weights - shape.matrices, shape.matrices / shape.layers
    assert root + layer < numbers < shape.weights
    assert each["updating"].parts["gathered"] == pytest.approx(4 * (numbers + root + layer), abs=4)
    assert each["sampling"].parts["gathered"] == 4 * shape.weights
    assert each["sampling"].parts["copy for sampling"] == whole["sampling"].parts["copy for sampling"]


def test_with_an_adapter_there_are_parts_of_one_base(one) -> None:
    found, loads = one
    shape = found.shape.with_adapter(4)
    found = replace(found, shape=shape, precision="bf16", has_own_values=True)
    whole, each = of((found, loads), 1, "fsdp"), of((found, loads), 4, "fsdp")
    for name in ("reference", "value model"):
        assert whole["updating"].parts[name] == 4 * shape.adapter
        assert each["updating"].parts[name] == shape.adapter
    root = shape.weights - shape.matrices
    assert each["sampling"].parts["gathered"] == 4 * root + 2 * shape.matrices  # merged, in bf16
    layer, of_trunk = shape.matrices / shape.layers, shape.trunk - shape.matrices
    assert each["updating"].parts["gathered"] == pytest.approx(4 * (root + of_trunk + 2 * layer), abs=4)


def test_on_a_cpu_what_was_gathered_to_sample_stays_in_the_heap(one) -> None:
    found, loads = one
    cpu = (replace(found, device="cpu"), loads)
    whole, each, other = of(cpu, 2, "ddp"), of(cpu, 2, "fsdp"), of(one, 2, "fsdp")
    copied = each["sampling"].parts["gathered"] + each["sampling"].parts["copy for sampling"]
    assert copied >= 4 * (found.shape.weights + found.shape.matrices)
    for name in ("updating", "sampling"):
        assert each[name].parts["left in the heap"] > copied
        assert "left in the heap" not in other[name].parts
    assert copied > whole["sampling"].parts["copy for sampling"]


def test_where_several_do_not_fit_with_whole_weights_parts_are_proposed(one) -> None:
    found, loads = one
    shape = replace(found.shape, weights=7 * 10**9, trunk=69 * 10**8, matrices=65 * 10**8, layers=32)
    found = replace(found, shape=shape, devices=8)
    words = {change.words for change in changes(found, loads, 70 * 2**30)}
    assert "trainer.strategy=fsdp" in words
    assert "lora=r16" not in words
    assert not any("fsdp" in change.words for change in changes(replace(found, devices=1), loads, 70 * 2**30))


def test_the_largest_micro_batch_is_that_of_any_process(one) -> None:
    """By a loop over what each process is dealt."""
    _, loads = one
    work = replace(loads[-1], batch=24)
    found = work.micro_batch(150, is_packed=True, at_most=False, devices=3)
    tokens, second = 0, 0
    for batch in work._batches():
        lengths = [prompt + response - 1 for prompt, response in batch]
        for hand in deal(lengths, 3):
            groups = micro_batches([lengths[i] for i in hand], 150)
            sizes = sorted(sum(lengths[hand[i]] for i in group) for group in groups)
            tokens = max(tokens, sizes[-1])
            second = max(second, *sizes[:-1], 0)
    assert second
    assert (found.tokens, found.second) == (tokens, second)
    longest = sum(work.longest) - 1
    alone, parted = (work.micro_batch(n * longest, is_packed=True, at_most=True, devices=3) for n in (8, 5))
    assert (alone.tokens, alone.second) == (8 * longest, 0)
    assert (parted.tokens, parted.second) == (5 * longest, 3 * longest)


def test_holes_in_the_heap_grow_with_the_second_micro_batch(one) -> None:
    found, loads = one
    left = []
    for batch in (4, 5, 8):  # 4, 4 and 1, 4 and 4
        work = replace(loads[-1], batch=batch)
        setting = replace(found, device="cpu", tokens=4 * (sum(work.longest) - 1))
        left.append(by_name(phases(setting, [work], at_most=True))["updating"].parts["left in the heap"])
    assert left[0] < left[1] < left[2] < 2 * left[0]


def test_what_the_ranks_add_up_is_a_copy_of_a_bucket(one) -> None:
    """Where it is more than what a pass takes: a few tokens, and many weights."""
    found, loads = one
    shape = replace(found.shape, weights=2 * 10**9, trunk=19 * 10**8, matrices=18 * 10**8)
    found = replace(found, shape=shape, checkpointing=True)
    alone, each = (by_name(phases(replace(found, devices=n), loads))["updating"] for n in (1, 2))
    assert "exchange" not in alone.parts
    assert each.parts["exchange"] == 4 * 16_000_000
    assert each.parts["gradients"] == 4 * 2 * 10**9


def test_ram_is_shared_by_the_processes_on_a_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "SLURM_STEP_NUM_TASKS"):
        monkeypatch.delenv(name, raising=False)
    assert (sharers("cpu", 1), sharers("cpu", 4), sharers("cuda", 4)) == (1, 4, 1)
    for name, value in {"RANK": "3", "WORLD_SIZE": "16", "LOCAL_RANK": "3", "LOCAL_WORLD_SIZE": "8"}.items():
        monkeypatch.setenv(name, value)
    assert sharers("cpu", 16) == 8
    assert Room("this machine", 1000).shared(8) == Room("one of 8 equal parts of this machine", 125)
    assert Room("this machine", 1000).shared(1) == Room("this machine", 1000)


def test_the_page_says_what_the_formula_says() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == renewed(page), "run `python -m reft_lab.memory.table`"


def test_more_devices_never_take_more_each() -> None:
    shape = shape_of(MODELS["CodeLlama-7B"])
    assert shape.weights == 6_738_546_688  # as its model card has it
    for way in WAYS:
        for strategy in way.strategies:
            least = 2 if way.rank and strategy == "fsdp" else 1  # what two gather is what they share
            sizes = [peak(shape, way, devices, strategy, 16) for devices in (1, 2, 4, 8) if devices >= least]
            assert sizes == sorted(sizes, reverse=True)
    assert all(peak(shape, WAYS[0], n, "fsdp", 16) < peak(shape, WAYS[0], n, "ddp", 16) for n in (2, 4, 8))


def test_a_gpu_that_is_named_has_room() -> None:
    gib = 2**30
    assert smallest(10 * gib) == 24
    assert smallest(round(GPUS[24] * gib)) == 48  # some of it is not for us
    assert smallest(200 * gib) is None
