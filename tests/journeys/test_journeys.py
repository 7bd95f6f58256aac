"""Five ways through the program, typed as a newcomer would, each to an end that others can tell.

The commands are the scripts beside this file. What comes out is read with the tools' own rules, and
compared with the truth of a made-up video.
"""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from pixelkin.data.synthetic import PART_NAMES, SyntheticFrame, SyntheticScene
from pixelkin.models.encoder import load_encoder
from pixelkin.video.writer import VideoWriter

HERE = Path(__file__).parent
SMALL = HERE.parents[1] / "recipes/small.yaml"
Map = NDArray[np.integer]


def travel(name: str) -> str:
    """Run a script in the current folder; what it prints."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    done = subprocess.run(
        ["bash", "-euo", "pipefail", HERE / f"{name}.sh"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PATH": path, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def jaccard(found: Map, truth: Map) -> float:
    """Mean over the two bodies of intersection over union."""
    pairs = [(found == k, truth == k) for k in (1, 2)]
    return float(np.mean([(a & b).sum() / max(1, (a | b).sum()) for a, b in pairs]))


def coco_maps(path: str) -> dict[int, Map]:
    """By position of the frame, the numbers that COCO's annotations have in their names."""
    content = json.loads(Path(path).read_text())
    numbers = {c["id"]: ("green", "red").index(c["name"]) + 1 for c in content["categories"]}
    places = {image["id"]: i for i, image in enumerate(content["images"])}
    found: dict[int, Map] = {}
    for one in content["annotations"]:
        size = one["segmentation"]["size"]
        map_ = found.setdefault(places[one["image_id"]], np.zeros(size, np.uint8))
        map_[coco_mask(one["segmentation"]) == 1] = numbers[one["category_id"]]
    return found


def coco_mask(rle: dict[str, object]) -> Map:
    """COCO's compressed run lengths, as its C code reads them: five bits a character."""
    height, width = rle["size"]  # type: ignore[misc]
    runs: list[int] = []
    value = shift = 0
    for c in str(rle["counts"]).encode():
        c -= 48
        value |= (c & 31) << shift
        shift += 5
        if not c & 32:
            if c & 16:
                value -= 1 << shift
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value = shift = 0
    bits = np.repeat(np.arange(len(runs)) % 2, runs)
    return bits.reshape(width, height).T


def cvat_maps(path: str, size: tuple[int, int]) -> dict[int, Map]:
    """Masks of CVAT for images 1.1: runs, rows first, inside a box."""
    found = {}
    for image in ElementTree.parse(path).getroot().iter("image"):
        map_ = np.zeros(size, np.uint8)
        for mask in image.iter("mask"):
            top, left, height, width = (
                int(mask.attrib[name]) for name in ("top", "left", "height", "width")
            )
            runs = [int(run) for run in mask.attrib["rle"].split(",")]
            inside = np.repeat(np.arange(len(runs)) % 2, runs).reshape(height, width) == 1
            number = ("green", "red").index(mask.attrib["label"]) + 1
            map_[top : top + height, left : left + width][inside] = number
        found[int(image.attrib["id"])] = map_
    return found


def test_a_painted_mask_goes_to_coco_and_two_labelling_tools(
    place: Path, scene: list[SyntheticFrame]
) -> None:
    big = Image.new("RGB", (4 * 160, 4 * 96))  # painted at four times the size: soft edges
    for k, colour in ((1, (0, 200, 0)), (2, (220, 0, 0))):
        mask = Image.fromarray(scene[0].ids == k).resize(big.size, Image.Resampling.NEAREST)
        ImageDraw.Draw(big).bitmap((0, 0), mask, fill=colour)
    big.resize((160, 96), Image.Resampling.BICUBIC).save("painted.png")
    travel("painted_mask")
    run = {t: np.asarray(Image.open(f"out/painted/masks/{t:05d}.png")) for t in range(len(scene))}
    coco = coco_maps("coco.json")
    assert coco.keys() == run.keys()
    assert all((coco[t] == run[t]).all() for t in run)
    cvat = cvat_maps("cvat/annotations.xml", (96, 160))
    assert all((cvat[t] == run[t]).all() for t in run)
    for name in ("from_cvat.json", "from_labelme.json"):
        back = coco_maps(name)
        assert all((back[t] == run[t]).all() for t in run), name
    for folder in ("cvat/images", "labelme"):
        assert len(list(Path(folder).glob("*.png"))) == len(scene)
    assert jaccard(run[12], scene[12].ids) > 0.7


