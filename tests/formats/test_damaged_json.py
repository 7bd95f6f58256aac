"""JSON of another form than it must have: what is said names the place in the file."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cases
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixelkin.formats import json_shape
from pixelkin.formats.json_shape import ID, NUMBER, TEXT, Each, Either, Fields, Keyed, Kinds
from pixelkin.formats.registry import load_annotations, save_annotations
from pixelkin.types import Annotations, InputError

MASKS, POINTS = cases.MASKS["results"], cases.POINTS["one body"]
FILES: dict[str, tuple[str, Annotations, dict[str, Any]]] = {
    "coco masks": ("coco", MASKS, {}),
    "coco polygons": ("coco", MASKS, {"shapes": "polygons"}),
    "coco keypoints": ("coco", POINTS, {}),
    "coco absent": ("coco", cases.MASKS["absent, then back"], {}),
    "ytvis": ("ytvis", MASKS, {}),
    "burst": ("burst", MASKS, {}),
    "label_studio brushes": ("label_studio", MASKS, {}),
    "label_studio points": ("label_studio", POINTS, {}),
    "label_studio vectors": ("label_studio", MASKS, {"shapes": "polygons"}),
    "label_studio boxes": ("label_studio", MASKS, {"shapes": "boxes"}),
    "labelme masks": ("labelme", MASKS, {}),
    "labelme points": ("labelme", POINTS, {}),
    "points_json": ("points_json", Annotations.of({0: POINTS.frames[0][0]}), {}),
}
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 7, 2**70, 1.5, -1e300, "", "x", "7", "a\nb", "9" * 400, [], [1],
    [None], [[]], ["x"], [{}], [1, 2], [1, 2, 3, 4], {}, {"a": 1}, {"x": None}, {"size": [1, 2]},
)  # fmt: skip
# A path: keys and indices, of which the last may be what is missing.
PATH = re.compile(r'(?:[A-Za-z_]\w*|\[(?:\d+|"[^"]*")\])(?:\.[A-Za-z_]\w*|\[(?:\d+|"[^"]*")\])*')


def places(content: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where everything within is."""
    if at:
        yield at
    if isinstance(content, dict | list):
        inside = content.items() if isinstance(content, dict) else enumerate(content)
        for key, inner in inside:
            yield from places(inner, (*at, key))


def damaged(content: Any, place: tuple[Any, ...], value: Any, delete: bool) -> Any:
    content = copy.deepcopy(content)
    inner = content
    for key in place[:-1]:
        inner = inner[key]
    if delete:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return content


def leads_somewhere(path: str, content: Any) -> bool:
    """Whether a path is of this content, but for a last key that is missing."""
    keys = [json.loads(k[1:-1]) if k[0] == "[" else k.strip(".")
            for k in re.findall(r'\[(?:\d+|"[^"]*")\]|\.?[A-Za-z_]\w*', path)]  # fmt: skip
    for n, key in enumerate(keys):
        try:
            content = content[key]
        except (KeyError, IndexError, TypeError):
            return n == len(keys) - 1 and isinstance(content, dict)
    return True


def named(said: str, file: Path, content: Any) -> bool:
    """Whether a message names the file, and a place in it."""
    _, there, rest = said.partition(f"{file}: ")
    return bool(there) and any(leads_somewhere(m[0], content) for m in [PATH.match(rest)] if m)


class Written(dict[str, tuple[Path, Path, Any]]):
    """What is read, the file that is damaged, and its content, of each."""

    def __repr__(self) -> str:
        return ", ".join(self)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    folder, found = tmp_path_factory.mktemp("json"), Written()
    for name, (format, labels, options) in FILES.items():
        path = folder / (f"{name}.json" if format != "labelme" else name)
        save_annotations(path, labels, format, video=cases.FILE, **options)
        file = min(path.glob("*.json")) if path.is_dir() else path
        found[name] = path, file, json.loads(file.read_text())
    return found


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_what_is_damaged_is_read_or_its_place_is_named(
    written: Written, name: str, data: st.DataObject
) -> None:
    path, file, content = written[name]
    place = data.draw(st.sampled_from(list(places(content))))
    delete = data.draw(st.booleans())
    value = None if delete else data.draw(st.sampled_from(VALUES))
    content = damaged(content, place, value, delete)
    file.write_text(json.dumps(content))
    video = data.draw(st.sampled_from([cases.FILE, None]))
    try:
        for _, labels in load_annotations(path, video, FILES[name][0]):
            assert labels.size == cases.SIZE or video is None
    except InputError as error:
        said = str(error)
        assert "\n" not in said
        untold = (
            "holds no labels of this video",
            "does not tell what the video is",
            "has no JSON file with shapes",
            "pixels are read",  # of more frames, or larger ones, than any video has
        )
        assert named(said, file, content) or any(words in said for words in untold), said


