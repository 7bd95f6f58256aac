"""Cuts are found between frames of different pictures, and not within one that moves."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pixelkin.propagation.cuts import LEAST_COHERENCE, coherence, is_cut


def picture(seed: int, size: tuple[int, int] = (60, 80)) -> Tensor:
    """Features that differ from place to place."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn((1, 32, size[0] // 3, size[1] // 3), generator=generator)
    return torch.nn.functional.interpolate(coarse, size=size, mode="bicubic")[0]


def test_a_still_picture_is_wholly_coherent_and_another_is_a_cut() -> None:
    assert coherence(picture(0), picture(0)) == 1
    assert is_cut(picture(0), picture(1)) and not is_cut(picture(0), picture(0))


def test_plain_ground_is_no_cut() -> None:
    """Noise, each cell of which matches another one better than itself."""
    ground = picture(6)[:, :1, :1].expand(-1, 60, 80)
    before, after = (ground + 0.2 * ground.std() * picture(seed) for seed in (7, 8))
    assert coherence(before, after) < LEAST_COHERENCE and not is_cut(before, after)


@pytest.mark.parametrize(("dx", "dy"), [(2, 0), (8, 4), (0, -6)])
def test_a_camera_that_pans_is_no_cut(dx: int, dy: int) -> None:
    wide = picture(2, (84, 120))
    before = wide[:, 12:72, 16:96]
    after = wide[:, 12 + dy : 72 + dy, 16 + dx : 96 + dx]
    assert coherence(before, after) > 0.3 and not is_cut(before, after)
    generator = torch.Generator().manual_seed(3)
    noise = 0.3 * before.std() * torch.randn(after.shape, generator=generator)
    assert coherence(before, after + noise) > 4 * LEAST_COHERENCE


def test_the_share_is_what_a_loop_counts() -> None:
    before, after = picture(4, (6, 8)), picture(5, (6, 8))
    for source, target in ((before, after), (before, before + 0.5 * after)):
        unit = torch.nn.functional.normalize
        cells = [
            [unit(unit(x, dim=0)[:, i : i + 2, j : j + 2].mean((1, 2)), dim=0)
             for i in (0, 2, 4) for j in (0, 2, 4, 6)]
            for x in (source, target)
        ]  # fmt: skip
        best = [max(range(12), key=lambda b, a=a: float(a @ cells[1][b])) for a in cells[0]]
        back = [max(range(12), key=lambda a, b=b: float(b @ cells[0][a])) for b in cells[1]]
        mutual = [(a, b) for a, b in enumerate(best) if back[b] == a]
        moves = [(b % 4 - a % 4, b // 4 - a // 4) for a, b in mutual]
        middle = [sorted(m[k] for m in moves)[(len(moves) - 1) // 2] for k in (0, 1)]
        alike = sum(max(abs(m[k] - middle[k]) for k in (0, 1)) <= 2 for m in moves)
        assert coherence(source, target) == pytest.approx(alike / 12)


@pytest.mark.parametrize("size", [(8, 12), (12, 16), (16, 28), (30, 54)])
def test_chance_is_told_from_coherence_on_small_grids(size: tuple[int, int]) -> None:
    """Of pictures that have nothing in common; on a few cells alike by chance."""
    pairs = [(picture(2 * n, size), picture(2 * n + 1, size)) for n in range(40)]
    assert sum(is_cut(*pair) for pair in pairs) >= 34
    assert not any(is_cut(a, a + 0.3 * b) for a, b in pairs)


def test_nothing_is_a_cut_where_nothing_can_be_told() -> None:
    assert not is_cut(picture(0, (6, 10)), picture(1, (6, 10)))
