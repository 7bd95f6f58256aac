"""Whether a point is seen: made-up videos in which something passes over points."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pixelkin.annotation.session import Session
from pixelkin.formats.frame_json import load_prediction
from pixelkin.formats.registry import load_annotations
from pixelkin.propagation.passes import propagate
from pixelkin.propagation.protocol import Protocol
from pixelkin.propagation.run import propagate_to_folder
from pixelkin.propagation.visibility import Return, is_visible
from pixelkin.types import Labels
from pixelkin.video.reader import open_video
from pixelkin.video.writer import write_image

SIZE, FRAMES = (128, 192), 16
POINTS = np.array([[48.0, 64.0], [96.0, 40.0], [144.0, 88.0]], np.float32)
PROTOCOL = replace(Protocol.named("jhmdb"), input_size=None)


def edges(t: int) -> tuple[int, int]:
    """Columns of the bar that passes over everything, from the left to the right."""
    return 12 * t - 40, 12 * t


def hidden(t: int) -> NDArray[np.bool_]:
    """Points that lie under the bar, more than a cell from its edges."""
    left, right = edges(t)
    return (POINTS[:, 0] > left + 8) & (POINTS[:, 0] < right - 8)


def free(t: int) -> NDArray[np.bool_]:
    """Points from which the bar is more than two cells away."""
    left, right = edges(t)
    return (POINTS[:, 0] < left - 20) | (POINTS[:, 0] > right + 20)


@pytest.fixture(scope="module")
def passing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A still picture, no place like another, with a bar that passes over it."""
    path = tmp_path_factory.mktemp("passing")
    rng = np.random.default_rng(0)  # one hidden point in eleven is called visible; none here
    ground = rng.integers(0, 256, (SIZE[0] // 16, SIZE[1] // 16, 3), dtype=np.uint8)
    fine = rng.integers(0, 60, (SIZE[0] // 4, SIZE[1] // 4, 3), dtype=np.uint8)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]] / np.reshape(SIZE, (2, 1, 1)) * 127
    ground = ground.repeat(16, 0).repeat(16, 1) // 4 + fine.repeat(4, 0).repeat(4, 1)
    ground += np.stack([x, y, 127 - x], axis=2).astype(np.uint8)
    for t in range(FRAMES):
        image = ground.copy()
        left, right = (int(np.clip(x, 0, SIZE[1])) for x in edges(t))
        image[:, left:right] = (235, 235, 225)
        write_image(path / f"{t:02d}.png", image)
    return path


def test_a_point_is_hidden_while_something_lies_over_it(passing: Path, tmp_path: Path) -> None:
    first = Labels.from_points(POINTS, SIZE, names=("a", "b", "c"))
    found = list(propagate(passing, first, protocol=PROTOCOL))
    covered = np.array([hidden(t) for t in range(1, FRAMES)])
    open_ = np.array([free(t) for t in range(1, FRAMES)])
    seen = np.array([p.visible for p in found[1:]])
    away = np.linalg.norm(np.array([p.points for p in found[1:]]) - POINTS, axis=2)
    right = open_ & (away < 8)
    assert covered.sum() >= 5 and right.sum() >= 10
    assert not seen[covered].any()
    assert seen[right].mean() > 0.9
    assert not seen[away > 32].any()  # lost for good, as some are that come out again
    assert found[0].visible is None  # given, not found


def test_files_keep_which_points_are_hidden(passing: Path, tmp_path: Path) -> None:
    first = Labels.from_points(POINTS, SIZE, names=("a", "b", "c"))
    propagate_to_folder(passing, first, tmp_path / "o", protocol=PROTOCOL)
    video = open_video(passing)
    annotations = load_annotations(tmp_path / "o", video.info)
    for t in range(1, FRAMES):
        kept = load_prediction(tmp_path / "o", f"{t:02d}")
        states = [annotations.detail(t, i).state for i in kept.objects]
        assert states == ["present" if v else "occluded" for v in kept.visible]
        assert not kept.visible[hidden(t)].any()


def test_a_session_says_so_and_writes_it_into_formats(passing: Path, tmp_path: Path) -> None:
    found = list(propagate(passing, Labels.from_points(POINTS, SIZE), protocol=PROTOCOL))
    with Session.create(tmp_path / "s", passing, protocols={"keypoints": PROTOCOL}) as session:
        points = [session.add_object(name, kind="keypoint") for name in "abc"]
        for one, place in zip(points, POINTS, strict=True):
            session.label(0, one, place)
        for _ in session.propagate():
            pass
        for t in range(1, FRAMES):
            states = [session[t].objects[o.id].state for o in points]
            assert states == ["present" if v else "occluded" for v in found[t].visible]
        assert session[0].objects[points[0].id].state == "present"
        session.export(tmp_path / "out.json", "coco")
        again = load_annotations(tmp_path / "out.json", session.video.info)
        assert sum(d.state == "occluded" for d in again.details.values()) == sum(
            (~p.visible).sum() for p in found[1:]
        )


def test_a_point_between_two_labels_is_seen_if_either_is(passing: Path, tmp_path: Path) -> None:
    """Both labels are of frames in which nothing lies over any point; so it changes nothing."""
    last = FRAMES - 1
    with Session.create(tmp_path / "s", passing, protocols={"keypoints": PROTOCOL}) as session:
        one = session.add_object("a", kind="keypoint")
        session.label(0, one, POINTS[0])
        session.label(last, one, POINTS[0])
        for _ in session.propagate():
            pass
        states = [session[t].objects[one.id].state for t in range(FRAMES)]
    assert free(0)[0] and free(last)[0]
    assert all(states[t] == "occluded" for t in range(FRAMES) if hidden(t)[0])
    assert [states[t] for t in range(FRAMES) if free(t)[0]].count("present") >= 8


def test_the_way_back_is_what_a_loop_finds() -> None:
    generator = torch.Generator().manual_seed(2)
    first, other = (torch.randn((6, 7, 9), generator=generator) for _ in range(2))
    given = np.array([[8.0, 16.0], [30.0, 22.0], [np.nan, np.nan]])
    there = np.array([[20.0, 20.0], [np.nan, np.nan], [4.0, 4.0]])
    back = Return(first, given, (4.0, 8.0))(other, there)
    cell = other[:, 2, 5]  # y 20 / 8 rounded to even, x 20 / 4
    alike = [
        (float(torch.cosine_similarity(cell, first[:, y, x], dim=0)), y, x)
        for y in range(7)
        for x in range(9)
    ]
    _, y, x = max(alike)
    assert back[0] == pytest.approx(np.hypot(x - 2, y - 2))
    assert np.isinf(back[1:]).all() and not is_visible(back)[1:].any()
    assert Return(first, given, (4.0, 8.0))(first, given)[:2].tolist() == [0, 0]


def test_points_at_the_borders_are_of_the_cells_there() -> None:
    """Of a frame of 36 x 56 pixels; its last pixels are nearer to where one cell more would be."""
    first = torch.randn((6, 7, 9), generator=torch.Generator().manual_seed(2))
    corners = np.array([[0.0, 0.0], [35.0, 55.0]])
    back = Return(first, corners, (4.0, 8.0))(first, corners)
    assert back.tolist() == pytest.approx([0, np.hypot(9 - 8, 7 - 6)])
