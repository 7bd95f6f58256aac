"""One long video, 480 x 854, three ways: what growth.py runs for its part "length".

    python benchmarks/long.py propagate 5000 --short-side 96

prints JSON: for each tenth of the video CPU seconds a frame and the resident memory at its end, and
the resident memory after frame 200. Ways: "propagator" (`Propagator.step` on decoded frames),
"propagate" (the command, with its files), "session". The video is an H.264 file of a made-up
scene, there and back again, so that it has no cut. Labels are carried at a short side, so that
thousands of frames take minutes; a session holds as many frames' features as it would at 480.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from unittest import mock

import av
import torch
from steady import stripes

from pixelkin.annotation import session as sessions
from pixelkin.annotation.features import FEATURE_BYTES
from pixelkin.annotation.session import Session
from pixelkin.data.synthetic import SyntheticScene
from pixelkin.propagation import Protocol
from pixelkin.propagation.propagator import Propagator
from pixelkin.propagation.run import propagate_to_folder
from pixelkin.video.reader import open_video
from pixelkin.video.writer import VideoWriter

HEIGHT, WIDTH = 480, 854
SCENE = 48  # frames of the scene
AFTER = 200  # the frame after which memory must not grow
WAYS = ("propagator", "propagate", "session")


def write_video(path: Path, frames: int) -> None:
    """The scene there and back again, its packets repeated rather than encoded again."""
    scene = [frame.image for frame in SyntheticScene(size=(HEIGHT, WIDTH), frames=SCENE)]
    short = path.with_name("short.mkv")
    with VideoWriter(short, 25, (HEIGHT, WIDTH), crf=23) as writer:
        for image in [*scene, *scene[-2:0:-1]]:
            writer.write(image)
    with av.open(str(short)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        packets = [p for p in source.demux(video=0) if p.size]
        step = packets[0].duration or 40
        length = step * len(packets)
        for number in range(frames):
            turn, place = divmod(number, len(packets))
            packet = av.Packet(bytes(packets[place]))
            packet.time_base, packet.stream = packets[place].time_base, stream
            packet.pts = (packets[place].pts or 0) + turn * length
            packet.dts = (packets[place].dts or 0) + turn * length
            packet.is_keyframe = packets[place].is_keyframe
            target.mux(packet)


def propagator(video: Path, protocol: Protocol, _: Path) -> Iterator[None]:
    """`Propagator.step`, a frame at a time."""
    steps = Propagator("default", protocol)
    for number, frame in enumerate(open_video(video)):
        steps.step(frame, stripes(HEIGHT, WIDTH, 2) if number == 0 else None)
        yield


def propagate(video: Path, protocol: Protocol, out: Path, tell: Callable[[], None]) -> None:
    """The command, with masks and confidences written."""
    done = 0

    def progress(now: int, _: int) -> None:
        nonlocal done
        while done < now:
            done += 1
            tell()

    labels = stripes(HEIGHT, WIDTH, 2)
    propagate_to_folder(video, {0: labels}, out, protocol=protocol, progress=progress)


def session(video: Path, protocol: Protocol, out: Path) -> Iterator[None]:
    """A session with two objects, labelled in the first frame."""
    held = round(FEATURE_BYTES * ((protocol.short_side or HEIGHT) / HEIGHT) ** 2)
    with (
        mock.patch.object(sessions, "FEATURE_BYTES", held),
        Session.create(out, video, protocols={"mask": protocol}) as one,
    ):
        one.label(0, stripes(HEIGHT, WIDTH, 2))
        for _ in one.propagate():
            yield


class Watch:
    """CPU seconds and resident memory while frames are done."""

    def __init__(self, frames: int) -> None:
        self._stretch = max(1, frames // 10)
        self._began, self._done = time.process_time(), 0
        self.rows: list[dict[str, float]] = []
        self.after: float | None = None

    def __call__(self) -> None:
        """One frame is done."""
        self._done += 1
        if self._done == AFTER:
            self.after = resident()
        if self._done % self._stretch == 0:
            now = time.process_time()
            seconds, self._began = (now - self._began) / self._stretch, now
            row = {"frames": self._done, "total": seconds, "resident_mib": resident()}
            self.rows.append(row | {"peak_gib": row["resident_mib"] / 1024})


def resident() -> float:
    """Resident memory of this process, MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(x.split()[1] for x in lines if x.startswith("VmRSS"))) / 1024


def main() -> None:
    """Measure what the command line says, and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("frames", type=int)
    parser.add_argument("--short-side", type=int, default=96)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    side = None if options.short_side >= HEIGHT else options.short_side
    protocol = replace(Protocol.named("davis"), short_side=side)
    with tempfile.TemporaryDirectory() as root:
        video, out = Path(root) / "video.mkv", Path(root) / "out"
        write_video(video, options.frames)
        watch = Watch(options.frames)
        if options.way == "propagate":
            propagate(video, protocol, out, watch)
        else:
            for _ in {"propagator": propagator, "session": session}[options.way](
                video, protocol, out
            ):
                watch()
        if options.way == "session":
            assert len(open_video(video)) == options.frames
    print(json.dumps({"after": watch.after, "rows": watch.rows}))


if __name__ == "__main__":
    main()
