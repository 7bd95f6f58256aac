"""Small videos made by PyAV: codecs, containers, keyframes, pixels, rates, damage."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

FRAMES = 40
SIZE = (48, 64)


@dataclass(frozen=True)
class Case:
    """One video.

    Attributes:
        name: Of the case; what follows its last dot is the suffix of the file.
        codec: Encoder.
        options: Of the encoder.
        pixels: Format in which it is encoded.
        rate: Frames per second.
        size: (height, width).
        spacing: Ticks of the rate from each frame to the next, repeated.
        damage: How packets are damaged: "zero", "noise", "half" (their second half is noise).
        packets: Which, in the order of the file.
        flags: Of the container.
    """

    name: str
    codec: str = "libx264"
    options: dict[str, str] = field(default_factory=dict)
    pixels: str = "yuv420p"
    rate: Fraction = Fraction(25)
    size: tuple[int, int] = SIZE
    spacing: tuple[int, ...] = (1,)
    damage: str | None = None
    packets: tuple[int, ...] = ()
    flags: str | None = None

    @property
    def has_encoder(self) -> bool:
        """Whether this FFmpeg can make it."""
        try:
            av.Codec(self.codec, "w")
        except av.codec.codec.UnknownCodecError:
            return False
        return True


GOP = {"g": "12", "bf": "2"}
OPEN = {"x264-params": "open-gop=1:keyint=12:bframes=3:scenecut=0"}
X265 = {"x265-params": "keyint=12:bframes=2:log-level=none"}
SVT = {"g": "12", "preset": "12", "svtav1-params": "lookahead=0"}
VP9 = {"g": "12", "lag-in-frames": "16", "auto-alt-ref": "1", "cpu-used": "8"}
VP8 = {"g": "12", "lag-in-frames": "16", "auto-alt-ref": "1", "cpu-used": "8"}

WHOLE = (
    # Containers.
    Case("h264.mp4", options=GOP),
    Case("h264-first.mp4", options=GOP, flags="faststart"),
    Case("h264-fragments.mp4", options=GOP, flags="frag_keyframe+empty_moov"),
    Case("h264.mov", options=GOP),
    Case("h264.m4v", options=GOP),
    Case("h264.mkv", options=GOP),
    Case("h264.avi", options=GOP),
    Case("h264.flv", options=GOP),
    Case("h264.ts", options=GOP),
    Case("h264.m2ts", options=GOP),
    Case("h264.MTS", options=GOP),
    Case("h264.3gp", options=GOP),
    Case("h264.h264", options=GOP),
    # Structure of groups of pictures.
    Case("open.mp4", options=OPEN),
    Case("open.mkv", options=OPEN),
    Case("short.mp4", options={"x264-params": "keyint=3:min-keyint=1:scenecut=0"}),
    Case("intra.mp4", options={"x264-params": "keyint=1"}),
    Case("refresh.mp4", options={"x264-params": "intra-refresh=1:keyint=12"}),
    Case("endless.mp4", options={"g": "1000", "bf": "0"}),
    Case("pyramid.mkv", options={"x264-params": "keyint=24:bframes=7:b-pyramid=normal"}),
    # Codecs.
    Case("hevc.mp4", "libx265", X265),
    Case("hevc.mkv", "libx265", X265),
    Case("hevc.ts", "libx265", X265),
    Case("av1.mp4", "libsvtav1", SVT, size=(64, 64)),
    Case("av1.webm", "libsvtav1", SVT, size=(64, 64)),
    Case("vp9.webm", "libvpx-vp9", VP9),
    Case("vp8.webm", "libvpx", VP8),
    Case("mpeg4.avi", "mpeg4", GOP),
    Case("mpeg4.mp4", "mpeg4", GOP),
    Case("mpeg2.mpg", "mpeg2video", GOP),
    Case("mpeg2.ts", "mpeg2video", GOP),
    Case("mpeg1.mpeg", "mpeg1video", GOP),
    Case("wmv2.wmv", "wmv2", {"g": "12"}),
    Case("wmv1.asf", "wmv1", {"g": "12"}),
    Case("msmpeg4.avi", "msmpeg4", {"g": "12"}),
    Case("flv1.flv", "flv", {"g": "12"}),
    Case("h263.3gp", "h263", {"g": "12"}, size=(96, 128)),
    Case("mjpeg.avi", "mjpeg", pixels="yuvj420p"),
    Case("mjpeg.mov", "mjpeg", pixels="yuvj422p"),
    Case("theora.ogv", "libtheora", {"g": "12"}),
    Case("gif.gif", "gif", pixels="rgb8"),
    Case("apng.apng", "apng", pixels="rgb24"),
    Case("ffv1.mkv", "ffv1"),
    Case("huffyuv.avi", "huffyuv", pixels="yuv422p"),
    Case("utvideo.avi", "utvideo", pixels="gbrp"),
    Case("raw.avi", "rawvideo", pixels="yuv420p"),
    Case("qtrle.mov", "qtrle", pixels="rgb24"),
    Case("png.mov", "png", pixels="rgb24"),
    Case("svq1.mov", "svq1", {"g": "12"}, pixels="yuv410p"),
    # Pixels.
    Case("444.mp4", options=GOP, pixels="yuv444p"),
    Case("422.mkv", options=GOP, pixels="yuv422p"),
    Case("10bit.mkv", options=GOP, pixels="yuv420p10le"),
    Case("10bit-hevc.mp4", "libx265", X265, pixels="yuv420p10le"),
    Case("12bit-hevc.mp4", "libx265", X265, pixels="yuv420p12le"),
    Case("prores.mov", "prores_ks", pixels="yuv422p10le"),
    Case("grey.mkv", "ffv1", pixels="gray"),
    Case("grey10.mkv", "ffv1", pixels="gray10le"),
    Case("grey12.mkv", "ffv1", pixels="gray12le"),
    Case("grey16.mkv", "ffv1", pixels="gray16le"),
    Case("rgb12.mkv", "ffv1", pixels="gbrp12le"),
    Case("rgb16.mkv", "ffv1", pixels="rgb48le"),
    Case("alpha.mkv", "ffv1", pixels="yuva420p"),
    Case("bgr.avi", "rawvideo", pixels="bgr24"),
    # Rates.
    Case("2000fps.mp4", options=GOP, rate=Fraction(2000)),
    Case("ntsc.mp4", options=GOP, rate=Fraction(30000, 1001)),
    Case("ten-minutes.mkv", options=GOP, rate=Fraction(1, 600)),
    Case("ten-minutes.mp4", options=GOP, rate=Fraction(1, 600)),
    Case("variable.mp4", options=GOP, spacing=(1, 3, 1, 7)),
    Case("variable.mkv", options=GOP, spacing=(1, 3, 1, 7)),
)

HURT = tuple(
    Case(
        f"{stem}-{how}-{'-'.join(map(str, packets))}.{suffix}",
        codec,
        options,
        pixels,
        damage=how,
        packets=packets,
    )
    for stem, suffix, codec, options, pixels in (
        ("h264", "mp4", "libx264", GOP, "yuv420p"),
        ("open", "mp4", "libx264", OPEN, "yuv420p"),
        ("h264", "mkv", "libx264", GOP, "yuv420p"),
        ("h264", "ts", "libx264", GOP, "yuv420p"),
        ("h264", "avi", "libx264", GOP, "yuv420p"),
        ("hevc", "mp4", "libx265", X265, "yuv420p"),
        ("mpeg4", "avi", "mpeg4", GOP, "yuv420p"),
        ("mpeg2", "ts", "mpeg2video", GOP, "yuv420p"),
        ("vp9", "webm", "libvpx-vp9", VP9, "yuv420p"),
        ("vp8", "webm", "libvpx", VP8, "yuv420p"),
        ("mjpeg", "avi", "mjpeg", {}, "yuvj420p"),
        ("ffv1", "mkv", "ffv1", {}, "yuv420p"),
    )
    for how, packets in (
        ("zero", (24,)),
        ("noise", (14, 15)),
        ("half", (12, 30)),
        ("zero", (0,)),
    )
    # FFmpeg makes something else of broken FFV1 each time; PyAV opens no AVI without H.264's heads.
    if (stem, how) != ("ffv1", "half") and (stem, suffix, packets) != ("h264", "avi", (0,))
)


def picture(number: int, size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    """A frame of coarse colours that move, with the full range of values."""
    height, width = size
    coarse = np.random.default_rng(0).integers(0, 256, (height // 8, width // 8, 3))
    coarse[0, :2] = [[0, 0, 0], [255, 255, 255]]
    moved = np.roll(np.kron(coarse, np.ones((8, 8, 1))), 3 * number, axis=1)
    return moved.astype(np.uint8)


def make(case: Case, folder: Path) -> Path:
    """Write a case's video."""
    path = folder / case.name
    options = {} if case.flags is None else {"movflags": case.flags}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(case.codec, rate=case.rate, options=case.options)
        stream.height, stream.width = case.size
        stream.pix_fmt = case.pixels
        at = 0
        for number in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(picture(number, case.size), format="rgb24")
            frame = frame.reformat(format=case.pixels)
            frame.pts, frame.time_base = at, 1 / case.rate
            at += case.spacing[number % len(case.spacing)]
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    if case.damage is not None:
        damage(path, case.damage, case.packets)
    return path


def damage(path: Path, how: str, which: tuple[int, ...]) -> None:
    """Overwrite packets of a file, of MPEG-TS their first part."""
    with av.open(str(path)) as container:
        stretched = container.format.name == "mpegts"
        packets = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    data, rng = bytearray(path.read_bytes()), np.random.default_rng(1)
    for number in which:
        start, size = packets[number]
        if stretched:
            start, size = start + 60, 120  # behind the heads of the transport packet
        if how == "half":
            start, size = start + size // 2, size - size // 2
        noise = rng.integers(0, 256, size, dtype=np.uint8).tobytes()
        data[start : start + size] = bytes(size) if how == "zero" else noise
    path.write_bytes(data)
