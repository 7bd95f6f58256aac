"""From exact votes to what is kept of them; see votes.py."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pixelkin.annotation.geometry import columns
from pixelkin.annotation.layers import Layer
from pixelkin.annotation.votes import Decided, pack_decided, pack_point, pack_votes

GROUND = -1
"""In place of an object's id: the background of a map, which is carried along with its objects."""


def packed(layer: Layer, i: int, votes: Mapping[int, NDArray[np.float32]]) -> bytes:
    """What a pass gives for a frame, as it is kept.

    Args:
        layer: Of its object.
        i: Its object.
        votes: Of all objects, h x w each; of a background, those of all of its objects.
    """
    if not layer.is_map:
        return pack_point(layer.decode_point(votes[i]))
    return pack_decided(_decided(layer, votes)) if i == GROUND else pack_votes(votes[i])


def _decided(layer: Layer, votes: Mapping[int, NDArray[np.float32]]) -> Decided:
    """What the objects of a keyframe show of a frame, none of which has another label near.

    Args:
        layer: Of their map.
        votes: Of the background and of each object, h x w.
    """
    soft = {i: votes[i] for i in sorted(votes) if i != GROUND}
    ids, shares = layer.decode_map(soft, votes[GROUND])
    masks = {i: ids == i for i in soft}
    return {
        i: (columns(mask)["rle"] if mask.any() else None, shares[i]) for i, mask in masks.items()
    }
