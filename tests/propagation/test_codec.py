"""Labels to the grid and back: what survives, what joins, what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from pixelkin.propagation.codec import MapCodec, PointCodec, Sizes, codec_for
from pixelkin.propagation.protocol import Protocol
from pixelkin.types import InputError, Labels, MaskLabels, Object, Objects

DAVIS = Protocol.named("davis")
SIZE = (64, 96)


def blocks(*ids: int) -> MaskLabels:
    """Blocks of 16 x 16 pixels, whole cells, one an id."""
    found = np.zeros(SIZE, np.int32)
    for n, i in enumerate(ids):
        found[16:32, 16 * n : 16 * n + 16] = i
    return Labels.from_mask(found)


def test_a_map_of_whole_cells_survives() -> None:
    labels = blocks(7, 3)
    protocol = replace(DAVIS, label_resize="nearest")
    codec = codec_for(labels, SIZE, protocol)
    soft = codec.encode(labels)
    assert soft.shape == (3, 8, 12) and soft.sum(0).eq(1).all()
    for channel, i in enumerate((0, 3, 7)):  # the order of the objects, background first
        cells = labels.ids[4::8, 4::8] == i
        assert np.array_equal(soft[channel].numpy() == 1, cells)
    found, confidence = codec.decode(soft)
    assert found.objects.ids == (3, 7) and (confidence > 0.5).all()
    # Upsampling rounds off corners; half a cell inside, every pixel is right.
    assert np.array_equal(found.as_map().ids[20:28, 4:28], labels.ids[20:28, 4:28])


def test_points_survive_to_half_a_cell() -> None:
    points = np.array([[40.0, 24.0], [np.nan, np.nan], [80.0, 40.0]])
    labels = Labels.from_points(points, SIZE, names=("a", "b", "c"))
    codec = codec_for(labels, SIZE, replace(DAVIS, decode_top=1))
    assert isinstance(codec, PointCodec)
    found, confidence = codec.decode(codec.encode(labels))
    assert np.abs(found.as_points().points[[0, 2]] - points[[0, 2]]).max() <= 4
    assert np.isnan(found.as_points().points[1]).all() and confidence[1] == 0
    assert found.objects.names == ("a", "b", "c")


@pytest.mark.parametrize(
    ("protocol", "encoded", "grid"),
    [
        (DAVIS, (75, 100), (10, 13)),
        (replace(DAVIS, short_side=48), (48, 64), (6, 8)),
        (replace(DAVIS, short_side=480), (75, 100), (10, 13)),
        (Protocol.named("jhmdb"), (320, 320), (40, 40)),
        (Protocol.named("youtube_vos"), (75, 100), (19, 25)),
    ],
)
def test_sizes(protocol: Protocol, encoded: tuple[int, int], grid: tuple[int, int]) -> None:
    assert Sizes.of((75, 100), protocol) == Sizes((75, 100), encoded, grid)


def test_objects_that_join_have_channels_of_their_own() -> None:
    codec = codec_for(blocks(4), SIZE, DAVIS)
    later = MaskLabels("mask", Objects((Object(2, name="late"),)), blocks(2).ids)
    grown = codec.accept(later, "frame 9")
    assert isinstance(grown, MapCodec) and grown.objects.ids == (4, 2)
    assert codec.objects.ids == (4,)  # a codec does not change
    soft = codec.encode(blocks(4))
    found, confidence = grown.decode(soft)  # made before the second object came
    assert confidence.tolist()[1] == 0 and 2 not in found.present
    assert grown.encode(later).shape[0] == 3
    merged, sure = grown.merge(found, confidence, later)
    assert np.array_equal(merged.as_map().ids == 2, later.ids == 2)
    assert sure.tolist() == [confidence[0], 1.0] and merged.objects[2].name == "late"


def test_what_does_not_fit_is_refused_here() -> None:
    codec = codec_for(blocks(1), SIZE, DAVIS)
    points = Labels.from_points(np.zeros((2, 2)), SIZE)
    with pytest.raises(InputError, match="labels of frame 3: 48x32, the video is 96x64"):
        codec.accept(Labels.from_mask(np.ones((32, 48), int)), "labels of frame 3")
    with pytest.raises(
        InputError, match="frame 3: keypoints, the first labels are mask, and one run"
    ):
        codec.accept(points, "labels of frame 3")
    with pytest.raises(InputError, match="frame 0 mark no object"):
        codec_for(Labels.from_mask(np.zeros(SIZE, int)), SIZE, DAVIS, "labels of frame 0")
    three = Labels.from_points(np.zeros((3, 2)), SIZE)
    with pytest.raises(InputError, match="have 3 points, the first ones 2: give the same"):
        codec_for(points, SIZE, DAVIS).accept(three, "labels of frame 3")
    with pytest.raises(ValueError, match="no map"):
        codec.encode(points)


def test_a_stretched_class_may_win_with_fewer_votes() -> None:
    """As the protocol of VIP has it: each class competes after it was stretched to [0, 1]."""
    soft = torch.full((2, 8, 12), 0.5)
    soft[1, :, 6:] = 0.2
    soft[1, :, :6] = 0.0
    labels = blocks(1)
    plain, _ = codec_for(labels, SIZE, DAVIS).decode(soft)
    assert plain.present == ()
    stretched, _ = codec_for(labels, SIZE, replace(DAVIS, stretch_output=True)).decode(soft)
    assert stretched.present == (1,)
