"""From every format into every other: no traceback, and places that both hold stay the same."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cases
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from pixelkin.formats.catalogue import FORMATS, Format
from pixelkin.formats.frame_json import save_prediction
from pixelkin.formats.registry import load_annotations, save_annotations
from pixelkin.types import (
    Annotations,
    Detail,
    InputError,
    LabelKind,
    Labels,
    MaskLabels,
    Object,
    Objects,
    PointLabels,
    Prediction,
    VideoInfo,
)
from pixelkin.video.writer import VideoWriter

NEEDS = {"slp": "sleap_io", "sleap_h5": "sleap_io", "nwb": "sleap_io", "dlc_h5": "tables"}
HEIGHT, WIDTH = cases.SIZE
VIDEO = VideoInfo("dog.mp4", WIDTH, HEIGHT, 3, 25.0)
PLACES = np.array([[0, 0], [15, 11], [3.25, 4.5], [7.1, 2.625]])
SAME = 2e-3  # pixels: YOLO's and TAP-Vid's shares are of few digits


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The video is there."""
    monkeypatch.chdir(tmp_path)
    with VideoWriter("dog.mp4", 25, cases.SIZE) as writer:
        for t in range(3):
            writer.write(np.full((*cases.SIZE, 3), 80 * t, np.uint8))


def labels(kind: LabelKind, number: int) -> Labels:
    if kind in ("mask", "parts"):
        ids = cases.squares((1, 2 + number, 3, 4, 5), (2, 8, 9 + number, 3, 2), (3, 0, 0, 1, 1))
        table = Objects(tuple(Object(i, kind, f"object {i}") for i in (1, 2, 3)))
        return MaskLabels(kind, table, ids.astype(np.int32))  # type: ignore[arg-type]
    table = Objects(tuple(Object(i, kind, f"point {i}") for i in range(len(PLACES))))
    places = (PLACES * (1 - number / 10)).astype(np.float32)
    return PointLabels(kind, table, places, cases.SIZE)  # type: ignore[arg-type]


def written(one: Format, kind: LabelKind, folder: Path) -> Path:
    """Labels of a kind in a format."""
    frames = {0: labels(kind, 0)} if one.one_frame else {t: labels(kind, t) for t in range(3)}
    path = folder / f"dog_0{one.suffix}" if one.one_frame else folder / f"dog{one.suffix}"
    if one.name in ("results", "frame_json"):
        for t, x in frames.items():
            sure = np.linspace(0.25, 1, len(x.objects)).astype(np.float32)
            origin = "propagated" if t else "given"
            save_prediction(folder / "run", f"{t:05d}", Prediction(t, x, sure, origin))  # type: ignore[arg-type]
        run = {"video": {"path": "dog.mp4", "frames": 3}}
        (folder / "run/run.json").write_text(json.dumps(run))
        return folder / ("run" if one.name == "results" else "run/frames/00001.json")
    if one.name == "badja":
        entries = [
            {"image_path": f"a/{t}.jpg", "joints": [[1, 2], [3, 4]], "visibility": [True, False]}
            for t in range(3)
        ]
        (folder / "badja.json").write_text(json.dumps(entries))
        return folder / "badja.json"
    if one.name == "jhmdb_mat":
        savemat(folder / "joints.mat", {"pos_img": 1 + np.arange(2 * 15 * 3).reshape(2, 15, 3) / 9})
        return folder / "joints.mat"
    save_annotations(path, Annotations.of(frames), one.name, video=VIDEO)
    return path


def places_of(found: Annotations) -> dict[tuple[int, str], list[object]]:
    """Where things are, frame by frame, whatever they are called."""
    there: dict[tuple[int, str], list[object]] = {}
    for number, x in found:
        if isinstance(x, MaskLabels):
            masks = sorted(np.packbits(x.ids == i).tobytes() for i in x.present)
            there[number, "masks"] = list(masks)
        else:
            points = x.as_points().points
            seen = points[np.isfinite(points).all(axis=1)].astype(float).tolist()
            there[number, "points"] = sorted(map(tuple, seen))  # type: ignore[arg-type]
    return {key: value for key, value in there.items() if value}


def check_same(before: Annotations, after: Annotations) -> None:
    ours, theirs = places_of(before), places_of(after)
    assert ours.keys() == theirs.keys()
    for (number, what), places in ours.items():
        if what == "masks":
            assert places == theirs[number, what], number
        else:
            np.testing.assert_allclose(places, theirs[number, what], atol=SAME)


KINDS: tuple[LabelKind, ...] = ("mask", "parts", "keypoints", "points")
SOURCES = [
    (one, kind)
    for one in FORMATS
    for kind in KINDS
    if ("masks" if kind in ("mask", "parts") else "points") not in one.loses
    and one.name not in ("badja", "jhmdb_mat")
] + [(one, "keypoints") for one in FORMATS if one.name in ("badja", "jhmdb_mat")]


