"""Confidence of masks: what J is to be expected of an object in a frame, without truth.

Within a shot the share of the votes says it best. It knows nothing of a scene that is another one,
in which something gets the votes all the same; how much of the label resembles anything in the
frame does. What is left of the share where little does is mapped to J by isotonic regression on
videos with truth: `benchmarks/calibration.py` makes the table, docs/use/propagate.md has its
reliability.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import get_args

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from pixelkin.ops.resample import block_means
from pixelkin.propagation.protocol import Protocol
from pixelkin.types import LabelKind, PointKind

TABLE = Path(__file__).with_suffix(".json")
MOST_CELLS = 2048
"""Cells of a frame that are compared; larger grids are pooled."""
ALIKE = 0.65
"""Likeness from which on the share of the votes counts as it is: within shots it was 0.75 and more,
after cuts 0.54 and less, on the videos that the table is made of."""
STEEP = 4
LEAST = 0.01
"""Confidence of what is shown at all."""


class Likeness:
    """Says how much of the labels of a keyframe resembles anything in another frame.

    Args:
        features: C x h x w of the keyframe.
        labels: L x h x w soft labels of it.
    """

    def __init__(self, features: Tensor, labels: Tensor) -> None:
        self._pool = 1
        while _cells(features, self._pool) > MOST_CELLS:
            self._pool += 1
        cells = _pooled(features, self._pool).flatten(1)
        self._labels: list[tuple[Tensor, Tensor]] = []
        for label in labels:
            weights = block_means(label[None].to(cells), self._pool).flatten()
            there = weights > 0
            self._labels.append((cells[:, there].T.contiguous(), weights[there]))

    @torch.inference_mode()
    def __call__(self, features: Tensor) -> NDArray[np.float32]:
        """Of each label, the mean over its cells of the greatest cosine similarity in a frame.

        Args:
            features: C x h x w of the frame.

        Returns:
            L float32 in [-1, 1]; 0 for labels without a cell.
        """
        frame = _pooled(features, self._pool).flatten(1)
        found = frame.new_zeros(len(self._labels))
        for n, (cells, weights) in enumerate(self._labels):
            if len(cells):
                nearest = (cells @ frame).amax(1)
                found[n] = (nearest * weights).sum() / weights.sum()
        return found.cpu().numpy()


def is_calibrated(protocol: Protocol) -> bool:
    """Whether a table for the votes of a protocol was measured: for the rule of `davis`."""
    return protocol.rule == "crw"


def meaning(protocol: Protocol, kind: LabelKind) -> str:
    """What the confidence of labels of a kind is, in words for people."""
    if kind in get_args(PointKind):
        return "share of the heat map, not calibrated"
    return "J to be expected" if is_calibrated(protocol) else "share of the votes, not calibrated"


def expected(shares: NDArray[np.float32], likeness: NDArray[np.float32]) -> NDArray[np.float32]:
    """J to be expected of objects.

    Args:
        shares: Mean share of the votes of each, over the pixels that it has; 0 if it has none.
        likeness: See `Likeness`.

    Returns:
        Float32: 0 where the share is, at least 0.01 elsewhere, at most 1.
    """
    scores, quality = _table()
    found = np.interp(score(shares, likeness), scores, quality).clip(LEAST, 1)
    return np.where(shares > 0, found, 0).astype(np.float32)


def score(shares: NDArray[np.floating], likeness: NDArray[np.floating]) -> NDArray[np.float64]:
    """What the table goes by: share x min(1, likeness / `ALIKE`)^`STEEP`."""
    kept = np.clip(np.asarray(likeness, np.float64) / ALIKE, 0, 1) ** STEEP
    return np.asarray(shares * kept, np.float64)


@cache
def _table() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    content = json.loads(TABLE.read_text(encoding="utf-8"))
    return np.array(content["score"]), np.array(content["quality"])


def _cells(features: Tensor, pool: int) -> int:
    height, width = features.shape[1:]
    return -(-height // pool) * -(-width // pool)


def _pooled(features: Tensor, pool: int) -> Tensor:
    unit = F.normalize(features.float(), dim=0)
    return unit if pool == 1 else F.normalize(block_means(unit, pool), dim=0)
