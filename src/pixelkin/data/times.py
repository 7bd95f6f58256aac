"""Which frames of a video the views of a clip show."""

from __future__ import annotations

import numpy as np

from pixelkin.data.batch import ClipSpec
from pixelkin.data.store import Segment


def draw_times(spec: ClipSpec, segment: Segment, rng: np.random.Generator) -> list[int]:
    """Frame numbers of the views of one clip: equal gaps, forwards or backwards in time.

    A spec that returns ends with the first of them once more. If the greatest gap does not fit into
    the segment, all gaps shrink in proportion, to 1 at least, so that short videos keep the range
    of distances [D].
    """
    room = len(segment) - 1
    steps = spec.frames - 1
    longest = max(spec.gaps)
    gap = int(rng.choice(spec.gaps))
    if steps * longest > room and gap > 0:
        gap = min(max(1, gap * room // (steps * longest)), room // steps)
    first = segment.start + int(rng.integers(room - steps * gap + 1))
    times = [first + i * gap for i in range(spec.frames)]
    if rng.random() < 0.5:
        times.reverse()
    return [*times, times[0]] if spec.returns else times
