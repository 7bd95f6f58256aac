"""Damaged and malicious files end in one line that says what is wrong."""

from __future__ import annotations

import base64
import io
import json
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cases
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pixelkin.app.cli import main
from pixelkin.formats.damages import told
from pixelkin.formats.registry import FORMATS, load_annotations, save_annotations
from pixelkin.types import InputError

MASK = cases.MASKS["results"]
VIDEO = replace(cases.FILE, names=tuple("012345"))


def edited(name: str, edit: Callable[[Any], object]) -> Callable[[Path], Path]:
    """A file of a JSON format, changed."""

    def make(folder: Path) -> Path:
        path = folder / "a.json"
        save_annotations(path, MASK, name, video=VIDEO)
        content = json.loads(path.read_text())
        edit(content)
        path.write_text(json.dumps(content))
        return path

    return make


def text(name: str, content: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_text(content)
        return folder / name

    return make


def runs(counts: Any) -> Callable[[Path], Path]:
    return edited("coco", lambda c: c["annotations"][0]["segmentation"].update(counts=counts))


def keypoints(edit: Callable[[Any], object]) -> Callable[[Path], Path]:
    """COCO's keypoints of three points, changed."""

    def make(folder: Path) -> Path:
        save_annotations(folder / "a.json", cases.POINTS["one body"], "coco", video=VIDEO)
        content = json.loads((folder / "a.json").read_text())
        edit(content)
        (folder / "a.json").write_text(json.dumps(content))
        return folder / "a.json"

    return make


def yolo(line: str) -> Callable[[Path], Path]:
    """YOLO's folder with a line of this kind for frame 3."""

    def make(folder: Path) -> Path:
        save_annotations(folder / "y", MASK, "yolo", video=VIDEO)
        (folder / "y/labels/3.txt").write_text(line)
        return folder / "y"

    return make


def save_png(path: Path, pixels: NDArray[np.uint8]) -> Path:
    Image.fromarray(pixels).save(path)
    return path


def huge_png(folder: Path, side: int) -> Path:
    """LabelMe's JSON with a small file that says it is a picture of so many pixels."""
    buffer = io.BytesIO()
    Image.new("1", (1, 1)).save(buffer, "PNG")
    small = buffer.getvalue()
    head = b"IHDR" + struct.pack(">II", side, side) + small[24:29]
    bomb = small[:12] + head + struct.pack(">I", zlib.crc32(head)) + small[33:]
    save_annotations(folder / "lm", MASK, "labelme", video=VIDEO)
    file = folder / "lm/0.json"
    content = json.loads(file.read_text())
    content["shapes"][0]["mask"] = base64.b64encode(bomb).decode()
    file.write_text(json.dumps(content))
    return folder / "lm"


def pickled(folder: Path) -> Path:
    """An NPZ file with a pickle in the place of an array."""
    path = folder / "a.npz"
    save_annotations(path, MASK, "npz", video=VIDEO)
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, buffer.getvalue() if name == "frames.npy" else data)
    return path


def vast(folder: Path) -> Path:
    """An NPZ file whose header tells of an array of 8 EB."""
    path = pickled(folder)
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<i8", "fortran_order": False, "shape": (10**18,)}
    )
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, header.getvalue() if name == "frames.npy" else data)
    return path


