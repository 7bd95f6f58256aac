"""Polygons with fewer corners, and whether what is said of their cost is true."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pixelkin.app.cli import main
from pixelkin.formats.catalogue import FORMATS, Format
from pixelkin.formats.registry import load_annotations, save_annotations
from pixelkin.types import Annotations, InputError, MaskLabels, Object, Objects, VideoInfo

SIZE = 60, 80
VIDEO = VideoInfo("clips/dog.mp4", SIZE[1], SIZE[0], 3)
DISC, SPECK = Objects((Object(1, name="disc"), Object(2, name="speck")))
POLYGONAL = [one for one in FORMATS if "polygons" in one.shapes]


def discs() -> Annotations:
    """A disc that grows and a pixel beside it."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    frames = {}
    for t in range(3):
        ids = (np.hypot(y - 28, x - 30) < 9 + 7 * t).astype(np.int32)
        ids[50, 70] = 2
        frames[t] = (MaskLabels("mask", Objects((DISC, SPECK)), ids),)
    return Annotations(Objects((DISC, SPECK)), frames)


def similarity(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return float((a & b).sum() / (a | b).sum())


@pytest.mark.parametrize("one", POLYGONAL, ids=lambda one: one.name)
def test_what_is_said_of_the_cost_is_what_comes_back(tmp_path: Path, one: Format) -> None:
    given, path = discs(), tmp_path / f"a{one.suffix}"
    options = {"video": VIDEO, "shapes": "polygons", "simplify": 1.5}
    said = save_annotations(path, given, one.name, **options)[-1]  # type: ignore[arg-type]
    words = re.fullmatch(
        r"polygons within 1\.5 px have (\d+) of (\d+) corners; J with the exact ones is "
        r"([0-9.]+) on average, ([0-9.]+) at worst \(disc in frame (\d)\)",
        said,
    )
    assert words is not None, said
    few, many, mean, worst, frame = map(float, words.groups())
    assert few < many / 3
    found, scores = load_annotations(path, VIDEO), {}
    names = {o.name: o.id for o in found.objects}
    for t in range(3):
        before, after = (x.frames[t][0].as_map().ids for x in (given, found))
        for o in (DISC, SPECK):
            scores[t, o.name] = similarity(before == o.id, after == names[o.name or ""])
    assert np.mean(list(scores.values())) == pytest.approx(mean, abs=6e-4)
    assert scores[frame, "disc"] == min(scores.values()) == pytest.approx(worst, abs=6e-4)
    assert 0.8 < worst < 1 and scores[0, "speck"] == 1


def test_pieces_are_polygons_of_one_object_in_coco(tmp_path: Path) -> None:
    ids = np.zeros(SIZE, np.int32)
    ids[5:20, 5:30] = ids[30:40, 50:70] = 1
    ids[10, 10] = 0
    frames = {0: (MaskLabels("mask", Objects((DISC,)), ids),)}
    path = tmp_path / "a.json"
    given = Annotations(Objects((DISC,)), frames)
    lost = save_annotations(path, given, "coco", video=VIDEO, shapes="polygons")
    assert lost == ("coco does not keep holes: 1 label",)
    (entry,) = json.loads(path.read_text())["annotations"]
    assert entry["segmentation"] == [
        [5, 5, 30, 5, 30, 20, 5, 20],
        [50, 30, 70, 30, 70, 40, 50, 40],
    ]
    whole = np.where(ids == 0, 0, 1)
    whole[10, 10] = 1
    np.testing.assert_array_equal(load_annotations(path, VIDEO).frames[0][0].as_map().ids, whole)


@pytest.mark.parametrize(
    ("name", "shapes", "tolerance", "words"),
    [
        ("burst", None, 1, "burst has no polygons that could be simplified"),
        ("cvat", None, 1, "cvat writes masks: only polygons can be simplified (--shapes)"),
        ("cvat", "boxes", 1, "cvat writes boxes: only polygons"),
        ("coco", "polygons", 0, "by a number of pixels above 0, not 0"),
        ("yolo", None, float("nan"), "by a number of pixels above 0, not nan"),
        ("yolo", None, -1, "by a number of pixels above 0, not -1"),
    ],
)
def test_refusals(
    tmp_path: Path, name: str, shapes: str | None, tolerance: float, words: str
) -> None:
    with pytest.raises(InputError, match=re.escape(words)):
        save_annotations(
            tmp_path / "a",
            discs(),
            name,
            video=VIDEO,
            shapes=shapes,
            simplify=tolerance,  # type: ignore[arg-type]
        )
    assert not list(tmp_path.iterdir())


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_annotations(tmp_path / "a.npz", discs(), "npz", video=VIDEO)
    source, target = str(tmp_path / "a.npz"), str(tmp_path / "a.xml")
    assert main(["convert", source, target, "--simplify", "1"]) == 2
    assert "only polygons can be simplified" in capsys.readouterr().err
    assert main(["convert", source, target, "--shapes", "polygons", "--simplify", "1"]) == 0
    assert "convert: polygons within 1 px have " in capsys.readouterr().err
