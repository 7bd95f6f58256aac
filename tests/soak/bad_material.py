"""What sound inputs are made of, and checks of what comes of them."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / "formats"), str(TESTS / "evaluation")]

import cases  # noqa: E402
import trees  # noqa: E402

from pixelkin.annotation.session import Session  # noqa: E402
from pixelkin.app.cli import main  # noqa: E402
from pixelkin.formats.mask_png import read_mask  # noqa: E402
from pixelkin.formats.registry import FORMATS, save_annotations  # noqa: E402
from pixelkin.models.encoder import Encoder, EncoderConfig, save_encoder  # noqa: E402
from pixelkin.types import Annotations  # noqa: E402

HEIGHT, WIDTH, FRAMES = 48, 64, 5
FOLDERS = frozenset({"results", "png", "davis", "youtube_vos", "labelme", "yolo"})


def picture(t: int) -> np.ndarray:
    """H x W x 3: a square that moves over noise."""
    image = np.random.default_rng(0).integers(60, 120, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    image[8:32, 4 + 2 * t : 28 + 2 * t] = (230, 40, 30)
    return image


def mask() -> np.ndarray:
    """H x W: the square of frame 0."""
    ids = np.zeros((HEIGHT, WIDTH), np.uint8)
    ids[8:32, 4:28] = 1
    return ids


def save_frames(folder: Path, suffix: str = ".png", **options: object) -> None:
    folder.mkdir(parents=True)
    for t in range(FRAMES):
        image = Image.fromarray(picture(t))
        if suffix == ".pgm":
            image = image.convert("L")
        image.save(folder / f"{t}{suffix}", **options)


def save_video(path: Path, codec: str, count: int = 12, **options: str) -> None:
    """A short video, by PyAV itself."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10, options=options)
        stream.width, stream.height, stream.gop_size = WIDTH, HEIGHT, 4
        stream.thread_count = 1
        stream.pix_fmt = {"mjpeg": "yuvj420p", "gif": "rgb8"}.get(codec, "yuv420p")
        for t in range(count):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(t))))
        container.mux(stream.encode())


def check_run(folder: Path, count: int | None = None) -> str | None:
    """A finished propagation has a mask of every frame, and an object in the first."""
    run = json.loads((folder / "out/run.json").read_text())
    masks = sorted((folder / "out/masks").glob("*.png"))
    if not run.get("complete"):
        return "run.json does not say complete"
    if not masks or (count is not None and len(masks) != count):
        return f"{len(masks)} masks"
    if not np.asarray(Image.open(masks[0])).any():
        return "the first mask is empty"
    return None


def check_npz(folder: Path) -> str | None:
    """A conversion has labels, of the size of the video, in its frames, with numbers that exist."""
    with np.load(folder / "out.npz", allow_pickle=False) as arrays:
        about = json.loads(str(arrays["about"]))
        frames, state = arrays["frames"], arrays["state"]
        points = arrays["points"]
        if not len(frames) or not state.any():
            return "no labels"
        if (frames < 0).any() or len(np.unique(frames)) < len(frames):
            return f"frames {frames}"
        if "ids" in arrays:
            ids = arrays["ids"]
            if list(ids.shape[1:]) != about["size"]:
                return f"maps of {ids.shape}, the size is {about['size']}"
            unknown = set(np.unique(ids).tolist()) - {0, *(o["id"] for o in about["objects"])}
            if unknown:
                return f"ids {sorted(unknown)[:3]} are no objects"
        if np.isinf(points).any():
            return "points at infinity"
        confidence = arrays["confidence"]
        if ((confidence < 0) | (confidence > 1)).any():
            return "a confidence outside of [0, 1]"
    return None


def labels_and_video(name: str, labels: Annotations, options: dict[str, str], folder: Path) -> None:
    (folder / "video").mkdir()
    for t in range(6):
        Image.new("RGB", (cases.WIDTH, cases.HEIGHT)).save(folder / f"video/{t}.png")
    video = replace(cases.FILE, path="video", names=tuple("012345"))
    target = folder / file_of(name)
    save_annotations(target, labels, name, video=video, **options)  # type: ignore[arg-type]


def file_of(name: str) -> str:
    if name in FOLDERS:
        return "labels"
    return f"labels{next(f.suffix for f in FORMATS if f.name == name)}"


def mat(folder: Path) -> None:
    from scipy.io import savemat

    labels_and_video("npz", cases.POINTS["one body"], {}, folder)
    (folder / "labels.npz").unlink()
    joints = np.random.default_rng(0).uniform(1, 12, (2, 15, 6))
    savemat(
        folder / "labels.mat", {"pos_img": joints, "scale": np.ones((1, 6))}, do_compression=True
    )


def badja(folder: Path) -> None:
    labels_and_video("npz", cases.POINTS["one body"], {}, folder)
    (folder / "labels.npz").unlink()
    joints = [[float(2 * k % 12), float(3 * k % 16)] for k in range(20)]
    entries = [
        {
            "image_path": f"a/{t}.png",
            "segmentation_path": f"b/{t}.png",
            "joints": joints,
            "visibility": [True] * 20,
        }
        for t in range(6)
    ]
    (folder / "labels.json").write_text(json.dumps(entries))


