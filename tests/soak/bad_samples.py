"""Sound inputs of every reader, the command that reads each, and what must come of it.

A sample is made once, in a folder of its own; a case is a copy of that folder in which one file has
been damaged.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
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
from pixelkin.video.writer import VideoWriter  # noqa: E402

HEIGHT, WIDTH, FRAMES = 48, 64, 5
FOLDERS = frozenset({"results", "png", "davis", "youtube_vos", "labelme", "yolo"})
CHECKSUMS = frozenset({"npz", "tapvid"})  # of which every damage can be told
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
        exact: Whether a damage must be told, or change nothing of `results`.
        slow: Whether a sound one takes more than half a second.
        fresh: Whether it must be made where it is used, as it knows its place.
    """

    name: str
    make: Callable[[Path], None]
    command: tuple[str, ...]
    files: tuple[str, ...]
    check: Check
    results: tuple[str, ...] = ()
    exact: bool = False
    slow: bool = False
    fresh: bool = False


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


def _annotations(name: str, labels: Annotations, options: dict[str, str], folder: Path) -> None:
    (folder / "video").mkdir()
    for t in range(6):
        Image.new("RGB", (cases.WIDTH, cases.HEIGHT)).save(folder / f"video/{t}.png")
    video = replace(cases.FILE, path="video", names=tuple("012345"))
    target = folder / _file_of(name)
    save_annotations(target, labels, name, video=video, **options)  # type: ignore[arg-type]


def _file_of(name: str) -> str:
    if name in FOLDERS:
        return "labels"
    return f"labels{next(f.suffix for f in FORMATS if f.name == name)}"


def _annotation_sample(
    kind: str, name: str, labels: Annotations, **options: str
) -> Sample:
    file = _file_of(name)
    return Sample(
        f"{name}.{kind}",
        partial(_annotations, name, labels, options),
        ("convert", file, "out.npz", "--video", "video", "--from", name),
        (f"{file}/**/*",) if name in FOLDERS else (file,),
        check_npz,
        ("out.npz",),
        exact=name in CHECKSUMS,
    )


def _mat(folder: Path) -> None:
    from scipy.io import savemat

    _annotations("npz", cases.POINTS["one body"], {}, folder)
    (folder / "labels.npz").unlink()
    joints = np.random.default_rng(0).uniform(1, 12, (2, 15, 6))
    savemat(folder / "labels.mat", {"pos_img": joints, "scale": np.ones((1, 6))}, do_compression=True)


def _badja(folder: Path) -> None:
    _annotations("npz", cases.POINTS["one body"], {}, folder)
    (folder / "labels.npz").unlink()
    joints = [[float(2 * k % 12), float(3 * k % 16)] for k in range(20)]
    entries = [
        {"image_path": f"a/{t}.png", "segmentation_path": f"b/{t}.png", "joints": joints, "visibility": [True] * 20}
        for t in range(6)
    ]
    (folder / "labels.json").write_text(json.dumps(entries))


def _tapvid_pickle(folder: Path) -> None:
    import pickle

    _annotations("npz", cases.POINTS["one body"], {}, folder)
    (folder / "labels.npz").unlink()
    content = {
        "a": {
            "points": np.random.default_rng(0).uniform(0, 1, (3, 6, 2)).astype(np.float32),
            "occluded": np.zeros((3, 6), bool),
            "video": np.zeros((6, cases.HEIGHT, cases.WIDTH, 3), np.uint8),
        }
    }
    (folder / "labels.pkl").write_bytes(pickle.dumps(content))


def _frames_and(mask_name: str, suffix: str, folder: Path) -> None:
    save_frames(folder / "frames", suffix)
    _save_mask(folder / mask_name)


def _save_mask(path: Path) -> None:
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


def _video(name: str, codec: str, options: dict[str, str], folder: Path) -> None:
    save_video(folder / name, codec, **options)
    _save_mask(folder / "mask.png")


def _propagation(
    name: str, video: str, labels: str, make: Callable[[Path], None], files: str, count: int | None,
    **more: bool,
) -> Sample:  # fmt: skip
    command = ("propagate", video, "--labels", labels, "--out", "out", "--weights", "lab")
    check = partial(check_run, count=count)
    return Sample(name, make, command, (files,), check, ("out/masks",), **more)


