from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pixelkin.data.augment import Augmentation, draw_view
from pixelkin.data.paste import cover_of, draw_outline, paste

SIZE = 64


def view(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return draw_view(Augmentation(), (150, 200), SIZE, (0.5, 0.5), rng)


def test_a_piece_is_the_same_region_of_the_frame_in_all_views() -> None:
    rng = np.random.default_rng(3)
    for seed in range(20):
        views = np.stack([view(seed), view(seed + 100)])
        first, second = cover_of(draw_outline(SIZE, (0.2, 0.3), rng), views, SIZE).numpy()
        seen = 0
        for y in range(0, SIZE, 3):
            for x in range(0, SIZE, 3):
                point = views[1, :, :2] @ [x, y] + views[1, :, 2]
                u, v = np.linalg.solve(views[0, :, :2], point - views[0, :, 2])
                c, r = round(u), round(v)
                if not (0 <= c < SIZE and 0 <= r < SIZE):
                    continue
                around = first[max(0, r - 1) : r + 2, max(0, c - 1) : c + 2]
                if around.min() == around.max():  # away from the outline
                    assert second[y, x] == pytest.approx(around.min(), abs=0.02)
                    seen += 1
        assert seen > 50


def test_the_area_of_a_piece_is_that_of_its_radius() -> None:
    rng = np.random.default_rng(0)
    still = np.broadcast_to(np.array([[1.0, 0, 0], [0, 1, 0]]), (1, 2, 3))
    areas = [
        float(cover_of(draw_outline(256, (0.1, 0.1), rng), still, 256).sum()) for _ in range(200)
    ]
    # Waves of amplitude 0.35 u / sqrt(k - 1), u uniform in [-1, 1], add half their squares.
    mean = 1 + sum(0.35**2 / 3 / (k - 1) for k in range(2, 7)) / 2
    whole = [a for a in areas if a > 0.5 * math.pi * 25.6**2]  # not cut off by the border
    assert len(whole) > 150
    assert np.mean(whole) == pytest.approx(mean * math.pi * 25.6**2, rel=0.06)


def test_every_clip_gets_the_piece_of_the_next() -> None:
    views = torch.arange(3.0).view(3, 1, 1, 1, 1).expand(3, 2, 3, 4, 4)
    pieces = torch.zeros(3, 2, 4, 4)
    pieces[1, 0, :2] = 1
    pieces[0, 1, 3, 3] = 0.5
    out, cover = paste(views, pieces, torch.tensor([4, 5, 6]))
    assert (out[0, 0, :, :2] == 1).all() and (out[0, 0, :, 2:] == 0).all() and not out[0, 1].any()
    assert (out[1] == 1).all()
    assert (out[2, 1, :, 3, 3] == 1).all()  # halfway from 2 to 0
    assert cover[0, 0, :2].eq(1).all() and float(cover.sum()) == 8.5


def test_a_clip_gets_no_piece_of_its_own_video() -> None:
    views = torch.rand(2, 1, 3, 4, 4)
    out, cover = paste(views, torch.ones(2, 1, 4, 4), torch.tensor([5, 5]))
    assert torch.equal(out, views) and not cover.any()
