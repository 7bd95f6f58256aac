"""What the commands of the documentation work on: short made-up videos and data sets.

Names are those that the pages use: video.mp4, first_frame.png, frames/, keypoints.json, DAVIS/, ...
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.io
import torch
from PIL import Image

from pixelkin.models.resnet import ResNet18
from pixelkin.video.writer import VideoWriter

HEIGHT, WIDTH, FRAMES = 96, 128, 16
JOINTS = 15


class Clip:
    """Two textured squares that move over a textured ground.

    Attributes:
        frames: T x H x W x 3 uint8.
        ids: T x H x W uint8, 1 and 2 in the squares.
        joints: T x 15 x 2 points (x, y) on the squares.
    """

    def __init__(self, frames: int = FRAMES, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)

        def texture(height: int, width: int) -> np.ndarray:
            cells = rng.integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
            return np.asarray(
                Image.fromarray(cells).resize((width, height), Image.Resampling.BICUBIC)
            )

        ground = texture(HEIGHT, WIDTH)
        squares = [texture(32, 32), texture(24, 24)]
        pictures, ids, joints = [], [], []
        for t in range(frames):
            picture, map_ = ground.copy(), np.zeros((HEIGHT, WIDTH), np.uint8)
            corners = [(8 + t % 32, 10 + 2 * t % 64), (60 - t % 32, 90 - t % 64)]
            for k, ((top, left), square) in enumerate(zip(corners, squares, strict=True), start=1):
                area = np.s_[top : top + len(square), left : left + len(square)]
                picture[area], map_[area] = square, k
            offsets = np.arange(JOINTS)[:, None] * [1.9, 1.7] + 1
            joints.append(offsets + np.array(corners[0])[::-1])
            pictures.append(picture)
            ids.append(map_)
        self.frames, self.ids, self.joints = np.stack(pictures), np.stack(ids), np.stack(joints)

    def write_video(self, path: Path) -> None:
        """As a video file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with VideoWriter(path, fps=8, size=(HEIGHT, WIDTH)) as writer:
            for frame in self.frames:
                writer.write(frame)

    def write_frames(self, folder: Path, suffix: str = "jpg", count: int | None = None) -> None:
        """As images 00000.jpg, ..."""
        for t, frame in enumerate(self.frames[:count]):
            save(folder / f"{t:05d}.{suffix}", frame)

    def write_ids(self, folder: Path, count: int | None = None) -> None:
        """The ids as 00000.png, ..."""
        for t, ids in enumerate(self.ids[:count]):
            save(folder / f"{t:05d}.png", ids)

    def write_joints(self, path: Path, count: int | None = None) -> None:
        """The joints as JHMDB has them: 2 x 15 x T, counted from 1."""
        path.parent.mkdir(parents=True, exist_ok=True)
        scipy.io.savemat(path, {"pos_img": self.joints[:count].transpose(2, 1, 0) + 1})


def save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def save_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def save_checkpoint(path: Path) -> None:
    """A small ResNet-18, its weights drawn, with the names of the random walk's checkpoints."""
    state = ResNet18(widths=(8, 8, 16)).state_dict()
    names = (re.sub(r"(conv[12])\.weight", r"\1.1.weight", name) for name in state)
    named = (f"encoder.model.{name}" for name in names)
    torch.save({"model": dict(zip(named, state.values(), strict=True))}, path)


def build(folder: Path) -> None:
    """Write everything into `folder`."""
    clip = Clip()
    clip.write_video(folder / "video.mp4")
    clip.write_frames(folder / "frames")
    save_checkpoint(folder / "crw.pth")
    save(folder / "first_frame.png", clip.ids[0])
    save(folder / "frame12.png", clip.ids[12])
    write_masks(folder, clip)
    for seed in range(3):
        Clip(36, seed).write_video(folder / f"my_videos/clip{seed}.mp4")
    points: list[object] = [{"name": "a corner", "x": 12.0, "y": 9.5}, None]
    points.append({"name": "another", "x": 30, "y": 30})
    content = {"kind": "keypoints", "size": [HEIGHT, WIDTH], "points": points}
    save_text(folder / "keypoints.json", json.dumps(content))
    clip.write_joints(folder / "joint_positions.mat")
    jobs = "video.mp4,first_frame.png,dog\nframes,0=first_frame.png 12=frame12.png,two_keyframes\n"
    save_text(folder / "jobs.csv", f"video,labels,out\n{jobs}")
    for write in BENCHMARKS:
        write(folder, clip)


def write_masks(folder: Path, clip: Clip) -> None:
    """Masks as other tools write them: one object a file, smoothed edges."""
    for k, name in enumerate(("cat", "dog"), start=1):
        save(folder / f"objects/{name}.png", np.uint8(255) * (clip.ids[0] == k))
    save(folder / "dog_12/dog.png", np.uint8(255) * (clip.ids[12] == 2))
    large = Image.fromarray(np.uint8(100) * clip.ids[0]).resize((3 * WIDTH, 3 * HEIGHT), 0)
    smoothed = large.rotate(3).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    smoothed.save(folder / "smoothed.png")


def write_davis(folder: Path, clip: Clip) -> None:
    """DAVIS-2017 with one sequence, and somebody's masks of it."""
    clip.write_frames(folder / "DAVIS/JPEGImages/480p/squares", count=5)
    clip.write_ids(folder / "DAVIS/Annotations/480p/squares", count=5)
    clip.write_ids(folder / "somebodys/masks/squares", count=5)
    save_text(folder / "DAVIS/ImageSets/2017/val.txt", "squares\n")


def write_youtube_vos(folder: Path, clip: Clip) -> None:
    """One video of the validation split."""
    split = folder / "YouTube-VOS/valid"
    clip.write_frames(split / "JPEGImages/squares", count=4)
    clip.write_ids(split / "Annotations/squares", count=1)
    frames = [f"{t:05d}" for t in range(4)]
    objects = {str(k): {"category": "square", "frames": frames} for k in (1, 2)}
    save_text(split / "meta.json", json.dumps({"videos": {"squares": {"objects": objects}}}))


def write_vip(folder: Path, clip: Clip) -> None:
    """One video of body parts."""
    clip.write_frames(folder / "VIP_Fine/Images/squares", count=3)
    clip.write_ids(folder / "VIP_Fine/Annotations/Category_ids/squares", count=3)
    save_text(folder / "VIP_Fine/lists/val_videos.txt", "squares\n")


def write_jhmdb(folder: Path, clip: Clip) -> None:
    """One clip of one action."""
    root = folder / "JHMDB"
    clip.write_frames(root / "Rename_Images/walk/squares", "png", count=4)
    clip.write_joints(root / "joint_positions/walk/squares/joint_positions.mat", count=4)
    save_text(root / "splits/walk_test_split1.txt", "squares.avi 2\n")


BENCHMARKS: tuple[Callable[[Path, Clip], None], ...] = (
    write_davis,
    write_youtube_vos,
    write_vip,
    write_jhmdb,
)
