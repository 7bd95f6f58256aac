"""Labels averaged over cells: what stands still, and is matched, keeps its mask."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pixelkin.models.encoder import Encoder, EncoderConfig
from pixelkin.ops import resample
from pixelkin.propagation import Protocol
from pixelkin.propagation.codec import codec_for
from pixelkin.propagation.propagator import Propagator
from pixelkin.types import Labels

CENTRED = Protocol.named("youtube_vos_centred")
FRAMES = 41


class Matched(Encoder):
    """Tells every cell from every other and never errs: the features of a perfect network."""

    def __init__(self, stride: int = 8) -> None:
        super().__init__(EncoderConfig(network="lab", stride=stride))

    def with_stride(self, stride: int) -> Matched:
        return Matched(stride)

    def encode(self, frame: NDArray[np.uint8]) -> torch.Tensor:
        grid = (-(-n // self.stride) for n in frame.shape[:2])
        g = torch.Generator().manual_seed(0)
        return 10 * torch.nn.functional.normalize(torch.randn(128, *grid, generator=g), dim=0)


def square(height: int, width: int) -> NDArray[np.bool_]:
    inside = np.zeros((height, width), bool)
    inside[21:70, 30:81] = True
    return inside


def disc(height: int, width: int) -> NDArray[np.bool_]:
    y, x = np.mgrid[:height, :width]
    found: NDArray[np.bool_] = (y - 50.5) ** 2 + (x - 64) ** 2 < 35**2
    return found


def overlaps(protocol: Protocol, inside: NDArray[np.bool_]) -> list[float]:
    """J of each frame of a video that stands still."""
    propagator = Propagator(Matched(), protocol)
    frame = np.zeros((*inside.shape, 3), np.uint8)
    propagator.step(frame, Labels.from_mask(inside.astype(np.int32)))
    found = [propagator.step(frame).labels.as_map().ids == 1 for _ in range(FRAMES - 1)]
    return [float((f & inside).sum() / (f | inside).sum()) for f in found]


@pytest.mark.parametrize("size", [(100, 128), (103, 130)])
@pytest.mark.parametrize("shape", [square, disc])
def test_what_stands_still_stays(shape: object, size: tuple[int, int]) -> None:
    assert callable(shape)
    assert min(overlaps(CENTRED, shape(*size))) > 0.99


def test_as_released_it_shrinks_and_drifts() -> None:
    """What the centred form is for; and the test above could fail."""
    found = overlaps(Protocol.named("youtube_vos"), square(100, 128))
    assert found[9] < 0.97 and found[39] < 0.9
    assert found[39] < found[19] < found[9]


def test_what_stands_still_stays_at_a_reduced_size() -> None:
    """Labels are taken from the full frame, and given back at its size."""
    protocol = replace(CENTRED, short_side=100)
    large = disc(100, 128).repeat(2, 0).repeat(2, 1)
    assert min(overlaps(protocol, large)) > 0.98


@pytest.mark.parametrize("width", [32, 30, 29])
def test_a_straight_edge_comes_back_where_it_was(width: int) -> None:
    for edge in range(4, width - width % 4 - 3):  # in cells with whole neighbours
        ids = np.zeros((16, width), np.int32)
        ids[:, edge:] = 1
        codec = codec_for(Labels.from_mask(ids), ids.shape, CENTRED)
        found, _ = codec.decode(codec.encode(Labels.from_mask(ids)))
        assert np.array_equal(found.as_map().ids, ids), edge


def test_cells_are_means_of_the_pixels_that_they_have() -> None:
    ids = np.random.default_rng(0).integers(0, 2, (10, 13))
    small = resample.mask_to_grid(torch.from_numpy(ids), (0, 1), (3, 4), "area", 4)
    for y in range(3):
        for x in range(4):
            mean = ids[4 * y : 4 * y + 4, 4 * x : 4 * x + 4].mean()
            assert small[1, y, x] == pytest.approx(mean)
    torch.testing.assert_close(small.sum(0), torch.ones(3, 4))


def test_labels_of_a_reduced_frame_are_means_of_all_its_pixels() -> None:
    ids = np.random.default_rng(0).integers(0, 2, (32, 48)).astype(np.int32)
    codec = codec_for(Labels.from_mask(ids), (32, 48), replace(CENTRED, short_side=16))
    soft = codec.encode(Labels.from_mask(ids))
    expected = ids.reshape(4, 8, 6, 8).mean((1, 3))
    np.testing.assert_allclose(soft[1].numpy(), expected, atol=1e-6)
