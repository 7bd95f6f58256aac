"""A whole video: from labels of any frames to labels of all frames.

`plan` covers a video with passes, and a `Relay` computes them, one after the other. `propagate` is
an iterator over a video; see results.py for a folder.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pixelkin.background import give_back_memory, prefetch
from pixelkin.formats.frame_names import spoken
from pixelkin.formats.registry import load_annotations
from pixelkin.models.encoder import Encoder, load_encoder
from pixelkin.propagation.codec import Codec, codec_for
from pixelkin.propagation.encoding import at_frame, fitted
from pixelkin.propagation.ensemble import Ensemble, Steps, Voice
from pixelkin.propagation.plan import Pass, plan
from pixelkin.propagation.propagator import Propagator
from pixelkin.propagation.protocol import Protocol
from pixelkin.propagation.shots import Watch, end_at_cut
from pixelkin.types import Annotations, Labels, PointLabels, Prediction
from pixelkin.video.reader import VideoReader, open_video

TIDY_EVERY = 100  # frames
Keyframes = Labels | Mapping[int, Labels] | Annotations | NDArray[Any] | str | Path


def checked(labels: Keyframes, reader: VideoReader, protocol: Protocol) -> dict[int, Labels]:
    """Keyframes by number, found to fit the video and each other before any work is done.

    An array is a map of ids of frame 0, a path a file of labels.

    Raises:
        InputError: If they are of another size than the video, of several kinds, or mark nothing,
            or if points are not pixels of the frame.
    """
    if isinstance(labels, str | Path):
        labels = load_annotations(labels, reader.info)
    elif isinstance(labels, np.ndarray):
        labels = {0: Labels.from_mask(labels)}
    elif isinstance(labels, Labels):
        labels = {0: labels}
    annotations = labels if isinstance(labels, Annotations) else Annotations.of(labels)
    keyframes: dict[int, Labels] = {}
    first: Codec | None = None
    for index, one in annotations:
        where = annotations.called(index)
        codec = codec_for(one, reader.info.size, protocol, where)
        first = first or codec
        first.check(one, where)
        if isinstance(one, PointLabels):
            one.check_places(where)
        keyframes[index] = one
    return keyframes


def stream(
    frames: Iterable[NDArray[np.uint8]],
    propagator: Steps,
    given: Callable[[int], Labels | None],
    *,
    merge: bool = False,
    first: int = 0,
    called: Callable[[int], str] = "frame {}".format,
) -> Generator[Prediction, None, None]:
    """The predictions of consecutive frames; the next frames are encoded meanwhile.

    Each of both has half of torch's threads, which is faster than all of them for each, where a
    network of torch encodes on the CPU.

    Args:
        frames: H x W x 3 uint8 RGB each.
        propagator: At frame `first`: a `Propagator`, or several that are one.
        given: The labels of the frame of a number, if it is a keyframe.
        merge: As in `Propagator.step`.
        first: Number of the first of the frames.
        called: What the frame of a number is called in errors.

    Raises:
        InputError: If a frame cannot be encoded, or its features are not finite; it is named.
    """
    threads = torch.get_num_threads()
    here = max(1, threads // 2)

    def encode() -> Iterator[tuple[NDArray[np.uint8], Tensor]]:
        torch.set_num_threads(max(1, threads - here))  # of this thread
        for number, frame in enumerate(frames, start=first):
            with at_frame(called(number)):
                features = propagator.features(frame)
            yield frame, features

    with ExitStack() as stack:
        stack.callback(torch.set_num_threads, threads)  # also of threads that begin later
        encoded = stack.enter_context(closing(prefetch(encode())))
        for number, (frame, features) in enumerate(encoded, start=first):
            torch.set_num_threads(here)
            try:
                prediction = propagator.step(frame, given(number), merge=merge, features=features)
            finally:
                torch.set_num_threads(threads)  # of who asks for it
            yield prediction
            if number % TIDY_EVERY == 0:
                give_back_memory()


class Relay:
    """Computes the passes of a video, one after the other; what a later one needs of it stays.

    Args:
        reader: The video.
        keyframes: Labels by frame number.
        encoder: An `Encoder`, or what `load_encoder` takes.
        protocol: What to do.
        over_cuts: Whether labels are carried over cuts.

    Attributes:
        cuts: Frames of the pass with which a new shot was found to begin, as far as it has come.
    """

    def __init__(
        self,
        reader: VideoReader,
        keyframes: Mapping[int, Labels],
        encoder: Encoder | str | Path,
        protocol: Protocol,
        *,
        over_cuts: bool = False,
    ) -> None:
        self._reader = reader
        self._keyframes = keyframes
        self._new = Propagator(encoder, protocol)
        self._running: dict[int, Propagator] = {}  # by keyframe
        self._last: Tensor | None = None  # features of the frame that the running ones had last
        self._over = over_cuts
        self.cuts: list[int] = []

    def run(
        self,
        part: Pass,
        done: int = 0,
        state: Mapping[str, NDArray[Any]] | None = None,
        waiting: Callable[[], None] | None = None,
    ) -> Iterator[tuple[int, Prediction]]:
        """One pass: (frames of it done, prediction), from its `done`-th frame on.

        Args:
            part: The pass.
            done: How many of its frames were done when `state` was taken.
            state: See `state`.
            waiting: Called for each frame that is only followed anew, since a source of the pass
                begins before it.
        """
        self._enter(part, done, state or {}, waiting)
        labels, main = self._keyframes[part.keyframe], self._running[part.keyframe]
        steps: Steps = main
        others: list[Voice] = []
        if part.others:
            others = [Voice(self._running[s.keyframe], s.objects) for s in part.others]
            objects = [self._keyframes[s.keyframe].objects.chosen(s.objects) for s in part.others]
            steps = Ensemble(main, labels, others, objects)

        def given(number: int) -> Labels | None:
            return labels if number == 0 else None

        elsewhere = {i for source in part.others for i in source.objects}
        own = [i for i in labels.objects.ids if i not in elsewhere]
        watch = Watch(steps, [Voice(main, own), *others], self._last, over=self._over)

        def called(number: int) -> str:
            return spoken(part.index(number), self._reader.info)

        frames = part.read(self._reader, done)
        predictions = stream(frames, watch, given, first=done, called=called)
        with closing(predictions):
            for number, prediction in enumerate(predictions, start=done):
                index, self._last = part.index(number), watch.last
                if watch.cut:  # backwards, the shot that is left begins with the frame before
                    self.cuts.append(max(index, index - part.direction))
                if part.direction > 0 or number > 0:
                    named = prediction.renumbered(index, self._reader.info.name(index))
                    yield number + 1, named

    def state(self) -> dict[str, NDArray[Any]]:
        """What a pass goes on from, beside the frames; see `Propagator.state`."""
        return {"cuts": np.array(self.cuts, np.int64)} | {
            f"{keyframe}/{name}": array
            for keyframe, propagator in self._running.items()
            for name, array in propagator.state().items()
        }

    def _enter(
        self,
        part: Pass,
        done: int,
        state: Mapping[str, NDArray[Any]],
        waiting: Callable[[], None] | None,
    ) -> None:
        """Have a propagator for each source of a pass: at its beginning, or as in `state`."""
        earlier = [source.keyframe for source in part.others]
        self.cuts = []
        if state:
            self.cuts = state["cuts"].tolist() if "cuts" in state else []
            self._running = {k: self._restored(k, part, state) for k in (*earlier, part.keyframe)}
            before = self._reader[part.index(done - 1)]
            self._last = self._new.features(before)
            return
        start = part.keyframe
        there = {k: p for k, p in self._running.items() if k in earlier and p.next == start - k}
        lacking = [k for k in earlier if k not in there]
        self._running = there | self._followed(lacking, start, waiting)
        self._running[start] = self._new.another()

    def _restored(self, keyframe: int, part: Pass, state: Mapping[str, NDArray[Any]]) -> Propagator:
        own = f"{keyframe}/"
        propagator = self._new.another()
        propagator.restore(
            {name.removeprefix(own): a for name, a in state.items() if name.startswith(own)},
            self._keyframes[keyframe],
            lambda number: self._reader[keyframe + number * part.direction],
        )
        return propagator

    def _followed(
        self, keyframes: Collection[int], end: int, waiting: Callable[[], None] | None
    ) -> dict[int, Propagator]:
        """Propagators that have come from their keyframes to frame `end`."""
        found: dict[int, Propagator] = {}
        if not keyframes:
            return found
        self._last = None
        first = min(keyframes)
        encode = (self._new.features(frame) for frame in self._reader.frames(first, end))
        with closing(prefetch(encode)) as encoded:
            for index, features in enumerate(encoded, start=first):
                end_at_cut(list(found.values()), self._last, features, over=self._over)
                self._last = features
                for propagator in found.values():
                    propagator.votes(features)
                if index in keyframes:
                    found[index] = self._new.another()
                    found[index].votes(features, self._keyframes[index])
                if waiting is not None:
                    waiting()
        return found


def propagate(
    video: str | Path | VideoReader,
    labels: Keyframes,
    *,
    encoder: Encoder | str | Path = "default",
    protocol: Protocol | str = "davis",
    device: str | torch.device = "auto",
    replace: bool = False,
    over_cuts: bool = False,
) -> Iterator[Prediction]:
    """Carry labels through a video.

    Args:
        video: A file, a folder of frames, a glob pattern, or an open reader.
        labels: Labels of frame 0, or a map of its ids, H x W; a mapping from frame number to
            labels; annotations, or a file of them. An object follows its latest label, and goes
            on over keyframes that do not show it; frames before the first keyframe follow that.
        encoder: An `Encoder`, or what `load_encoder` takes.
        protocol: A `Protocol`, or the name of one.
        device: As in `Propagator`.
        replace: Whether a keyframe labels all that there is: objects that it lacks end there.
        over_cuts: Whether labels are carried over hard cuts (`propagation.cuts`). If not, objects
            have no pixel or position from a cut on to the next keyframe.

    Returns:
        An iterator of one `Prediction` for each frame: from the first keyframe to the end, then,
        where that is not frame 0, from the frame before it back to 0.

    Raises:
        InputError: If the video cannot be read or the labels do not fit it.
    """
    reader = open_video(video)
    encoder = load_encoder(encoder, device=device)
    protocol = fitted(Protocol.named(protocol), encoder)
    keyframes = checked(labels, reader, protocol)
    passes = plan(len(reader), keyframes, replace=replace)
    relay = Relay(reader, keyframes, encoder, protocol, over_cuts=over_cuts)
    return (prediction for part in passes for _, prediction in relay.run(part))
