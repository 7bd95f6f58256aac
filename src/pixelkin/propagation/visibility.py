"""Whether a point is seen where it is shown: there and back again, without truth.

What is shown of a point in a frame is looked for in the keyframe. Where that leads back to the
label, within two cells, the point is seen; where it does not, it is hidden, or lost. On made-up
videos (`benchmarks/visibility.py`) 92 % of the points that are seen, and shown within two cells of
the truth, are called visible, 9 % of those that are hidden, and 7 % of those shown elsewhere.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

MOST_CELLS_BACK = 2.0


class Return:
    """Says how far from their labels points come out when their places are led back to them.

    Args:
        features: C x h x w of the keyframe.
        points: P x 2 (x, y) pixels of it; NaN where absent.
        pixels: (x, y) pixels of a cell.
    """

    def __init__(
        self, features: Tensor, points: NDArray[np.floating], pixels: tuple[float, float]
    ) -> None:
        self._unit = F.normalize(features.float(), dim=0)
        self._pixels = np.array(pixels)
        self._given = np.asarray(points, np.float64) / self._pixels

    @torch.inference_mode()
    def __call__(self, features: Tensor, points: NDArray[np.floating]) -> NDArray[np.float32]:
        """Cells between the label of each point and where its place in a frame leads back to.

        Args:
            features: C x h x w of the frame.
            points: P x 2 (x, y) pixels of it.

        Returns:
            P float32; infinite where a point has no place in either frame.
        """
        far = np.full(len(points), np.inf, np.float32)
        there = np.isfinite(points).all(1) & np.isfinite(self._given).all(1)
        if there.any():
            height, width = self._unit.shape[1:]
            x, y = np.rint(points[there] / self._pixels).astype(int).T
            cells = features[:, y.clip(0, height - 1), x.clip(0, width - 1)].float()
            similarity = F.normalize(cells, dim=0).T @ self._unit.flatten(1)
            nearest = similarity.argmax(1).cpu().numpy()
            back = np.stack([nearest % width, nearest // width], 1)
            far[there] = np.hypot(*(back - np.rint(self._given[there])).T)
        return far


def is_visible(back: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether points are seen where they are shown, by `Return`."""
    return np.asarray(back <= MOST_CELLS_BACK)
