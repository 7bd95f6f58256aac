"""Which encoder is better on a video of one's own, from a single labelled frame.

There is no truth but that frame, so its labels are carried away and back to it (a cycle). Frames
that are labelled besides are a truth, and count for more. Knows nothing about where encoders come
from.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pixelkin.evaluation.metrics import pck, region_similarity
from pixelkin.models.encoder import Encoder, load_encoder
from pixelkin.propagation.codec import Sizes
from pixelkin.propagation.passes import Keyframes, checked, stream
from pixelkin.propagation.plan import Pass, digest
from pixelkin.propagation.propagator import Propagator
from pixelkin.propagation.protocol import Protocol
from pixelkin.types import InputError, Labels, MaskLabels, PointLabels
from pixelkin.video.reader import VideoReader, open_video

DISTANCES = (5, 10, 20, 40)
ALPHA = 0.2  # of PCK
MOVED = 4.5  # cells: inside every protocol's window, and between two cells
SHOWN = 4  # labelled frames with a column of their own

Frame = NDArray[np.uint8]


@dataclass(frozen=True)
class VideoScore:
    """One encoder on one video; shares in [0, 1]: J, mean over objects, or PCK of points.

    Attributes:
        cycle: By distance in frames: the labels that come back from so far away, against those
            that were given.
        truth: By frame number: the labels carried to a frame that is labelled as well, against its
            own.
        moved: The labels carried to moved copies of their own frame, where the truth is known. Of
            a network whose labels stay where they are, whatever the frames show, the cycles are
            perfect, and this is bad. NaN where the labels lie at the border of their frame.
    """

    cycle: Mapping[int, float]
    truth: Mapping[int, float]
    moved: float

    @property
    def mean_cycle(self) -> float:
        """Mean over all distances."""
        return float(np.mean(list(self.cycle.values())))

    @property
    def mean_truth(self) -> float:
        """Mean over all labelled frames but the first; NaN where there is none."""
        return float(np.mean(list(self.truth.values()))) if self.truth else float("nan")


@dataclass(frozen=True)
class Comparison:
    """Encoders on one video.

    Attributes:
        frame: Number of the frame whose labels are carried.
        measure: "J" or "PCK@0.2".
        scores: By name of the encoder.
        left_out: Distances that were asked for and lie beyond the end of the video.
    """

    frame: int
    measure: str
    scores: Mapping[str, VideoScore]
    left_out: tuple[int, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Heads of `rows`."""
        first = next(iter(self.scores.values()))
        few = len(first.truth) <= SHOWN
        truth = [f"frame {t}" for t in first.truth] if few else [f"{len(first.truth)} frames"]
        return "weights", *(f"cycle {d}" for d in first.cycle), "cycle mean", *truth, "moved"

    def rows(self) -> list[tuple[str, ...]]:
        """A table under `columns`, in percent, an encoder a row."""
        rows = []
        for name, score in self.scores.items():
            truth = list(score.truth.values())
            shown = truth if len(truth) <= SHOWN else [score.mean_truth]
            figures = [*score.cycle.values(), score.mean_cycle, *shown, score.moved]
            rows.append((name, *("–" if x != x else f"{100 * x:z.1f}" for x in figures)))
        return rows

    def to_json(self) -> dict[str, Any]:
        """All figures as fractions."""
        scores = {
            name: {
                "cycle": {str(d): x for d, x in s.cycle.items()},
                "truth": {str(t): x for t, x in s.truth.items()},
                "moved": None if s.moved != s.moved else s.moved,
            }
            for name, s in self.scores.items()
        }
        return {"frame": self.frame, "measure": self.measure, "weights": scores}


