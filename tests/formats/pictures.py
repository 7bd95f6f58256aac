"""Pictures of masks as tools write them, and what reading them says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pixelkin.formats.mask_png import read_mask
from pixelkin.types import InputError, MaskLabels


def blobs(*values: object, size: int = 64) -> NDArray[np.uint8]:
    """Overlapping discs of these colours or levels on a background of zeros."""
    shape = np.shape(values[0])
    image = np.zeros((size, size, *shape), np.uint8)
    y, x = np.mgrid[:size, :size]
    for i, value in enumerate(values):
        centre = size * (0.3 + 0.4 * i / max(1, len(values) - 1))
        image[(x - centre) ** 2 + (y - centre) ** 2 < (size / 5) ** 2] = value
    return image


def save(path: Path, pixels: NDArray[np.generic] | Image.Image, **options: object) -> Path:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(path, **options)
    return path


def colours(labels: MaskLabels) -> dict[int, tuple[int, int, int] | None]:
    return {o.id: o.colour for o in labels.objects}


def refusal(path: Path, size: tuple[int, int] | None = None) -> str:
    with pytest.raises(InputError) as error:
        read_mask(path, size)
    message = str(error.value)
    assert "\n" not in message and path.name in message
    return message
