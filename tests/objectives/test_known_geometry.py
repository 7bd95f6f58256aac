from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from pixelkin.data.batch import ClipBatch, Layer
from pixelkin.objectives.known_geometry import (
    BOTH,
    KnownGeometry,
    owners_of_cells,
    pairs_of_positions,
    positions,
)

SIZE, GRID, STRIDE = 64, (8, 8), 8


def affine(angle: float, scale: float, flip: bool, shift: tuple[float, float]) -> Tensor:
    c, s = scale * math.cos(angle), scale * math.sin(angle)
    f = -1.0 if flip else 1.0
    return torch.tensor([[c * f, -s, shift[0]], [s * f, c, shift[1]]])


FIRST = torch.stack([affine(0.0, 1.0, False, (0, 0)), affine(0.1, 1.2, True, (110, 9))])
SECOND = torch.stack([affine(0.0, 1.0, True, (70, 3)), affine(-0.2, 0.8, False, (20, 40))])


def batch(first: Tensor = FIRST, second: Tensor = SECOND) -> ClipBatch:
    b = len(first)
    return ClipBatch(
        views=torch.zeros(b, 2, 3, SIZE, SIZE),
        to_frame=torch.stack([first, second], 1),
        times=torch.zeros(b, 2, dtype=torch.int64),
        frame_size=torch.tensor([[120, 160]]).expand(b, 2),
        videos=torch.arange(b),
    )


def brute_force(first: Tensor, second: Tensor) -> dict[tuple[int, int, int], int]:
    """Partners found by mapping every pixel of both views into the frame."""
    pixels = np.stack(np.meshgrid(np.arange(SIZE), np.arange(SIZE)), -1).reshape(-1, 2)
    found = {}
    for clip, (a, b) in enumerate(
        zip(first.double().numpy(), second.double().numpy(), strict=True)
    ):
        # Where the cells of the second view are, among all quarter pixels around its grid.
        fine = np.arange(-2 * SIZE, 6 * SIZE + 1) / 4
        grid = np.stack(np.meshgrid(fine, fine), -1).reshape(-1, 2)
        in_frame = grid @ b[:, :2].T + b[:, 2]
        for i, (x, y) in enumerate(pixels[(pixels % STRIDE == 0).all(1)]):
            point = a[:, :2] @ [x, y] + a[:, 2]
            nearest = grid[np.argmin(((in_frame - point) ** 2).sum(1))]
            column, row = nearest / STRIDE
            if -0.5 < column < 7.5 and -0.5 < row < 7.5:
                found[clip, i] = (column, row)
    return found  # type: ignore[return-value]


def test_positives_are_those_of_mapping_every_pixel() -> None:
    position = positions(FIRST, SECOND, GRID, STRIDE)
    pairs = pairs_of_positions(position, GRID)
    expected = brute_force(FIRST, SECOND)
    got = {(c, i): j for c, i, j in zip(*(x.tolist() for x in pairs), strict=True)}
    assert len(got) > 40
    slack = 0.02  # the search above is a quarter of a pixel coarse
    for (clip, i), (column, row) in expected.items():
        x, y = position[clip, i].tolist()
        assert abs(x - column) < slack and abs(y - row) < slack
        safe = all(abs(v - math.floor(v) - 0.5) > slack for v in (x, y))
        if safe:
            assert got[clip, i] == round(row) * GRID[1] + round(column)
    assert abs(len(got) - len(expected)) <= 2


def test_a_flip_turns_rows_round() -> None:
    # The second view is the first one mirrored about the middle of its cells.
    mirror = torch.tensor([[[-1.0, 0.0, 56.0], [0.0, 1.0, 0.0]]])
    position = positions(torch.eye(2, 3)[None], mirror, GRID, STRIDE)
    pairs = pairs_of_positions(position, GRID)
    expected = torch.arange(64).view(8, 8).flip(1).flatten()
    assert torch.equal(pairs.targets, expected)