def test_a_frame_of_a_deeplabcut_project_becomes_its_files(
    place: Path, scene: list[SyntheticFrame]
) -> None:
    folder = Path("project/labeled-data/mouse")
    folder.mkdir(parents=True)
    for frame in scene[:12]:
        Image.fromarray(frame.image).save(folder / f"img{frame.index:03d}.png")
    parts = [part.replace(" ", "_") for part in PART_NAMES]  # of the first body
    rows = [
        ["scorer", "", "", *["me"] * 10],
        ["bodyparts", "", "", *(part for part in parts for _ in "xy")],
        ["coords", "", "", *["x", "y"] * 5],
        ["labeled-data", "mouse", "img000.png", *scene[0].positions[0].ravel().tolist()],
    ]
    with (folder / "CollectedData_me.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    travel("deeplabcut")
    with Path("project/mouseDLC_pixelkin.csv").open(newline="") as file:
        heads = [next(file).rstrip().split(",") for _ in range(3)]
        values = np.array([[float(v) for v in row] for row in csv.reader(file)])
    assert [head[0] for head in heads] == ["scorer", "bodyparts", "coords"]
    assert heads[1][1:] == [part for part in parts for _ in range(3)]
    assert heads[2][1:] == ["x", "y", "likelihood"] * 5
    assert values[:, 0].tolist() == list(range(12))
    found = values[:, 1:].reshape(12, 5, 3)
    off = np.linalg.norm(found[..., :2] - [f.positions[0] for f in scene[:12]], axis=2)
    assert off[0].max() < 0.01 and np.median(off) < 6
    with Path("project/given/CollectedData_me.csv").open(newline="") as file:
        given = list(csv.reader(file))
    assert given[:3] == rows[:3] and len(given) == 4
    np.testing.assert_allclose([float(v) for v in given[3][3:]], rows[3][3:], atol=0.01)


def test_a_checkpoint_of_the_random_walk_becomes_a_table_on_davis(
    place: Path, scene: list[SyntheticFrame]
) -> None:
    """The backbone in the package, under the names of that code: the table must be its own."""
    names = {}
    weights = load_encoder("default").net.state_dict()
    del weights["head.weight"]  # which that code does not know
    for name, value in weights.items():
        padded = re.sub(r"(^|\.)(conv[12])\.weight$", r"\1\2.1.weight", name)
        names[f"encoder.model.{padded}"] = value
    torch.save({"model": names, "epoch": 25}, "crw.pth")
    for t in range(0, 40, 4):
        for kind, image in (("JPEGImages", scene[t].image), ("Annotations", scene[t].ids)):
            file = Path(f"DAVIS/{kind}/480p/toys/{t // 4:05d}.{'jpg' if kind[0] == 'J' else 'png'}")
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image.astype(np.uint8)).save(file)
    Path("DAVIS/ImageSets/2017").mkdir(parents=True)
    Path("DAVIS/ImageSets/2017/val.txt").write_text("toys\n")
    said = travel("checkpoint")
    assert "J&F" in said
    own = np.stack([np.asarray(Image.open(p)) for p in sorted(Path("out/crw").rglob("*.png"))])
    truth = np.stack([scene[t].ids for t in range(0, 40, 4)])
    shown = json.loads(Path("crw.json").read_text())
    j = np.mean([jaccard(a, b) for a, b in zip(own[1:-1], truth[1:-1], strict=True)])
    assert own.shape == truth.shape
    assert shown["J"]["mean"] == pytest.approx(j, abs=1e-6)
    assert j > 0.6


@pytest.mark.slow
def test_thirty_clips_of_ones_own_become_weights_that_are_compared(
    place: Path, scene: list[SyntheticFrame]
) -> None:
    Path("small.yaml").write_text(SMALL.read_text())
    for seed in range(30):
        clip = SyntheticScene(100 + seed, (96, 128), 20, objects=1 + seed % 3)
        with VideoWriter(Path(f"my_clips/clip{seed:02d}.mp4"), 12, clip.size) as writer:
            for frame in clip:
                writer.write(frame.image)
    said = travel("own_clips")
    assert "30 videos, 600 frames" in said
    found = json.loads(Path("compare.json").read_text())["weights"]
    assert found.keys() == {"default", "runs/mine/encoder"}
    default, mine = (found[name]["truth"]["20"] for name in ("default", "runs/mine/encoder"))
    assert default > mine > 0  # eight steps are no training, and it says so
    assert f"{100 * default:.1f}" in said and f"{100 * mine:.1f}" in said


@pytest.mark.slow
def test_a_mistake_at_frame_40_is_corrected(place: Path, scene: list[SyntheticFrame]) -> None:
    travel("mistake")
    before, after, undone = (npz_maps(f"{name}.npz") for name in ("before", "after", "undone"))
    suggested = [int(n) for n in re.findall(r"\d+", Path("suggested.txt").read_text())]
    assert any(n >= 24 for n in suggested)  # where one body hides the other, and after
    assert (after[40] == scene[40].ids).all() and (before[40] != scene[40].ids).any()
    for t in range(20):
        assert (after[t] == before[t]).all()  # accepted
    near = range(36, len(scene))
    old, new = (np.mean([jaccard(x[t], scene[t].ids) for t in near]) for x in (before, after))
    assert new > old + 0.05
    assert (undone == before).all()


def npz_maps(path: str) -> Map:
    """The maps of all frames, T x H x W."""
    with np.load(path) as arrays:
        return arrays["ids"]
