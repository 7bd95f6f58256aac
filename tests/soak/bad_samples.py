"""Sound inputs of every reader, the command that reads each, and what must come of it.

A sample is made once, in a folder of its own; a case is a copy of that folder in which one file has
been damaged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import bad_material as material
from bad_material import FOLDERS, FRAMES, cases

from pixelkin.formats.registry import FORMATS
from pixelkin.types import Annotations

Check = Callable[[Path], str | None]


@dataclass(frozen=True)
class Sample:
    """One way to give something to pixelkin.

    Attributes:
        name: Its own.
        make: Writes it to a folder.
        command: The arguments of the program, run in that folder.
        files: Patterns of the files that are damaged.
        check: What is wrong with the result where the program says that all is well, or None.
        results: What must not be there where it refuses.
        slow: Whether a sound one takes more than half a second.
        fresh: Whether it must be made where it is used, as it knows its place.
    """

    name: str
    make: Callable[[Path], None]
    command: tuple[str, ...]
    files: tuple[str, ...]
    check: Check
    results: tuple[str, ...] = ()
    slow: bool = False
    fresh: bool = False


def _annotation_sample(kind: str, name: str, labels: Annotations, **options: str) -> Sample:
    file = material.file_of(name)
    return Sample(
        f"{name}.{kind}",
        partial(material.labels_and_video, name, labels, options),
        ("convert", file, "out.npz", "--video", "video", "--from", name),
        (f"{file}/**/*",) if name in FOLDERS else (file,),
        material.check_npz,
        ("out.npz",),
    )


def _propagation(
    name: str,
    video: str,
    labels: str,
    make: Callable[[Path], None],
    files: str,
    count: int | None,
    **more: bool,
) -> Sample:
    command = ("propagate", video, "--labels", labels, "--out", "out", "--weights", "lab")
    check = partial(material.check_run, count=count)
    return Sample(name, make, command, (files,), check, ("out/masks",), **more)


def _benchmark(name: str, files: str, *more: str, slow: bool = False) -> Sample:
    command = ("evaluate", name, "--root", "root", "--weights", "lab", "--json", "scores.json")
    return Sample(
        f"evaluate {name} {files}",
        partial(material.tree, name),
        (*command, *more),
        (files,),
        material.check_scores,
        ("scores.json",),
        slow=slow,
    )


VIDEOS = {
    "a.mp4": ("libx264", {"preset": "ultrafast"}),
    "a.mkv": ("libx264", {"preset": "ultrafast"}),
    "a.mov": ("mjpeg", {}),
    "a.avi": ("mjpeg", {}),
    "a.webm": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8"}),
    "a.mpg": ("mpeg2video", {}),
    "a.ts": ("mpeg4", {}),
    "a.gif": ("gif", {}),
}
MASK_FILES = (
    "binary.png",
    "palette.png",
    "deep.png",
    "colours.png",
    "alpha.png",
    "binary.bmp",
    "binary.tif",
    "binary.webp",
    "binary.pgm",
)


def samples() -> list[Sample]:
    """All samples."""
    found = [
        _propagation(
            f"video {name}",
            name,
            "mask.png",
            partial(material.video_and_mask, name, *how),
            name,
            None,
        )
        for name, how in VIDEOS.items()
    ]
    for suffix in (".png", ".jpg", ".webp", ".tif", ".bmp", ".pgm"):
        made = partial(material.frames_and_mask, "mask.png", suffix)
        found.append(
            _propagation(f"image {suffix}", "frames", "mask.png", made, f"frames/*{suffix}", FRAMES)
        )
    for name in MASK_FILES:
        made = partial(material.frames_and_mask, name, ".png")
        found.append(_propagation(f"mask {name}", "frames", name, made, name, FRAMES))
    points = ("propagate", "frames", "--labels", "points.json", "--out", "out", "--weights", "lab")
    found.append(
        Sample(
            "points", material.frames_and_points, points, ("points.json",), material.check_points
        )
    )
    readable = {f.name: f for f in FORMATS if f.save is not None and material.is_there(f.name)}
    for name, one in readable.items():
        if "masks" not in one.loses:
            labels = cases.MASKS["one pixel" if one.one_frame else "results"]
            labels = cases.MASKS["the whole frame"] if one.one_frame else labels
            found.append(_annotation_sample("masks", name, labels))
        if "polygons" in one.shapes and name != "yolo":
            found.append(
                _annotation_sample("polygons", name, cases.MASKS["results"], shapes="polygons")
            )
        if "points" not in one.loses and name not in ("nwb", "burst", "ytvis", "mask_png"):
            found.append(_annotation_sample("points", name, cases.POINTS["one body"]))
    convert = ("convert", "labels.{}", "out.npz", "--video", "video")
    for suffix, make in (
        (".mat", material.mat),
        (".json", material.badja),
        (".pkl", material.tapvid_pickle),
    ):
        file = f"labels{suffix}"
        command = (convert[0], file, *convert[2:])
        found.append(
            Sample(make.__name__, make, command, (file,), material.check_npz, ("out.npz",))
        )
    run = ("propagate", "frames", "--labels", "mask.png", "--out", "out", "--weights", "lab")
    found.append(
        Sample(
            "resumed run",
            material.half_run,
            run,
            ("out/*.json", "out/frames/*", "out/.*"),
            partial(material.check_run, count=FRAMES),
            fresh=True,
        )
    )
    found.append(
        Sample(
            "results folder",
            material.half_run,
            ("convert", "out", "out.npz"),
            ("out/run.json", "out/frames/*", "out/masks/*"),
            material.check_npz,
            ("out.npz",),
        )
    )
    weights = (*run[:-1], "encoder")
    found.append(
        Sample(
            "encoder",
            material.encoder,
            weights,
            ("encoder/*",),
            partial(material.check_run, count=FRAMES),
        )
    )
    for words in (("status",), ("export", "out.npz"), ("check",), ("run",)):
        command = ("session", words[0], "dog.pixelkin", *words[1:])
        check = material.check_npz if words[0] == "export" else material.fine
        found.append(
            Sample(
                f"session {words[0]}",
                material.session,
                command,
                ("dog.pixelkin/session.db",),
                check,
            )
        )
    train = ("train", "recipe.yaml", "--data", "clips", "--out", "run")
    found.append(
        Sample(
            "recipe", material.training, train, ("recipe.yaml",), material.check_training, slow=True
        )
    )
    found.append(
        Sample(
            "checkpoint",
            material.stopped_training,
            train,
            ("run/checkpoint.pt",),
            material.check_training,
            slow=True,
        )
    )
    packed = ("train", "recipe.yaml", "--data", "clips.pack", "--out", "run")
    found.append(
        Sample("pack", material.pack, packed, ("clips.pack",), material.check_training, slow=True)
    )
    found.append(
        _benchmark("davis", "root/**/*.png", "--year", "2017", "--results", "root/Annotations/480p")
    )
    found.append(
        _benchmark("davis", "root/**/*.txt", "--year", "2017", "--results", "root/Annotations/480p")
    )
    stored = "--results", "root/Annotations/Category_ids"
    found.append(_benchmark("vip", "root/**/*.png", *stored))
    stored = "--split", "train", "--results", "root/train/Annotations"
    found.append(_benchmark("youtube_vos", "root/**/*.json", *stored))
    found.append(_benchmark("youtube_vos", "root/**/*.png", *stored))
    found.append(_benchmark("jhmdb", "root/**/joint_positions.mat", slow=True))
    found.append(_benchmark("jhmdb", "root/**/*.txt", slow=True))
    found.append(Sample("jobs", material.jobs, ("jobs", "jobs.csv"), ("jobs.csv",), material.fine))
    return found
