"""Bodies of synthetic scenes: motions with a closed-form inverse, shapes of smooth lobes, skins.

Pure numpy. Object coordinates (u, v) are about [-1, 1]; pixels (x, y) as everywhere in pixelkin.
Knows nothing about frames, rendering or depth order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pixelkin.data import textures
from pixelkin.data.textures import Floats

LOBES = 5
"""Lobes of a body: a trunk and four limbs. Each is a part and carries one keypoint."""


@dataclass(frozen=True)
class Swing:
    """mean + amplitude * sin(rate * t + phase): one parameter of a motion, t in frames."""

    mean: float
    amplitude: float = 0.0
    rate: float = 0.0
    phase: float = 0.0

    def __call__(self, t: int) -> float:
        """The value in frame t."""
        return self.mean + self.amplitude * float(np.sin(self.rate * t + self.phase))


@dataclass(frozen=True)
class Motion:
    """Object coordinates (u, v) <-> pixels (x, y) of frame t: two shear waves, then a similarity.

    Each wave moves one coordinate by a function of the other alone, so that both directions have
    a closed form.

    Attributes:
        x: Pixel column of the object's origin.
        y: Pixel row of the object's origin.
        angle: Rotation in radians.
        scale: Pixels for one unit of object coordinates.
        wave_u: Amplitude of the wave that moves u along v.
        wave_v: Amplitude of the wave that moves v along u.
    """

    x: Swing
    y: Swing
    angle: Swing
    scale: Swing
    wave_u: Swing = Swing(0.0)
    wave_v: Swing = Swing(0.0)

    def to_image(self, t: int, u: Floats, v: Floats) -> tuple[Floats, Floats]:
        """(u, v) -> (x, y) in frame t."""
        u = u + self.wave_u(t) * np.sin(2.5 * v)
        v = v + self.wave_v(t) * np.sin(2.5 * u)
        a, b = self._rotation(t)
        scale = self.scale(t)
        return self.x(t) + scale * (a * u - b * v), self.y(t) + scale * (b * u + a * v)

    def to_object(self, t: int, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """(x, y) in frame t -> (u, v): the inverse of `to_image`."""
        a, b = self._rotation(t)
        x, y = (x - self.x(t)) / self.scale(t), (y - self.y(t)) / self.scale(t)
        u, v = a * x + b * y, a * y - b * x
        v = v - self.wave_v(t) * np.sin(2.5 * u)
        return u - self.wave_u(t) * np.sin(2.5 * v), v

    def _rotation(self, t: int) -> tuple[float, float]:
        angle = self.angle(t)
        return float(np.cos(angle)), float(np.sin(angle))


@dataclass(frozen=True, eq=False)
class Body:
    """A smooth irregular shape, its texture and its motion.

    The outline is where a sum of Gaussian lobes is 1.

    Attributes:
        lobes: 5 x 3 of (u, v, radius); the first is the trunk.
        reach: The shape lies within this distance of the origin along u and along v.
        texture: T x T x 3 float32 colours over [-reach, reach]^2.
        keypoints: 5 x 2 of (u, v).
        motion: Where it is in each frame.
    """

    lobes: NDArray[np.float64]
    reach: float
    texture: textures.Array
    keypoints: NDArray[np.float64]
    motion: Motion

    def outside(self, u: Floats, v: Floats) -> tuple[Floats, NDArray[np.intp]]:
        """Smooth function, negative inside the outline and positive outside; and the part, 0..4."""
        weights = lobe_weights(self.lobes, u, v)
        return -np.log(weights.sum(axis=0) + 1e-9), weights.argmax(axis=0)

    def colours(self, u: Floats, v: Floats) -> textures.Array:
        """Colours (... x 3) of the texture at (u, v)."""
        texels = (len(self.texture) - 1) / (2 * self.reach)
        return textures.sample(self.texture, (u + self.reach) * texels, (v + self.reach) * texels)


def lobe_weights(lobes: NDArray[np.float64], u: Floats, v: Floats) -> Floats:
    """5 x ... weights, 1 at a lobe's own radius; of the dtype of `u`."""
    rows = ((1 - ((u - a) ** 2 + (v - b) ** 2) / r**2) for a, b, r in lobes.tolist())
    return np.asarray(np.exp(np.stack(list(rows))))


def random_body(
    rng: np.random.Generator, motion: Motion, hue: float, shared: textures.Array, pattern: int
) -> Body:
    """A body with four limbs of random place and size.

    Args:
        rng: Source of randomness.
        motion: How it moves; its mean scale sets the resolution of the texture.
        hue: Main hue of the skin.
        shared: RGB that it has in common with the ground.
        pattern: Index into `textures.PATTERNS`.
    """
    angles = rng.uniform(0, 2 * np.pi) + np.pi / 2 * np.arange(4) + rng.uniform(-0.35, 0.35, 4)
    distance, radius = rng.uniform(0.62, 0.95, 4), rng.uniform(0.26, 0.42, 4)
    limbs = np.stack([distance * np.cos(angles), distance * np.sin(angles), radius], axis=1)
    lobes = np.concatenate([[[0.0, 0.0, rng.uniform(0.5, 0.62)]], limbs])
    # Neighbouring lobes add up, so the outline runs up to about 0.2 outside the lobes' own circles.
    reach = float((np.abs(lobes[:, :2]).max(axis=1) + lobes[:, 2]).max()) + 0.25
    keypoints = lobes[:, :2].copy()
    texture = _paint(rng, lobes, keypoints, reach, motion.scale.mean, hue, shared, pattern)
    return Body(lobes, reach, texture, keypoints, motion)


def _paint(
    rng: np.random.Generator,
    lobes: NDArray[np.float64],
    keypoints: NDArray[np.float64],
    reach: float,
    scale: float,
    hue: float,
    shared: textures.Array,
    pattern: int,
) -> textures.Array:
    """Patterned skin, a tint for each part, a ringed spot at each keypoint, a darker rim."""
    axis = np.linspace(-reach, reach, max(16, int(2 * reach * scale * 1.1)), dtype=np.float32)
    u, v = np.meshgrid(axis, axis)
    skin = textures.skin(rng, u, v, hue, shared, pattern)
    weights = lobe_weights(lobes, u, v)
    total = weights.sum(axis=0) + 1e-9
    for i, (weight, (a, b)) in enumerate(zip(weights, keypoints.tolist(), strict=True)):
        tint = textures.colour(hue + 0.13 * i, 0.7, 0.35 + 0.6 * (i % 2))
        skin = textures.blend(skin, tint, 0.4 * weight / total)
        distance = np.hypot(u - a, v - b)
        ring, spot = (
            textures.soft_step(0.13 - distance, 25),
            textures.soft_step(0.08 - distance, 25),
        )
        skin = textures.blend(skin, textures.colour(0.0, 0.0, 0.1), ring)
        skin = textures.blend(skin, textures.colour(hue + 0.5 + 0.2 * i, 0.8, 1.0), spot)
    depth = np.sqrt(np.clip(np.log(total) / 0.7, 0, 1))
    return np.asarray(
        np.clip(skin * (0.62 + 0.38 * depth - 0.1 * v)[..., None], 0, 255), np.float32
    )
