"""Every way to assign credit against literal loops over responses and tokens."""

from __future__ import annotations

import statistics
import subprocess
import sys

import pytest
import torch

from reft_lab.equations.credit import CREDITS, Experience, kl_estimate, rewards

BETA = 0.05
GROUP = 4


def batch_of(seed: int, group: int = GROUP, groups: int = 3) -> tuple[Experience, list[list[float]]]:
    """Random rewards with their KL penalty, and the same as one list a response, computed by a loop."""
    draw = torch.Generator().manual_seed(seed)
    count, longest = group * groups, 7
    lengths = torch.randint(1, longest + 1, (count,), generator=draw)
    mask = torch.arange(longest) < lengths[:, None]
    logprobs, ref, values = (torch.randn(count, longest, generator=draw, dtype=torch.float64) for _ in range(3))
    scores = torch.rand(count, generator=draw, dtype=torch.float64)
    total = rewards(scores, kl_estimate(logprobs, ref), mask, BETA)
    by_hand = []
    for i, length in enumerate(lengths.tolist()):
        row = [-BETA * (logprobs[i, t] - ref[i, t]).item() for t in range(length)]
        row[-1] += scores[i].item()
        by_hand.append(row)
    return Experience(total, mask, values, group, gamma=0.9, lam=0.8), by_hand


def of_group(totals: list[float], i: int, group: int = GROUP) -> list[float]:
    first = i - i % group
    return totals[first : first + group]


def gae_by_hand(batch: Experience, rows: list[list[float]]) -> list[list[float]]:
    found = []
    for i, row in enumerate(rows):
        values = [*batch.values[i, : len(row)].tolist(), 0.0]
        deltas = [row[t] + 0.9 * values[t + 1] - values[t] for t in range(len(row))]
        found.append([sum(0.72**k * deltas[t + k] for k in range(len(row) - t)) for t in range(len(row))])
    return found


def group_by_hand(batch: Experience, rows: list[list[float]]) -> list[list[float]]:
    totals = [sum(row) for row in rows]
    found = []
    for i, row in enumerate(rows):
        peers = of_group(totals, i)
        found.append([(totals[i] - statistics.fmean(peers)) / (statistics.stdev(peers) + 1e-4)] * len(row))
    return found


def group_centred_by_hand(batch: Experience, rows: list[list[float]]) -> list[list[float]]:
    totals = [sum(row) for row in rows]
    return [[totals[i] - statistics.fmean(of_group(totals, i))] * len(row) for i, row in enumerate(rows)]


def leave_one_out_by_hand(batch: Experience, rows: list[list[float]]) -> list[list[float]]:
    totals = [sum(row) for row in rows]
    found = []
    for i, row in enumerate(rows):
        others = [totals[j] for j in range(len(rows)) if j // GROUP == i // GROUP and j != i]
        found.append([totals[i] - sum(others) / len(others)] * len(row))
    return found


def batch_by_hand(batch: Experience, rows: list[list[float]]) -> list[list[float]]:
    to_go = [[sum(row[t:]) for t in range(len(row))] for row in rows]
    every = [x for row in to_go for x in row]
    mean, std = statistics.fmean(every), (statistics.variance(every) + 1e-8) ** 0.5
    return [[(x - mean) / std for x in row] for row in to_go]


LOOPS = {
    "gae": gae_by_hand,
    "group": group_by_hand,
    "group_centred": group_centred_by_hand,
    "leave_one_out": leave_one_out_by_hand,
    "batch": batch_by_hand,
}
GROUPS = [name for name, credit in CREDITS.items() if credit.needs_group]


def test_every_credit_has_a_loop() -> None:
    assert LOOPS.keys() == CREDITS.keys()


@pytest.mark.parametrize("name", CREDITS)
@pytest.mark.parametrize("seed", range(4))
def test_advantages_are_those_of_a_loop(name: str, seed: int) -> None:
    batch, rows = batch_of(seed)
    found = CREDITS[name].advantages(batch)
    for i, expected in enumerate(LOOPS[name](batch, rows)):
        assert found[i, : len(expected)].tolist() == pytest.approx(expected, abs=1e-9)
        assert not found[i, len(expected) :].any()


@pytest.mark.parametrize("name", [name for name, credit in CREDITS.items() if not credit.needs_critic])
def test_without_a_critic_values_are_never_looked_at(name: str) -> None:
    batch, _ = batch_of(0)
    without = Experience(batch.rewards, batch.mask, None, batch.group)
    assert torch.equal(CREDITS[name].advantages(batch), CREDITS[name].advantages(without))


@pytest.mark.parametrize("name", GROUPS)
@pytest.mark.parametrize("score", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("group", [2, 3, 7])
def test_a_group_of_identical_rewards_teaches_nothing(name: str, score: float, group: int) -> None:
    mask = torch.ones(2 * group, 5, dtype=torch.bool)
    total = rewards(torch.full((2 * group,), score), torch.zeros(2 * group, 5), mask, 0.0)
    assert not CREDITS[name].advantages(Experience(total, mask, group=group)).any()


@pytest.mark.parametrize("name", GROUPS)
def test_groups_do_not_touch_each_other(name: str) -> None:
    batch, _ = batch_of(1)
    changed = batch.rewards.clone()
    changed[:GROUP] += 1.5 * torch.rand(GROUP, 1, dtype=torch.float64)
    other = CREDITS[name].advantages(Experience(changed, batch.mask, group=GROUP))
    assert torch.equal(other[GROUP:], CREDITS[name].advantages(batch)[GROUP:])


@pytest.mark.parametrize("name", GROUPS)
def test_advantages_of_a_group_sum_to_zero_and_do_not_depend_on_where_rewards_begin(name: str) -> None:
    batch, rows = batch_of(2)
    first = CREDITS[name].advantages(batch)[:, 0]
    assert first.view(-1, GROUP).sum(1).tolist() == pytest.approx([0.0] * 3, abs=1e-9)
    moved = batch.rewards.clone()
    for i, row in enumerate(rows):
        moved[i, len(row) - 1] += 3
    again = CREDITS[name].advantages(Experience(moved, batch.mask, group=GROUP))[:, 0]
    assert again.tolist() == pytest.approx(first.tolist(), abs=1e-9)


def test_of_two_responses_each_is_held_against_the_other() -> None:
    mask = torch.ones(2, 1, dtype=torch.bool)
    batch = Experience(torch.tensor([[1.0], [0.25]]), mask, group=2)
    assert CREDITS["leave_one_out"].advantages(batch)[:, 0].tolist() == [0.75, -0.75]
    assert CREDITS["group_centred"].advantages(batch)[:, 0].tolist() == [0.375, -0.375]


def test_a_batch_of_identical_rewards_teaches_nothing_without_a_penalty() -> None:
    mask = torch.arange(5) < torch.tensor([[2], [5], [1], [3]])
    total = rewards(torch.full((4,), 0.1), torch.zeros(4, 5), mask, 0.0)
    assert CREDITS["batch"].advantages(Experience(total, mask)).abs().max() < 1e-3


def test_the_credits_are_known_without_torch() -> None:
    script = "import sys, reft_lab.equations.credit as c; print(*c.CREDITS, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [*CREDITS, "False"]
