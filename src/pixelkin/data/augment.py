"""Random views of a frame, each with the affine map back to the frame's pixels.

Crops are drawn so that they lie wholly inside the frame: no view ever shows padding, which would
tell the network where it is. Pixel coordinates are (x, y) with (0, 0) at the *centre* of the
top-left pixel. What is drawn (`draw`) is apart from how it is rendered: one view at a time here, a
batch of them on any device in `rendering`. Knows nothing about files or videos; all randomness
comes from the generator given.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from pixelkin.checks import SettingError, check_number, check_types

LUMA = np.array([0.299, 0.587, 0.114])
BLUR_SIGMA = (0.3, 1.5)  # range of the standard deviation of a blur, in pixels of the view
_YIQ = np.array([LUMA, [0.595716, -0.274453, -0.321263], [0.211456, -0.522591, 0.311135]])
_RGB = np.linalg.inv(_YIQ)


@dataclass(frozen=True)
class Augmentation:
    """How views are drawn; geometry and colour are drawn anew for every view.

    The paper crops at random; independent geometry and colour for each view are our own [D]: equal
    crops let a network match by absolute position, equal colours by exact colour.

    Attributes:
        scale: Least and greatest side of the crop, as a share of the frame's short side.
        aspect: Greatest ratio of the crop's sides, at least 1.
        shift: Greatest distance, along each axis, of a view's centre from the common centre of the
            clip's views, as a share of the frame's short side.
        flip: Probability of a horizontal flip.
        rotation: Greatest rotation either way, degrees.
        crop_jitter: If given, the views of a clip share one crop (all of the above is drawn once),
            and each is moved by at most this share of its side along each of its axes; null draws
            every view's crop by itself. Most cells then have a partner in the other view, and a
            cell's place still does not tell where; but pairs that are mined so are easy ones.
        brightness: Factor drawn from [1 - b, 1 + b].
        contrast: As `brightness`, about the view's mean luma.
        saturation: As `brightness`, about each pixel's luma.
        hue: Greatest rotation of the hue either way, as a share of the full circle.
        greyscale: Probability that a view loses its colour.
        blur: Probability of a Gaussian blur, see `BLUR_SIGMA`.
        paste: Probability that a clip gives a piece of itself to another, see `data.paste`; only
            where all views show one frame (known_geometry), whose geometry is known.
        piece: Range of the piece's mean radius, as a share of the view's side.

    Raises:
        InputError: If a value is out of its range; the message names it.
    """

    scale: tuple[float, float] = (0.5, 1.0)
    aspect: float = 1.25
    shift: float = 0.25
    flip: float = 0.5
    rotation: float = 10.0
    crop_jitter: float | None = None
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.1
    greyscale: float = 0.1
    blur: float = 0.0
    paste: float = 0.0
    piece: tuple[float, float] = (0.15, 0.42)

    def __post_init__(self) -> None:
        check_types(self)
        _check_range("scale", self.scale)
        _check_range("piece", self.piece)
        check_number("aspect", self.aspect, least=1)
        check_number("rotation", self.rotation, least=0, most=180)
        check_number("shift", self.shift, least=0)
        if self.crop_jitter is not None:
            check_number("crop_jitter", self.crop_jitter, least=0, most=1)
        for name in ("flip", "brightness", "contrast", "saturation", "greyscale", "blur", "paste"):
            check_number(name, getattr(self, name), least=0, most=1)
        check_number("hue", self.hue, least=0, most=0.5)


def _check_range(key: str, bounds: tuple[float, float]) -> None:
    if not 0 < bounds[0] <= bounds[1] <= 1:
        raise SettingError(key, f"{list(bounds)} must be [low, high] with 0 < low <= high <= 1")


def draw_view(
    settings: Augmentation,
    frame_size: tuple[int, int],
    size: int,
    centre: tuple[float, float],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """A random crop as the 2 x 3 affine map from view pixels (x, y, 1) to frame pixels (x, y).

    Args:
        settings: The ranges to draw from.
        frame_size: (height, width) of the frame in pixels.
        size: Side S of the square view in pixels.
        centre: Common centre of the clip's views, as shares of (width, height).
        rng: Source of the randomness.

    Returns:
        The map; with `crop_jitter`, that of the clip's common crop, around which there is room
        enough in the frame for every `move_view`.
    """
    height, width = frame_size
    short = min(frame_size)
    ratio = math.sqrt(settings.aspect ** rng.uniform(-1, 1))
    side = short * rng.uniform(*settings.scale)
    angle = math.radians(settings.rotation * rng.uniform(-1, 1))
    flip = -1.0 if rng.random() < settings.flip else 1.0
    shift = settings.shift * short * rng.uniform(-1, 1, size=2)

    cos, sin = math.cos(angle), math.sin(angle)
    crop = np.array([side * ratio, side / ratio])
    box = np.array([[abs(cos), abs(sin)], [abs(sin), abs(cos)]]) @ crop
    frame = np.array([width, height], dtype=np.float64)
    box = box * (1 + 2 * (settings.crop_jitter or 0.0))
    fit = min(1.0, float((frame / box).min()))
    crop, box = crop * fit, box * fit
    middle = np.clip(frame * centre + shift, box / 2, frame - box / 2) - 0.5

    linear = np.array([[cos, -sin], [sin, cos]]) @ np.diag(crop / size * [flip, 1.0])
    offset = middle - linear @ np.full(2, (size - 1) / 2)
    return np.concatenate([linear, offset[:, None]], axis=1)


def move_view(
    to_frame: NDArray[np.float64], jitter: float, size: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """A view as large as another, at most `jitter` of its side away along each of its axes.

    Args:
        to_frame: The other's 2 x 3 map from view to frame pixels.
        jitter: Greatest distance, as a share of the side.
        size: Side S of the square views in pixels.
        rng: Source of the randomness.
    """
    moved = to_frame.copy()
    moved[:, 2] += to_frame[:, :2] @ (size * jitter * rng.uniform(-1, 1, size=2))
    return moved


class Sampling(NamedTuple):
    """How a view is taken from its frame, in two steps: a box of it is resized, then sampled.

    Attributes:
        box: Left, top, width and height of the box in the frame, in pixels.
        small: Width and height that it is resized to, anti-aliased.
        theta: 2 x 3: from the view's normalised coordinates to the box's, both with corners at -1
            and 1.
    """

    box: tuple[int, int, int, int]
    small: tuple[int, int]
    theta: NDArray[np.float64]


def sampling(to_frame: NDArray[np.float64], frame_size: tuple[int, int], size: int) -> Sampling:
    """How the view that `to_frame` describes is taken.

    Where the view shrinks the frame, the crop's bounding box is first resized with an anti-aliasing
    filter to the view's resolution, so that the sampling that follows is about one to one.

    Args:
        to_frame: 2 x 3, see `draw_view`.
        frame_size: (height, width) of the frame in pixels.
        size: Side S of the square view in pixels.
    """
    height, width = frame_size
    linear, offset = to_frame[:, :2], to_frame[:, 2]
    corners = linear @ (np.array([[0, 1, 0, 1], [0, 0, 1, 1]]) * size - 0.5) + offset[:, None]
    # Frame pixels per view pixel along the frame's axes; 1 where the view magnifies.
    shrink = np.maximum(np.linalg.norm(linear, axis=1), 1.0)
    margin = np.ceil(4 * shrink)  # the support of both filters
    x0, y0 = np.maximum(np.floor(corners.min(axis=1) - margin), 0).astype(int)
    x1, y1 = np.minimum(np.ceil(corners.max(axis=1) + margin) + 1, [width, height]).astype(int)
    full = np.array([x1 - x0, y1 - y0])
    small = np.maximum(np.rint(full / shrink), 1).astype(int)
    theta = np.empty((2, 3))
    theta[:, :2] = linear * size / full[:, None]
    theta[:, 2] = 2 * (linear @ np.full(2, (size - 1) / 2) + offset - [x0, y0] + 0.5) / full - 1
    box = int(x0), int(y0), int(x1 - x0), int(y1 - y0)
    return Sampling(box, (int(small[0]), int(small[1])), theta)


def warp(frame: NDArray[np.uint8], to_frame: NDArray[np.float64], size: int) -> Tensor:
    """The view that `to_frame` describes: H x W x 3 uint8 -> 3 x S x S float in [0, 1]."""
    height, width = frame.shape[:2]
    (x, y, w, h), small, theta = sampling(to_frame, (height, width), size)
    part = np.ascontiguousarray(frame[y : y + h, x : x + w])
    box = torch.from_numpy(part).permute(2, 0, 1)[None]
    if small[0] < w or small[1] < h:
        box = F.interpolate(box, small[::-1], mode="bicubic", antialias=True)
    grid = F.affine_grid(
        torch.from_numpy(theta[None].astype(np.float32)), [1, 3, size, size], align_corners=False
    )
    view = F.grid_sample(
        box.float(), grid, mode="bicubic", padding_mode="border", align_corners=False
    )
    return view[0].div_(255.0).clamp_(0.0, 1.0)


def colour_matrix(
    brightness: float, contrast: float, saturation: float, hue: float, mean_luma: float
) -> NDArray[np.float64]:
    """Brightness, contrast, saturation and hue as one 3 x 4 affine map of (r, g, b, 1).

    Hue is a rotation by `hue` full circles in the chroma plane of YIQ; like saturation it leaves
    the luma alone, so the mean luma about which contrast turns is that of the input.
    """
    cos, sin = math.cos(2 * math.pi * hue), math.sin(2 * math.pi * hue)
    turn = _RGB @ np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]]) @ _YIQ
    fade = saturation * np.eye(3) + (1 - saturation) * np.tile(LUMA, (3, 1))
    linear = brightness * contrast * fade @ turn
    offset = np.full((3, 1), brightness * (1 - contrast) * mean_luma)
    return np.concatenate([linear, offset], axis=1)


class Colour(NamedTuple):
    """What is drawn of one view's colours, see `colour_matrix`; `blur` is a sigma, 0 is none."""

    brightness: float
    contrast: float
    saturation: float
    hue: float
    blur: float


