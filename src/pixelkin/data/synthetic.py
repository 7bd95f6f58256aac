"""Synthetic videos with exact truth: masks, parts, keypoints, dense point tracks, occlusion.

Textured bodies swing across a moving textured ground and pass in front of each other. Every motion
has a closed form in both directions, so the truth is exact at every pixel and between pixels;
frames are rendered one by one, on demand. Pure numpy; knows nothing about files or networks.

    scene = SyntheticScene(seed=0, frames=60)
    for frame in scene:                                # lazily; scene[17] renders one frame
        frame.image, frame.ids, frame.keypoints        # H x W x 3 uint8, H x W int32, N x 5 x 2
    positions, visible = scene.tracks([[200.0, 100]])  # F x P x 2 and F x P
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pixelkin.checks import check_number
from pixelkin.data import textures
from pixelkin.data.bodies import LOBES, Body, Motion, Swing, random_body
from pixelkin.data.textures import Floats
from pixelkin.types import Labels, MaskLabels, PointLabels

PERIOD = 96.0
"""Frames for one lap of an object's path; two objects first meet after about a quarter of it."""

PART_NAMES = ("trunk", "limb 1", "limb 2", "limb 3", "limb 4")
"""Parts of every object; each carries one keypoint."""


@dataclass(frozen=True, eq=False)
class SyntheticFrame:
    """One frame of a scene and its truth.

    Attributes:
        index: Frame number, from 0.
        image: H x W x 3 uint8 RGB.
        ids: H x W int32: 0 is the ground, i the i-th object; larger ids are nearer to the camera.
        parts: H x W int32: 0 is the ground, 5 (i - 1) + 1 .. 5 i are the parts of object i.
        positions: N x 5 x 2 float32 (x, y) pixels of the keypoints, also while out of sight.
        visible: N x 5: which keypoints are inside the frame and not behind an object.
    """

    index: int
    image: NDArray[np.uint8]
    ids: NDArray[np.int32]
    parts: NDArray[np.int32]
    positions: NDArray[np.float32]
    visible: NDArray[np.bool_]

    @property
    def keypoints(self) -> NDArray[np.float32]:
        """N x 5 x 2 float32 (x, y) pixels; NaN where not visible."""
        return np.where(self.visible[..., None], self.positions, np.float32(np.nan))

    @property
    def mask_labels(self) -> MaskLabels:
        """The ids as labels of kind "mask"."""
        return Labels.from_mask(self.ids)

    @property
    def keypoint_labels(self) -> PointLabels:
        """The keypoints, object after object, as 5 N labels of kind "keypoints"."""
        objects = range(1, len(self.positions) + 1)
        names = tuple(f"object {i} {part}" for i in objects for part in PART_NAMES)
        size = (self.ids.shape[0], self.ids.shape[1])
        return Labels.from_points(self.keypoints.reshape(-1, 2), size, names=names)


