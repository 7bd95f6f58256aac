"""Videos with truth, and what is known of their frames while masks are carried."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from pixelkin.annotation.blend import agreement, weights
from pixelkin.data.synthetic import SyntheticScene
from pixelkin.evaluation.metrics import region_similarity
from pixelkin.propagation.confidence import Likeness
from pixelkin.propagation.cuts import coherence
from pixelkin.propagation.propagator import Propagator
from pixelkin.types import Labels

SCENES = 4
SHOT = 12  # frames before and after the cut of the videos that are made of two
Mask = NDArray[np.bool_]
Row = dict[str, float | str]


@dataclass(frozen=True)
class Video:
    """Frames and truth of one object; `group` names what is left out together."""

    group: str
    frames: Sequence[NDArray[np.uint8]]
    truth: Sequence[Mask]


class Carrier:
    """Passes through one video, whose frames are encoded once."""

    def __init__(self, video: Video, propagator: Propagator) -> None:
        self.video, self._propagator = video, propagator
        self.features = [propagator.features(frame) for frame in video.frames]
        self._passes: dict[tuple[int, int], dict[int, Tensor]] = {}
        self._coherence = [coherence(*pair) for pair in pairwise(self.features)]

    def votes(self, start: int, way: int) -> dict[int, Tensor]:
        """By frame, the votes of a pass."""
        if (start, way) in self._passes:
            return self._passes[start, way]
        one = self._propagator.another()
        found = self._passes[start, way] = {}
        for frame in range(start, len(self.features) if way > 0 else -1, way):
            labels = Labels.from_mask(self.video.truth[frame].astype(np.int32))
            found[frame] = one.votes(self.features[frame], labels if frame == start else None)
        self._decoder = one
        return found

    def rows(self, start: int, way: int) -> Iterator[Row]:
        """What is known of each frame of a pass, and J."""
        votes = self.votes(start, way)
        alike = Likeness(self.features[start], votes[start][1:])
        for frame, soft in votes.items():
            if frame != start:
                low, high = sorted((start, frame))
                yield self._row(frame, soft, float(alike(self.features[frame])[0])) | {
                    "coherence": min(self._coherence[low:high]),
                    "distance": float(high - low),
                }

    def between(self, before: int, after: int) -> Iterator[Row]:
        """The same for frames between two labels, whose passes are blended."""
        passes = self.votes(before, 1), self.votes(after, -1)
        alike = [
            Likeness(self.features[k], v[k][1:])
            for k, v in zip((before, after), passes, strict=True)
        ]
        for frame in range(before + 1, after):
            share, _ = weights((frame - before, after - frame), (0.0, 0.0), (1.0, 1.0))
            first, last = (v[frame] for v in passes)
            shares = np.array([share, 1 - share])
            likeness = shares @ [float(a(self.features[frame])[0]) for a in alike]
            yield self._row(frame, share * first + (1 - share) * last, float(likeness)) | {
                "agreement": agreement(first[1].numpy(), last[1].numpy()),
            }

    def _row(self, frame: int, soft: Tensor, likeness: float) -> Row:
        shown = self._decoder.decode(soft)
        return {
            "group": self.video.group,
            "share": float(shown.confidence[0]),
            "likeness": likeness,
            "J": float(region_similarity(self.video.truth[frame], shown.ids > 0)),
        }


def of_folder(frames: Path, masks: Path, group: str) -> Video:
    """A folder of JPEGs and one of PNGs of the same names; all that is not 0 is the object."""
    files = sorted(frames.glob("*.jpg"))
    images = [np.asarray(Image.open(f).convert("RGB")) for f in files]
    truth = [np.asarray(Image.open(masks / f"{f.stem}.png")) for f in files]
    return Video(group, images, [np.atleast_3d(t).max(-1) > 0 for t in truth])


def with_cut(first: Video, second: Video) -> Video:
    """The start of a video, then the middle of another, in which the object is not."""
    middle = len(second.frames) // 2
    frames = [*first.frames[:SHOT], *second.frames[middle : middle + SHOT]]
    return Video("cuts", frames, [*first.truth[:SHOT], *[np.zeros_like(first.truth[0])] * SHOT])


def made_up() -> Iterator[Video]:
    """Objects that pass in front of each other, at several speeds."""
    for seed in range(SCENES):
        scene = SyntheticScene(seed, objects=2, speed=(1, 1.5, 2, 2.5)[seed % 4], frames=48)
        frames = list(scene)
        images = [f.image for f in frames]
        yield Video("made up", images, [f.ids == 1 + seed % 2 for f in frames])
