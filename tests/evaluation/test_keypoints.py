"""Keypoints of a video against sparse and dense truth."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pixelkin.evaluation.keypoints import evaluate, load_truth
from pixelkin.models.encoder import load_encoder
from pixelkin.propagation.passes import propagate
from pixelkin.propagation.protocol import Protocol
from pixelkin.types import InputError, Labels
from pixelkin.video.reader import VideoReader, open_video
from pixelkin.video.writer import write_image

HEIGHT, WIDTH, FRAMES = 64, 96, 6
CORNERS = np.array([[16, 24], [40, 48], [np.nan, np.nan]], np.float32)


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> VideoReader:
    """A video in which nothing moves."""
    folder = tmp_path_factory.mktemp("still")
    image = np.random.default_rng(0).integers(0, 255, (8, 12, 3), dtype=np.uint8)
    for t in range(FRAMES):
        write_image(folder / f"{t:05d}.png", image.repeat(8, 0).repeat(8, 1))
    return open_video(folder)


def test_what_stays_is_right_and_what_jumps_is_wrong(still: VideoReader) -> None:
    """Joint 0 stays, joint 1's truth jumps far away in half of the frames, joint 2 is absent."""
    truth = {t: CORNERS.copy() for t in (1, 2, 4, 5)}
    truth[4][1] = truth[5][1] = (90, 8)
    truth[5][2] = (40, 40)  # appears later: cannot be followed, is not counted
    protocol = Protocol.named("davis")
    score = evaluate(still, truth, load_encoder("lab"), protocol)
    assert score.frames == 3 and score.names == ("0", "1")
    np.testing.assert_allclose(score.strict.joints[2][:2], [100.0, 100 / 3])
    np.testing.assert_allclose(score.official.mean, score.strict.mean)


def test_badja_joints_are_found_by_frame_name(still: VideoReader, tmp_path: Path) -> None:
    entry = {"joints": [[540, 960], [0, 0]], "visibility": [True, False]}
    path = tmp_path / "joints.json"
    path.write_text(json.dumps([{"image_path": "x/00003.png", **entry}]))
    joints = load_truth(path, still)
    assert list(joints) == [3]
    np.testing.assert_allclose(joints[3][0], [960.5 / 20 - 0.5, 540.5 / 16.875 - 0.5], rtol=1e-5)
    assert np.isnan(joints[3][1]).all()
    path.write_text(json.dumps([{"image_path": "x/00077.png", **entry}]))
    with pytest.raises(InputError, match="frame 00077"):
        load_truth(path, still)


def test_too_little_truth_is_an_error(still: VideoReader) -> None:
    encoder, protocol = load_encoder("lab"), Protocol.named("davis")
    with pytest.raises(InputError, match="at least two"):
        evaluate(still, {0: CORNERS}, encoder, protocol)
    with pytest.raises(InputError, match="has no joint"):
        evaluate(still, {0: CORNERS * np.nan, 1: CORNERS}, encoder, protocol)


def test_the_jhmdb_sample_is_read(shared: Path) -> None:
    folder = shared / "data/jhmdb_sample"
    reader = open_video(next(p for p in folder.iterdir() if p.is_dir()))
    joints = load_truth(folder / "joint_positions.mat", reader)
    assert len(joints) == len(reader) == 40 and joints[0].shape == (15, 2)


def test_what_cannot_be_counted_is_null_in_json(still: VideoReader) -> None:
    """A joint that is absent after the keyframe gives no figure, and NaN is no JSON."""
    score = evaluate(
        still, {0: CORNERS, 1: CORNERS * np.nan}, load_encoder("lab"), Protocol.named("davis")
    )
    assert json.loads(json.dumps(score.to_json(), allow_nan=False))["strict"] == [None] * 5


def test_joints_are_carried_over_cuts_as_protocols_say(tmp_path: Path) -> None:
    """A picture, and from frame 3 on its mirror image, in which joints are found all the same."""
    coarse = np.random.default_rng(1).integers(0, 255, (18, 30, 3), dtype=np.uint8)
    image = coarse.repeat(8, 0).repeat(8, 1)
    for t in range(FRAMES):
        write_image(tmp_path / f"{t:05d}.png", image if t < 3 else image[::-1, ::-1])
    video, joints = open_video(tmp_path), CORNERS[:2]
    mirrored = np.array([239, 143]) - joints
    truth = {t: joints if t < 3 else mirrored.astype(np.float32) for t in range(FRAMES)}
    first, protocol = Labels.from_points(joints, video.info.size), Protocol.named("davis")
    ended = [np.isnan(p.points).all() for p in propagate(video, first, encoder="lab")]
    assert ended == [False] * 3 + [True] * 3  # otherwise there is no cut
    plain = list(propagate(video, first, encoder="lab", over_cuts=True))
    given = {t: p.points for t, p in enumerate(plain)}
    assert evaluate(video, given, load_encoder("lab"), protocol).strict.mean[0] == 100
    assert evaluate(video, truth, load_encoder("lab"), protocol).strict.mean[-1] > 0
