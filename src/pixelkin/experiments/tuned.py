"""What the experiment `tuning` compares, and what it keeps of each tuning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

START = "default"  # the row of the weights as they are, and their name


class Row(NamedTuple):
    """A way of tuning: the share of each objective in the batch; the anchor has the rest."""

    name: str
    label: str
    known: float = 0.0
    mined: float = 0.0
    level: str = "qtc"


ROWS = (
    Row(START, "weights in the package"),
    Row("both", "known geometry and mined (Q+T+C)", 0.375, 0.375),
    Row("known", "known geometry", 0.75),
    Row("mined", "mined (Q+T+C)", 0.0, 0.75),
    Row("argmax", "known geometry and mined (argmax)", 0.375, 0.375, "argmax"),
    Row("unanchored", "known geometry and mined (Q+T+C), no anchor", 0.5, 0.5),
)


@dataclass(frozen=True)
class Point:
    """Weights of one step, scored with labels and without; fractions.

    Attributes:
        j: Mean J over the scored frames.
        f: Mean F.
        last: Mean J over the last quarter of them.
        told: The score without labels, by which weights are chosen.
    """

    j: float
    f: float
    last: float
    told: float

    @property
    def jf(self) -> float:
        """J&F in percent."""
        return 50 * (self.j + self.f)


@dataclass(frozen=True)
class Tuning:
    """One row, seed and sequence.

    Attributes:
        step: The step that was chosen without labels.
        points: By step; 0 is the start.
        seconds: Processor seconds of the tuning, its own scores included.
    """

    step: int
    points: Mapping[int, Point]
    seconds: float

    @property
    def chosen(self) -> Point:
        """What a user would have got."""
        return self.points[self.step]

    @property
    def last(self) -> Point:
        """What there would be without the choice."""
        return self.points[max(self.points)]


Key = tuple[str, int, str]  # row, seed, sequence
