"""Inputs that somebody made to do harm, or that no file should be: each has to be refused.

A few are fine all the same, and say so: what must come of them is in their check.
"""

from __future__ import annotations

import json
import os
import pickle
import socket
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import bad_samples
import numpy as np
import yaml
from bad_samples import RECIPE, Check, Sample
from PIL import Image


@dataclass(frozen=True)
class Hostile:
    """One input, as `Sample`; `refused` says whether it must be."""

    name: str
    make: Callable[[Path], None]
    command: tuple[str, ...]
    check: Check = bad_samples._fine
    refused: bool = True
    results: tuple[str, ...] = ()
    exact: bool = False
    slow: bool = False


def fifo(path: Path) -> None:
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.mkdir()


def dangling(path: Path) -> None:
    path.symlink_to("nowhere.bin")


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def zeros(path: Path) -> None:
    path.symlink_to("/dev/zero")


def noise(path: Path) -> None:
    path.symlink_to("/dev/urandom")


def null(path: Path) -> None:
    path.symlink_to("/dev/null")


def listener(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # names of sockets are short
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(path.name)
    os.chdir(here)


def huge(path: Path) -> None:
    """A file that says to be of 3 GB, of which nothing is stored."""
    with path.open("r+b") as file:
        file.truncate(3_000_000_000)


def picture_bomb(path: Path) -> None:
    path.write_bytes(bomb(100_000))


def bomb(side: int) -> bytes:
    """A PNG of a few bytes that claims to have side x side pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


SPECIAL = (fifo, folder, dangling, loop, zeros, noise, null, listener, huge, picture_bomb)
# What is read, by the sample that reads it; a file of it is replaced.
PLACES = {
    "video a.mp4": "a.mp4", "image .png": "frames/2.png", "mask palette.png": "palette.png",
    "points": "points.json", "coco.masks": "labels.json", "cvat.masks": "labels.xml",
    "npz.masks": "labels.npz", "dlc_csv.points": "labels.csv", "dlc_h5.points": "labels.h5",
    "slp.points": "labels.slp", "mat": "labels.mat", "tapvid_pickle": "labels.pkl",
    "yolo.masks": "labels/data.yaml", "labelme.masks": "labels/0.json", "png.masks": "labels/0.png",
    "encoder": "encoder/weights.safetensors", "session status": "dog.pixelkin/session.db",
    "recipe": "recipe.yaml", "checkpoint": "run/checkpoint.pt", "pack": "clips.pack",
    "jobs": "jobs.csv", "results folder": "out/run.json", "resumed run": "out/run.json",
    "evaluate davis root/**/*.txt": "root/ImageSets/2017/val.txt",
    "evaluate davis root/**/*.png": "root/Annotations/480p/one/00002.png",
    "evaluate youtube_vos root/**/*.json": "root/train/meta.json",
    "evaluate jhmdb root/**/joint_positions.mat": "root/joint_positions/catch/one/joint_positions.mat",
}  # fmt: skip
CONFIG = ("encoder", "encoder/config.json")


def _replace(sample: Sample, file: str, special: Callable[[Path], None], place: Path) -> None:
    sample.make(place)
    path = place / file
    if special is not huge:
        path.unlink()
    special(path)


def _specials() -> Iterator[Hostile]:
    samples = {s.name: s for s in bad_samples.samples()}
    for name, file in (*PLACES.items(), CONFIG):
        if name not in samples:  # without the library that reads it
            continue
        for special in SPECIAL:
            # A run's own mark, where it is no file any more, is of a run to be begun anew.
            free = name == "resumed run" or (name == "image .png" and special in (folder, fifo, listener, dangling, loop))
            free |= name == "png.masks" and special in (folder, dangling, loop, fifo, listener)
            # What follows the end of these files is passed over.
            free |= special is huge and name in (
                "video a.mp4", "image .png", "mask palette.png", "tapvid_pickle", "png.masks",
                "session status",
            )
            free |= name == "labelme.masks" and special in (folder, dangling, loop, fifo, listener)
            sample = samples[name]
            yield Hostile(
                f"{special.__name__} as {file} of {name}",
                partial(_replace, sample, file, special),
                sample.command, sample.check if not free else bad_samples._fine, not free, slow=True,
            )  # fmt: skip


PROPAGATE = ("propagate", "frames", "--labels", "mask.png", "--out", "out", "--weights", "lab")
TRAIN = ("train", "recipe.yaml", "--data", "clips", "--out", "run")


def _with(files: dict[str, bytes | str], base: Callable[[Path], None], place: Path) -> None:
    base(place)
    for name, content in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


_frames = partial(bad_samples._frames_and, "mask.png", ".png")


def _noise16(place: Path) -> None:
    _frames(place)
    values = np.random.default_rng(0).integers(0, 18_000, (48, 64), dtype=np.uint16)
    Image.fromarray(values).save(place / "mask.png")


def _far_id(place: Path) -> None:
    bad_samples._tree("davis", place)
    ids = np.zeros((48, 64), np.uint16)
    ids[8:20, 8:20] = 60_000
    Image.fromarray(ids).save(place / "root/Annotations/480p/one/00000.png")


def _many_ids(place: Path) -> None:
    _frames(place)
    Image.fromarray(np.arange(1, 48 * 64 + 1, dtype=np.uint16).reshape(48, 64)).save(place / "mask.png")


PLAYLISTS = {
    "ffconcat": "ffconcat version 1.0\nfile a.mp4\n",
    "ffconcat outside": "ffconcat version 1.0\nfile /dev/zero\n",
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\na.mp4\n#EXT-X-ENDLIST\n",
    "hls remote": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet mimeType="video/mp4"><Representation id="0" bandwidth="1"><BaseURL>a.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>',
    "rtsp": "rtsptextRTSP://127.0.0.1:9/x\n",
    "text": "just a few words of text\n" * 100,
}  # fmt: skip


def _videos() -> Iterator[Hostile]:
    def make(text: str, name: str, place: Path) -> None:
        bad_samples._video("a.mp4", "libx264", {}, place)
        (place / name).write_text(text)

    for kind, text in PLAYLISTS.items():
        for name in ("x.mp4", "x.m3u8", "x.sdp", "x.txt", "x"):
            yield Hostile(f"playlist {kind} {name}", partial(make, text, name),
                          ("propagate", name, *PROPAGATE[2:]), slow=True)  # fmt: skip
    for url in ("http://127.0.0.1:9/a.mp4", "rtsp://127.0.0.1:9/a", "concat:a.mp4|a.mp4", "pipe:0",
                "file:a.mp4", "lavfi:testsrc", "udp://127.0.0.1:9", "data:video/mp4;base64,AAAA",
                "subfile,,start,0,end,0,,:a.mp4", "crypto:a.mp4", "", " ", "\n", "a" * 300):  # fmt: skip
        yield Hostile(f"address {url[:30]!r}", partial(make, "", "x.mp4"),
                      ("propagate", url, *PROPAGATE[2:]))  # fmt: skip


DEEP = {"lists": "[" * 100_000, "closed lists": "[" * 5_000 + "]" * 5_000,
        "objects": '{"a":' * 20_000 + "1" + "}" * 20_000, "few": "[" * 990 + "]" * 990}  # fmt: skip


def _deep() -> Iterator[Hostile]:
    samples = {s.name: s for s in bad_samples.samples()}
    places = {"coco.masks": "labels.json", "ytvis.masks": "labels.json", "burst.masks": "labels.json",
              "labelme.masks": "labels/0.json", "label_studio.masks": "labels.json",
              "points": "points.json", "results folder": "out/run.json", "badja": "labels.json",
              "encoder": "encoder/config.json", "recipe": "recipe.yaml",
              "yolo.masks": "labels/data.yaml", "jobs": "jobs.csv",
              "evaluate youtube_vos root/**/*.json": "root/train/meta.json"}  # fmt: skip
    for name, file in places.items():
        for how, text in DEEP.items():
            yield Hostile(f"deep {how} in {file} of {name}", partial(_with, {file: text}, samples[name].make),
                          samples[name].command)  # fmt: skip


def recipe(place: Path, changes: dict[str, object]) -> None:
    content = json.loads(json.dumps(RECIPE))
    for key, value in changes.items():
        *parents, last = key.split(".")
        inner = content
        for parent in parents:
            inner = inner[int(parent)] if isinstance(inner, list) else inner.setdefault(parent, {})
        inner[last] = value
    bad_samples._training(place)
    (place / "recipe.yaml").write_text(yaml.safe_dump(content))


ABSURD = {
    "batch": (10**9, -1, 0, 1.5, "x", float("nan"), [], None, 10**30),
    "steps": (0, -1, float("inf"), "many", None, {}),
    "size": (10**6, 0, -32, 33, 10**12),
    "accumulate": (10**9, 0), "seed": (-1, 10**40), "ema": (1, 2, -1, float("nan")),
    "run.workers": (100_000, -1, 10**12, 1.5), "run.threads": (100_000, 0, -1, 10**12),
    "run.store_gb": (-1, float("nan")), "run.checkpoint_every": (0, -5),
    "run.batch_norm_frames": (0, 10**12), "run.validate_scenes": (-1, 10**9), "run.store": (3, [1]),
    "run.limit_minutes": (0, -1, float("nan")), "run.device": ("cuda:99", "tpu", 3),
    "network.widths": ([], [0], [-1, 8, 8], [10**9, 8, 8], [1] * 1000, "x", [10**6] * 3),
    "network.stride": (0, 3, 10**9), "network.mean": ([1], [float("nan")] * 3), "network.std": ([0, 1, 1],),
    "network.temperature": (0, -1, float("nan")), "data.short_side": (0, -1, 10**9),
    "optimiser.learning_rate": (0, -1, float("nan"), float("inf"), 1e300), "optimiser.betas": ([1, 1], [0.9], 3),
    "optimiser.clip_norm": (0, float("nan")), "stages": ([], {}, [{}], [3], None),
    "stages.0.share": (0, 2, float("nan")), "stages.0.rate": (0, float("inf")),
    "stages.0.objectives.0.name": ("nobody", 3, None), "stages.0.objectives.0.share": (0.5, 2),
    "name": ("x" * 10**6, "../../evil", 3), "init": ("nowhere", "../..", 3, "/dev/zero"),
    "augmentation": (3, {"nothing": 1}), "unknown": (1,), "stages.0.objectives.0.settings": ({"gaps": [10**9]}, {"temperature": 0}),
}  # fmt: skip


def _recipes() -> Iterator[Hostile]:
    for key, values in ABSURD.items():
        for number, value in enumerate(values):
            free = key in ("name", "seed") or (key, number) == ("data.short_side", 2)
            yield Hostile(f"recipe {key} {number}", partial(recipe, changes={key: value}), TRAIN,
                          bad_samples._fine if not free else bad_samples._check_training, not free)  # fmt: skip


def _trees() -> Iterator[Hostile]:
    """Names in the lists of data sets that lead out of them."""
    names = ("../../../evil", "/tmp/evil", "..", ".", "", "a/../../../evil", "..\\..\\evil", "C:\\evil",
             "\0", "a" * 5000, "~/evil", "one/../../../evil", "//host/x", "\x1b[2Jevil", "con:")  # fmt: skip
    for name in names:
        for tree, file in (("davis", "root/ImageSets/2017/val.txt"), ("vip", "root/lists/val_videos.txt"),
                           ("jhmdb", "root/splits/catch_test_split1.txt")):  # fmt: skip
            line = f"{name}.avi 2\n" if tree == "jhmdb" else f"{name}\n"
            more = ("--year", "2017") if tree == "davis" else ()
            yield Hostile(f"{tree} lists {name[:20]!r}", partial(_with, {file: line}, partial(bad_samples._tree, tree)),
                          ("evaluate", tree, "--root", "root", "--weights", "lab", "--out", "out", *more))  # fmt: skip
        meta = {"videos": {name: {"objects": {"1": {"category": "dog", "frames": ["00000", "00005"]}}}}}
        frames = {"videos": {"one": {"objects": {"1": {"category": "dog", "frames": [name, "00005"]}}}}}
        for what, content in (("video", meta), ("frame", frames)):
            yield Hostile(f"youtube_vos {what} {name[:20]!r}",
                          partial(_with, {"root/train/meta.json": json.dumps(content)}, partial(bad_samples._tree, "youtube_vos")),
                          ("evaluate", "youtube_vos", "--split", "train", "--root", "root", "--weights", "lab", "--out", "out"))  # fmt: skip


def coco_names(place: Path, name: str) -> None:
    """COCO's labels whose images, categories and objects have this name."""
    samples = {s.name: s for s in bad_samples.samples()}
    samples["coco.masks"].make(place)
    content = json.loads((place / "labels.json").read_text())
    content["images"][0]["file_name"] = name
    for category in content["categories"]:
        category["name"] = name
    (place / "labels.json").write_text(json.dumps(content))


def _names() -> Iterator[Hostile]:
    for name in ("../../evil.png", "/tmp/evil.png", "..", "\0", "\x1b[2J", "a/../../../evil"):
        for form in ("labelme", "yolo", "png", "davis", "coco"):
            target = "out.json" if form == "coco" else "out"
            yield Hostile(f"names {name!r} to {form}", partial(coco_names, name=name),
                          ("convert", "labels.json", target, "--from", "coco", "--to", form), refused=False)  # fmt: skip


def _options() -> Iterator[Hostile]:
    for flag, values in {
        "--threads": ("0", "-1", "100000", "x", "1e9", "9" * 400), "--short-side": ("0", "-5", "1000000000", "x"),
        "--protocol": ("nobody", "", "../davis"), "--weights": ("", "nobody", "/dev/zero", "..", "mask.png"),
        "--labels": ("", "nobody.png", "99999999999999999999=mask.png", "-1=mask.png", "²=mask.png",
                     "#9=mask.png", "=mask.png", "#=mask.png", "0=", "..", "/", "frames", "--out", "1e3=mask.png"),
    }.items():  # fmt: skip
        for value in values:
            command = [w for w in PROPAGATE if flag != "--labels" or w not in ("--labels", "mask.png")]
            if flag == "--weights":
                command = command[:-2]
            shrinks_only = (flag, value) == ("--short-side", "1000000000")
            yield Hostile(f"{flag} {value[:20]!r}", _frames, (*command, flag, value), refused=not shrinks_only)


def wide_pickle(place: Path) -> None:
    """A pickle that has a place kept for its two-thousand-millionth object."""
    bad_samples._tapvid_pickle(place)
    (place / "labels.pkl").write_bytes(b"\x80\x04}r" + struct.pack("<I", 2**31 - 1) + b".")


def running_pickle(place: Path) -> None:
    bad_samples._tapvid_pickle(place)
    (place / "labels.pkl").write_bytes(pickle.dumps(os.system).replace(b"\x94.", b"\x94\x8c\x09touch ran\x85R."))


def _others() -> Iterator[Hostile]:
    read = ("convert", "labels.pkl", "out.npz", "--video", "video")
    yield Hostile("pickle with a far place", wide_pickle, read)
    yield Hostile("pickle that runs", running_pickle, read)
    stored = ("evaluate", "davis", "--root", "root", "--year", "2017", "--json", "scores.json")
    stored = (*stored, "--results", "root/Annotations/480p")
    yield Hostile("an annotation with the id 60000", _far_id, stored, refused=False, check=bad_samples._check_scores)
    yield Hostile("16-bit noise as a mask", _noise16, PROPAGATE)
    yield Hostile("3,072 objects of a pixel", _many_ids, PROPAGATE, bad_samples.check_run, refused=False)
    long = {"frames/9" + "9" * 200 + ".png": bomb(4), "mask.png": bomb(100_000)}
    yield Hostile("names of 200 digits", partial(_with, long, _frames), PROPAGATE)
    for name, text in {"inf": '{"kind":"points","size":[1e999,1e999],"points":[{"x":1,"y":1}]}',
                       "vast": '{"kind":"points","size":[1e9,1e9],"points":[{"x":1,"y":1}]}',
                       "many": json.dumps({"kind": "points", "size": [48, 64], "points": [{"x": 1, "y": 1}] * 200_000})}.items():  # fmt: skip
        yield Hostile(f"points {name}", partial(_with, {"points.json": text}, bad_samples._points_frames),
                      ("propagate", "frames", "--labels", "points.json", "--out", "out", "--weights", "lab"))  # fmt: skip
    lines = {"absolute": "frames,mask.png,/tmp/evil", "up": "frames,mask.png,../evil", "same": "frames,mask.png,a\nframes,mask.png,a",
             "quote": 'frames,"mask.png,a', "nul": "frames,mask\0.png,a", "wide": "x" * 200_000 + ",mask.png,a",
             "short": "frames", "empty": "", "home": "frames,mask.png,~root/evil/../.."}  # fmt: skip
    for name, line in lines.items():
        yield Hostile(f"jobs {name}", partial(_with, {"jobs.csv": f"video,labels,out\n{line}\n"}, _frames), ("jobs", "jobs.csv"),
                      refused=name not in ("home", "wide", "nul"))  # fmt: skip


def cases() -> list[Hostile]:
    """All hostile inputs."""
    return [*_specials(), *_videos(), *_deep(), *_recipes(), *_trees(), *_names(), *_options(), *_others()]
