"""What comes back of a label from each frame of its passes: kept beside the votes.

Of a mask, how much of it resembles anything in the frame; of a point, how many cells from its label
its place there leads back to. Features are at hand when votes are computed, and not when results
are shown, which is why it is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from pixelkin.annotation.blend import LEAST_AGREEMENT
from pixelkin.annotation.layers import Layer
from pixelkin.annotation.store import Store
from pixelkin.propagation.confidence import Likeness, expected, is_calibrated
from pixelkin.propagation.visibility import Return, is_visible

FAR = 1e6
"""Cells, for a point that leads nowhere."""


class Echoes:
    """Measures what comes back of labels, object by object.

    Args:
        layer: Of the objects.
        features: C x h x w of the keyframe.
        given: Soft labels of it, one map h x w for each object.
        places: Their labels, as they were given.
    """

    def __init__(
        self, layer: Layer, features: Tensor, given: Tensor, places: Sequence[NDArray[Any]]
    ) -> None:
        self._layer = layer
        self._measure: Likeness | Return | None = None
        if not layer.is_map:
            cell = layer.sizes.cell(layer.protocol.stride)
            self._measure = Return(features, np.stack(places).astype(np.float32), cell)
        elif is_calibrated(layer.protocol):
            self._measure = Likeness(features, given)

    def of(self, features: Tensor, votes: NDArray[np.float32]) -> list[float | None]:
        """What comes back from one frame, for each object.

        Args:
            features: C x h x w of the frame.
            votes: For each object, h x w.
        """
        if self._measure is None:
            return [None] * len(votes)
        if isinstance(self._measure, Likeness):
            return [float(value) for value in self._measure(features)]
        points = np.array([self._layer.decode_point(soft)[:2] for soft in votes], np.float32)
        return [float(value) for value in self._measure(features, points).clip(max=FAR)]


def keep(store: Store, found: int, frame: int, value: float | None) -> None:
    """Keep what comes back to a pass from a frame; within a transaction."""
    if value is not None:
        store.write("INSERT OR REPLACE INTO echo VALUES(?,?,?)", found, frame, value)


def echo(store: Store, found: int, frame: int) -> float | None:
    """What came back; None where nothing was measured."""
    value: float | None = store.value(
        "SELECT value FROM echo WHERE pass=? AND frame=?", found, frame
    )
    return value


def confidence(
    share: float,
    echoes: Sequence[float | None],
    weights: Sequence[float],
    agreement: float | None,
) -> float:
    """Of a mask: the J to be expected, or the share of the votes where nothing was measured.

    Args:
        share: Of the votes.
        echoes: Likeness of the labels that it comes from.
        weights: How much each of them counts; they sum to 1.
        agreement: Of two passes; where it is very low, no more than that is to be expected.
    """
    if agreement is not None and agreement < LEAST_AGREEMENT:
        return min(agreement, confidence(share, echoes, weights, None))
    known = [value for value in echoes if value is not None]
    if not known or len(known) < len(echoes):
        return share
    likeness = np.float32(np.dot(known, weights)) if len(known) > 1 else np.float32(known[0])
    return float(expected(np.array([share], np.float32), np.array([likeness], np.float32))[0])


def visible(echoes: Sequence[float | None]) -> bool | None:
    """Of a point: whether it leads back to one of the labels that it comes from."""
    known = [value for value in echoes if value is not None]
    return bool(is_visible(np.array(known, np.float32)).any()) if known else None
