"""All frames that a training may see, in one uint8 tensor: in memory, or on the device itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pixelkin.data.store import FrameStore, Segment


@dataclass(frozen=True)
class Layout:
    """Where the frames of segments lie.

    Attributes:
        begins: The pixel with which each segment begins.
        sizes: (height, width) of its frames.
        broken: What kept a segment from being read.
    """

    begins: dict[Segment, int]
    sizes: dict[Segment, tuple[int, int]]
    broken: dict[Segment, str]

    def locate(self, segment: Segment, time: int) -> int:
        """The pixel with which frame `time` of the video begins.

        Raises:
            OSError: If the segment could not be read.
        """
        if segment in self.broken:
            raise OSError(self.broken[segment])
        height, width = self.sizes[segment]
        return self.begins[segment] + (time - segment.start) * height * width


class HeldFrames:
    """The frames of all segments.

    Attributes:
        pixels: Flat uint8: segment after segment, frame after frame, each H x W x 3.
        layout: Where they lie.

    Args:
        store: Reads them, reduced.
        segments: Of the videos.
        device: Where they are to lie.
        progress: Called with (segments read, of how many).
        threads: How many segments are read at a time.
    """

    def __init__(
        self,
        store: FrameStore,
        segments: Sequence[Segment],
        device: torch.device,
        progress: Callable[[int, int], None] | None = None,
        *,
        threads: int = 1,
    ) -> None:
        self.layout = Layout({}, {s: store.size(s.video) for s in segments}, {})
        self.pixels = torch.empty(held_bytes(store, segments), dtype=torch.uint8, device=device)
        begin = 0
        for segment in segments:
            height, width = self.layout.sizes[segment]
            self.layout.begins[segment] = begin
            begin += len(segment) * height * width

        def fill(segment: Segment) -> None:
            height, width = self.layout.sizes[segment]
            begin = 3 * self.layout.begins[segment]
            try:
                frames = np.array(store.whole(segment))  # a map of a file cannot be written to
                part = self.pixels[begin : begin + 3 * len(segment) * height * width]
                part.copy_(torch.from_numpy(frames).flatten())
            except Exception as error:  # whatever a damaged file does to a decoder
                self.layout.broken[segment] = str(error) or repr(error)

        with ThreadPoolExecutor(threads) as readers:
            for i, _ in enumerate(readers.map(fill, segments), start=1):
                if progress is not None:
                    progress(i, len(segments))

    def read(self, segment: Segment, times: Sequence[int]) -> list[NDArray[np.uint8]]:
        """Frames h x w x 3 uint8, as `FrameStore.read` gives them; they lie in memory.

        Raises:
            OSError: If the segment could not be read.
        """
        return [self._frame(segment, t).numpy() for t in times]

    def _frame(self, segment: Segment, time: int) -> Tensor:
        height, width = self.layout.sizes[segment]
        begin = 3 * self.layout.locate(segment, time)
        return self.pixels[begin : begin + 3 * height * width].view(height, width, 3)


def held_bytes(store: FrameStore, segments: Sequence[Segment]) -> int:
    """How large `HeldFrames` would be."""
    sizes = ((len(s), *store.size(s.video)) for s in segments)
    return sum(3 * count * height * width for count, height, width in sizes)
