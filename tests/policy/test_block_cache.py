"""The cache that grows in blocks against transformers' own, and rows that close ranks."""

from __future__ import annotations

import pytest
import torch
from transformers import DynamicCache, LlamaConfig, MistralConfig

from reft_lab.policy.sampling.cache import BLOCK, BlockLayer, block_cache
from reft_lab.policy.sampling.rows import close_gaps, select_rows


def test_it_holds_what_a_dynamic_cache_holds():
    config = LlamaConfig(num_hidden_layers=2, hidden_size=8, num_attention_heads=2)
    ours, theirs = block_cache(config), DynamicCache(config=config)
    rows = 5
    for step in range(2 * BLOCK + 3):
        for layer in range(2):
            new = [torch.randn(rows, 2, 7 if step == 0 else 1, 4) for _ in range(2)]
            for mine, other in zip(ours.update(*new, layer), theirs.update(*new, layer), strict=True):
                assert torch.equal(mine, other)
        assert ours.get_seq_length() == theirs.get_seq_length()
        assert ours.get_mask_sizes(1, 0) == theirs.get_mask_sizes(1, 0)
        if step in (3, BLOCK + 1):
            order = torch.arange(rows).flip(0)[: rows - 1]
            ours.batch_select_indices(order)
            theirs.batch_select_indices(order)
            rows = len(order)


def test_a_token_does_not_move_what_is_there():
    layer = BlockLayer()
    layer.update(torch.randn(2, 2, 5, 4), torch.randn(2, 2, 5, 4))
    place = layer.keys.data_ptr()
    for _ in range(BLOCK):
        layer.update(torch.randn(2, 2, 1, 4), torch.randn(2, 2, 1, 4))
    assert layer.keys.data_ptr() == place
    layer.update(torch.randn(2, 2, 1, 4), torch.randn(2, 2, 1, 4))
    assert layer.keys.data_ptr() != place


def test_layers_of_other_kinds_stay_what_they_are():
    plain = DynamicCache(config=MistralConfig(num_hidden_layers=2, sliding_window=16))
    ours = block_cache(MistralConfig(num_hidden_layers=2, sliding_window=16))
    assert [type(layer) for layer in ours.layers] == [type(layer) for layer in plain.layers]
    assert BlockLayer not in {type(layer) for layer in ours.layers}


@pytest.mark.parametrize("seed", range(5))
def test_gaps_are_closed_by_the_fewest_moves(seed):
    running = torch.rand(20, generator=torch.Generator().manual_seed(seed)) < 0.6
    order = close_gaps(running)
    assert sorted(order.tolist()) == running.nonzero()[:, 0].tolist()
    stay = running[: len(order)]
    assert torch.equal(order[stay], torch.arange(len(order))[stay])


@pytest.mark.parametrize("order", [[0, 1, 2], [3, 1, 0], [1, 0, 3, 2], [2, 2, 0, 1, 3, 3]])
@pytest.mark.parametrize("dim", [0, 1])
def test_rows_are_selected_in_place_where_there_is_room(order, dim):
    storage = torch.randn(4, 4, 3)
    chosen = torch.tensor(order, dtype=torch.long)
    expected = storage.index_select(dim, chosen)
    selected = select_rows(storage, chosen, dim)
    assert torch.equal(selected, expected)
    assert (selected.data_ptr() == storage.data_ptr()) == (len(order) <= 4)