def compare(
    video: str | Path | VideoReader,
    labels: Keyframes,
    encoders: str | Path | Sequence[str | Path] | Mapping[str, Encoder],
    *,
    distances: Sequence[int] = DISTANCES,
    protocol: Protocol | str = "davis",
    device: str | torch.device = "auto",
    progress: Callable[[int, int], None] | None = None,
) -> Comparison:
    """Carry the labels of the first labelled frame away and back, with each encoder.

    Args:
        video: A file, a folder of frames, a glob pattern, or an open reader.
        labels: As in `propagate`. Those of the first labelled frame are carried; later ones are
            what they are compared with.
        encoders: What `load_encoder` takes, one or several, or encoders by name.
        distances: Frames from the first labelled one to where labels turn back; those beyond the
            end of the video are left out (`Comparison.left_out`), and where that leaves none, its
            last frame is taken.
        protocol: A `Protocol`, or the name of one.
        device: As in `Propagator`.
        progress: Called with (frames done, frames in all).

    Raises:
        InputError: If the labels do not fit, nothing follows the first labelled frame, it has
            fewer than two points, for which there is no PCK, or there is no encoder or distance.

    Example:
        >>> found = compare("video.mp4", "first_frame.png", ["default", "lab"], distances=[5])
        >>> found.columns
        ('weights', 'cycle 5', 'cycle mean', 'moved')
    """
    reader, protocol = open_video(video), Protocol.named(protocol)
    keyframes = checked(labels, reader, protocol)
    if not keyframes:
        raise InputError("no labels given: at least one frame must be labelled")
    encoders = [encoders] if isinstance(encoders, str | Path) else encoders
    if isinstance(encoders, Encoder):
        raise InputError("give encoders by name, as in encoders={'mine': encoder}")
    if not isinstance(encoders, Mapping):
        encoders = {str(name): load_encoder(name) for name in encoders}
    encoders = {name: load_encoder(one, device=device) for name, one in encoders.items()}
    if not encoders or not distances or min(distances) < 1:
        raise InputError("give at least one encoder, and distances of 1 frame or more")
    work = _Work(reader, keyframes, sorted(set(distances)), protocol)
    done, total = itertools.count(1), work.frames * len(encoders)

    def tick() -> None:
        if progress is not None:
            progress(next(done), total)

    scores = {name: work.score(encoder, tick) for name, encoder in encoders.items()}
    measure = "J" if isinstance(work.labels, MaskLabels) else f"PCK@{ALPHA}"
    left_out = tuple(d for d in sorted(set(distances)) if d not in work.distances)
    return Comparison(work.start, measure, scores, left_out)


class _Work:
    """What is done with each encoder."""

    def __init__(
        self,
        reader: VideoReader,
        keyframes: Mapping[int, Labels],
        distances: Sequence[int],
        protocol: Protocol,
    ) -> None:
        self.reader, self.keyframes, self.protocol = reader, keyframes, protocol
        self.start = min(keyframes)
        self.labels = keyframes[self.start]
        room = len(reader) - 1 - self.start
        if room < 1:
            raise InputError(
                f"frame {self.start}, the first labelled one, is the last of the video: label an "
                "earlier one"
            )
        if isinstance(self.labels, PointLabels) and len(self.labels.present) < 2:
            raise InputError(f"frame {self.start} has fewer than two points: PCK needs two")
        self.distances = [d for d in distances if d <= room] or [room]
        self.copies = list(_moved(reader[self.start], self.labels, protocol))
        self.last = max(self.start + self.distances[-1], *keyframes)

    @property
    def frames(self) -> int:
        """How many are predicted for one encoder."""
        return self.last - self.start + sum(self.distances) + len(self.copies)

    def score(self, encoder: Encoder, tick: Callable[[], None]) -> VideoScore:
        """Carry the labels there and back, and to moved copies."""
        there: dict[int, Labels] = {}
        wanted = {*(self.start + d for d in self.distances), *self.keyframes}
        for index, found in self._carry(encoder, self.labels, self.start, self.last):
            tick()
            if index in wanted:
                there[index] = found
        cycle = {}
        for d in self.distances:
            back = turned = there[self.start + d]
            for _, found in self._carry(encoder, turned, self.start + d, self.start):
                tick()
                back = found
            # Where nothing arrives, nothing comes back.
            cycle[d] = similarity(self.labels, back) if turned.present else 0.0
        moved = []
        for pair in self.copies:
            moved.append(_step(Propagator(encoder, self.protocol), *pair))
            tick()
        later = sorted(self.keyframes.keys() - {self.start})
        truth = {t: similarity(self.keyframes[t], there[t]) for t in later}
        return VideoScore(cycle, truth, float(np.mean(moved)) if moved else float("nan"))

    def _carry(
        self, encoder: Encoder, labels: Labels, start: int, stop: int
    ) -> Iterator[tuple[int, Labels]]:
        """(frame number, labels) after `start`, up to `stop`, forwards or backwards."""
        count, direction = abs(stop - start) + 1, 1 if stop > start else -1
        if not labels.present:
            yield from ((start + i * direction, labels) for i in range(1, count))
            return
        part = Pass(start, count, direction, labels.kind, digest(labels))
        propagator = Propagator(encoder, self.protocol)

        def given(number: int) -> Labels | None:
            return labels if number == 0 else None

        with closing(stream(part.read(self.reader), propagator, given)) as predictions:
            for number, found in enumerate(predictions):
                if number:
                    yield part.index(number), found.labels


