"""What the bounded pipeline gains: a video into a folder, with its overlay, with and without it.

    python benchmarks/overlap.py [--video VIDEO --labels MASK] [--frames 16] [--runs 3]

Wall seconds a frame: the only figures of the benchmarks that need an idle machine. Both forms run
in turn, on one torch thread and on as many as there are cores, and their results are compared.
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from unittest import mock

import torch
from common import arguments, show, write_json
from steady import stripes

from pixelkin.background import BackgroundWriter
from pixelkin.data.synthetic import SyntheticScene
from pixelkin.formats.mask_png import read_mask
from pixelkin.models.encoder import load_encoder
from pixelkin.propagation import passes
from pixelkin.propagation import run as folder_run
from pixelkin.video.reader import open_video
from pixelkin.video.writer import write_image


class AtOnce(BackgroundWriter):
    """Calls made where they are asked for."""

    def __call__(self, function: Callable[..., object], *arguments: object) -> None:
        """Call it."""
        function(*arguments)


def one_after_the_other() -> ExitStack:
    """The pipeline without its threads, each part on all of torch's."""
    stack = ExitStack()
    stack.enter_context(mock.patch.object(torch, "set_num_threads", lambda _: None))
    stack.enter_context(mock.patch.object(passes, "prefetch", iter))
    stack.enter_context(mock.patch.object(folder_run, "BackgroundWriter", AtOnce))
    return stack


def main() -> None:
    """Measure, compare, print."""
    parser = arguments(__doc__ or "")
    parser.set_defaults(runs=3)
    parser.add_argument("--video", type=Path, help="a real video; made up if none")
    parser.add_argument("--labels", type=Path, help="mask of its first frame")
    parser.add_argument("--frames", type=int, default=16, help="of a synthetic video")
    options = parser.parse_args()
    encoder = load_encoder()
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        out, video, labels = Path(temporary) / "out", options.video, stripes(480, 854, 2)
        if video is None:
            video = Path(temporary) / "frames"
            for t, frame in enumerate(SyntheticScene(size=(480, 854), frames=options.frames)):
                write_image(video / f"{t:05d}.jpg", frame.image)
        else:
            labels = read_mask(options.labels)
        frames = len(open_video(video))

        def timed() -> tuple[list[float], list[bytes]]:
            seconds = []
            for drawn in (False, True):
                shutil.rmtree(out, ignore_errors=True)
                began, cpu = time.perf_counter(), time.process_time()
                folder_run.propagate_to_folder(video, labels, out, encoder=encoder, overlay=drawn)
                seconds += [time.perf_counter() - began, time.process_time() - cpu]
            files = [p.read_bytes() for kind in ("masks", "frames") for p in (out / kind).iterdir()]
            return seconds, sorted(files)

        for threads in sorted({1, os.cpu_count() or 1}):
            torch.set_num_threads(threads)
            before, after = [], []
            for _ in range(options.runs):
                with one_after_the_other():
                    before.append(timed())
                after.append(timed())
                assert before[-1][-1] == after[-1][-1]
            for name, runs in (("one after the other", before), ("overlapped", after)):
                found = zip(*(seconds for seconds, _ in runs), strict=True)
                seconds = (statistics.median(column) / frames for column in found)
                rows.append([name, threads, *seconds])
    columns = ("", "threads", "wall s", "CPU s", "with its overlay: wall s", "CPU s ")
    show(f"A frame of {video.name}, {frames} frames, files alike", columns, rows)
    write_json(options.json, {"overlap": [dict(zip(columns, row, strict=True)) for row in rows]})


if __name__ == "__main__":
    main()
