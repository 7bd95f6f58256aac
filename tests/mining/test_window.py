from __future__ import annotations

import pytest
import torch

from pixelkin.mining.window import WindowSchedule, is_near
from pixelkin.ops.host import as_on_a_device


def test_window_on_one_grid_has_the_radii_of_the_schedule() -> None:
    # Two equal views of a 256-pixel frame on a 32 x 32 grid: the window is 2 r + 1 cells wide.
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    points = torch.stack([x, y], -1).reshape(1, -1, 2) * 8
    for gap, cells in ((0, 2), (8, 2), (16, 2), (24, 3), (32, 5), (40, 7)):
        radius = WindowSchedule().radius(torch.tensor([gap]), torch.tensor([[256, 256]]))
        window = is_near(points[:, :, None], points[:, None], radius[:, None, None])
        middle = window[0, 16 * 32 + 16].view(32, 32)
        expected = torch.zeros(32, 32, dtype=torch.bool)
        expected[16 - cells : 17 + cells, 16 - cells : 17 + cells] = True
        assert torch.equal(middle, expected), gap


def test_window_grows_steadily_with_time_and_with_the_frame() -> None:
    gaps = torch.arange(0, 60)
    sizes = torch.tensor([[480, 854]]).expand(60, 2)
    radius = WindowSchedule().radius(gaps, sizes)
    steps = radius.diff()
    assert float(steps.min()) >= 0 and float(steps.max()) <= 480 / 32 * 0.25 + 1e-4
    torch.testing.assert_close(WindowSchedule().radius(-gaps, sizes * 2), 2 * radius)
    assert float(radius[20]) == pytest.approx(480 / 32 * (2.5 + 0.5))


@pytest.mark.parametrize(
    ("schedule", "cells"),
    [
        (WindowSchedule(), {0: 2, 16: 2, 20: 2.5, 32: 5, 40: 7}),
        (WindowSchedule(gaps=(4, 8, 20), radii=(1, 3, 6)), {0: 1, 4: 1, 6: 2, 14: 4.5, 24: 7}),
    ],
)
def test_a_device_has_the_same_windows(schedule: WindowSchedule, cells: dict[int, float]) -> None:
    """There no number is looked at, and the line through the radii is made otherwise."""
    gaps, sizes = torch.tensor(list(cells)), torch.tensor([[320, 400]]).expand(len(cells), 2)
    expected = 10 * (torch.tensor(list(cells.values())) + 0.5)
    torch.testing.assert_close(schedule.radius(gaps, sizes), expected)
    with as_on_a_device():
        torch.testing.assert_close(schedule.radius(gaps, sizes), expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gaps": (8, 16)}, r"^gaps: \[8, 16\] must pair up with radii \[2, 2, 3, 5\], at least"),
        ({"gaps": (8, 8, 24, 32)}, r"^gaps: \[8, 8, 24, 32\] must ascend"),
        ({"gaps": (8,), "radii": (2.0,)}, r"^gaps: \[8\] must pair up .* at least two"),
        ({"radii": (2.0, -1.0, 3.0, 5.0)}, r"^radii: -1.0 must be at least 0"),
        ({"grid": 0}, r"^grid: 0 must be at least 1"),
    ],
)
def test_schedule_must_make_sense(change: dict[str, tuple[float, ...]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        WindowSchedule(**change)  # type: ignore[arg-type]
