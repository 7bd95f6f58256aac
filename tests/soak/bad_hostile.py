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
from functools import partial
from pathlib import Path

import bad_material
import bad_samples
import bad_settings
import numpy as np
from bad_case import PROPAGATE, Hostile, frames, with_files
from bad_samples import Sample
from PIL import Image


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
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


NO_FILES = (fifo, folder, dangling, loop, zeros, noise, null, listener)
SPECIAL = (*NO_FILES, huge, picture_bomb)
# What is read, by the sample that reads it; a file of it is replaced.
PLACES = {
    "video a.mp4": "a.mp4",
    "image .png": "frames/2.png",
    "mask palette.png": "palette.png",
    "points": "points.json",
    "coco.masks": "labels.json",
    "cvat.masks": "labels.xml",
    "npz.masks": "labels.npz",
    "dlc_csv.points": "labels.csv",
    "dlc_h5.points": "labels.h5",
    "slp.points": "labels.slp",
    "mat": "labels.mat",
    "tapvid_pickle": "labels.pkl",
    "yolo.masks": "labels/data.yaml",
    "labelme.masks": "labels/0.json",
    "png.masks": "labels/0.png",
    "encoder": "encoder/weights.safetensors",
    "session status": "dog.pixelkin/session.db",
    "recipe": "recipe.yaml",
    "checkpoint": "run/checkpoint.pt",
    "pack": "clips.pack",
    "jobs": "jobs.csv",
    "results folder": "out/run.json",
    "resumed run": "out/run.json",
    "evaluate davis root/**/*.txt": "root/ImageSets/2017/val.txt",
    "evaluate davis root/**/*.png": "root/Annotations/480p/one/00002.png",
    "evaluate youtube_vos root/**/*.json": "root/train/meta.json",
    "evaluate jhmdb root/**/joint_positions.mat": (
        "root/joint_positions/catch/one/joint_positions.mat"
    ),
}
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
            free = name == "resumed run"
            # In a folder of frames or labels it is left out, and that is said.
            folders = ("image .png", "png.masks", "labelme.masks")
            free |= name in folders and special in NO_FILES
            # What follows the end of these files is passed over.
            free |= special is huge and name in (
                "video a.mp4",
                "image .png",
                "mask palette.png",
                "tapvid_pickle",
                "png.masks",
                "session status",
            )
            sample = samples[name]
            yield Hostile(
                f"{special.__name__} as {file} of {name}",
                partial(_replace, sample, file, special),
                sample.command,
                sample.check if not free else bad_material.fine,
                not free,
                slow=True,
            )


def _noise16(place: Path) -> None:
    frames(place)
    values = np.random.default_rng(0).integers(0, 18_000, (48, 64), dtype=np.uint16)
    Image.fromarray(values).save(place / "mask.png")


def _far_id(place: Path) -> None:
    bad_material.tree("davis", place)
    ids = np.zeros((48, 64), np.uint16)
    ids[8:20, 8:20] = 60_000
    Image.fromarray(ids).save(place / "root/Annotations/480p/one/00000.png")


def _many_ids(place: Path) -> None:
    frames(place)
    Image.fromarray(np.arange(1, 48 * 64 + 1, dtype=np.uint16).reshape(48, 64)).save(
        place / "mask.png"
    )


PLAYLISTS = {
    "ffconcat": "ffconcat version 1.0\nfile a.mp4\n",
    "ffconcat outside": "ffconcat version 1.0\nfile /dev/zero\n",
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\na.mp4\n#EXT-X-ENDLIST\n",
    "hls remote": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
    "m=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static">'
    '<Period><AdaptationSet mimeType="video/mp4"><Representation id="0" bandwidth="1">'
    "<BaseURL>a.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>",
    "rtsp": "rtsptextRTSP://127.0.0.1:9/x\n",
    "text": "just a few words of text\n" * 100,
}


def _videos() -> Iterator[Hostile]:
    def make(text: str, name: str, place: Path) -> None:
        bad_material.video_and_mask("a.mp4", "libx264", {}, place)
        (place / name).write_text(text)

    for kind, text in PLAYLISTS.items():
        for name in ("x.mp4", "x.m3u8", "x.sdp", "x.txt", "x"):
            yield Hostile(
                f"playlist {kind} {name}",
                partial(make, text, name),
                ("propagate", name, *PROPAGATE[2:]),
                slow=True,
            )
    for url in (
        "http://127.0.0.1:9/a.mp4",
        "rtsp://127.0.0.1:9/a",
        "concat:a.mp4|a.mp4",
        "pipe:0",
        "file:a.mp4",
        "lavfi:testsrc",
        "udp://127.0.0.1:9",
        "data:video/mp4;base64,AAAA",
        "subfile,,start,0,end,0,,:a.mp4",
        "crypto:a.mp4",
        "",
        " ",
        "\n",
        "a" * 300,
    ):
        yield Hostile(
            f"address {url[:30]!r}", partial(make, "", "x.mp4"), ("propagate", url, *PROPAGATE[2:])
        )