def _points_frames(folder: Path) -> None:
    save_frames(folder / "frames")
    points = [{"name": "corner", "x": 4, "y": 12}, {"name": "other", "x": 27, "y": 12}]
    content = {"kind": "keypoints", "size": [HEIGHT, WIDTH], "points": points}
    (folder / "points.json").write_text(json.dumps(content))


def _check_points(folder: Path) -> str | None:
    found = sorted((folder / "out/frames").glob("*.json"))
    return None if len(found) == FRAMES else f"{len(found)} results"


def _half_run(folder: Path) -> None:
    """A propagation that is not finished: its last frame was broken when it was begun."""
    _frames_and("mask.png", ".png", folder)
    last = folder / "frames/4.png"
    content = last.read_bytes()
    last.write_bytes(content[:200])
    here = Path.cwd()
    import os

    os.chdir(folder)
    main(["propagate", "frames", "--labels", "mask.png", "--out", "out", "--weights", "lab"])
    os.chdir(here)
    last.write_bytes(content)


def _encoder(folder: Path) -> None:
    import torch

    _frames_and("mask.png", ".png", folder)
    torch.manual_seed(0)
    save_encoder(Encoder(EncoderConfig(widths=(8, 8, 8))).eval(), folder / "encoder")


def _session(folder: Path) -> None:
    save_frames(folder / "frames")
    _save_mask(folder / "mask.png")
    import os

    here = Path.cwd()
    os.chdir(folder)
    with Session.create("dog.pixelkin", "frames", encoder="lab") as session:
        session.label(0, read_mask("mask.png"))
        for _ in session.propagate():
            pass
    os.chdir(here)


RECIPE = {
    "steps": 1, "batch": 2, "size": 32, "precision": "float32", "network": {"widths": [8, 8, 8]},
    "data": {"short_side": 64}, "stages": [{"objectives": [{"name": "known_geometry"}]}],
    "optimiser": {"learning_rate": 0.001, "clip_norm": 5.0},
    "run": {
        "device": "cpu", "workers": 0, "threads": 1, "store": "", "batch_norm_frames": 2,
        "validate_scenes": 0, "report": False, "checkpoint_every": 1,
    },
}  # fmt: skip


def _training(folder: Path) -> None:
    save_frames(folder / "clips/a")
    (folder / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))


def _stopped_training(folder: Path) -> None:
    import os

    _training(folder)
    recipe = {**RECIPE, "steps": 2}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    here = Path.cwd()
    os.chdir(folder)
    main(["train", "recipe.yaml", "--data", "clips", "--out", "run", "--set", "run.limit_minutes=0.00001"])
    os.chdir(here)


def _check_training(folder: Path) -> str | None:
    from safetensors.numpy import load_file

    weights = load_file(folder / "run/encoder/weights.safetensors")
    fine = all(np.isfinite(w).all() for w in weights.values())
    return None if fine and weights else "weights that are not finite"


def _pack(folder: Path) -> None:
    _training(folder)
    main(["data", "pack", str(folder / "clips"), str(folder / "clips.pack"), "--codec", "webp"])


def _tree(name: str, folder: Path) -> None:
    trees.TREES[name](folder / "root")


def _check_scores(folder: Path) -> str | None:
    text = (folder / "scores.json").read_text()
    if "NaN" in text or "Infinity" in text:
        return "scores that are no numbers"
    return None if json.loads(text) else "no scores"


def _benchmark(name: str, files: str, *more: str, slow: bool = False) -> Sample:
    command = ("evaluate", name, "--root", "root", "--weights", "lab", "--json", "scores.json")
    return Sample(
        f"evaluate {name} {files}", partial(_tree, name), (*command, *more), (files,),
        _check_scores, ("scores.json",), slow=slow,
    )  # fmt: skip


def _jobs(folder: Path) -> None:
    _frames_and("mask.png", ".png", folder)
    lines = ["video,labels,out,weights,protocol", "frames,mask.png,a,lab,davis"]
    (folder / "jobs.csv").write_text("\n".join([*lines, "frames,mask.png,b/c,lab,"]) + "\n")


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
MASK_FILES = ("binary.png", "palette.png", "deep.png", "colours.png", "alpha.png", "binary.bmp",
              "binary.tif", "binary.webp", "binary.pgm")  # fmt: skip