class SyntheticScene:
    """A deterministic scene: a lazy sequence of `SyntheticFrame`.

    A frame depends on the arguments and on its number alone, not on `frames` nor on which frames
    were rendered before. Its design is our own [D].

    Args:
        seed: Same seed, same video; not negative.
        size: (height, width) in pixels.
        frames: Length of the video.
        objects: How many, 1 to 8. The larger an object's id, the nearer it is to the camera.
        speed: 1 moves objects by up to 1.6 % (1 or 2 objects) or 2.4 % of the width a frame.
        noise: Standard deviation of the sensor noise, in grey levels.
        light: Relative amplitude of the illumination's change over time and across the frame.
        shadow: Darkness of the soft shadows that objects throw on what is behind them, 0 to 1.

    Attributes:
        motions: Of the ground and of each object, from back to front.
        ground: Texture of the ground, h x w x 3 float32 grey levels; it tiles.
        bodies: The objects, with their textures.

    Raises:
        InputError: If the size, the number of frames or of objects, or the seed is out of range.
    """

    def __init__(
        self,
        seed: int = 0,
        size: tuple[int, int] = (240, 432),
        frames: int = 60,
        objects: int = 2,
        *,
        speed: float = 1.0,
        noise: float = 2.0,
        light: float = 0.08,
        shadow: float = 0.35,
    ) -> None:
        check_number("seed", seed, least=0)
        check_number("size", min(size), least=64)
        check_number("frames", frames, least=1)
        check_number("objects", objects, least=1, most=8)
        self.seed, self.size, self.frames, self.objects = seed, size, frames, objects
        self.noise, self.light, self.shadow = noise, light, shadow
        self._rate = 2 * np.pi / PERIOD * speed
        rng = np.random.default_rng([seed, 0])
        hue = rng.uniform()
        self.motions = _choreography(rng, size, objects, self._rate)
        tile = [1 << int(1.2 * n).bit_length() for n in size]
        self.ground = textures.ground(rng, (tile[0], tile[1]), hue, size[0] / 240)
        shared = self.ground.mean(axis=(0, 1))
        patterns = rng.permutation(len(textures.PATTERNS)).tolist() * 2
        self.bodies = [
            random_body(rng, motion, hue + (i + 1) / (objects + 1), shared, patterns[i])
            for i, motion in enumerate(self.motions[1:])
        ]

    def __repr__(self) -> str:
        height, width = self.size
        return (
            f"SyntheticScene(seed={self.seed}, size={height}x{width} (HxW), "
            f"frames={self.frames}, objects={self.objects})"
        )

    def __len__(self) -> int:
        return self.frames

    def __iter__(self) -> Iterator[SyntheticFrame]:
        return (self[t] for t in range(self.frames))

    def __getitem__(self, index: int) -> SyntheticFrame:
        """Render one frame."""
        if not 0 <= index < self.frames:
            raise IndexError(f"frame {index} of a scene of {self.frames} frames")
        rows, columns = (np.arange(n, dtype=np.float32) for n in self.size)
        ground = self.motions[0].to_object(index, columns[None], rows[:, None])
        image = textures.sample(self.ground, *ground)
        ids, parts = np.zeros(self.size, np.int32), np.zeros(self.size, np.int32)
        positions = np.empty((self.objects, LOBES, 2), np.float32)
        visible = np.empty((self.objects, LOBES), np.bool_)
        for i, body in enumerate(self.bodies):
            inside, part = _draw(body, index, image, self.shadow)
            ids[inside] = i + 1
            parts[inside] = i * LOBES + 1 + part
            positions[i], visible[i] = self._place(index, i + 1, *body.keypoints.T)
        return SyntheticFrame(index, self._expose(index, image), ids, parts, positions, visible)

    def tracks(
        self, points: ArrayLike, start: int = 0, frames: Sequence[int] | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Exact tracks of whatever is seen at `points` in frame `start`.

        Args:
            points: P x 2 (x, y) pixels; any place in or outside the frame.
            start: The frame that they refer to.
            frames: The F frames to track them to; all of the video by default.

        Returns:
            positions, F x P x 2 float64 (x, y), also while hidden; and visible, F x P: inside the
            frame (its border pixels included in full) and not behind an object.
        """
        x, y = np.asarray(points, np.float64).reshape(-1, 2).T
        layer = np.zeros(x.shape, np.intp)
        for i, body in enumerate(self.bodies, start=1):
            layer[body.outside(*body.motion.to_object(start, x, y))[0] < 0] = i
        times = range(self.frames) if frames is None else frames
        positions = np.empty((len(times), len(x), 2))
        visible = np.empty((len(times), len(x)), np.bool_)
        for i in np.unique(layer).tolist():
            own = layer == i
            u, v = self.motions[i].to_object(start, x[own], y[own])
            for k, t in enumerate(times):
                positions[k, own], visible[k, own] = self._place(t, i, u, v)
        return positions, visible

    def _place(self, t: int, layer: int, u: Floats, v: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        """Pixels (P x 2) and visibility of coordinates of a layer (0 the ground) in frame t."""
        x, y = self.motions[layer].to_image(t, u, v)
        height, width = self.size
        visible = (x >= -0.5) & (x < width - 0.5) & (y >= -0.5) & (y < height - 0.5)
        for body in self.bodies[layer:]:
            visible &= body.outside(*body.motion.to_object(t, x, y))[0] >= 0
        return np.stack([x, y], axis=-1), visible

    def _expose(self, t: int, image: textures.Array) -> NDArray[np.uint8]:
        """Slowly changing illumination, sensor noise, 8 bits."""
        rows, columns = (np.linspace(0, 3, n, dtype=np.float32) for n in self.size)
        sweep = np.sin(columns[None] + 0.7 * rows[:, None] + 1.3 * self._rate * t)
        flicker = np.sin(2.1 * self._rate * t)
        image = image * (1 + self.light * (0.6 * sweep + 0.4 * flicker))[..., None]
        if self.noise:
            noise = np.random.default_rng([self.seed, 1, t]).standard_normal(
                image.shape, np.float32
            )
            image += self.noise * noise
        image += 0.5
        return np.clip(image, 0, 255, out=image).astype(np.uint8)


def _choreography(
    rng: np.random.Generator, size: tuple[int, int], objects: int, rate: float
) -> list[Motion]:
    """Motions of the ground and of the objects, from back to front."""
    height, width = size

    def swing(mean: float, amplitude: float, pace: float) -> Swing:
        return Swing(mean, amplitude, pace * rate, rng.uniform(0, 2 * np.pi))

    motions = [
        Motion(
            x=swing(width / 2, 0.12 * width, 0.6),
            y=swing(height / 2, 0.1 * height, 0.8),
            angle=swing(0.0, 0.06, 0.9),
            scale=swing(1.0, 0.06, 0.7),
        )
    ]
    across, apart = (0.25, 0.09) if objects < 3 else (0.36, 0.17)
    for i in range(objects):
        # Laps on an ellipse in two lanes. Neighbours within a lane, and the first two objects, go
        # opposite ways round, so that they meet; all begin evenly spread from right to left.
        lane = 1 if i % 2 == 0 else -1
        way = 1 if (i + i // 2) % 2 == 0 else -1
        start = np.arccos(1 - 2 * i / max(objects - 1, 1)) + rng.uniform(-0.25, 0.25)
        unit = 0.2 * min(height, 0.6 * width) * min(1.0, (2.2 / objects) ** 0.5)
        unit *= 1.15 - 0.3 * i / objects
        motions.append(
            Motion(
                x=Swing(width / 2, across * width, way * rate, start + np.pi / 2),
                y=Swing(height * (0.5 + apart * lane), 0.14 * height, way * rate, start),
                angle=swing(0.0, 0.55, rng.uniform(1.0, 1.7)),
                scale=swing(unit, 0.14 * unit, rng.uniform(1.0, 1.7)),
                wave_u=swing(0.0, 0.1, rng.uniform(2.0, 3.5)),
                wave_v=swing(0.0, 0.1, rng.uniform(2.0, 3.5)),
            )
        )
    return motions


def _draw(
    body: Body, t: int, image: textures.Array, shadow: float
) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
    """Draw a body and its shadow over `image`, in place.

    Returns:
        inside, H x W: pixels whose centre is inside the outline; and their parts, one value each.
    """
    size, motion, scale = (image.shape[0], image.shape[1]), body.motion, body.motion.scale(t)
    drop, blur = round(0.15 * scale), 0.25 * scale
    half = 2**0.5 * body.reach * scale + drop
    left, right = (int(np.clip(motion.x(t) + s, -drop, size[1])) for s in (-half, half))
    top, bottom = (int(np.clip(motion.y(t) + s, -drop, size[0])) for s in (-half, half))
    inside = np.zeros(size, np.bool_)
    if right - left < 2 or bottom - top < 2:
        return inside, np.empty(0, np.intp)
    columns, rows = (
        np.arange(left, right, dtype=np.float32),
        np.arange(top, bottom, dtype=np.float32),
    )
    u, v = motion.to_object(t, columns[None], rows[:, None])
    outside, part = body.outside(u, v)
    # The function over its slope is the distance to the outline in pixels, to first order.
    distance = outside / np.maximum(np.hypot(*np.gradient(outside)), 1e-6)

    there, here = _overlap(size, top + drop, left + drop, distance.shape)
    image[there] *= 1 - shadow * np.clip(0.5 - distance[here] / blur, 0, 1)[..., None]
    there, here = _overlap(size, top, left, distance.shape)
    cover = np.clip(0.5 - distance[here], 0, 1)
    some = cover > 0
    under = image[there]
    over = body.colours(u[here][some], v[here][some])
    under[some] += (over - under[some]) * cover[some][:, None]
    inside[there] = outside[here] < 0
    return inside, part[here][outside[here] < 0]


def _overlap(
    size: tuple[int, int], top: int, left: int, window: tuple[int, ...]
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Slices of a frame and of a window whose first pixel lies at (top, left), where they meet."""
    frame, own = [], []
    for n, start, length in zip(size, (top, left), window, strict=True):
        begin, end = max(start, 0), max(min(start + length, n), max(start, 0))
        frame.append(slice(begin, end))
        own.append(slice(begin - start, end - start))
    return (frame[0], frame[1]), (own[0], own[1])
