"""The zip that an evaluation server takes."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path

from pixelkin.evaluation.videos import Video
from pixelkin.files import atomic_write


def write_submission(videos: Iterable[Video], folder: str | Path, path: str | Path) -> None:
    """Write the zip for the server of YouTube-VOS: Annotations/<video>/<frame>.png.

    It holds the wanted frames alone, and the same bytes for the same predictions.

    Args:
        videos: All videos of the split.
        folder: Of predictions, <video>/<frame>.png.
        path: Of the zip; replaced if it exists.

    Raises:
        InputError: If a wanted frame has no prediction.
    """
    folder, videos = Path(folder), list(videos)
    for video in videos:
        video.check_maps(folder, video.kept)
    with atomic_write(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for video in videos:
            for index in video.kept:
                source = video.map_in(folder, index)
                entry = zipfile.ZipInfo(f"Annotations/{video.name}/{source.name}")
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, source.read_bytes())
