"""The packets and frames of a video file as FFmpeg plays them: what is damaged is passed over.

FFmpeg's own program goes on after a packet that it cannot decode, and so does this. Knows nothing
about frame numbers.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, cast

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from pixelkin.types import InputError

NOT_SHOWN = Disposition.attached_pic | Disposition.dependent  # covers of songs; tiles of pictures

# Playlists, scripts, streams and devices are no videos: they lead to other files, or to networks.
ELSEWHERE = frozenset(
    (
        "applehttp", "avisynth", "concat", "concatf", "dash", "ffmetadata", "fbdev", "hls",
        "image2", "image2pipe", "imf", "jack", "kmsgrab", "lavfi", "live_flv", "mlv", "oss",
        "pulse", "rtp", "rtsp", "sap", "sdp", "tty", "v4l2", "video4linux2,v4l2", "vapoursynth",
        "webm_dash_manifest", "x11grab", "xcbgrab", "alsa", "dv1394", "iec61883", "openal",
        "sndio", "tedcaptions",
    )
)  # fmt: skip

# Titles of any bytes are taken by PyAV 19 as it is, by older ones where they are told to.
ANY_TITLE: dict[str, Any] = (
    {"metadata_errors": "replace"} if hasattr(InputContainer, "metadata_errors") else {}
)


@cache
def _formats() -> str:
    """The kinds of files that are opened."""
    return ",".join(sorted(name for name in av.formats_available if name not in ELSEWHERE))


@contextmanager
def opened(
    path: Path, *, threads: int | None = None
) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The file and the track of it that is shown, see `choose`.

    Args:
        path: The file.
        threads: That decode; None for as many as help.

    Raises:
        InputError: If the file holds no video, or FFmpeg cannot decode it.
    """
    try:
        with av.open(
            str(path),
            container_options={"protocol_whitelist": "file", "format_whitelist": _formats()},
            **ANY_TITLE,
        ) as container:
            stream = choose(container, path)
            stream.thread_type = "AUTO"
            stream.codec_context.thread_count = threads or min(4, os.cpu_count() or 1)
            yield container, stream
    except av.FFmpegError as error:
        raise InputError(
            f"{path} cannot be read as a video ({error.strerror}); "
            "it is cut off, broken, or not a video"
        ) from error


def choose(container: InputContainer, path: Path) -> VideoStream:
    """The track that players show: one marked as the default, of several the largest, the first.

    Raises:
        InputError: If there is none, or FFmpeg has no decoder for it.
    """
    tracks = tracks_of(container)
    if not tracks and any(s.disposition & Disposition.dependent for s in container.streams.video):
        raise InputError(f"{path} is a picture made of tiles: convert it to PNG or JPEG")
    if not tracks or container.format.name == "tty":  # text rendered as video
        raise InputError(f"{path} holds no video")
    # PyAV gives None where FFmpeg has no decoder, whatever its types say.
    decoded = [s for s in tracks if cast(object, s.codec_context) is not None]
    if not decoded:
        raise InputError(f"{path}: FFmpeg has no decoder for its video; convert it to H.264")
    return max(decoded, key=_prominence)


def tracks_of(container: InputContainer) -> list[VideoStream]:
    """The tracks that hold a video, not a cover or a part of a picture."""
    return [s for s in container.streams.video if not s.disposition & NOT_SHOWN]


def _prominence(track: VideoStream) -> tuple[bool, int]:
    area = (track.codec_context.width or 0) * (track.codec_context.height or 0)
    return bool(track.disposition & Disposition.default), area


def decoded(
    container: InputContainer, stream: VideoStream, lost: Callable[[Packet[Any] | None], None]
) -> Iterator[VideoFrame]:
    """The frames that FFmpeg can decode from where the file stands, in the order of presentation.

    Args:
        container: The file.
        stream: Its track.
        lost: Called with each packet that cannot be decoded; None where the file cannot be read on.
    """
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError:  # the end, as FFmpeg's own program takes it
            lost(None)
            packet = None
        try:
            frames = stream.codec_context.decode(packet)
        except EOFError:  # the packet that ends a stream came before
            return
        except av.FFmpegError:
            lost(packet)
            continue
        yield from frames
        if packet is None:
            return
