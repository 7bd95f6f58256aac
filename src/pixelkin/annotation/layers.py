"""The two layers of a session: its map (masks or parts) and its points, each with its protocol.

Between the labels of single objects and soft labels on the grid: an object's channel depends on no
other object, so that each is propagated for itself, and only what is shown is decided together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pixelkin.propagation.codec import MapCodec, PointCodec, Sizes
from pixelkin.propagation.protocol import Protocol
from pixelkin.types import InputError, LabelKind, Labels, MaskLabels, Object, Objects

DEFAULTS: dict[LabelKind, Protocol] = {
    "mask": Protocol.named("davis"),
    "parts": Protocol.named("vip"),
    "keypoints": replace(Protocol.named("jhmdb"), input_size=None, short_side=320),
    "points": replace(Protocol.named("jhmdb"), input_size=None, short_side=320),
}
"""Points at a short side of 320 pixels: every cell of a frame is compared with all others, which
takes long at more (docs/use/session.md has figures)."""


@dataclass(frozen=True)
class Layer:
    """Objects that are labelled alike.

    Attributes:
        kind: Of all of them.
        objects: They, in the order in which they compete.
        protocol: How their labels are carried.
        frame: (height, width) of the video.
    """

    kind: LabelKind
    objects: tuple[Object, ...]
    protocol: Protocol
    frame: tuple[int, int]

    def __post_init__(self) -> None:
        if self.protocol.hard_memory:
            raise InputError(
                f"protocol {self.protocol.name!r} decides in its memory which object has a cell, "
                "so that no object could be corrected by itself: give another"
            )

    @property
    def is_map(self) -> bool:
        """Whether its objects share a map of ids."""
        return self.kind in ("mask", "parts")

    @property
    def sizes(self) -> Sizes:
        """Of its video, frames as they are encoded, and grid."""
        return Sizes.of(self.frame, self.protocol)

    def encode(self, place: NDArray[Any]) -> Tensor:
        """One object's place, a mask or (x, y), as soft labels h x w."""
        codec: MapCodec | PointCodec
        if self.is_map:
            first = Labels.from_mask(np.asarray(place, bool))
            codec = MapCodec(first, first.objects, self.sizes, self.protocol)
        else:
            points = Labels.from_points(np.asarray(place)[None], self.frame)
            codec = PointCodec(points, points.objects, self.sizes, self.protocol)
            return codec.encode(points)[1]
        if not first.present:  # an empty mask has no channel of its own
            return torch.zeros(self.sizes.grid)
        return codec.encode(first)[1]

    def decode_map(
        self, soft: Mapping[int, NDArray[np.float32]], ground: NDArray[np.float32] | None = None
    ) -> tuple[NDArray[np.int32], dict[int, float]]:
        """Which object has each pixel, and the confidence of each.

        Args:
            soft: Votes h x w of each object that has any.
            ground: Votes for the background; what the objects leave if None.
        """
        objects = Objects(tuple(o for o in self.objects if o.id in soft))
        votes = torch.from_numpy(np.stack([soft[i] for i in objects.ids]))
        background = (1 - votes.sum(0, keepdim=True)).clamp_min(0)
        if ground is not None:
            background = torch.from_numpy(ground.copy())[None]
        empty = MaskLabels(
            "mask" if self.kind == "mask" else "parts", objects, np.zeros(self.frame, np.int32)
        )
        codec = MapCodec(empty, objects, self.sizes, self.protocol)
        labels, confidence = codec.decode(torch.cat([background, votes]))
        return labels.as_map().ids, dict(zip(objects.ids, confidence.tolist(), strict=True))

    def decode_point(self, soft: NDArray[np.float32]) -> tuple[float, float, float]:
        """(x, y) in pixels, NaN where nothing is left of it, and confidence of one heat map."""
        point = Labels.from_points(np.zeros((1, 2)), self.frame)
        codec = PointCodec(point, point.objects, self.sizes, self.protocol)
        labels, confidence = codec.decode(torch.from_numpy(np.stack([soft, soft])))
        x, y = labels.as_points().points[0].tolist()
        return x, y, float(confidence[0])

    @property
    def cell(self) -> float:
        """Pixels of the frame that a cell covers, the larger of both sides."""
        sizes = self.sizes
        return self.protocol.stride * max(
            whole / part for whole, part in zip(sizes.frame, sizes.encoded, strict=True)
        )


def layers_of(
    objects: Sequence[Object], frame: tuple[int, int], protocols: Mapping[LabelKind, Protocol]
) -> list[Layer]:
    """The layers that hold some objects: at most a map, and points.

    Raises:
        InputError: If masks and parts, or keypoints and points, are mixed.
    """
    found = []
    for is_map in (True, False):
        own = tuple(o for o in objects if o.is_map == is_map)
        kinds = list(dict.fromkeys(o.kind for o in own))
        if len(kinds) > 1:
            raise InputError(
                f"a session holds {kinds[0]} or {kinds[1]}, not both: make a second session"
            )
        if own:
            found.append(Layer(kinds[0], own, protocols[kinds[0]], frame))
    return found
