"""The walk against explicit products and loops over nodes; its shortcuts and their cures."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from pixelkin.data.batch import ClipBatch
from pixelkin.models.encoder import Encoder, EncoderConfig
from pixelkin.objectives.random_walk import (
    RandomWalk,
    palindromes,
    return_rate,
    stay_rate,
    strangers,
    transition,
    unrelated,
)

TURNED = torch.tensor([[0.9, -0.2, 3.0], [0.1, 1.2, 2.0]])
FLIPPED = torch.tensor([[-1.1, 0.1, 30.0], [0.0, 0.8, -5.0]])


def clips(b: int = 2, v: int = 4, size: int = 32) -> ClipBatch:
    return ClipBatch(
        views=torch.rand(b, v, 3, size, size, generator=torch.Generator().manual_seed(5)),
        to_frame=torch.eye(2, 3).repeat(b, v, 1, 1),
        times=torch.arange(v).expand(b, v),
        frame_size=torch.tensor([[32, 32]]).expand(b, 2),
        videos=torch.arange(b),
    )


def warped_clips() -> ClipBatch:
    """Two clips of three frames, the first of which ends each of them as another crop."""
    batch = clips(2, 4)
    batch.to_frame[0, -1], batch.to_frame[1, 0], batch.to_frame[1, -1] = TURNED, TURNED, FLIPPED
    return batch


def features(b: int = 2, v: int = 4, side: int = 3) -> Tensor:
    return torch.randn(b, v, 5, side, side, generator=torch.Generator().manual_seed(0))


def partners(batch: ClipBatch, centres: list[tuple[float, float]], step: float) -> dict[int, int]:
    """The node of the last view that shows what each of the first shows, by a loop over nodes.

    Keys are clip * nodes + node, of those that have one.
    """
    found = {}
    for clip in range(len(batch)):
        first, last = batch.to_frame[clip, [0, -1]].double().numpy()
        for i, (x, y) in enumerate(centres):
            point = first[:, :2] @ (x, y) + first[:, 2]
            there = np.linalg.solve(last[:, :2], point - last[:, 2])
            away = np.abs(np.array(centres) - there).max(1)
            j = int(away.argmin())
            if away[j] < step / 2:
                found[clip * len(centres) + i] = j
    return found


def expected_loss(walks: list[Tensor], ends: dict[int, int]) -> float:
    nodes = walks[0].shape[1]
    losses = [
        -math.log(float(w[key // nodes, key % nodes, end]))
        for w in walks
        for key, end in ends.items()
    ]
    return sum(losses) / len(losses)


def explicit_walks(f: Tensor, tau: float) -> list[Tensor]:
    f = torch.nn.functional.normalize(f.double(), dim=2).flatten(3)
    v = f.shape[1]
    affinity = [f[:, t].mT @ f[:, t + 1] / tau for t in range(v - 1)]
    forward = [torch.softmax(a, 2) for a in affinity]
    backward = [torch.softmax(a.mT, 2) for a in affinity]
    walks = []
    for k in range(1, v):
        product = torch.eye(f.shape[3], dtype=torch.float64)
        for matrix in forward[:k] + backward[:k][::-1]:
            product = product @ matrix
        walks.append(product)
    return walks


def test_loss_is_that_of_explicit_products() -> None:
    f = features()
    objective = RandomWalk(4, edge_dropout=0.0, temperature=0.1, end="same")
    loss, figures = objective(f, clips(), 0.0)
    walks = explicit_walks(f, 0.1)
    losses = [
        -math.log(float(w[b, i, i])) for w in walks for b in range(2) for i in range(w.shape[1])
    ]
    assert float(loss) == pytest.approx(sum(losses) / len(losses), rel=1e-4)
    expected = (walks[-1].argmax(2) == torch.arange(9)).double().mean()
    assert figures["accuracy"] == pytest.approx(float(expected))
    returned = walks[-1].diagonal(dim1=1, dim2=2).mean()
    assert figures["returned"] == pytest.approx(float(returned), rel=1e-4)


def test_a_walk_of_two_frames_goes_there_and_back() -> None:
    f = features(v=2)
    objective = RandomWalk(2, edge_dropout=0.0, temperature=0.1, end="same")
    a, b = (x / x.norm(dim=1, keepdim=True) for x in f.double().flatten(3).unbind(1))
    there = (a.mT @ b / 0.1).softmax(2)
    back = (b.mT @ a / 0.1).softmax(2)
    expected = -(there @ back).diagonal(dim1=1, dim2=2).log().mean()
    batch = clips(v=2)
    assert float(objective(f, batch, 0.0)[0]) == pytest.approx(float(expected), rel=1e-4)
    assert torch.equal(objective.images(batch.views, None), batch.views)  # nodes are cells of them
    assert objective.state_dict() == {}


def test_warped_end_is_where_a_loop_over_cells_finds_it() -> None:
    batch, f = warped_clips(), features(side=4)
    loss, figures = RandomWalk(frames=3, edge_dropout=0.0, end="warped")(f, batch, 0.0)
    ends = partners(batch, [(8 * i, 8 * j) for j in range(4) for i in range(4)], 8)
    assert 8 < len(ends) < 32 and any(key % 16 != end for key, end in ends.items())
    unit = torch.nn.functional.normalize(f.double(), dim=2).flatten(3)
    logits = [[(unit[:, a].mT @ unit[:, b] / 0.03).softmax(2) for b in range(4)] for a in range(4)]
    walks = [
        logits[0][1] @ logits[1][3],
        logits[0][1] @ logits[1][2] @ logits[2][1] @ logits[1][3],
    ]
    assert float(loss) == pytest.approx(expected_loss(walks, ends), rel=1e-4)
    assert figures["pairs"] == pytest.approx(len(ends) / 32)
    hits = [int(walks[1][key // 16, key % 16].argmax()) == end for key, end in ends.items()]
    assert figures["accuracy"] == pytest.approx(np.mean(hits))
    led = [float(walks[1][key // 16, key % 16, end]) for key, end in ends.items()]
    assert figures["returned"] == pytest.approx(np.mean(led), rel=1e-4)


def test_a_view_that_shows_nothing_of_the_first_teaches_nothing() -> None:
    batch, f = clips(2, 4), features().requires_grad_()
    batch.to_frame[:, -1, :, 2] = 1000.0
    loss, figures = RandomWalk(frames=3, end="warped")(f, batch, 0.0)
    (gradient,) = torch.autograd.grad(loss, f)
    assert loss.item() == figures["pairs"] == 0.0
    assert bool((gradient == 0).all())


@pytest.mark.parametrize("end", ["same", "warped"])
def test_patch_nodes_are_those_of_a_loop_over_patches(end: Literal["same", "warped"]) -> None:
    batch = warped_clips() if end == "warped" else clips(2, 3)
    encoder = Encoder(EncoderConfig(widths=(4, 4, 6), temperature=None)).eval()
    walk = RandomWalk(
        frames=3, edge_dropout=0.0, end=end, nodes="patches", patches=3, patch_area=(1.0, 1.0)
    )
    with torch.no_grad():
        images = walk.images(batch.views, None)
        f = encoder(images.flatten(0, 1))
        loss, _ = walk(f.view(*images.shape[:2], *f.shape[1:]), batch, 0.0)
        nodes = torch.zeros(2, batch.views.shape[1], 9, 6, dtype=torch.float64)
        for index in np.ndindex(nodes.shape[:3]):
            y, x = 8 * (index[2] // 3), 8 * (index[2] % 3)
            patch = batch.views[index[0], index[1], :, y : y + 16, x : x + 16]
            vector = encoder(patch[None])[0].mean((1, 2)).double()
            nodes[index] = vector / vector.norm()
    steps = [
        [(nodes[:, a] @ nodes[:, b].mT / 0.03).softmax(2) for b in range(nodes.shape[1])]
        for a in range(nodes.shape[1])
    ]
    last = -1 if end == "warped" else 0
    walks = [steps[0][1] @ steps[1][last], steps[0][1] @ steps[1][2] @ steps[2][1] @ steps[1][last]]
    ends = partners(batch, [(7.5 + 8 * i, 7.5 + 8 * j) for j in range(3) for i in range(3)], 8)
    assert end == "warped" or ends == {i: i % 9 for i in range(18)}
    assert float(loss) == pytest.approx(expected_loss(walks, ends), rel=1e-3)


def marked(strength: float, views: int = 4) -> Tensor:
    """Cells of videos in which nothing corresponds, marked by where they lie."""
    content = torch.randn(4, views, 16, 64, generator=torch.Generator().manual_seed(2))
    place = torch.randn(16, 64, generator=torch.Generator().manual_seed(3))
    return (content + strength * place).mT.reshape(4, views, 64, 4, 4)


def test_marking_the_place_pays_where_the_walk_ends_in_the_same_view_alone() -> None:
    """Frames have nothing in common: only a network that marks places is led home."""
    batch, shift = clips(4, 4), torch.tensor([[8.0, 0.0], [0.0, 16.0], [-8.0, 8.0], [0.0, -8.0]])
    batch.to_frame[:, -1, :, 2] = shift
    same = RandomWalk(4, temperature=0.07, edge_dropout=0.0, end="same")
    warped = RandomWalk(3, temperature=0.07, edge_dropout=0.0, end="warped")
    losses = {
        walk.end: [float(walk(marked(s), batch, 0.0)[0]) for s in (0.0, 0.5, 1.0, 3.0)]
        for walk in (same, warped)
    }
    assert losses["same"][-1] < 0.1 < losses["same"][-2] < losses["same"][0] - 0.5
    assert min(losses["warped"][1:]) > losses["warped"][0]
    assert losses["warped"][0] == pytest.approx(math.log(16), abs=0.5)


def test_return_rate_through_other_videos_tells_marks_from_contents() -> None:
    def rate(f: Tensor) -> tuple[float, float]:
        nodes = torch.nn.functional.normalize(f.flatten(3).mT, dim=3)
        return float(return_rate(nodes, 0.03)), float(return_rate(unrelated(nodes), 0.03))

    # All frames of a video alike, no two videos: every walk in one returns, few through others do.
    content = marked(0.0, 1).expand(-1, 4, -1, -1, -1)
    home, away = rate(content)
    assert home > 0.9 and away < 2 / 16
    home, away = rate(marked(3.0))
    assert home > 0.9 and away > 0.9
    home, away = rate(torch.ones(4, 4, 8, 4, 4))
    assert home == pytest.approx(1 / 16) and away == pytest.approx(1 / 16)
    figures = RandomWalk(4, end="same")(marked(3.0), clips(4, 4), 0.0)[1]
    assert figures["unrelated"] == pytest.approx(rate(marked(3.0))[1])
    assert "unrelated" not in RandomWalk()(features(1), clips(1), 0.0)[1]
    # With three clips a walk of four frames is back in its own video, which is no stranger.
    walk = RandomWalk(4, end="same")
    assert "unrelated" not in walk(marked(3.0)[:3], clips(3, 4), 0.0)[1]
    twice = replace(clips(4, 4), videos=torch.tensor([0, 1, 0, 2]))
    assert math.isnan(walk(marked(3.0), twice, 0.0)[1]["unrelated"])
    walk, one = RandomWalk(2, end="same"), marked(3.0).clone()
    one[:2] = torch.randn(one[:2].shape, generator=torch.Generator().manual_seed(0))
    apart = replace(clips(4, 2), videos=torch.tensor([0, 0, 0, 1]))  # the last two walks count
    others = unrelated(torch.nn.functional.normalize(one[:, :2].flatten(3).mT, dim=3))
    told = walk(one[:, :2], apart, 0.0)[1]["unrelated"]
    assert told == pytest.approx(float(return_rate(others[2:], walk.temperature)))
    with pytest.raises(ValueError, match="two clips"):
        unrelated(torch.ones(1, 2, 3, 4))


def test_stay_rate_tells_places_from_codes_that_videos_share() -> None:
    """Sixteen codes, in another order in every video: walks come back, and end anywhere."""
    codes = torch.nn.functional.normalize(
        torch.randn(16, 64, generator=torch.Generator().manual_seed(4)), dim=1
    )
    generator = torch.Generator().manual_seed(0)
    orders = [torch.randperm(16, generator=generator) for _ in range(32)]
    shared = torch.stack([codes[order].expand(3, 16, 64) for order in orders])
    assert float(return_rate(unrelated(shared), 0.03)) > 0.99
    assert float(stay_rate(unrelated(shared), 0.03)) == pytest.approx(1 / 16, abs=0.03)
    assert float(stay_rate(shared, 0.03)) > 0.99
    places = torch.nn.functional.normalize(marked(3.0).flatten(3).mT, dim=3)
    assert float(stay_rate(unrelated(places), 0.03)) > 0.9
    with pytest.raises(ValueError, match="two frames"):
        stay_rate(shared[:, :1], 0.03)


@pytest.mark.parametrize(
    ("videos", "frames", "walks"),
    [
        ([5, 6, 7], 3, [0, 1, 2]),
        ([5, 6, 7], 2, [0, 1, 2]),
        ([5, 6, 5, 7], 3, [1, 3]),
        ([5, 6, 5, 7], 2, [0, 1, 2, 3]),
        ([5, 5, 6], 2, [1, 2]),
        ([5, 6], 3, []),
    ],
)
def test_walks_that_see_no_video_twice(videos: list[int], frames: int, walks: list[int]) -> None:
    assert strangers(torch.tensor(videos), frames).nonzero().flatten().tolist() == walks


def test_unrelated_frames_are_of_one_video_each() -> None:
    video = torch.arange(5.0).view(5, 1, 1, 1).expand(5, 3, 2, 1)
    assert unrelated(video)[..., 0, 0].tolist() == [
        [0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 0], [4, 0, 1]
    ]  # fmt: skip


def test_walks_stay_stochastic() -> None:
    there = [torch.rand(2, 6, 6).softmax(2) for _ in range(3)]
    back = [torch.rand(2, 6, 6).softmax(2) for _ in range(3)]
    for walk in palindromes(there, back):
        torch.testing.assert_close(walk.sum(2), torch.ones(2, 6))


def test_distinct_nodes_that_stay_come_home() -> None:
    f = torch.randn(1, 1, 64, 3, 3).expand(1, 4, 64, 3, 3)
    loss, figures = RandomWalk(4, edge_dropout=0.0, end="same")(f, clips(1), 0.0)
    assert figures["accuracy"] == 1.0 and float(loss) < 0.01


def test_dropout_cuts_its_share_of_edges() -> None:
    generator = torch.Generator().manual_seed(0)
    moves = transition(torch.zeros(4, 50, 50), 0.3, generator)
    assert float((moves == 0).float().mean()) == pytest.approx(0.3, abs=0.02)
    torch.testing.assert_close(moves.sum(2), torch.ones(4, 50))


def test_a_node_that_loses_all_edges_keeps_them() -> None:
    moves = transition(torch.zeros(1, 200, 2), 0.9, torch.Generator().manual_seed(0))
    assert bool(moves.isfinite().all())
    torch.testing.assert_close(moves.sum(2), torch.ones(1, 200))


def test_gradient_flows_and_the_generator_decides() -> None:
    f = features().requires_grad_()
    losses = [RandomWalk()(f, clips(), 0.0, torch.Generator().manual_seed(s))[0] for s in (3, 3, 4)]
    assert losses[0].item() == losses[1].item() != losses[2].item()
    (gradient,) = torch.autograd.grad(losses[0], f)
    assert bool(gradient.isfinite().all())
    assert bool((gradient.abs().sum((0, 2, 3, 4)) > 0).all())


def test_sharp_walks_have_a_finite_gradient() -> None:
    f = (features() * 100).requires_grad_()
    loss = RandomWalk(temperature=0.002, edge_dropout=0.5)(f, clips(), 0.0)[0]
    (gradient,) = torch.autograd.grad(loss, f)
    assert bool(gradient.isfinite().all())


def test_float32_under_autocast() -> None:
    f = features()
    with torch.autocast("cpu", torch.bfloat16):
        mixed = RandomWalk(edge_dropout=0.0)(f, clips(), 0.0)[0]
    torch.testing.assert_close(
        mixed, RandomWalk(edge_dropout=0.0)(f, clips(), 0.0)[0], rtol=0, atol=0
    )


@pytest.mark.parametrize(
    "change",
    [
        {"frames": 1},
        {"gaps": (0,)},
        {"temperature": 0.0},
        {"edge_dropout": 1.0},
        {"end": "home"},
        {"nodes": "cells"},
        {"patches": 1},
        {"patch_area": (0.9, 0.7)},
        {"patch_area": (0.0, 1.0)},
    ],
)
def test_settings_out_of_range_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=f"^{next(iter(change))}: "):
        RandomWalk(**change)  # type: ignore[arg-type]


def test_patches_must_be_larger_than_a_cell() -> None:
    RandomWalk(nodes="patches", patches=6).check_views(32, 8)
    RandomWalk(nodes="map").check_views(32, 8)
    RandomWalk(end="same").check_views(32, 8, 0.0)
    with pytest.raises(ValueError, match=r"^end: .*crop_jitter"):
        RandomWalk(end="warped").check_views(32, 8, 0.0)
    with pytest.raises(ValueError, match=r"^patches: 7 .* patches of 8 pixels.*give at most 6$"):
        RandomWalk(nodes="patches").check_views(32, 8)
