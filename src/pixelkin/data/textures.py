"""Procedural textures for synthetic scenes: smooth noise, colour palettes, soft patterns.

Pure numpy. Every transition is at least a texel wide, so that bilinear sampling does not alias.
Knows nothing about shapes, motion or frames.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Floats = NDArray[np.floating[Any]]


def smooth_noise(
    rng: np.random.Generator, shape: tuple[int, int], slope: float, wavelength: float
) -> Array:
    """Periodic multi-octave noise of zero mean and unit variance.

    Args:
        rng: Source of randomness.
        shape: (height, width) in texels; the noise tiles with this period.
        slope: Amplitudes fall with frequency to this power; larger is smoother.
        wavelength: In texels; octaves below it are left out.
    """
    h, w = shape
    frequency = np.hypot(np.fft.fftfreq(h)[:, None], np.fft.rfftfreq(w)[None])
    frequency[0, 0] = 1.0
    gain = frequency**-slope * np.exp(-((frequency * wavelength) ** 2))
    gain[0, 0] = 0.0
    noise = np.fft.irfft2(np.fft.rfft2(rng.standard_normal(shape)) * gain, s=shape)
    return np.asarray(noise / noise.std(), np.float32)


def colour(hue: float, saturation: float, value: float) -> Array:
    """RGB in [0, 255] from hue, saturation and value in [0, 1] (hue wraps)."""
    return np.asarray(colorsys.hsv_to_rgb(hue % 1.0, saturation, value), np.float32) * 255.0


def blend(base: Array, top: Array, weight: Floats) -> Array:
    """`top` over `base` (H x W x 3, or 3) with H x W weights in [0, 1]."""
    return np.asarray(base + (top - base) * weight[..., None], np.float32)


def soft_step(x: Floats, sharpness: float) -> Array:
    """0 below, 1 above zero; smooth."""
    return np.asarray(0.5 + 0.5 * np.tanh(sharpness * x), np.float32)


def stripes(u: Array, v: Array, noise: Array) -> Array:
    """Parallel stripes bent by noise."""
    return soft_step(np.sin(9.0 * u + 3.0 * v + 0.9 * noise), 2.5)


def dots(u: Array, v: Array, noise: Array) -> Array:
    """Round dots on a slightly warped grid."""
    return soft_step(np.cos(9.0 * u + 0.6 * noise) + np.cos(9.0 * v - 0.6 * noise) - 0.7, 3.0)


def patches(u: Array, v: Array, noise: Array) -> Array:
    """Irregular patches, as on a cow."""
    return soft_step(noise + 0.4 * np.sin(2.0 * u - 3.0 * v), 4.0)


def contours(u: Array, v: Array, noise: Array) -> Array:
    """Bands along the level lines of the noise, as in wood."""
    return soft_step(np.sin(4.0 * noise + 2.0 * u * v), 2.5)


def checks(u: Array, v: Array, noise: Array) -> Array:
    """A bent checkerboard."""
    return soft_step(np.sin(7.0 * u + 0.5 * noise) * np.sin(7.0 * v + 0.5 * noise), 5.0)


PATTERNS: tuple[Callable[[Array, Array, Array], Array], ...] = (
    stripes,
    patches,
    dots,
    contours,
    checks,
)


def ground(rng: np.random.Generator, shape: tuple[int, int], hue: float, detail: float) -> Array:
    """H x W x 3 texture in [0, 255] that tiles: two muted tones, patches and veins.

    Args:
        rng: Source of randomness.
        shape: (height, width) in texels.
        hue: Main hue; the patches are from about the far side of the colour circle.
        detail: Factor on all wavelengths.
    """
    broad = smooth_noise(rng, shape, 2.2, 24.0 * detail)
    middle = smooth_noise(rng, shape, 1.4, 10.0 * detail)
    fine = smooth_noise(rng, shape, 0.9, 3.0)
    soil = blend(colour(hue, 0.35, 0.62), colour(hue + 0.12, 0.42, 0.42), soft_step(broad, 1.0))
    soil = blend(soil, colour(hue + 0.45, 0.3, 0.7), 0.75 * soft_step(middle - 1.0, 4.0))
    veins = np.exp(-((smooth_noise(rng, shape, 1.8, 12.0 * detail) / 0.12) ** 2))
    soil = blend(soil, colour(hue + 0.05, 0.5, 0.25), 0.55 * veins)
    pebbles = soft_step(smooth_noise(rng, shape, 0.6, 7.0 * detail) - 1.2, 5.0)
    soil = blend(soil, colour(hue + 0.1, 0.25, 0.8), 0.5 * pebbles * soft_step(-broad, 3.0))
    light = 9.0 * fine + 10.0 * middle + 10.0 * broad
    return np.asarray(np.clip(soil + light[..., None], 0, 255), np.float32)


def sample(texture: Array, x: Floats, y: Floats) -> Array:
    """Bilinear look-up in a texture that tiles: T1 x T2 x 3 at texels (x, y) -> x.shape x 3."""
    height, width, _ = texture.shape
    x0, y0 = np.floor(x), np.floor(y)
    fx = np.asarray(x - x0, np.float32).reshape(-1, 1)
    fy = np.asarray(y - y0, np.float32).reshape(-1, 1)
    left, top = x0.astype(np.intp).ravel() % width, y0.astype(np.intp).ravel() % height
    right, bottom = (left + 1) % width, (top + 1) % height * width
    top *= width
    texels = texture.reshape(-1, 3)
    upper, lower = texels.take(top + left, axis=0), texels.take(bottom + left, axis=0)
    upper += (texels.take(top + right, axis=0) - upper) * fx
    lower += (texels.take(bottom + right, axis=0) - lower) * fx
    upper += (lower - upper) * fy
    return np.asarray(upper.reshape(*x.shape, 3), np.float32)


def skin(
    rng: np.random.Generator, u: Array, v: Array, hue: float, ground: Array, kind: int
) -> Array:
    """H x W x 3 texture in [0, 255] of one object.

    Args:
        rng: Source of randomness.
        u: H x W object coordinates, about [-1, 1].
        v: As `u`.
        hue: Main hue of the object.
        ground: RGB of a tone that the object shares with its surroundings, so that no single
            colour tells it from them.
        kind: Number of the pattern in `PATTERNS` (wraps).
    """
    shape = (u.shape[0], u.shape[1])
    broad = smooth_noise(rng, shape, 2.0, shape[0] / 5)
    fine = smooth_noise(rng, shape, 1.0, 3.0)
    angle = rng.uniform(0, 2 * np.pi)
    a, b = np.cos(angle) * u + np.sin(angle) * v, np.cos(angle) * v - np.sin(angle) * u
    base = blend(colour(hue, 0.75, 0.85), colour(hue + 0.1, 0.8, 0.6), soft_step(broad + a, 1.2))
    second = colour(hue + rng.uniform(0.3, 0.6), rng.uniform(0.15, 0.6), rng.choice([0.25, 0.95]))
    marks = PATTERNS[kind % len(PATTERNS)](a, b, broad)
    base = blend(base, second, 0.85 * marks)
    base = blend(base, ground, 0.8 * soft_step(smooth_noise(rng, shape, 1.6, 14.0) - 1.1, 4.0))
    return base + 8.0 * fine[..., None]