def test_truth_is_symmetric() -> None:
    there = positions(FIRST, SECOND, GRID, STRIDE)
    pairs = pairs_of_positions(there, GRID)
    back = positions(SECOND, FIRST, GRID, STRIDE)[pairs.clips, pairs.targets]
    # A partner's partner is at most the rounding of a cell away, seen at the other view's scale.
    own = torch.stack([pairs.sources % 8, pairs.sources // 8], 1)
    assert float((back - own).norm(dim=1).max()) < 0.5 * math.sqrt(2) * 1.2 / 0.8


def features(b: int = 2, seed: int = 0) -> Tensor:
    return torch.randn(b, 2, 6, *GRID, generator=torch.Generator().manual_seed(seed))


def direct_loss(f: Tensor, clips: ClipBatch, exclude: int, tau: float) -> float:
    """One direction, anchor by anchor."""
    f = torch.nn.functional.normalize(f.double(), dim=2).flatten(3)
    position = positions(clips.to_frame[:, 0], clips.to_frame[:, 1], GRID, STRIDE)
    losses = []
    for b in range(len(f)):
        for i in range(64):
            x, y = (round(v) for v in position[b, i].tolist())
            if not (0 <= x < 8 and 0 <= y < 8):
                continue
            logits = (f[b, 0, :, i] @ f[b, 1] / tau).tolist()
            total = sum(
                math.exp(v)
                for n, v in enumerate(logits)
                if n == y * 8 + x or max(abs(n % 8 - x), abs(n // 8 - y)) > (exclude or -1)
            )
            losses.append(math.log(total) - logits[y * 8 + x])
    return sum(losses) / len(losses)


@pytest.mark.parametrize("exclude", [0, 1])
def test_loss_is_that_of_a_direct_loop(exclude: int) -> None:
    f = features()
    loss, figures = KnownGeometry(symmetric=False, exclude=exclude)(f, batch(), 0.0)
    assert float(loss) == pytest.approx(direct_loss(f, batch(), exclude, 0.07), rel=1e-4)
    assert figures["loss"] == float(loss)


def test_symmetric_is_the_mean_of_both_directions() -> None:
    f, clips, swapped = features(), batch(), batch(SECOND, FIRST)
    one_way = KnownGeometry(symmetric=False)
    expected = (one_way(f, clips, 0.0)[0] + one_way(f.flip(1), swapped, 0.0)[0]) / 2
    torch.testing.assert_close(KnownGeometry()(f, clips, 0.0)[0], expected)


def test_perfect_features_are_all_right() -> None:
    clips = batch(torch.eye(2, 3)[None], torch.eye(2, 3)[None])
    f = torch.randn(1, 1, 64, *GRID).expand(1, 2, 64, *GRID)
    loss, figures = KnownGeometry()(f, clips, 0.0)
    assert figures["accuracy"] == figures["accuracy_1cell"] == figures["pairs"] == 1.0
    assert float(loss) < 1e-2
    for cells, right in ((1, 7 / 8), (2, 0.0)):
        shifted = f.clone()
        shifted[:, 1] = f[:, 1].roll(cells, -1)
        _, off = KnownGeometry()(shifted, clips, 0.0)
        assert off["accuracy"] == 0.0 and off["accuracy_1cell"] == pytest.approx(right)


def test_other_videos_add_negatives() -> None:
    f = features()
    within = KnownGeometry()(f, batch(), 0.0)[0]
    across = KnownGeometry(cross_video=128)(f, batch(), 0.0)[0]
    assert float(across) > float(within)
    same_video = batch()
    object.__setattr__(same_video, "videos", torch.zeros(2, dtype=torch.int64))
    alone = KnownGeometry(cross_video=128)(f, same_video, 0.0)[0]
    torch.testing.assert_close(alone, within)


def test_gradient_flows_and_the_generator_decides() -> None:
    objective = KnownGeometry(cross_video=20, max_pairs=15, exclude=1)
    f = features().requires_grad_()
    losses = [objective(f, batch(), 0.0, torch.Generator().manual_seed(s))[0] for s in (3, 3, 4)]
    assert losses[0].item() == losses[1].item() != losses[2].item()
    (gradient,) = torch.autograd.grad(losses[0], f)
    assert bool(gradient.isfinite().all()) and float(gradient.abs().sum()) > 0


def test_views_without_overlap_have_a_loss_of_zero() -> None:
    away = affine(0.0, 1.0, False, (1000, 0))[None]
    f = features(1).requires_grad_()
    loss, figures = KnownGeometry()(f, batch(torch.eye(2, 3)[None], away), 0.0)
    assert loss.item() == 0.0 and figures["pairs"] == 0.0
    loss.backward()
    assert f.grad is not None and float(f.grad.abs().sum()) == 0.0


def test_float32_under_autocast() -> None:
    f = features()
    with torch.autocast("cpu", torch.bfloat16):
        mixed = KnownGeometry()(f, batch(), 0.0)[0]
    assert mixed.dtype == torch.float32
    torch.testing.assert_close(mixed, KnownGeometry()(f, batch(), 0.0)[0], rtol=0, atol=0)


@pytest.mark.parametrize(
    "change", [{"temperature": 0.0}, {"max_pairs": 0}, {"exclude": -1}, {"cross_video": -1}]
)
def test_settings_out_of_range_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=f"^{next(iter(change))}: "):
        KnownGeometry(**change)  # type: ignore[arg-type]


def pasted(cover: Tensor) -> ClipBatch:
    """Two clips on each of which the other one lies, covering `cover`, B x 2 x S x S."""
    clips = batch()
    return replace(clips, pasted=Layer(cover, clips.to_frame.flip(0), clips.videos.flip(0)))


def halves() -> Tensor:
    """The right half of first views and the lower three quarters of second ones."""
    cover = torch.zeros(2, 2, SIZE, SIZE)
    cover[:, 0, :, 32:] = 1
    cover[:, 1, 16:] = 1
    return cover


def test_cells_belong_to_the_layer_that_they_show() -> None:
    owners = owners_of_cells(pasted(halves()), GRID).view(2, 2, 8, 8)
    # Cell j is centred on pixel 8 j: column 4 straddles the edge at pixel 32.
    row = [0, 0, 0, 0, BOTH, 1, 1, 1]
    assert owners[0, 0].tolist() == [row] * 8
    assert owners[1, 1, :, 3].tolist() == [1, 1, BOTH, 0, 0, 0, 0, 0]
    assert (owners_of_cells(batch(), GRID)[1] == 1).all()


def test_pasted_loss_is_that_of_a_direct_loop() -> None:
    clips, f = pasted(halves()), features()
    owners = owners_of_cells(clips, GRID)
    unit = torch.nn.functional.normalize(f.double(), dim=2).flatten(3)
    own = positions(clips.to_frame[:, 0], clips.to_frame[:, 1], GRID, STRIDE)
    losses, hits = [], []
    for b in range(2):
        for i in range(64):
            shown = int(owners[b, 0, i])
            if shown == BOTH:
                continue
            x, y = (round(v) for v in own[shown, i].tolist())  # clip number = video number
            if not (0 <= x < 8 and 0 <= y < 8) or owners[b, 1, y * 8 + x] != shown:
                continue
            logits = (unit[b, 0, :, i] @ unit[b, 1] / 0.07).tolist()
            kept = [
                v
                for n, v in enumerate(logits)
                if n == y * 8 + x or owners[b, 1, n] not in (shown, BOTH)
            ]
            for clip in range(2):
                sims = (unit[b, 0, :, i] @ unit[clip, 1] / 0.07).tolist()
                kept += [v for n, v in enumerate(sims) if owners[clip, 1, n] not in (shown, BOTH)]
            losses.append(math.log(sum(map(math.exp, kept))) - logits[y * 8 + x])
            hits.append(max(range(64), key=logits.__getitem__) == y * 8 + x)
    assert len(losses) > 15
    objective = KnownGeometry(symmetric=False, exclude=8, cross_video=10**6)
    loss, figures = objective(f, clips, 0.0)
    assert float(loss) == pytest.approx(sum(losses) / len(losses), rel=1e-4)
    assert figures["pairs"] == pytest.approx(len(losses) / 128)
    assert figures["accuracy"] == pytest.approx(sum(hits) / len(hits))
