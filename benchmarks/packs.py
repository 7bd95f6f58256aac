"""What frames cost in a pack, and what they lose: codecs, qualities and speeds.

    python benchmarks/packs.py VIDEOS [--videos 7] [--json FILE]

KiB a frame, peak signal-to-noise ratio against the decoded video (dB, mean over frames, at the
short side of 256 that packs have by default), CPU milliseconds a frame to encode and to decode one
after the other. The first 48 frames of some of the videos.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import arguments, show, write_json

from pixelkin.data.index import index_videos
from pixelkin.data.packed import GROUP, decode, encode
from pixelkin.data.sources import open_source
from pixelkin.data.store import resize, small_size

KINDS: list[tuple[Any, int, int]] = [
    ("webp", 40, 0),
    ("webp", 70, 0),
    ("avif", 40, 8),
    ("avif", 50, 8),
    ("avif", 40, 6),
    ("avif", 50, 6),
    ("avif", 60, 6),
]


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--videos", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sources = index_videos([options.data], Path(folder, "index.json"))
    drawn = np.random.default_rng(0).permutation(len(sources))[: options.videos]
    groups = []
    for source in (sources[int(i)] for i in drawn):
        size = small_size(source.height, source.width, 256)
        groups.append([resize(f, size) for f in open_source(source).frames(0, GROUP)])
    count = sum(map(len, groups))
    rows = []
    for codec, quality, speed in KINDS:
        began = time.process_time()
        coded = [encode(frames, codec, quality, speed) for frames in groups]
        encoded = time.process_time() - began
        began = time.process_time()
        shown = [list(decode(c, range(len(g)))) for c, g in zip(coded, groups, strict=True)]
        decoded = time.process_time() - began
        errors = [
            np.mean((a.astype(float) - b) ** 2)
            for got, group in zip(shown, groups, strict=True)
            for a, b in zip(got, group, strict=True)
        ]
        kib = sum(len(picture) for c in coded for picture in c) / count / 1024
        psnr = float(np.mean(10 * np.log10(255**2 / np.maximum(errors, 1e-9))))
        times = 1e3 * encoded / count, 1e3 * decoded / count
        rows.append([codec, quality, speed or None, kib, psnr, *times])
    columns = ["codec", "quality", "speed", "KiB a frame", "PSNR", "encode, ms", "decode, ms"]
    show(f"{count} frames of {len(groups)} videos", columns, rows)
    write_json(options.json, {"rows": [dict(zip(columns, row, strict=True)) for row in rows]})


if __name__ == "__main__":
    main()
