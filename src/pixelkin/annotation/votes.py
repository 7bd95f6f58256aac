"""What a pass gives for a frame, as bytes.

Votes of a mask are kept in 256 steps: they serve where passes of several labels meet, and there
what is shown always comes of the steps, computed just now or read again. What one pass decides by
itself is decided of exact votes, when it is computed, and kept: where a point is, and the map of
the objects of one keyframe. Exact votes are kept of those frames alone with which a pass goes on.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelkin.propagation.protocol import Protocol
from pixelkin.propagation.rules import RULES

Soft = NDArray[np.float32]
Point = tuple[float, float, float]
"""x, y in pixels, NaN where nothing is left of it; confidence."""
Decided = dict[int, tuple[str | None, float]]
"""By object: its mask as `rle.compress` writes it, None without a pixel, and its share of the
votes."""

_STEPS = 255
_FAST = 1  # level of zlib; exact votes do not get much smaller with more
_POINT = struct.Struct("<3d")


def pack_votes(soft: Soft) -> bytes:
    """Votes h x w, 0 or more, in 256 steps from 0 to their maximum: off by 1/510 of it at most."""
    top = np.float32(soft.max(initial=0))
    shares = soft / top if top > 0 else np.zeros_like(soft)
    steps = np.rint(shares.clip(0, 1) * _STEPS).astype(np.uint8)
    return struct.pack("<f", top) + zlib.compress(steps.tobytes(), 6)


def unpack_votes(content: bytes, grid: tuple[int, int]) -> Soft:
    """The reverse of `pack_votes`, as far as there is one."""
    (top,) = struct.unpack_from("<f", content)
    steps = np.frombuffer(zlib.decompress(content[4:]), np.uint8).reshape(grid)
    return steps.astype(np.float32) * np.float32(top / _STEPS)


def rounded(soft: Soft) -> Soft:
    """Votes h x w as they come back from the file."""
    return unpack_votes(pack_votes(soft), (soft.shape[0], soft.shape[1]))


def pack_exact(soft: Soft) -> bytes:
    """Votes h x w without loss.

    Most are 0, or all alike; bytes of one significance are put together, which zlib likes.
    """
    planes = np.ascontiguousarray(soft, dtype="<f4").view(np.uint8).reshape(-1, 4).T
    return zlib.compress(planes.tobytes(), _FAST)


def unpack_exact(content: bytes, grid: tuple[int, int]) -> Soft:
    """The reverse of `pack_exact`."""
    planes = np.frombuffer(zlib.decompress(content), np.uint8).reshape(4, -1)
    soft: Soft = np.ascontiguousarray(planes.T).view("<f4").reshape(grid)
    return soft


def pack_point(point: Point) -> bytes:
    """A point without loss."""
    return _POINT.pack(*point)


def unpack_point(content: bytes) -> Point:
    """The reverse of `pack_point`."""
    x, y, confidence = _POINT.unpack(content)
    return x, y, confidence


def pack_decided(decided: Mapping[int, tuple[str | None, float]]) -> bytes:
    """The map of a keyframe's objects without loss."""
    return zlib.compress(json.dumps(list(decided.items())).encode(), 6)


def unpack_decided(content: bytes) -> Decided:
    """The reverse of `pack_decided`."""
    rows: list[Any] = json.loads(zlib.decompress(content))
    return {i: (mask, share) for i, (mask, share) in rows}


def goes_on_with(protocol: Protocol, done: int) -> set[int]:
    """Numbers of the frames of a pass whose exact votes it needs to go on, after `done` frames."""
    rule = RULES[protocol.rule]
    recent = range(max(0, done - rule.reach(protocol)), done)
    return {0, *recent, *(n for n in rule.long_term(protocol) if n < done)}
