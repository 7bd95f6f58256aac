"""A small data set for each benchmark, in its official layout: two videos of four frames."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from scenes import Scene, save, save_text
from scipy.io import savemat

FRAMES = 4


def davis(root: Path, names: tuple[str, ...] = ("one", "two")) -> Path:
    for n, name in enumerate(names):
        folders = (root / kind / "480p" / name for kind in ("JPEGImages", "Annotations"))
        Scene(FRAMES, starts=(0, 0), seed=n).write(*folders, "{:05d}".format)
    save_text(root / "ImageSets/2017/val.txt", "\n".join(names))
    return root


def vip(root: Path, names: tuple[str, ...] = ("one", "two")) -> Path:
    for n, name in enumerate(names):
        folders = root / "Images" / name, root / "Annotations/Category_ids" / name
        Scene(FRAMES, starts=(0, 0), seed=n).write(*folders, "{:012d}".format)
    save_text(root / "lists/val_videos.txt", "\n".join(names))
    return root


def youtube_vos(root: Path, names: tuple[str, ...] = ("one", "two")) -> Path:
    """The training split, annotated throughout; object 2 begins in the second frame."""
    videos = {}
    for n, name in enumerate(names):
        scene = Scene(FRAMES, starts=(0, 1), seed=n)
        for t in range(FRAMES):
            stem = f"{5 * t:05d}"
            save(root / "train/JPEGImages" / name / f"{stem}.jpg", scene.image(t))
            save(root / "train/Annotations" / name / f"{stem}.png", scene.ids(t))
        stems = [f"{5 * t:05d}" for t in range(FRAMES)]
        objects = {str(k): {"category": "dog", "frames": stems[k - 1 :]} for k in (1, 2)}
        videos[name] = {"objects": objects}
    save_text(root / "train/meta.json", json.dumps({"videos": videos}))
    return root


def jhmdb(root: Path, names: tuple[str, ...] = ("one", "two")) -> Path:
    joints = np.stack(np.meshgrid([6, 9, 12], [4, 6, 8, 10, 12]), -1).reshape(-1, 2).astype(float)
    for n, name in enumerate(names):
        scene, clip = Scene(FRAMES, seed=n), f"catch/{name}"
        scene.write(root / "Rename_Images" / clip, None, "{:05d}".format, "png")
        moved = np.stack([joints + np.array([2 * t, 0]) for t in range(FRAMES)])
        masks = np.stack([scene.ids(t) for t in range(FRAMES)], axis=-1)
        for kind, content in (
            ("joint_positions", {"pos_img": moved.transpose(2, 1, 0) + 1}),
            ("puppet_mask", {"part_mask": masks}),
        ):
            (root / kind / clip).mkdir(parents=True)
            savemat(root / kind / clip / f"{kind}.mat", content)
    save_text(root / "splits/catch_test_split1.txt", "".join(f"{name}.avi 2\n" for name in names))
    return root


TREES = {"davis": davis, "vip": vip, "youtube_vos": youtube_vos, "jhmdb": jhmdb}
OPTIONS: dict[str, dict[str, str]] = {"youtube_vos": {"split": "train"}}
