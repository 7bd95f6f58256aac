"""Where a new shot begins, labels end: what watches the frames of a pass as they go by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from pixelkin.propagation.cuts import is_cut
from pixelkin.propagation.ensemble import Steps
from pixelkin.propagation.propagator import Propagator
from pixelkin.types import Labels, Prediction


class Watch:
    """Steps that look for cuts, and carry nothing over them.

    Frames after a cut are not encoded, as nothing is looked for in them.

    Args:
        steps: What labels one frame after the other.
        carried: All propagators that they consist of; those that have begun end at a cut.
        before: Features of the frame before the next one; None if that is the first.
        over: Whether to carry on over cuts all the same.

    Attributes:
        last: Features of the frame before the next one.
        cut: Whether that frame begins a new shot.
    """

    def __init__(
        self, steps: Steps, carried: Sequence[Propagator], before: Tensor | None, *, over: bool
    ) -> None:
        self._steps, self._carried, self._over = steps, carried, over
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
        features: Tensor | None = None,
    ) -> Prediction:
        """See `Propagator.step`."""
        features = self.features(frame) if features is None else features
        self.cut = end_at_cut(self._carried, self.last, features, over=self._over)
        self.last = features
        return self._steps.step(frame, labels, merge=merge, features=features)


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