def similarity(given: Labels, found: Labels) -> float:
    """J of the objects that `given` shows, their mean; or PCK of its points, lost ones wrong.

    Args:
        given: The truth, of masks or of two points at least.
        found: Labels of the same kind and size.
    """
    if isinstance(given, PointLabels):
        truth, carried = given.points, found.as_points().points
        right = pck([np.stack([truth] * 2)], [np.stack([truth, carried])], (ALPHA,), strict=True)
        return float(right.mean[0]) / 100
    ids, guess = given.as_map().ids, found.as_map().ids
    if not given.present:  # of a frame that shows none of them
        return float(not found.present)
    return float(np.mean([region_similarity(ids == i, guess == i) for i in given.present]))


Copy = tuple[Frame, Labels]


def _moved(frame: Frame, labels: Labels, protocol: Protocol) -> Iterator[tuple[Copy, Copy]]:
    """Two crops of a frame, each moved against the other, with their labels: in four directions."""
    height, width = frame.shape[:2]
    encoded = Sizes.of((height, width), protocol).encoded
    for axis, side in enumerate((height, width)):
        shift = min(round(MOVED * protocol.stride * side / encoded[axis]), side // 4)
        near, far = (slice(0, side - shift), slice(shift, side))
        for first, second in ((near, far), (far, near)):
            crops = [
                (one, slice(None)) if axis == 0 else (slice(None), one) for one in (first, second)
            ]
            pair = [(frame[crop], _cropped(labels, crop)) for crop in crops]
            if pair[0][1].present and _enough(pair[1][1]):
                yield pair[0], pair[1]


def _enough(labels: Labels) -> bool:
    return len(labels.present) >= (2 if isinstance(labels, PointLabels) else 1)


def _cropped(labels: Labels, crop: tuple[slice, slice]) -> Labels:
    """The labels of a part of their frame."""
    height, width = labels.size
    rows, columns = (one.indices(side) for one, side in zip(crop, (height, width), strict=True))
    if isinstance(labels, MaskLabels):
        return replace(labels, ids=np.ascontiguousarray(labels.ids[crop]))
    low = np.array([columns[0], rows[0]], np.float32)
    size = rows[1] - rows[0], columns[1] - columns[0]
    points = labels.as_points().points - low
    inside = ((points >= 0) & (points <= np.array(size[::-1]) - 1)).all(1)
    points[~inside] = np.nan
    return replace(labels.as_points(), points=points, frame_size=size)


def _step(propagator: Propagator, first: Copy, second: Copy) -> float:
    """How well the labels of one picture come to another."""
    propagator.step(np.ascontiguousarray(first[0]), first[1])
    found = propagator.step(np.ascontiguousarray(second[0])).labels
    return similarity(second[1], found)
