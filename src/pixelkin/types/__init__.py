"""The data that the parts of pixelkin hand to each other: videos, objects, labels, predictions.

Plain validated dataclasses over numpy arrays. Nothing here knows about torch, files or networks.
Pixel coordinates are (x, y) with (0, 0) at the *centre* of the top-left pixel.
"""

from pixelkin.types.annotations import Annotations, Detail, LazyFrames, Origin, Prediction, State
from pixelkin.types.labels import Labels, MaskLabels, PointLabels
from pixelkin.types.objects import Colour, LabelKind, MapKind, Object, Objects, PointKind
from pixelkin.types.video import (
    InputError,
    VideoInfo,
    check_size,
    frame_number,
    whole_number,
)

__all__ = [
    "Annotations",
    "Colour",
    "Detail",
    "InputError",
    "LabelKind",
    "Labels",
    "LazyFrames",
    "MapKind",
    "MaskLabels",
    "Object",
    "Objects",
    "Origin",
    "PointKind",
    "PointLabels",
    "Prediction",
    "State",
    "VideoInfo",
    "check_size",
    "frame_number",
    "whole_number",
]
