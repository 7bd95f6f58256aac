"""Whatever a format does not keep of labels is named as they are written, and nothing else is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cases
import numpy as np
import pytest
from cases import squares
from numpy.typing import NDArray

import facts
from pixelkin.formats.catalogue import FORMATS, Format
from pixelkin.formats.registry import load_annotations, save_annotations
from pixelkin.formats.writing import Shapes
from pixelkin.types import (
    Annotations,
    Detail,
    Labels,
    MapKind,
    MaskLabels,
    Object,
    Objects,
    PointKind,
    PointLabels,
)

NEEDS = {"slp": "sleap_io", "sleap_h5": "sleap_io", "nwb": "sleap_io", "dlc_h5": "tables"}
NAN = (np.nan, np.nan)


def result(confidence: float, **other: object) -> Detail:
    return Detail(confidence=confidence, origin="propagated", **other)  # type: ignore[arg-type]


def masks(kind: MapKind = "mask") -> Annotations:
    """Everything that can be said of masks: hidden with and without a place, absent, and so on."""
    table = (
        Object(1, kind, "dog"),
        Object(2, kind, "Tom", "cat"),
        Object(3, kind, "red", colour=(9, 8, 7)),
        Object(5, kind, "nobody"),
    )

    def shown(ids: NDArray[np.int64], *which: int) -> tuple[Labels, ...]:
        objects = Objects(tuple(o for o in table if o.id in which))
        return (MaskLabels(kind, objects, ids.astype(np.int32)),)

    frames = {
        0: shown(cases.HOLE, 1),
        1: shown(squares((1, 2, 2, 3, 3), (2, 6, 6, 2, 2), (3, 0, 0, 1, 2)), 1, 2, 3),
        2: shown(squares((2, 6, 6, 2, 2), (3, 8, 8, 2, 3)), 1, 2, 3),
        3: shown(squares((2, 6, 6, 2, 2)), 1, 2, 3),
        4: shown(squares(), 1, 2),
        5: shown(cases.PIECES, 1, 2),
    }
    details = {
        (1, 3): result(0.5, state="occluded"),
        (2, 1): Detail("occluded"),  # nowhere
        (2, 2): result(0.25),
        (2, 3): Detail("occluded"),
        (3, 1): Detail("absent"),
        (3, 2): result(0.75, stale=True),
        (3, 3): result(0.125, state="absent"),
        (4, 1): Detail("occluded"),
        (4, 2): Detail("absent"),
        (5, 1): result(0.875),
    }
    return Annotations(Objects(table), frames, {}, details)


def points(kind: PointKind = "keypoints") -> Annotations:
    """The same of two bodies with a skeleton."""
    names = (("Mickey", "nose"), ("Mickey", "tail"), ("Minnie", "nose"), ("Minnie", "tail"),
             ("Minnie", "ear"))  # fmt: skip
    table = [
        Object(n, kind, name, category="mouse", parent=parent)
        for n, (parent, name) in enumerate(names)
    ]
    table[2] = replace(table[2], colour=(1, 2, 3))

    def shown(*xy: tuple[float, float]) -> tuple[Labels, ...]:
        there = np.array(xy, np.float32)
        return (PointLabels(kind, Objects(tuple(table)), there, cases.SIZE),)

    frames = {
        0: shown((1, 2), (3, 4), (5, 6), (7, 8), NAN),
        1: shown((1, 2.5), NAN, (5, 6), (7.75, 8), NAN),
        2: shown((1, 2), NAN, NAN, NAN, NAN),
        3: shown((1, 2), (2, 3), NAN, NAN, NAN),
        4: shown(NAN, NAN, NAN, NAN, NAN),
    }
    details = {
        (0, 1): Detail("occluded"),
        (1, 1): Detail("occluded"),  # nowhere
        (1, 2): result(0.5),
        (1, 3): result(0.25, state="occluded", stale=True),
        (2, 2): result(0.125, state="absent"),
        (2, 3): Detail("absent"),
        (3, 2): result(0.25, state="occluded"),
        (3, 3): result(0.25, state="occluded"),
        (3, 4): result(0.25, state="occluded"),
        (4, 0): Detail("occluded"),
    }
    return Annotations(Objects(tuple(table), ((0, 1), (2, 3))), frames, {}, details)


def both() -> Annotations:
    """Masks and keypoints side by side."""
    two = (masks(), points())
    every = {n for one in two for n in one.frames}
    return Annotations.assembled(
        [o for one in two for o in one.objects],
        {n: tuple(x for one in two for x in one.frames.get(n, ())) for n in sorted(every)},
        {(n, one.objects[i]): d for one in two for (n, i), d in one.details.items()},
        skeleton=two[1].objects.skeleton,
    )


def plain(annotations: Annotations) -> Annotations:
    """The same, of which nothing is known but places."""
    return replace(annotations, details={})


GIVEN = {
    "masks": masks(),
    "parts": masks("parts"),
    "keypoints": points(),
    "points": points("points"),
    "both": both(),
    "plain masks": plain(masks()),
    "plain keypoints": plain(points()),
}
FALSE_ALARMS = {"id"}  # numbers that are the same by chance


def trips() -> list[object]:
    found = []
    for one in FORMATS:
        for case, given in GIVEN.items():
            kept = {kind: kind not in one.loses for kind in ("masks", "points")}
            has = {"masks": any(o.is_map for o in given.objects)}
            has["points"] = any(not o.is_map for o in given.objects)
            if one.save is None or not any(kept[kind] and has[kind] for kind in kept):
                continue
            if one.name == "nwb" or (one.name == "yolo" and case == "both"):
                continue  # refused
            for shapes in one.shapes if has["masks"] else one.shapes[:1]:
                name = f"{one.name}, {case}, {shapes}"
                found.append(pytest.param(one, given, shapes, id=name))
    return found


@pytest.mark.parametrize(("one", "given", "shapes"), trips())
def test_what_is_lost_is_named(
    tmp_path: Path, one: Format, given: Annotations, shapes: Shapes
) -> None:
    if one.name in NEEDS:
        pytest.importorskip(NEEDS[one.name])
    path = tmp_path / f"a{one.suffix}"
    if one.one_frame:
        path = tmp_path / f"frame_3{one.suffix}"
        wanted = MaskLabels if "points" in one.loses else PointLabels
        labels = tuple(x for x in given.frames[3] if isinstance(x, wanted))
        given = replace(given, frames={3: labels})
    said = save_annotations(path, given, one.name, video=cases.FILE, shapes=shapes)
    found = load_annotations(path, cases.FILE, one.name)
    gone = facts.lost(facts.facts(given), facts.facts(found))
    assert not facts.unsaid(gone, said), (gone, said)
    told = {line.partition(" does not keep ")[2].rpartition(":")[0] for line in said}
    right = {word for kind in gone | FALSE_ALARMS for word in facts.WORDS[kind]}
    assert told <= right, (gone, said)


@pytest.mark.parametrize(("name", "kept"), [("a.png", False), ("a_3.png", True), ("9.png", False)])
def test_a_file_of_one_frame_names_it_or_that_is_said(
    tmp_path: Path, name: str, kept: bool
) -> None:
    given = cases.of_maps({3: cases.HOLE}, (cases.DOG,))
    said = save_annotations(tmp_path / name, given, video=cases.FILE)
    assert any("which frame it is" in line for line in said) != kept
    if kept:
        assert list(load_annotations(tmp_path / name, cases.FILE).frames) == [3]


def test_the_enumeration_sees_every_kind_of_fact() -> None:
    """Each kind of fact, changed by itself, is found to be lost."""
    given = both()
    seen = facts.lost(facts.facts(given), facts.facts(plain(given)))
    assert seen >= {"state", "confidence", "origin", "stale", "confidence of absence"}
    bare = replace(
        given,
        objects=Objects(tuple(Object(o.id, o.kind) for o in given.objects)),
        frames={
            n: tuple(replace(x, objects=Objects(tuple(Object(o.id, o.kind) for o in x.objects)))
                     for x in labels)
            for n, labels in given.frames.items()
        },
    )  # fmt: skip
    seen |= facts.lost(facts.facts(given), facts.facts(bare))
    fewer = replace(given, frames={n: given.frames[n] for n in list(given.frames)[:-1]})
    seen |= facts.lost(facts.facts(given), facts.facts(fewer))
    seen |= facts.lost(facts.facts(masks("parts")), facts.facts(masks()))
    seen |= facts.lost(facts.facts(given), facts.facts(masks()))
    seen |= facts.lost(facts.facts(given), facts.facts(points()))
    moved = {n: tuple(_moved(x) for x in labels) for n, labels in given.frames.items()}
    seen |= facts.lost(facts.facts(given), facts.facts(replace(given, frames=moved)))
    assert seen >= set(facts.WORDS) - {"id", "object", "origin of absence"}
    assert not facts.lost(facts.facts(given), facts.facts(both()))


def _moved(labels: Labels) -> Labels:
    if isinstance(labels, MaskLabels):
        return replace(labels, ids=np.roll(labels.ids, 1, axis=1))
    return replace(labels, points=labels.as_points().points + 1)  # type: ignore[call-arg]
