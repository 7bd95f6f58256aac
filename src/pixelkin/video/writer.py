"""Writing videos and images; every file appears complete or not at all.

Existing files are replaced: callers that must not overwrite check first. PyAV is imported where a
video is written, so that images are written without it.
"""

from __future__ import annotations

from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pixelkin.files import atomic_write
from pixelkin.types import InputError

if TYPE_CHECKING:
    from av.video.stream import VideoStream

BT709 = 1  # AVCOL_PRI_BT709 and AVCOL_TRC_BT709
FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}


class VideoWriter:
    """Write frames to an H.264 video (yuv420p, BT.709, plays in browsers), atomically.

    H.264 needs even sizes: an odd last row or column is repeated once. Where FFmpeg has no
    libx264, MPEG-4 part 2 is written instead.

    Args:
        path: Ends in .mp4, .m4v, .mov or .mkv; appears when the `with` block ends well.
        fps: Frames per second.
        size: (height, width) of the frames.
        crf: Quality of libx264: 0 is lossless, 18 looks so, each 6 more halve the file.

    Raises:
        InputError: If the suffix is none of these, or `fps` is not from 0.01 to 1000.

    Example:
        >>> with VideoWriter("out.mp4", fps=25, size=(480, 854)) as writer:
        ...     writer.write(np.zeros((480, 854, 3), np.uint8))  # H x W x 3 uint8 RGB
    """

    def __init__(
        self, path: str | Path, fps: float, size: tuple[int, int], *, crf: int = 18
    ) -> None:
        self.path = Path(path)
        if self.path.suffix.lower() not in FORMATS:
            allowed = ", ".join(FORMATS)
            raise InputError(f"cannot write the video {path}: its name must end in {allowed}")
        if not 0.01 <= fps <= 1000:
            raise InputError(f"cannot write the video {path}: {fps = } must be from 0.01 to 1000")
        self.fps = Fraction(fps).limit_denominator(1001)  # 29.97... becomes 30000/1001
        self.size = size
        self.crf = crf
        self._frames = 0
        self._stack = ExitStack()

    def __enter__(self) -> VideoWriter:
        import av

        suffix = self.path.suffix.lower()
        options = {} if suffix == ".mkv" else {"movflags": "faststart"}  # index first, to stream
        with ExitStack() as stack:
            temporary = stack.enter_context(atomic_write(self.path))
            container = av.open(str(temporary), "w", format=FORMATS[suffix], options=options)
            self._container = stack.enter_context(container)
            self._stream = self._add_stream()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self._stack.__exit__(kind, error, trace)
            return
        with self._stack:
            if not self._frames:
                raise ValueError(f"no frame was written to {self.path}")
            self._container.mux(self._stream.encode())

    def write(self, frame: NDArray[np.uint8]) -> None:
        """Append one H x W x 3 uint8 RGB frame of the writer's size."""
        from av.video.frame import VideoFrame
        from av.video.reformatter import Colorspace

        from pixelkin.video.pixels import ACCURATE

        height, width = self.size
        if frame.shape != (height, width, 3) or frame.dtype != np.uint8:
            raise ValueError(
                f"a frame must be {height}x{width}x3 uint8, got {frame.shape} of {frame.dtype}"
            )
        if height % 2 or width % 2:
            frame = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        picture = VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        picture = picture.reformat(
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            interpolation=ACCURATE,
        )
        picture.pts = self._frames
        picture.time_base = 1 / self.fps
        self._container.mux(self._stream.encode(picture))
        self._frames += 1

    def _add_stream(self) -> VideoStream:
        import av
        from av.video.reformatter import ColorRange, Colorspace

        height, width = self.size
        if "libx264" in av.codecs_available:
            options = {"crf": str(self.crf), "preset": "fast"}
            stream = self._container.add_stream("libx264", rate=self.fps, options=options)
        else:
            stream = self._container.add_stream("mpeg4", rate=self.fps, options={"qmax": "4"})
            stream.bit_rate = round(height * width * self.fps)  # one bit a pixel is plenty
        stream.height, stream.width = height + height % 2, width + width % 2
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.colorspace = Colorspace.ITU709
        context.color_primaries = context.color_trc = BT709
        context.color_range = ColorRange.MPEG
        return stream


def write_image(path: str | Path, image: NDArray[np.uint8]) -> None:
    """Write an H x W (grey) or H x W x 3 (RGB) uint8 image, atomically, as the suffix says.

    Raises:
        InputError: If no image format has this suffix.
    """
    path = Path(path)
    kind = Image.registered_extensions().get(path.suffix.lower())
    if kind not in Image.SAVE:
        raise InputError(f"cannot write the image {path}: its name must end in .png or .jpg")
    options: dict[str, Any] = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {}
    with atomic_write(path) as temporary:
        Image.fromarray(image).save(temporary, format=kind, **options)