DEEP = {
    "lists": "[" * 100_000,
    "closed lists": "[" * 5_000 + "]" * 5_000,
    "objects": '{"a":' * 20_000 + "1" + "}" * 20_000,
    "few": "[" * 990 + "]" * 990,
}


def _deep() -> Iterator[Hostile]:
    samples = {s.name: s for s in bad_samples.samples()}
    places = {
        "coco.masks": "labels.json",
        "ytvis.masks": "labels.json",
        "burst.masks": "labels.json",
        "labelme.masks": "labels/0.json",
        "label_studio.masks": "labels.json",
        "points": "points.json",
        "results folder": "out/run.json",
        "badja": "labels.json",
        "encoder": "encoder/config.json",
        "recipe": "recipe.yaml",
        "yolo.masks": "labels/data.yaml",
        "jobs": "jobs.csv",
        "evaluate youtube_vos root/**/*.json": "root/train/meta.json",
    }
    for name, file in places.items():
        for how, text in DEEP.items():
            yield Hostile(
                f"deep {how} in {file} of {name}",
                partial(with_files, {file: text}, samples[name].make),
                samples[name].command,
            )


def wide_pickle(place: Path) -> None:
    """A pickle that has a place kept for its two-thousand-millionth object."""
    bad_material.tapvid_pickle(place)
    (place / "labels.pkl").write_bytes(b"\x80\x04}r" + struct.pack("<I", 2**31 - 1) + b".")


def running_pickle(place: Path) -> None:
    bad_material.tapvid_pickle(place)
    (place / "labels.pkl").write_bytes(
        pickle.dumps(os.system).replace(b"\x94.", b"\x94\x8c\x09touch ran\x85R.")
    )


def _others() -> Iterator[Hostile]:
    read = ("convert", "labels.pkl", "out.npz", "--video", "video")
    yield Hostile("pickle with a far place", wide_pickle, read)
    yield Hostile("pickle that runs", running_pickle, read)
    stored = ("evaluate", "davis", "--root", "root", "--year", "2017", "--json", "scores.json")
    stored = (*stored, "--results", "root/Annotations/480p")
    yield Hostile(
        "an annotation with the id 60000",
        _far_id,
        stored,
    )
    yield Hostile("16-bit noise as a mask", _noise16, PROPAGATE)
    yield Hostile(
        "3,072 objects of a pixel", _many_ids, PROPAGATE, bad_material.check_run, refused=False
    )
    long = {"frames/9" + "9" * 200 + ".png": bomb(4), "mask.png": bomb(100_000)}
    yield Hostile("names of 200 digits", partial(with_files, long, frames), PROPAGATE)
    for name, text in {
        "inf": '{"kind":"points","size":[1e999,1e999],"points":[{"x":1,"y":1}]}',
        "vast": '{"kind":"points","size":[1e9,1e9],"points":[{"x":1,"y":1}]}',
        "many": json.dumps(
            {"kind": "points", "size": [48, 64], "points": [{"x": 1, "y": 1}] * 200_000}
        ),
    }.items():
        yield Hostile(
            f"points {name}",
            partial(with_files, {"points.json": text}, bad_material.frames_and_points),
            ("propagate", "frames", "--labels", "points.json", "--out", "out", "--weights", "lab"),
        )
    lines = {
        "absolute": "frames,mask.png,/tmp/evil",
        "up": "frames,mask.png,../evil",
        "same": "frames,mask.png,a\nframes,mask.png,a",
        "quote": 'frames,"mask.png,a',
        "nul": "frames,mask\0.png,a",
        "wide": "x" * 200_000 + ",mask.png,a",
        "short": "frames",
        "empty": "",
        "home": "frames,mask.png,~root/evil/../..",
    }
    for name, line in lines.items():
        yield Hostile(
            f"jobs {name}",
            partial(with_files, {"jobs.csv": f"video,labels,out\n{line}\n"}, frames),
            ("jobs", "jobs.csv"),
            refused=name not in ("home", "wide", "nul"),
        )


def cases() -> list[Hostile]:
    """All hostile inputs."""
    settings = (bad_settings.recipes, bad_settings.trees, bad_settings.names, bad_settings.options)
    makers = (_specials, _videos, _deep, *settings, _others)
    return [case for make in makers for case in make()]