def tapvid_pickle(folder: Path) -> None:
    import pickle

    labels_and_video("npz", cases.POINTS["one body"], {}, folder)
    (folder / "labels.npz").unlink()
    content = {
        "a": {
            "points": np.random.default_rng(0).uniform(0, 1, (3, 6, 2)).astype(np.float32),
            "occluded": np.zeros((3, 6), bool),
            "video": np.zeros((6, cases.HEIGHT, cases.WIDTH, 3), np.uint8),
        }
    }
    (folder / "labels.pkl").write_bytes(pickle.dumps(content))


def frames_and_mask(mask_name: str, suffix: str, folder: Path) -> None:
    save_frames(folder / "frames", suffix)
    save_mask(folder / mask_name)


def save_mask(path: Path) -> None:
    kind = path.stem
    ids = mask()
    if kind == "palette":
        image = Image.fromarray(ids, "P")
        image.putpalette([0, 0, 0, 128, 0, 0])
    elif kind == "deep":
        image = Image.fromarray(ids.astype(np.uint16))
    elif kind == "colours":
        image = Image.fromarray(np.where(ids[..., None] > 0, [220, 30, 30], 0).astype(np.uint8))
    elif kind == "alpha":
        rgba = np.where(ids[..., None] > 0, [220, 30, 30, 255], 0).astype(np.uint8)
        image = Image.fromarray(rgba)
    else:
        image = Image.fromarray(ids * 255)
    image.save(path)


def video_and_mask(name: str, codec: str, options: dict[str, str], folder: Path) -> None:
    save_video(folder / name, codec, **options)
    save_mask(folder / "mask.png")


def frames_and_points(folder: Path) -> None:
    save_frames(folder / "frames")
    points = [{"name": "corner", "x": 4, "y": 12}, {"name": "other", "x": 27, "y": 12}]
    content = {"kind": "keypoints", "size": [HEIGHT, WIDTH], "points": points}
    (folder / "points.json").write_text(json.dumps(content))


def check_points(folder: Path) -> str | None:
    found = sorted((folder / "out/frames").glob("*.json"))
    return None if len(found) == FRAMES else f"{len(found)} results"


def half_run(folder: Path) -> None:
    """A propagation that is not finished: its last frame was broken when it was begun."""
    frames_and_mask("mask.png", ".png", folder)
    last = folder / "frames/4.png"
    content = last.read_bytes()
    last.write_bytes(content[:200])
    here = Path.cwd()
    import os

    os.chdir(folder)
    main(["propagate", "frames", "--labels", "mask.png", "--out", "out", "--weights", "lab"])
    os.chdir(here)
    last.write_bytes(content)


def encoder(folder: Path) -> None:
    import torch

    frames_and_mask("mask.png", ".png", folder)
    torch.manual_seed(0)
    save_encoder(Encoder(EncoderConfig(widths=(8, 8, 8))).eval(), folder / "encoder")


def session(folder: Path) -> None:
    save_frames(folder / "frames")
    save_mask(folder / "mask.png")
    import os

    here = Path.cwd()
    os.chdir(folder)
    with Session.create("dog.pixelkin", "frames", encoder="lab") as session:
        session.label(0, read_mask("mask.png"))
        for _ in session.propagate():
            pass
    os.chdir(here)


RECIPE = {
    "steps": 1,
    "batch": 2,
    "size": 32,
    "precision": "float32",
    "network": {"widths": [8, 8, 8]},
    "data": {"short_side": 64},
    "stages": [{"objectives": [{"name": "known_geometry"}]}],
    "optimiser": {"learning_rate": 0.001, "clip_norm": 5.0},
    "run": {
        "device": "cpu",
        "workers": 0,
        "threads": 1,
        "store": "",
        "batch_norm_frames": 2,
        "validate_scenes": 0,
        "report": False,
        "checkpoint_every": 1,
    },
}


def training(folder: Path) -> None:
    save_frames(folder / "clips/a")
    (folder / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))


def stopped_training(folder: Path) -> None:
    import os

    training(folder)
    recipe = {**RECIPE, "steps": 2}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    here = Path.cwd()
    os.chdir(folder)
    main(
        [
            "train",
            "recipe.yaml",
            "--data",
            "clips",
            "--out",
            "run",
            "--set",
            "run.limit_minutes=0.00001",
        ]
    )
    os.chdir(here)


def check_training(folder: Path) -> str | None:
    from safetensors.numpy import load_file

    weights = load_file(folder / "run/encoder/weights.safetensors")
    fine = all(np.isfinite(w).all() for w in weights.values())
    return None if fine and weights else "weights that are not finite"


def pack(folder: Path) -> None:
    training(folder)
    main(["data", "pack", str(folder / "clips"), str(folder / "clips.pack"), "--codec", "webp"])


def tree(name: str, folder: Path) -> None:
    trees.TREES[name](folder / "root")


def check_scores(folder: Path) -> str | None:
    text = (folder / "scores.json").read_text()
    if "NaN" in text or "Infinity" in text:
        return "scores that are no numbers"
    return None if json.loads(text) else "no scores"


def jobs(folder: Path) -> None:
    frames_and_mask("mask.png", ".png", folder)
    lines = ["video,labels,out,weights,protocol", "frames,mask.png,a,lab,davis"]
    (folder / "jobs.csv").write_text("\n".join([*lines, "frames,mask.png,b/c,lab,"]) + "\n")


def is_there(name: str) -> bool:
    """Whether the library that a format needs is installed."""
    needs = {"dlc_h5": "tables", "slp": "sleap_io", "sleap_h5": "sleap_io", "nwb": "sleap_io"}
    return name not in needs or find_spec(needs[name]) is not None


def fine(_: Path) -> str | None:
    return None
