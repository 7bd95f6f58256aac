"""Cycles of labels, against networks and videos whose answers are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from pixelkin.evaluation.compare import compare, similarity
from pixelkin.models.encoder import Encoder, EncoderConfig, load_encoder
from pixelkin.models.saving import save_encoder
from pixelkin.types import InputError, Labels
from pixelkin.video.reader import VideoReader, open_video
from pixelkin.video.writer import write_image

HEIGHT, WIDTH, FRAMES, STEP = 96, 160, 13, 8


def ids_of(t: int) -> np.ndarray:
    ids = np.zeros((HEIGHT, WIDTH), np.int32)
    ids[32:64, 16 + STEP * t : 48 + STEP * t] = 1
    return ids


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> VideoReader:
    """A red square that moves by a cell a frame over a textured ground, and ends at the border."""
    folder = tmp_path_factory.mktemp("square")
    coarse = np.random.default_rng(0).integers(0, 80, (12, 20, 3), dtype=np.uint8)
    ground = coarse.repeat(8, 0).repeat(8, 1) + np.array([0, 0, 90], np.uint8)
    for t in range(FRAMES):
        image = ground.copy()
        image[ids_of(t) == 1] = (210, 40, 30)
        write_image(folder / f"{t:05d}.png", image)
    return open_video(folder)


class Frozen(Encoder):
    """Features of the place alone: labels stay where they are, whatever the frames show."""

    def forward(self, rgb: Tensor) -> Tensor:
        h, w = (-(-n // self.stride) for n in rgb.shape[-2:])
        features = torch.zeros(len(rgb), h * w, h, w)
        features.view(len(rgb), h * w, -1).diagonal(dim1=1, dim2=2).fill_(1.0)
        return features


@pytest.fixture
def frozen() -> Frozen:
    return Frozen(EncoderConfig(network="lab", temperature=None)).eval()


def test_a_frozen_network_returns_perfectly_and_is_found_out(
    video: VideoReader, frozen: Frozen
) -> None:
    labels = {0: Labels.from_mask(ids_of(0)), 8: Labels.from_mask(ids_of(8))}
    encoders = {"frozen": frozen, "colour": load_encoder("lab")}
    found = compare(video, labels, encoders, distances=[5, 10, 40])
    still, colour = found.scores["frozen"], found.scores["colour"]
    assert (found.frame, found.measure) == (0, "J")
    assert list(still.cycle) == [5, 10]  # 40 is beyond the end
    assert min(still.cycle.values()) > 0.95
    assert still.truth == {8: 0.0}  # the square has left its first place by then
    assert colour.truth[8] > 0.9 and min(colour.cycle.values()) > 0.9
    assert still.moved < 0.3 < 0.7 < colour.moved


def test_a_label_that_is_lost_does_not_come_back(video: VideoReader) -> None:
    """Features of every frame point elsewhere, so that nothing finds back."""
    labels = Labels.from_mask(ids_of(0))

    class Blind(Frozen):
        seen = 0

        def forward(self, rgb: Tensor) -> Tensor:
            features = super().forward(rgb)
            self.seen += 1
            return features.roll(self.seen, dims=3)

    found = compare(video, {0: labels}, {"blind": Blind(EncoderConfig(network="lab"))})
    assert min(found.scores["blind"].cycle.values()) < 0.5


def test_points_are_counted_by_pck(video: VideoReader) -> None:
    corners = np.array([[18, 34], [45, 61], [np.nan, np.nan]], np.float32)
    moved = corners + np.array([8 * STEP, 0], np.float32)
    labels = {t: Labels.from_points(p, (HEIGHT, WIDTH)) for t, p in ((0, corners), (8, moved))}
    found = compare(video, labels, ["lab"], distances=[6])
    score = found.scores["lab"]
    assert found.measure == "PCK@0.2"
    assert found.columns == ("weights", "cycle 6", "cycle mean", "frame 8", "moved")
    assert found.to_json()["weights"]["lab"]["truth"] == {"8": score.truth[8]}
    with pytest.raises(InputError, match="fewer than two points"):
        compare(video, {0: Labels.from_points(corners[:1], (HEIGHT, WIDTH))}, ["lab"])


def test_similarity_is_the_mean_over_objects_or_points() -> None:
    a, b = np.zeros((4, 4), int), np.zeros((4, 4), int)
    a[0], a[1], b[0, :2], b[1] = 1, 2, 1, 2
    assert similarity(Labels.from_mask(a), Labels.from_mask(b)) == 0.75  # 2/4 and 4/4
    given = np.array([[0, 0], [30, 40], [np.nan, 1]])  # within 0.2 * 0.6 * 50 = 6 pixels is right
    found = np.array([[5.9, 0], [30, 46.1], [0, 0]])
    points = [Labels.from_points(p, (50, 50)) for p in (given, found)]
    assert similarity(*points) == 0.5


def test_short_videos_turn_back_at_their_last_frame(video: VideoReader) -> None:
    late = {9: Labels.from_mask(ids_of(9))}
    assert list(compare(video, late, ["lab"]).scores["lab"].cycle) == [3]
    with pytest.raises(InputError, match="is the last of the video"):
        compare(video, {12: Labels.from_mask(ids_of(12))}, ["lab"])


@pytest.mark.parametrize("kind", [str, Path])
def test_one_encoder_may_stand_alone(video: VideoReader, tmp_path: Path, kind: type) -> None:
    """As its name or its folder, of which the letters are no encoders."""
    folder = tmp_path / "mine"
    save_encoder(load_encoder("lab"), folder)
    alone = kind(folder) if kind is Path else "lab"
    found, several = (
        compare(video, Labels.from_mask(ids_of(0)), encoders, distances=[2])
        for encoders in (alone, [alone])
    )
    assert list(found.scores) == [str(alone)]
    assert found == several
    with pytest.raises(InputError, match="give encoders by name"):
        compare(video, Labels.from_mask(ids_of(0)), load_encoder("lab"))  # type: ignore[arg-type]


def test_bad_arguments_are_named(video: VideoReader, tmp_path: Path) -> None:
    labels = {0: Labels.from_mask(ids_of(0))}
    with pytest.raises(InputError, match="at least one encoder"):
        compare(video, labels, [])
    with pytest.raises(InputError, match="distances of 1"):
        compare(video, labels, ["lab"], distances=[0, 5])
    with pytest.raises(InputError, match="no encoder"):
        compare(video, labels, [tmp_path])
