"""What watches the frames of a pass as they go by.

Labels end where a new shot begins; the confidence of masks becomes the J that is to be expected;
and of points it is said whether they are seen where they are shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from pixelkin.propagation.codec import Sizes
from pixelkin.propagation.confidence import Likeness, expected, is_calibrated
from pixelkin.propagation.cuts import is_cut
from pixelkin.propagation.ensemble import Steps, Voice
from pixelkin.propagation.propagator import Propagator
from pixelkin.propagation.visibility import Return, is_visible
from pixelkin.types import Labels, PointLabels, Prediction


class Watch:
    """Steps that look for cuts, carry nothing over them, and know what to expect of masks.

    Frames after a cut are not encoded, as nothing is looked for in them.

    Args:
        steps: What labels one frame after the other.
        voices: All propagators that they consist of, and for whom each speaks; those that have
            begun end at a cut.
        before: Features of the frame before the next one; None if that is the first.
        over: Whether to carry on over cuts all the same.

    Attributes:
        last: Features of the frame before the next one.
        cut: Whether that frame begins a new shot.
    """

    def __init__(
        self, steps: Steps, voices: Sequence[Voice], before: Tensor | None, *, over: bool
    ) -> None:
        self._steps, self._voices, self._over = steps, voices, over
        self._carried = [voice.propagator for voice in voices]
        self._calibrated = is_calibrated(self._carried[0].protocol)
        self._measures: dict[int, Likeness | Return] = {}  # by number of the voice
        self.last, self.cut = before, False

    def features(self, frame: NDArray[np.uint8]) -> Tensor:
        """See `Propagator.features`; those of an earlier frame after a cut."""
        if self.last is not None and all(p.ended for p in self._carried):
            return self.last
        return self._steps.features(frame)

    def step(
        self,
        frame: NDArray[np.uint8],
        labels: Labels | None = None,
        *,
        merge: bool = False,
        features: Tensor,
    ) -> Prediction:
        """See `Propagator.step`."""
        self.cut = end_at_cut(self._carried, self.last, features, over=self._over)
        self.last = features
        prediction = self._steps.step(frame, labels, merge=merge, features=features)
        if labels is not None and len(self._voices) == 1:
            return prediction  # as it was given
        given = () if labels is None else labels.present
        is_given = np.array([i in given for i in prediction.objects])
        if isinstance(prediction.labels, PointLabels):
            if labels is not None:
                return prediction  # what a person said and what is carried stand side by side
            back = self._measured(prediction, features, np.inf)
            return replace(prediction, visible=is_visible(back))
        if not self._calibrated:
            return prediction
        shares = prediction.confidence
        found = expected(shares, self._measured(prediction, features, 0))
        return replace(prediction, confidence=np.where(is_given, shares, found), votes=shares)

    def _measured(
        self, prediction: Prediction, features: Tensor, otherwise: float
    ) -> NDArray[np.float32]:
        """Of each object, what `Likeness` or `Return` says; `otherwise` where nobody carries it."""
        ids = prediction.objects
        found = np.full(len(ids), otherwise, np.float32)
        for number, voice in enumerate(self._voices):
            if voice.propagator.ended:
                continue
            own = voice.propagator.objects.ids
            if number not in self._measures:
                self._measures[number] = _measure(voice.propagator)
            measure, places = self._measures[number], {i: n for n, i in enumerate(ids)}
            if isinstance(measure, Return):
                points = np.full((len(own), 2), np.nan)
                shown = [n for n, i in enumerate(own) if i in places]
                points[shown] = prediction.points[[places[own[n]] for n in shown]]
                values = measure(features, points)
            else:
                values = measure(features)
            for i, value in zip(own, values, strict=True):
                if i in voice.objects and i in places:  # a label may say of whom nothing is known
                    found[places[i]] = value
        return found


def _measure(propagator: Propagator) -> Likeness | Return:
    key = propagator.key
    if not isinstance(key.labels, PointLabels):
        return Likeness(key.features, key.soft[1:])
    points = dict(zip(key.labels.objects.ids, key.labels.points, strict=True))
    own = np.array([points[i] for i in propagator.objects.ids])
    cell = Sizes.of(key.labels.size, propagator.protocol).cell(propagator.protocol.stride)
    return Return(key.features, own, cell)


def end_at_cut(
    carried: Sequence[Propagator], before: Tensor | None, after: Tensor, *, over: bool
) -> bool:
    """Whether a new shot begins; if so, propagators that have begun end, unless they go `over`.

    Args:
        carried: Propagators that were given the frame before; those that are new were not.
        before: Features of the frame before; None if there is none.
        after: Of the next one.
        over: Whether labels go on over cuts.
    """
    begun = [p for p in carried if p.next and not p.ended]
    if not begun or before is None or not is_cut(before, after):
        return False
    for propagator in () if over else begun:
        propagator.end()
    return True
