"""Features that are held: those that were used last stay, whatever their size."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pixelkin.annotation.features import Features
from pixelkin.annotation.layers import DEFAULTS, Layer
from pixelkin.models.encoder import load_encoder
from pixelkin.propagation.propagator import Propagator
from pixelkin.types import Object
from pixelkin.video.reader import open_video


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Has an entry for each frame that is encoded."""
    found: list[int] = []
    features = Propagator.features
    monkeypatch.setattr(
        Propagator, "features", lambda self, image: found.append(1) or features(self, image)
    )
    return found


def of_masks(size: tuple[int, int]) -> Layer:
    return Layer("mask", (Object(1),), DEFAULTS["mask"], size)


def test_those_that_were_used_last_stay(video, encoded: list[int]) -> None:
    reader, encoder = open_video(video.folder), load_encoder("lab")
    layer = of_masks(reader.info.size)
    one = Features(reader, encoder).get(layer, 0).nbytes
    held = Features(reader, encoder, 3 * one)
    encoded.clear()
    for frame in (0, 1, 2, 0, 3, 0):  # the first one is asked for again and again
        held.get(layer, frame)
    assert len(encoded) == 4
    held.get(layer, 1)  # 3 has taken its place
    assert len(encoded) == 5


def test_bytes_are_counted_where_frames_are_of_several_sizes(video, encoded: list[int]) -> None:
    reader, encoder = open_video(video.folder), load_encoder("lab")
    masks = of_masks(reader.info.size)
    fine = replace(DEFAULTS["points"], short_side=None, stride=4)
    points = Layer("points", (Object(1, "points"),), fine, reader.info.size)
    small = Features(reader, encoder).get(masks, 0).nbytes
    large = Features(reader, encoder).get(points, 0).nbytes
    assert large > 2 * small
    held = Features(reader, encoder, 2 * small + large)
    held.get(points, 0)
    held.get(masks, 0)
    held.get(masks, 1)
    encoded.clear()
    for layer, frame in ((points, 0), (masks, 0), (masks, 1)):
        held.get(layer, frame)
    assert not encoded  # all three fit
    held.get(masks, 2)
    held.get(points, 0)
    assert len(encoded) == 2  # which had to go, as it is the oldest