@pytest.mark.parametrize(
    ("name", "place", "value", "words"),
    [
        ("coco masks", ("annotations", 3, "segmentation"), 7,
         "annotations[3].segmentation is the number 7, must be run lengths (size, counts) or a "
         "list of polygons"),
        ("coco masks", ("images", 1, "width"), "16", 'images[1].width is the text "16", must be a '
         "number of pixels"),
        ("coco masks", ("annotations",), {}, "annotations is an empty object, must be a list"),
        ("coco polygons", ("annotations", 0, "segmentation", 0, 3), None,
         "annotations[0].segmentation[0][3] is null, must be a number"),
        ("ytvis", ("annotations", 1, "segmentations", 0, "counts"), "oo",
         "annotations[1].segmentations[0], frame 0: "),
        ("burst", ("sequences", 0, "segmentations", 2, "1", "rle"), [1],
         'sequences[0].segmentations[2]["1"].rle is a list of 1, must be text'),
        ("label_studio brushes", (0, "annotations", 0, "result", 0, "value", "rle"), [1, 300],
         "[0].annotations[0].result[0]: a brush's run lengths are bytes"),
        ("label_studio boxes", (0, "annotations", 0, "result", 0, "value", "sequence", 0, "x"), {},
         "[0].annotations[0].result[0].value.sequence[0].x is an empty object, must be a number"),
        ("labelme masks", ("shapes", 1, "mask"), "AAAA", "shapes[1]: "),
        ("labelme points", ("shapes", 0, "points"), [[1, 2], [3, 4]],
         "shapes[0].points is a list of 2, must be a list of 1"),
        ("points_json", ("points", 1, "x"), "1", 'points[1].x is the text "1", must be a number'),
    ],
)  # fmt: skip
def test_what_is_said(
    written: Written,
    name: str,
    place: tuple[Any, ...],
    value: Any,
    words: str,
) -> None:
    path, file, content = written[name]
    file.write_text(json.dumps(damaged(content, place, value, False)))
    with pytest.raises(InputError) as error:
        list(load_annotations(path, cases.FILE, FILES[name][0]))
    assert f"{file}: {words}" in str(error.value)


def test_what_others_add_is_passed_over(written: Written) -> None:
    """Label Studio's relations, and keys that no format has."""
    path, file, content = written["label_studio brushes"]
    content = copy.deepcopy(content)
    relation = {"type": "relation", "from_id": "a", "to_id": "b", "direction": "right"}
    content[0]["annotations"][0]["result"].append(relation)
    content[0]["annotations"][0]["mine"] = content[0]["data"]["mine"] = 7
    file.write_text(json.dumps(content))
    found = load_annotations(path, cases.FILE)
    assert found.notes == ("Label Studio: regions of type relation are left out (1)",)
    assert len(found.objects) == 2


@pytest.mark.parametrize(
    ("shape", "value", "words"),
    [
        (NUMBER, 1, None),
        (NUMBER, True, "the file is true, must be a number"),
        (NUMBER, 10**400, "must be a number"),
        (Each(NUMBER), [], None),
        (Each(NUMBER, 2), [1], "the file is a list of 1, must be a list of 2"),
        (Each(Each(NUMBER)), [[1], [2, "a"]], '[1][1] is the text "a", must be a number'),
        (Fields({"a": TEXT}), {"b": 1}, "a is missing, must be text"),
        (Fields({"a": TEXT}), [], "the file is a list of 0, must be an object with a"),
        (Fields({}, {"a b": TEXT}), {"a b": 1}, '["a b"] is the number 1, must be text'),
        (Fields({}, {"a": TEXT}), {"a": None, "b": 1}, None),
        (Keyed(ID), {"1": 2}, None),
        (Keyed(ID), {"1": None}, '["1"] is null, must be a number or text'),
        (Keyed(ID), {"a\nb": 1}, r'the file has the key "a\nb", must be an object whose keys'),
        (Kinds("k", {"x": Fields({"y": ID})}), {"k": "z"}, None),
        (Kinds("k", {"x": Fields({"y": ID})}), {"k": "x"}, "y is missing, must be a number or"),
        (Kinds("k", {}), {"k": 3}, "k is the number 3, must be text"),
        (Kinds("k", {"x": Fields({"y": ID})}, default="x"), {}, "y is missing"),
        (Either("a or b", {str: TEXT}), "x", None),
        (Either("a or b", {str: TEXT}), {"c": 1}, "is an object with c, must be a or b"),
        (TEXT, ["a\nb"], "the file is a list of 1, must be text"),
    ],
)  # fmt: skip
def test_shapes(shape: json_shape.Shape, value: Any, words: str | None) -> None:
    if words is None:
        json_shape.check(value, shape, "a.json")
        return
    with pytest.raises(InputError) as error:
        json_shape.check(value, shape, "a.json")
    assert words in str(error.value) and str(error.value).startswith("a.json: ")
