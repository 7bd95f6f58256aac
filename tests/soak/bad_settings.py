"""Absurd settings, and names that lead out of their folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import bad_material
import bad_samples
import yaml
from bad_case import PROPAGATE, TRAIN, Hostile, frames, with_files
from bad_material import RECIPE


def recipe(place: Path, changes: dict[str, object]) -> None:
    content = json.loads(json.dumps(RECIPE))
    for key, value in changes.items():
        *parents, last = key.split(".")
        inner = content
        for parent in parents:
            inner = inner[int(parent)] if isinstance(inner, list) else inner.setdefault(parent, {})
        inner[last] = value
    bad_material.training(place)
    (place / "recipe.yaml").write_text(yaml.safe_dump(content))


ABSURD = {
    "batch": (10**9, -1, 0, 1.5, "x", float("nan"), [], None, 10**30),
    "steps": (0, -1, float("inf"), "many", None, {}),
    "size": (10**6, 0, -32, 33, 10**12),
    "accumulate": (10**9, 0),
    "seed": (-1, 10**40),
    "ema": (1, 2, -1, float("nan")),
    "run.workers": (100_000, -1, 10**12, 1.5),
    "run.threads": (100_000, 0, -1, 10**12),
    "run.store_gb": (-1, float("nan")),
    "run.checkpoint_every": (0, -5),
    "run.batch_norm_frames": (0, 10**12),
    "run.validate_scenes": (-1, 10**9),
    "run.store": (3, [1]),
    "run.limit_minutes": (0, -1, float("nan")),
    "run.device": ("cuda:99", "tpu", 3),
    "network.widths": ([], [0], [-1, 8, 8], [10**9, 8, 8], [1] * 1000, "x", [10**6] * 3),
    "network.stride": (0, 3, 10**9),
    "network.mean": ([1], [float("nan")] * 3),
    "network.std": ([0, 1, 1],),
    "network.temperature": (0, -1, float("nan")),
    "data.short_side": (0, -1, 10**9),
    "optimiser.learning_rate": (0, -1, float("nan"), float("inf"), 1e300),
    "optimiser.betas": ([1, 1], [0.9], 3),
    "optimiser.clip_norm": (0, float("nan")),
    "stages": ([], {}, [{}], [3], None),
    "stages.0.share": (0, 2, float("nan")),
    "stages.0.rate": (0, float("inf")),
    "stages.0.objectives.0.name": ("nobody", 3, None),
    "stages.0.objectives.0.share": (0.5, 2),
    "name": ("x" * 10**6, "../../evil", 3),
    "init": ("nowhere", "../..", 3, "/dev/zero"),
    "augmentation": (3, {"nothing": 1}),
    "unknown": (1,),
    "stages.0.objectives.0.settings": ({"gaps": [10**9]}, {"temperature": 0}),
}


def recipes() -> Iterator[Hostile]:
    for key, values in ABSURD.items():
        for number, value in enumerate(values):
            free = key in ("name", "seed") or (key, number) == ("data.short_side", 2)
            yield Hostile(
                f"recipe {key} {number}",
                partial(recipe, changes={key: value}),
                TRAIN,
                bad_material.fine if not free else bad_material.check_training,
                not free,
            )


def trees() -> Iterator[Hostile]:
    """Names in the lists of data sets that lead out of them."""
    listed = (
        "../../../evil",
        "/tmp/evil",
        "..",
        ".",
        "",
        "a/../../../evil",
        "..\\..\\evil",
        "C:\\evil",
        "\0",
        "a" * 5000,
        "~/evil",
        "one/../../../evil",
        "//host/x",
        "\x1b[2Jevil",
        "con:",
    )
    for name in listed:
        for tree, file in (
            ("davis", "root/ImageSets/2017/val.txt"),
            ("vip", "root/lists/val_videos.txt"),
            ("jhmdb", "root/splits/catch_test_split1.txt"),
        ):
            line = f"{name}.avi 2\n" if tree == "jhmdb" else f"{name}\n"
            more = ("--year", "2017") if tree == "davis" else ()
            yield Hostile(
                f"{tree} lists {name[:20]!r}",
                partial(with_files, {file: line}, partial(bad_material.tree, tree)),
                ("evaluate", tree, "--root", "root", "--weights", "lab", "--out", "out", *more),
            )
        meta = {
            "videos": {name: {"objects": {"1": {"category": "dog", "frames": ["00000", "00005"]}}}}
        }
        frames = {
            "videos": {"one": {"objects": {"1": {"category": "dog", "frames": [name, "00005"]}}}}
        }
        for what, content in (("video", meta), ("frame", frames)):
            yield Hostile(
                f"youtube_vos {what} {name[:20]!r}",
                partial(
                    with_files,
                    {"root/train/meta.json": json.dumps(content)},
                    partial(bad_material.tree, "youtube_vos"),
                ),
                (
                    "evaluate",
                    "youtube_vos",
                    "--split",
                    "train",
                    "--root",
                    "root",
                    "--weights",
                    "lab",
                    "--out",
                    "out",
                ),
            )


def coco_names(place: Path, name: str) -> None:
    """COCO's labels whose images, categories and objects have this name."""
    samples = {s.name: s for s in bad_samples.samples()}
    samples["coco.masks"].make(place)
    content = json.loads((place / "labels.json").read_text())
    content["images"][0]["file_name"] = name
    for category in content["categories"]:
        category["name"] = name
    (place / "labels.json").write_text(json.dumps(content))


def names() -> Iterator[Hostile]:
    for name in ("../../evil.png", "/tmp/evil.png", "..", "\0", "\x1b[2J", "a/../../../evil"):
        for form in ("labelme", "yolo", "png", "davis", "coco"):
            target = "out.json" if form == "coco" else "out"
            yield Hostile(
                f"names {name!r} to {form}",
                partial(coco_names, name=name),
                ("convert", "labels.json", target, "--from", "coco", "--to", form),
                refused=False,
            )


def options() -> Iterator[Hostile]:
    for flag, values in {
        "--threads": ("0", "-1", "100000", "x", "1e9", "9" * 400),
        "--short-side": ("0", "-5", "1000000000", "x"),
        "--protocol": ("nobody", "", "../davis"),
        "--weights": ("", "nobody", "/dev/zero", "..", "mask.png"),
        "--labels": (
            "",
            "nobody.png",
            "99999999999999999999=mask.png",
            "-1=mask.png",
            "²=mask.png",
            "#9=mask.png",
            "=mask.png",
            "#=mask.png",
            "0=",
            "..",
            "/",
            "frames",
            "--out",
            "1e3=mask.png",
        ),
    }.items():
        for value in values:
            command = [
                w for w in PROPAGATE if flag != "--labels" or w not in ("--labels", "mask.png")
            ]
            if flag == "--weights":
                command = command[:-2]
            shrinks_only = (flag, value) == ("--short-side", "1000000000")
            yield Hostile(
                f"{flag} {value[:20]!r}", frames, (*command, flag, value), refused=not shrinks_only
            )