def samples() -> list[Sample]:
    """All samples."""
    found = [
        _propagation(f"video {name}", name, "mask.png", partial(_video, name, *how), name, None)
        for name, how in VIDEOS.items()
    ]
    for suffix in (".png", ".jpg", ".webp", ".tif", ".bmp", ".pgm"):
        made = partial(_frames_and, "mask.png", suffix)
        found.append(_propagation(f"image {suffix}", "frames", "mask.png", made, f"frames/*{suffix}", FRAMES))
    for name in MASK_FILES:
        made = partial(_frames_and, name, ".png")
        found.append(_propagation(f"mask {name}", "frames", name, made, name, FRAMES))
    points = ("propagate", "frames", "--labels", "points.json", "--out", "out", "--weights", "lab")
    found.append(Sample("points", _points_frames, points, ("points.json",), _check_points))
    readable = {f.name: f for f in FORMATS if f.save is not None and _is_there(f.name)}
    for name, one in readable.items():
        if "masks" not in one.loses:
            labels = cases.MASKS["one pixel" if one.one_frame else "results"]
            labels = cases.MASKS["the whole frame"] if one.one_frame else labels
            found.append(_annotation_sample("masks", name, labels))
        if "polygons" in one.shapes and name != "yolo":
            found.append(_annotation_sample("polygons", name, cases.MASKS["results"], shapes="polygons"))
        if "points" not in one.loses and name not in ("nwb", "burst", "ytvis", "mask_png"):
            found.append(_annotation_sample("points", name, cases.POINTS["one body"]))
    convert = ("convert", "labels.{}", "out.npz", "--video", "video")
    for suffix, make in ((".mat", _mat), (".json", _badja), (".pkl", _tapvid_pickle)):
        file = f"labels{suffix}"
        command = (convert[0], file, *convert[2:])
        found.append(Sample(f"{make.__name__[1:]}", make, command, (file,), check_npz, ("out.npz",)))
    run = ("propagate", "frames", "--labels", "mask.png", "--out", "out", "--weights", "lab")
    found.append(Sample("resumed run", _half_run, run, ("out/*.json", "out/frames/*", "out/.*"),
                        partial(check_run, count=FRAMES), fresh=True))  # fmt: skip
    found.append(Sample("results folder", _half_run, ("convert", "out", "out.npz"),
                        ("out/run.json", "out/frames/*", "out/masks/*"), check_npz, ("out.npz",)))  # fmt: skip
    weights = (*run[:-1], "encoder")
    found.append(Sample("encoder", _encoder, weights, ("encoder/*",), partial(check_run, count=FRAMES)))
    for words in (("status",), ("export", "out.npz"), ("check",), ("run",)):
        command = ("session", words[0], "dog.pixelkin", *words[1:])
        check = check_npz if words[0] == "export" else _fine
        found.append(Sample(f"session {words[0]}", _session, command, ("dog.pixelkin/session.db",), check))
    train = ("train", "recipe.yaml", "--data", "clips", "--out", "run")
    found.append(Sample("recipe", _training, train, ("recipe.yaml",), _check_training, slow=True))
    found.append(Sample("checkpoint", _stopped_training, train, ("run/checkpoint.pt",),
                        _check_training, slow=True))  # fmt: skip
    packed = ("train", "recipe.yaml", "--data", "clips.pack", "--out", "run")
    found.append(Sample("pack", _pack, packed, ("clips.pack",), _check_training, slow=True))
    found.append(_benchmark("davis", "root/**/*.png", "--year", "2017", "--results", "root/Annotations/480p"))
    found.append(_benchmark("davis", "root/**/*.txt", "--year", "2017", "--results", "root/Annotations/480p"))
    stored = "--results", "root/Annotations/Category_ids"
    found.append(_benchmark("vip", "root/**/*.png", *stored))
    stored = "--split", "train", "--results", "root/train/Annotations"
    found.append(_benchmark("youtube_vos", "root/**/*.json", *stored))
    found.append(_benchmark("youtube_vos", "root/**/*.png", *stored))
    found.append(_benchmark("jhmdb", "root/**/joint_positions.mat", slow=True))
    found.append(_benchmark("jhmdb", "root/**/*.txt", slow=True))
    found.append(Sample("jobs", _jobs, ("jobs", "jobs.csv"), ("jobs.csv",), _fine))
    return found


def _is_there(name: str) -> bool:
    """Whether the library that a format needs is installed."""
    needs = {"dlc_h5": "tables", "slp": "sleap_io", "sleap_h5": "sleap_io", "nwb": "sleap_io"}
    return name not in needs or find_spec(needs[name]) is not None


def _fine(_: Path) -> str | None:
    return None
