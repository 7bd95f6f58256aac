"""Features of a session's video, held as long as memory allows."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from threading import Lock

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from pixelkin.annotation.layers import Layer
from pixelkin.background import give_back_memory, prefetch
from pixelkin.formats.frame_names import spoken
from pixelkin.models.encoder import Encoder
from pixelkin.ops.devices import described
from pixelkin.propagation.encoding import at_frame
from pixelkin.propagation.propagator import Propagator
from pixelkin.video.reader import VideoReader

FEATURE_BYTES = 2**30
AROUND = 12  # frames on each side of one that are made ready for it
TIDY_EVERY = 256
"""Frames. Features of small frames that are held lie between what was needed to compute them, and
keep glibc from giving that back: 160 KiB a frame of 96 x 170 pixels."""


class Features:
    """Features of the frames of a video, each computed once as long as memory allows.

    Args:
        reader: The video.
        encoder: What computes them.
        most: Bytes that may be held, on the encoder's device.

    Attributes:
        frames: How many there are.
        device: What computes, in words.
    """

    def __init__(self, reader: VideoReader, encoder: Encoder, most: int = FEATURE_BYTES) -> None:
        self._reader, self._encoder, self._most = reader, encoder, most
        self._held: OrderedDict[tuple[object, ...], Tensor] = OrderedDict()  # the latest used last
        self._bytes = self._kept = 0
        self._propagators: dict[tuple[object, ...], Propagator] = {}
        self._lock = Lock()
        self.frames = len(reader)
        self.device = described(encoder.device)

    def get(self, layer: Layer, frame: int) -> Tensor:
        """C x h x w of one frame, as the layer's protocol wants it."""
        return next(iter(self.along(layer, range(frame, frame + 1))))

    def along(
        self, layer: Layer, frames: range, begin: Callable[[], None] = lambda: None
    ) -> Generator[Tensor, None, None]:
        """Those of consecutive frames, in either direction; the next one is computed meanwhile.

        Args:
            layer: Whose.
            frames: Their numbers.
            begin: Called before each is computed, in the thread that does it.
        """
        with closing(prefetch(self._each(layer, frames, begin))) as found:
            yield from found

    def around(self, layer: Layer, near: int) -> Generator[int, None, None]:
        """Make those of the frames around one ready, the nearest first.

        Goes as far as `AROUND`, or as half of the memory reaches. Stop asking to end it.

        Yields:
            The number of each frame that is ready.
        """
        ways = range(near, self.frames), range(near - 1, -1, -1)
        sides = [(frames, self._each(layer, frames)) for frames in ways]
        room = self._most // 2
        for k in range(AROUND + 1):
            for frames, features in sides:
                if k < len(frames) and room > 0:
                    room -= next(features).nbytes
                    yield frames[k]

    def _each(
        self, layer: Layer, frames: range, begin: Callable[[], None] = lambda: None
    ) -> Iterator[Tensor]:
        """Features of consecutive frames, each computed where it is not held."""
        key = (layer.sizes.encoded, layer.protocol.stride, layer.protocol.fast)
        if key not in self._propagators:
            self._propagators[key] = Propagator(self._encoder, layer.protocol)
        propagator = self._propagators[key]
        images: Iterator[tuple[int, NDArray[np.uint8]]] = iter(())
        for frame in frames:
            features = self._find((*key, frame))
            if features is None:
                # Reads on, past frames that are held, from the first that is not.
                image = next((image for number, image in images if number == frame), None)
                if image is None:
                    images = self._read(range(frame, frames.stop, frames.step))
                    _, image = next(images)
                begin()
                with at_frame(spoken(frame, self._reader.info)):
                    features = propagator.features(image)
                self._keep((*key, frame), features)
            yield features

    def _read(self, frames: range) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        stop = frames.stop if frames.stop >= 0 else None
        return zip(frames, self._reader.frames(frames.start, stop, frames.step), strict=True)

    def _find(self, key: tuple[object, ...]) -> Tensor | None:
        with self._lock:  # passes may be computed while another looks at a frame
            if key in self._held:
                self._held.move_to_end(key)
            return self._held.get(key)

    def _keep(self, key: tuple[object, ...], features: Tensor) -> None:
        with self._lock:
            if key not in self._held:
                self._bytes += features.nbytes
                self._kept += 1
                if self._kept % TIDY_EVERY == 0:
                    give_back_memory()
            self._held[key] = features
            while len(self._held) > 1 and self._bytes > self._most:
                self._bytes -= self._held.popitem(last=False)[1].nbytes
