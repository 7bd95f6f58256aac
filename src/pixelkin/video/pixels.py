"""Decoded frames as RGB: turned as the file asks, of one size, of 8 bits."""

from __future__ import annotations

import re
import zlib
from contextlib import suppress
from itertools import count
from typing import Any, cast

import numpy as np
from av.sidedata.sidedata import SideData, SideDataContainer
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from pixelkin.video.depth import DEEP, levels_in, reduced

# FFmpeg's fast conversion to RGB is darker by 1 and repeats chroma; this one costs 2 ms at 480p.
# SWS_BICUBIC, _ACCURATE_RND, _FULL_CHR_H_INT, _FULL_CHR_H_INP, which older PyAV has no names for.
ACCURATE = 0x4 | 0x40000 | 0x2000 | 0x4000
# Grey and RGB of 16 bits or of floats, whose values need not fill their range.
_DEEP = re.compile(r"(gray|ya|rgb|bgr|rgba|bgra|gbrp|gbrap)(16|48|64|f16|f32)(le|be)?")

Size = tuple[int, int]


def to_rgb(
    frame: VideoFrame,
    reformatter: VideoReformatter,
    size: Size | None = None,
    span: float = DEEP,
) -> NDArray[np.uint8]:
    """A frame as H x W x 3 uint8, turned and mirrored as its display matrix asks.

    Args:
        frame: As it was decoded.
        reformatter: May be used again for the next frame.
        size: (height, width) to which it is scaled, as FFmpeg scales frames to the first one's;
            None for its own.
        span: Of values of 16 bits, see `depth.span_of`.
    """
    # Of row vectors: x' = a x + c y, y' = b x + d y. Players know multiples of 90 degrees only.
    matrix = _display_matrix(frame)
    a, b, _, c, d = (1, 0, 0, 0, 1) if matrix is None else (int(v) for v in matrix[:5])
    turned = abs(b) > abs(a)
    height, width = size_of(frame) if size is None else size[::-1] if turned else size
    target = "rgb24" if span == DEEP else _whole_values(frame.format)
    shown = reformatter.reformat(
        frame, width=width, height=height, format=target, interpolation=ACCURATE
    )
    values = shown.to_ndarray()
    if span != DEEP:
        values = reduced(values, span)
        values = np.repeat(values[..., None], 3, axis=2) if values.ndim == 2 else values
    rgb = cast(NDArray[np.uint8], values)
    if matrix is None:
        return rgb
    rgb = rgb.swapaxes(0, 1) if turned else rgb
    rgb = rgb[:, ::-1] if (c if turned else a) < 0 else rgb
    rgb = rgb[::-1] if (b if turned else d) < 0 else rgb
    return np.ascontiguousarray(rgb)


def size_of(frame: VideoFrame) -> Size:
    """(height, width) of a frame as it is stored."""
    return frame.height, frame.width


def is_deep(form: VideoFormat) -> bool:
    """Whether pixels are grey or RGB of 16 bits, or of floats: they need not fill their range."""
    return _DEEP.fullmatch(form.name) is not None


def is_whole(form: VideoFormat) -> bool:
    """Whether values are integers."""
    return re.search(r"f(16|32)", form.name) is None


def levels(frame: VideoFrame) -> tuple[float, float]:
    """Of a frame that `is_deep`, see `depth.levels_in`."""
    shown = VideoReformatter().reformat(
        frame, format=_whole_values(frame.format), interpolation=ACCURATE
    )
    values = shown.to_ndarray()
    return levels_in(values if values.ndim == 2 else values.max(axis=2))


def digest(frame: VideoFrame) -> int:
    """A number that changes with the decoded data of a frame."""
    found = 0
    for i, plane in enumerate(frame.planes):
        if plane.line_size <= 0:  # from the bottom up
            continue
        rows = np.frombuffer(memoryview(plane), np.uint8)[: plane.line_size * plane.height]
        used = rows.reshape(plane.height, -1)[:, : _row_bytes(frame, i)]
        found = zlib.crc32(used.tobytes(), found)
    return found


def _row_bytes(frame: VideoFrame, number: int) -> int:
    """Bytes of a row of a plane that are pixels; behind them is anything."""
    form, width = frame.format, frame.planes[number].width
    if len(frame.planes) == 1:
        return -(-width * form.padded_bits_per_pixel // 8)
    pairs = 2 if len(frame.planes) == 2 and number == 1 else 1  # both chromas, as of NV12
    return width * pairs * -(-max(c.bits for c in form.components) // 8)


def _whole_values(form: VideoFormat) -> str:
    """The format in which all of a deep format's values can be had as an array."""
    grey = form.name.startswith(("gray", "ya"))
    if not is_whole(form):
        return "grayf32le" if grey else "gbrpf32le"
    return "gray16le" if grey else "rgb48le"


def _display_matrix(frame: VideoFrame) -> NDArray[np.int32] | None:
    """The 9 numbers of a frame's display matrix; None if it has none.

    Not by `frame.side_data`: before PyAV 19, a frame and its side data then hold each other, and
    pictures stay in memory until Python looks for such pairs; and PyAV stops at side data of a kind
    that it has no name for, such as the EXIF of cameras. Of several matrices, players take the
    first; FFmpeg puts the one that this EXIF asks for in front. Asked for by place, as iteration
    gives keys since PyAV 19.
    """
    known = SideDataContainer.__new__(SideDataContainer)
    with suppress(ValueError):
        known.__init__(frame)  # type: ignore[misc]
    with suppress(IndexError):
        for place in count():
            if _is_matrix(known[place]):
                return np.frombuffer(cast(Any, known[place]), dtype=np.int32)
    return None


def _is_matrix(data: SideData) -> bool:
    try:
        return data.type.name == "DISPLAYMATRIX"
    except ValueError:
        return False