BOMB = "<!DOCTYPE annotations [" + '<!ENTITY a "aaaaaaaaaa">' + "".join(
    f'<!ENTITY {b} "{10 * f"&{a};"}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True)
) + "]><annotations><version>&i;</version></annotations>"  # fmt: skip
OUTSIDE = (
    '<annotations><version>1.1</version><image id="0" name="0" width="16" height="12">'
    '<mask label="a" rle="0, {}" left="{}" top="0" width="2" height="2"/></image></annotations>'
)
CASES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "entities": (text("a.xml", BOMB), "document type 'annotations' is refused"),
    "no XML": (text("a.xml", "<annotations><version>"), "is not XML"),
    "runs in a box": (text("a.xml", OUTSIDE.format(5, 0)), "sum up to 5 pixels, must be 4"),
    "a box outside": (text("a.xml", OUTSIDE.format(4, 15)), "is not within 16x12"),
    "depth": (text("a.json", "[" * 10_000_000), "nested too deeply"),
    "NaN": (text("a.json", '{"images": [], "annotations": [NaN]}'), "NaN is no number of JSON"),
    "infinity": (text("a.json", '{"images": [-Infinity]}'), "Infinity is no number of JSON"),
    "a huge number": (text("a.json", "[" + "9" * 5000 + "]"), "is not JSON"),
    "no UTF-8": (lambda f: (f / "a.json").write_bytes(b'["\xff"]') and f / "a.json", "is not JSON"),
    "an empty file": (text("a.json", ""), "is not JSON"),
    "no images": (text("a.json", '{"images": [], "annotations": []}'), "holds no labels"),
    "too long": (runs([0, 10**15]), "sum up to 1000000000000000 pixels"),
    "negative": (runs([200, -8]), "not negative"),
    "no string": (runs("ooo"), "ends within a number"),
    "fractions": (runs([100.5, 91.5]), "whole numbers"),
    "no runs": (
        runs(None),
        "annotations[0].segmentation.counts is null, must be a string or list of run lengths",
    ),
    "another size": (
        edited("coco", lambda c: c["annotations"][0]["segmentation"].update(size=[9, 9])),
        "9x9, the video is 16x12",
    ),
    "a huge size": (
        edited("coco", lambda c: c["images"][0].update(width=10**9)),
        "1000000000x12, the video is 16x12",
    ),
    "an image twice": (
        edited("coco", lambda c: c["images"].append(c["images"][0])),
        "names frame 0 twice",
    ),
    "a polygon far away": (
        edited("coco", lambda c: c["annotations"][0].update(segmentation=[[0, 0, 1e9, 0, 0, 1e9]])),
        "far outside",
    ),
    "no category": (
        edited("coco", lambda c: c.update(categories=[])),
        "annotations[0].category_id is 1, a category that is not listed (there are none)",
    ),
    "another category": (
        edited("coco", lambda c: c["annotations"][1].update(category_id=77)),
        "annotations[1].category_id is 77, a category that is not listed (there are 1, 2)",
    ),
    "a category without a name": (
        edited("coco", lambda c: c["categories"][1].pop("name")),
        "categories[1].name is missing, must be text",
    ),
    "another image": (
        edited("coco", lambda c: c["annotations"][2].update(image_id=99)),
        "annotations[2].image_id is 99, an image that is not listed",
    ),
    "no image": (
        edited("coco", lambda c: c["annotations"][2].pop("image_id")),
        "annotations[2].image_id is missing, must be a number or text",
    ),
    "half a corner": (
        edited("coco", lambda c: c["annotations"][0].update(segmentation=[[0, 0, 5]])),
        "annotations[0]: a polygon of 3 numbers, must be x and y in turn",
    ),
    "half a box": (
        edited("coco", lambda c: c["annotations"][0].update(segmentation=None, bbox=[1, 2])),
        "annotations[0].bbox is a list of 2, must be a list of 4",
    ),
    "three numbers too many": (
        keypoints(lambda c: c["annotations"][0]["keypoints"].extend([1, 2, 2])),
        "annotations[0]: 12 numbers of keypoints, must be x, y, v of 3",
    ),
    "a visibility": (
        keypoints(lambda c: c["annotations"][0]["keypoints"].__setitem__(2, 7)),
        "annotations[0]: keypoints must be finite x and y, and v 0, 1 or 2",
    ),
    "a null": (
        keypoints(lambda c: c["annotations"][0]["keypoints"].__setitem__(0, None)),
        "annotations[0].keypoints[0] is null, must be a number",
    ),
    "a line to nowhere": (
        keypoints(lambda c: c["categories"][0].update(skeleton=[[0, 1]])),
        "the skeleton has a line [0, 1], must be of 1 to 3",
    ),
    "a word in YOLO": (yolo("0 0.1 word 0.3"), "3.txt: could not convert string to float: 'word'"),
    "NaN in YOLO": (yolo("0 0.1 nan 0.3 0.4 0.5 0.6"), "3.txt: a line of class 0 has numbers that"),
    "a class in YOLO": (yolo("7 0.1 0.2 0.3 0.4"), "3.txt: class 7 is not one of data.yaml's"),
    "an empty table": (text("a.csv", ""), "a.csv is empty"),
    "two tracks": (
        edited("ytvis", lambda c: c["annotations"].append(c["annotations"][0])),
        "annotations[2].id is 1, as that of another object",
    ),
    "more frames": (
        edited("ytvis", lambda c: c["annotations"][0]["segmentations"].extend([None] * 9)),
        "annotations[0].segmentations is a list of 15, must be one of 6, as the video has files",
    ),
    "an id": (
        edited("burst", lambda c: c["sequences"][0]["segmentations"][0].update({"x": {}})),
        'sequences[0].segmentations[0] has the key "x", must be an object whose keys are whole',
    ),
    "bytes": (
        edited(
            "label_studio",
            lambda c: c[0]["annotations"][0]["result"][0]["value"].update(rle=[0, 999]),
        ),
        "run lengths are bytes",
    ),
    "a large picture": (lambda folder: huge_png(folder, 9_000), "does not fill its box"),
    "a huge picture": (lambda folder: huge_png(folder, 50_000), "decompression bomb"),
    "a pickle": (pickled, "must be"),
    "a vast array": (vast, "npz"),
    "a table": (
        text("a.csv", "scorer,a\nbodyparts,b\ncoords,x\n0,word\n"),
        "the row 0,word has 'word' for a number",
    ),
    "no y": (text("a.csv", "scorer,a\nbodyparts,b\ncoords,x\n0,1\n"), "b has no columns x and y"),
    "a short row": (
        text("a.csv", "scorer,a,a\nbodyparts,b,b\ncoords,x,y\n0,1\n"),
        "the row 0,1 has 2 cells, not 3",
    ),
    "no columns": (text("a.csv", "scorer,\n"), "first rows must be scorer, bodyparts and coords"),
    "a mask of another size": (
        lambda f: save_png(f / "a.png", np.eye(9, dtype=np.uint8)),
        "a.png: 9x9, the video is 16x12",
    ),
    "points of another size": (
        text("a.json", '{"kind": "points", "size": [9, 9], "points": [{"x": 1, "y": 2}]}'),
        "a.json: size: 9x9, the video is 16x12",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_bad_files_are_one_line(
    tmp_path: Path, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    make, words = CASES[case]
    path = make(tmp_path)
    video = tmp_path / "video"
    video.mkdir()
    for name in VIDEO.names or ():
        Image.new("RGB", (16, 12)).save(video / f"{name}.png")
    code = main(
        ["convert", str(path), str(tmp_path / "out.json"), "--to", "burst", "--video", str(video)]
    )
    said = capsys.readouterr().err
    assert code == 2 and said.count("\n") <= 2, said
    assert words in said.splitlines()[-1]
    assert not (tmp_path / "out.json").exists()


def test_no_format_runs_code(tmp_path: Path) -> None:
    """A pickle is refused whatever the file that it lies in is called."""

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "ran",))

    for suffix in (".pkl", ".npz", ".npy", ".h5", ".json", ".csv", ".slp", ".nwb", ".xml", ".png"):
        path = tmp_path / f"a{suffix}"
        path.write_bytes(pickle.dumps(Evil()))
        for name in (None, *(f.name for f in FORMATS if not f.folder)):
            with pytest.raises(InputError):
                load_annotations(path, cases.FILE, name)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (KeyError("size"), "'size' is missing"),
        (TypeError("no list"), "something is of another form (no list)"),
        (IndexError("too short"), "something is of another form (too short)"),
        (ValueError("is negative"), "is negative"),
        (OSError(5, "broken"), "OSError(5, 'broken')"),
    ],
)
def test_errors_that_content_leads_to_are_told_in_words(error: Exception, words: str) -> None:
    assert told(error) == words
