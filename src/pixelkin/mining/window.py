"""How far a pixel may move between two frames: the window of temporal coherence.

Positions are pixels of the original frame, wherever the two views were cut from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from pixelkin.checks import SettingError, check_number, check_types
from pixelkin.ops.host import at_hand


@dataclass(frozen=True)
class WindowSchedule:
    """How far pixels may move in a given time.

    Linear between the given distances, and beyond them with the last slope.

    Attributes:
        gaps: Distances in frames, ascending, at least two.
        radii: One radius in cells for each of `gaps`: a window of 2 r + 1 cells squared.
        grid: Cells along the short side of the frame to which `radii` refer.

    Raises:
        SettingError: If the two do not pair up or the distances do not ascend.

    Source:
        [S, B] a window that grows with time; [R] radii of 2, 2, 3 and 5 cells of a 32 x 32 grid for
        8, 16, 24 and 32 frames; [D] what is between and beyond.
    """

    gaps: tuple[int, ...] = (8, 16, 24, 32)
    radii: tuple[float, ...] = (2, 2, 3, 5)
    grid: int = 32

    def __post_init__(self) -> None:
        check_types(self)
        gaps, radii = list(self.gaps), list(self.radii)
        if len(gaps) != len(radii) or len(gaps) < 2:
            raise SettingError("gaps", f"{gaps} must pair up with radii {radii}, at least two")
        if any(b <= a for a, b in pairwise(gaps)):
            raise SettingError("gaps", f"{gaps} must ascend")
        for radius in radii:
            check_number("radii", radius, least=0)
        check_number("grid", self.grid, least=1)

    def radius(self, gap: Tensor, frame_size: Tensor) -> Tensor:
        """Half the side of the window, in pixels of the original frame.

        Args:
            gap: B frames between the two, |t - s|.
            frame_size: B x 2 (height, width) in pixels.

        Returns:
            B float32. Half a cell beyond the last cell's centre, so that cells that are exactly
            the radius away are inside whatever the rounding.
        """
        frames = gap.abs().float()
        if not at_hand(gap):
            cells = self._cells(frames)
            return (cells + 0.5) * frame_size.amin(1).float() / self.grid
        cells = torch.from_numpy(np.interp(frames.cpu(), self.gaps, self.radii)).to(frames)
        slope = (self.radii[-1] - self.radii[-2]) / (self.gaps[-1] - self.gaps[-2])
        cells = cells + slope * (frames - self.gaps[-1]).clamp_min(0)
        return (cells + 0.5) * frame_size.amin(1).float() / self.grid

    def _cells(self, frames: Tensor) -> Tensor:
        """`radii` at some distances, without a look at them: ramps from each gap to the next."""
        cells = torch.full_like(frames, self.radii[0])
        knots = list(pairwise(zip(self.gaps, self.radii, strict=True)))
        for k, ((start, low), (stop, high)) in enumerate(knots, start=1):
            end = None if k == len(knots) else stop - start
            cells += (high - low) / (stop - start) * (frames - start).clamp(0, end)
        return cells


def is_near(a: Tensor, b: Tensor, radius: Tensor) -> Tensor:
    """Whether points lie within a square window of each other.

    For a dense window, B x N x M: ``is_near(a[:, :, None], b[:, None], radius[:, None, None])``.

    Args:
        a: ... x 2 points (x, y).
        b: ... x 2, broadcastable to `a`.
        radius: ..., half the side of the window.

    Returns:
        Bool of the broadcast shape without its last axis.
    """
    return (a - b).abs().amax(-1) <= radius