@pytest.mark.parametrize(
    ("source", "kind"), [pytest.param(*pair, id=f"{pair[0].name}, {pair[1]}") for pair in SOURCES]
)
def test_every_format_into_every_other(tmp_path: Path, source: Format, kind: LabelKind) -> None:
    if source.name in NEEDS:
        pytest.importorskip(NEEDS[source.name])
    path = written(source, kind, tmp_path)
    video = replace(VIDEO, names=("0", "1", "2")) if source.name == "badja" else VIDEO
    before = load_annotations(path, video, source.name)
    tried = 0
    for one in (f for f in FORMATS if f.save is not None):
        if one.name in NEEDS:
            pytest.importorskip(NEEDS[one.name])
        target = tmp_path / "to" / one.name / f"dog_0{one.suffix}"
        given_here = before
        if one.one_frame:
            first = min(before.frames)
            given_here = replace(before, frames={first: before.frames[first]})
            target = target.with_name(f"dog_{first}{one.suffix}")
        try:
            save_annotations(target, given_here, one.name, video=VIDEO)
        except InputError as error:  # which is a line that says why
            why = str(error)
            assert " holds " in why or "nwb takes " in why or "nwb, as sleap-io" in why, why
            assert not target.exists()
            continue
        after = load_annotations(target, VIDEO, one.name)
        check_same(given_here, after)
        tried += 1
    assert tried >= 10


ODD = st.text(
    st.characters(exclude_categories=("Cs",)) | st.sampled_from("\0\n\r\t\x1b,;:\"'<>&/\\=%#{}[] "),
    min_size=1,
    max_size=8,
)


@pytest.mark.parametrize("kind", ["mask", "keypoints"])
@pytest.mark.parametrize("one", [f for f in FORMATS if f.save], ids=lambda one: one.name)
def test_names_with_odd_characters(
    tmp_path_factory: pytest.TempPathFactory, one: Format, kind: LabelKind
) -> None:
    """They come back, or are refused by a line; no file is written that cannot be read."""
    if ("masks" if kind == "mask" else "points") in one.loses:
        pytest.skip("not what it takes")
    if one.name in NEEDS:
        pytest.importorskip(NEEDS[one.name])
    folder = tmp_path_factory.mktemp("odd")

    @settings(
        max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(name=ODD, category=st.none() | ODD, parent=st.none() | ODD)
    def holds(name: str, category: str | None, parent: str | None) -> None:
        first = 1 if kind == "mask" else 0
        of = None if kind == "mask" else parent
        table = (
            Object(first, kind, name, category, parent=of),
            Object(first + 1, kind, name + "x", category, parent=of),
        )
        x = labels(kind, 0)
        if isinstance(x, MaskLabels):
            x = replace(x, objects=Objects(table), ids=np.where(x.ids == 3, 0, x.ids))
        elif isinstance(x, PointLabels):
            x = replace(x, objects=Objects(table), points=x.points[:2])
        before = Annotations.of({0: x})
        path = folder / f"dog_0{one.suffix}"
        try:
            said = save_annotations(path, before, one.name, video=VIDEO)
        except InputError as error:
            assert "\n" not in str(error), error
            return
        after = load_annotations(path, VIDEO, one.name)
        check_same(before, after)
        if "names" in one.loses:
            return
        told = " ".join(said)
        words = {o.name for o in after.objects} | {o.category for o in after.objects}
        if "names beside categories" not in told:
            assert {o.name for o in table} <= words, (table, after.objects, said)
        elif kind == "mask":
            assert category in words, (table, after.objects, said)

    holds()


@pytest.mark.parametrize("lacking", ["nothing", "a confidence", "a point", "all confidence"])
def test_nwb_gives_back_what_it_takes(tmp_path: Path, lacking: str) -> None:
    """sleap-io moves points to other frames where some are missing; so those are refused."""
    pytest.importorskip("sleap_io")
    frames = {t: labels("keypoints", t) for t in range(3)}
    if lacking == "a point":
        points = frames[1].as_points().points.copy()
        points[1] = np.nan
        frames[1] = replace(frames[1], points=points)  # type: ignore[call-arg]
    every = {(t, i) for t in range(3) for i in range(4)}
    none = {"a confidence": {(1, 2)}, "all confidence": every}.get(lacking, set())
    details = {key: Detail("present", None if key in none else 0.5, "propagated") for key in every}
    before = replace(Annotations.of(frames), details=details)
    if lacking == "nothing":
        save_annotations("a.nwb", before, "nwb", video=VIDEO)
        check_same(before, load_annotations("a.nwb", VIDEO))
        return
    with pytest.raises(InputError, match="nwb, as sleap-io writes it, would not give these labels"):
        save_annotations("a.nwb", before, "nwb", video=VIDEO)
    assert not Path("a.nwb").exists()