def draw_colour(settings: Augmentation, rng: np.random.Generator) -> Colour:
    """Random colours, and blur, of one view."""
    b, c, s = (
        1 + amount * rng.uniform(-1, 1)
        for amount in (settings.brightness, settings.contrast, settings.saturation)
    )
    hue = settings.hue * rng.uniform(-1, 1)
    if rng.random() < settings.greyscale:
        s = 0.0
    blur = rng.uniform(*BLUR_SIGMA) if rng.random() < settings.blur else 0.0
    return Colour(b, c, s, hue, blur)


def recolour(view: Tensor, colour: Colour) -> Tensor:
    """Colours and blur of one view, 3 x S x S float in [0, 1] -> the same."""
    mean_luma = float(view.mean(dim=(1, 2)).double().numpy() @ LUMA)
    matrix = torch.from_numpy(colour_matrix(*colour[:4], mean_luma)).to(view.dtype)
    out = torch.addmm(matrix[:, 3:], matrix[:, :3], view.flatten(1)).view_as(view).clamp_(0, 1)
    return gaussian_blur(out, colour.blur) if colour.blur else out


def gaussian_blur(view: Tensor, sigma: float) -> Tensor:
    """Separable Gaussian blur with reflected borders, C x H x W -> the same."""
    radius = min(math.ceil(3 * sigma), min(view.shape[1:]) - 1)
    x = torch.arange(-radius, radius + 1, dtype=view.dtype)
    kernel = torch.exp(-0.5 * (x / sigma) ** 2)
    kernel = (kernel / kernel.sum()).expand(len(view), 1, 1, -1)
    out = F.pad(view[None], (radius, radius, radius, radius), mode="reflect")
    out = F.conv2d(out, kernel, groups=len(view))
    return F.conv2d(out, kernel.transpose(2, 3), groups=len(view))[0]


class View(NamedTuple):
    """All that is drawn of one view: its 2 x 3 map to the frame's pixels, and its colours."""

    to_frame: NDArray[np.float64]
    colour: Colour


def draw(
    settings: Augmentation,
    frame_size: tuple[int, int],
    size: int,
    centre: tuple[float, float],
    rng: np.random.Generator,
    shared: NDArray[np.float64] | None = None,
) -> View:
    """One random view of one frame.

    Args:
        settings: The ranges to draw from.
        frame_size: (height, width) of the frame in pixels.
        size: Side S of the square view in pixels.
        centre: Common centre of the clip's views, as shares of (width, height).
        rng: Source of the randomness.
        shared: The clip's common crop, see `draw_view`; needed with `crop_jitter`.
    """
    if settings.crop_jitter is None or shared is None:
        to_frame = draw_view(settings, frame_size, size, centre, rng)
    else:
        to_frame = move_view(shared, settings.crop_jitter, size, rng)
    return View(to_frame, draw_colour(settings, rng))
