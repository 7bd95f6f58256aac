"""Blocks of sources: none that is wanted is passed, and the others mostly are."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from pixelkin.ops.affinity.blocks import Blocks, Centres, in_blocks
from pixelkin.ops.affinity.bounds import Short, worst
from pixelkin.ops.affinity.cells import Cells
from pixelkin.ops.affinity.rounded import Rounded


@pytest.mark.parametrize("form", [Short, Rounded])
def test_products_with_chosen_blocks_have_few_sizes(form: type[Short | Rounded]) -> None:
    """oneDNN keeps a program for each, and its memory."""
    g = torch.Generator().manual_seed(0)
    features = F.normalize(torch.randn(1, 17, 13, 64, generator=g), dim=-1)
    bounds = form(features)
    rows, _ = bounds.rows(features)
    places = in_blocks(torch.arange(17 * 13).view(17, 13))
    blocks = Blocks.of(rows[0].flatten(0, 1), places, places, 4)
    queries, total = bounds.queries(rows[0, 0]), blocks.ids.shape[1]
    whole = blocks.part(bounds, queries)
    sizes = set()
    for count in range(1, total):
        chosen = torch.randperm(total, generator=g)[:count].sort().values
        part = blocks.part(bounds, queries, chosen)
        sizes.add(part.ids.shape[2])
        assert torch.equal(part.ids[..., :count], whole.ids[..., chosen])
        near = 1e-6 if part.entries.is_floating_point() else 0  # of sums in another order
        entries, wanted = part.entries[..., :count, :], whole.entries[..., chosen, :]
        torch.testing.assert_close(entries, wanted, rtol=0, atol=near)
        assert bool((part.ids[..., count:] == -1).all())
        assert bool((part.entries[..., count:, :] == worst(part.entries.dtype)).all())
        assert part.ids.shape[2] <= max(count + 1, 1.25 * count)
    assert len(sizes) <= 4 * math.log2(total)


@pytest.mark.parametrize("form", [Short, Rounded])
def test_blocks_are_passed_and_none_that_is_wanted(form: type[Short | Rounded]) -> None:
    g = torch.Generator().manual_seed(0)
    smooth = F.interpolate(torch.randn(1, 64, 6, 8, generator=g), (31, 41), mode="bilinear")
    moved = torch.cat([smooth, smooth.roll((2, 3), (2, 3))])
    features = F.normalize(moved + 0.02 * torch.randn(moved.shape, generator=g), dim=1)
    points = features.permute(0, 2, 3, 1)
    bounds = form(points[:1], 24)
    cells = Cells.of(features, bounds)
    position = torch.arange(31 * 41).view(31, 41)
    rows = cells.rows[0].flatten(0, 1)
    blocks = Blocks.of(rows, in_blocks(position), in_blocks(position), 4)
    assert sorted(blocks.ids.flatten().tolist()) == [-1, *range(31 * 41)]
    similar = points[1].flatten(0, 1).double() @ points[0].flatten(0, 1).double().T
    targets = torch.arange(0, 31 * 41, 7)
    kth = similar[targets].topk(10, dim=1).values[:, -1]
    centres = Centres(bounds.points(blocks.rows))
    own = bounds.points(cells.rows[1]).flatten(0, 1)[targets]
    found = bounds.farthest(kth.float(), cells.spread[1], cells.spread[0])
    share = []
    for i in range(len(targets)):
        wanted = centres.wanted(own[i : i + 1], found[i : i + 1])
        held = (similar[targets[i]][blocks.ids] >= kth[i]) & (blocks.ids >= 0)
        assert set(held.any(0).nonzero()[:, 0].tolist()) <= set(wanted.tolist())
        share.append(len(wanted) / blocks.ids.shape[1])
    assert sum(share) / len(share) < 0.5
    assert len(centres.wanted(own, found)) > len(wanted)  # of several: what any of them wants
    everything = centres.wanted(own[:1], torch.tensor([torch.inf]).clamp_max(4))
    assert len(everything) == blocks.ids.shape[1]
