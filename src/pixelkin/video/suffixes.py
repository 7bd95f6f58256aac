"""Suffixes of the files that are taken for images, or listed as videos.

A file of any other suffix is opened as a video where it is named, and among the videos of a
training, too; see `data.index.OTHER_NAMES` for what nobody takes for one.
"""

from __future__ import annotations

IMAGES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
STACKS = frozenset({".tif", ".tiff", ".webp", ".png"})  # images that may have pages
VIDEOS = frozenset(
    {".mp4", ".m4v", ".mov", ".avi", ".webm", ".mkv", ".mpg", ".mpeg", ".wmv", ".asf", ".flv"}
    | {".ts", ".mts", ".m2ts", ".3gp", ".ogv", ".gif", ".apng", ".mxf", ".dv", ".vob", ".mjpeg"}
    | {".mjpg", ".h264", ".264", ".h265", ".hevc", ".ivf", ".y4m", ".heic", ".heif", ".avif"}
)
