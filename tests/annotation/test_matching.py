"""Labels from elsewhere: whose they are is told by names and colours, not only by numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sessions import finish

import pixelkin
from pixelkin.annotation.matching import same_objects
from pixelkin.annotation.session import Session
from pixelkin.app.cli import main
from pixelkin.types import Detail, MaskLabels, Object, Objects, PointLabels

New = Callable[..., Session]
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


@pytest.mark.parametrize(
    ("given", "known", "ids"),
    [
        ([Object(1)], [], {1: 1}),
        ([Object(1), Object(2)], [Object(1), Object(2)], {1: 1, 2: 2}),
        ([Object(1, name="cat")], [Object(1, name="dog"), Object(2, name="cat")], {1: 2}),
        ([Object(1, name="cat")], [Object(1, name="dog")], {1: 8}),
        ([Object(1, name="cat"), Object(2)], [Object(1, name="dog")], {1: 8, 2: 2}),
        ([Object(1, colour=GREEN)], [Object(1, colour=RED), Object(2, colour=GREEN)], {1: 2}),
        ([Object(1, colour=BLUE)], [Object(1, colour=RED)], {1: 8}),
        ([Object(1, colour=(0, 128, 0))], [Object(1), Object(2)], {1: 2}),  # usual one of 2
        ([Object(0, "keypoints", "nose")], [Object(1), Object(2, "keypoints", "nose")], {0: 2}),
        ([Object(1, "keypoints", "1")], [Object(1)], {1: 8}),
        ([Object(1, "points")], [Object(1, "keypoints")], {1: 1}),
        (
            [Object(1, name="paw", parent="b"), Object(2, name="paw", parent="a")],
            [Object(1, name="paw", parent="a"), Object(2, name="paw", parent="b")],
            {1: 2, 2: 1},
        ),
        ([Object(1, name="cat"), Object(2, name="cat")], [Object(2, name="cat")], {1: 2, 2: 8}),
    ],
)
def test_who_is_who(given: list[Object], known: list[Object], ids: dict[int, int]) -> None:
    assert same_objects(Objects(tuple(given)), known, 7) == ids


def test_an_import_labels_the_objects_that_its_file_means(new: New, video) -> None:
    session = new()
    left, right = session.add_object("left"), session.add_object("right")
    session.add_object("nose", kind="keypoint")
    table = Objects((Object(1, name="right"), Object(2, name="left")))
    session.import_(pixelkin.Annotations.of({0: MaskLabels("mask", table, video.ids[0])}))
    assert len(session.objects) == 3
    shown = session[0].labels[0].as_map().ids
    np.testing.assert_array_equal(shown == right.id, video.ids[0] == 1)
    np.testing.assert_array_equal(shown == left.id, video.ids[0] == 2)
    points = Objects((Object(0, "keypoints", "tail"), Object(1, "keypoints", "nose")), ((0, 1),))
    labels = PointLabels("keypoints", points, video.points[0], session.size)
    session.import_(pixelkin.Annotations.of({0: labels}))
    assert session.object("tail").id == 0 and session.edges == ((0, 3),)
    np.testing.assert_allclose(session[0].labels[1].as_points().points, video.points[0][::-1])


def test_a_correction_of_one_object_is_of_its_colour_or_name(new: New, video, tmp_path) -> None:
    session = new()
    colours = np.zeros((*video.ids[0].shape, 3), np.uint8)
    colours[video.ids[0] == 1], colours[video.ids[0] == 2] = RED, GREEN
    Image.fromarray(colours).save(tmp_path / "both.png")
    words = ["session", "add", str(tmp_path / "a")]
    session.close()
    assert main([*words, f"000={tmp_path / 'both.png'}"]) == 0
    with Session.open(tmp_path / "a") as found:
        by_colour = {o.colour: o.id for o in found.objects}
    later = np.zeros_like(colours)
    later[video.ids[5] == 1] = RED
    Image.fromarray(later).save(tmp_path / "red.png")
    later[video.ids[5] == 1] = GREEN
    Image.fromarray(later).save(tmp_path / "green.png")
    white = 255 * (video.ids[5] == 1).astype(np.uint8)
    for name in ("correction", "2"):
        Image.fromarray(white).save(tmp_path / f"{name}.png")
    assert main([*words, f"005={tmp_path / 'red.png'}"]) == 0
    assert main([*words, f"006={tmp_path / 'green.png'}"]) == 0
    assert main([*words, f"007={tmp_path / '2.png'}"]) == 0
    assert main([*words, f"008={tmp_path / 'correction.png'}"]) == 2  # whose?
    with Session.open(tmp_path / "a") as found:
        assert len(found.objects) == 2
        assert 5 in found.labels(by_colour[RED]) and 5 not in found.labels(by_colour[GREEN])
        assert 6 in found.labels(by_colour[GREEN]) and 6 not in found.labels(by_colour[RED])
        assert found.labels(2)[-1] == 7 and 7 not in found.labels(1) and 8 not in found.labels(1)


def test_results_of_a_file_that_has_labels_are_not_taken_for_labels(
    new: New, video, tmp_path: Path
) -> None:
    session, again, alone = new("a"), new("b"), new("c")
    session.label(0, video.ids[0])
    session.label(6, 1, video.ids[6] == 1)
    session.mark_absent(9, 2)
    finish(session)
    session.export(tmp_path / "a.npz")
    assert again.import_(tmp_path / "a.npz") == [0, 6, 9]
    for i in (1, 2):
        assert again.labels(i) == session.labels(i)
    assert again[9].objects[2].state == "absent"
    results = replace(session.annotations(), details={})
    assert alone.import_(
        replace(
            results,
            details=dict.fromkeys(
                session.annotations().details, Detail("present", 0.5, "propagated")
            ),
        )
    ) == list(range(14))  # a model's, to begin with
