"""Results of the mask benchmarks: J and F of objects, of sequences and of a whole set.

Holds numbers, and writes them as JSON, table rows and CSV. Knows nothing about masks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pixelkin.evaluation.metrics import Statistics, davis_statistics

Group = Literal["seen", "unseen"]  # categories that training has seen, and others


class JF(NamedTuple):
    """Region similarity J and contour accuracy F, in [0, 1]: of one mask, or means over many."""

    j: float
    f: float

    @property
    def jf(self) -> float:
        """J&F: their mean."""
        return (self.j + self.f) / 2


class Summary(NamedTuple):
    """J and F statistics of an object, or their means over objects."""

    j: Statistics
    f: Statistics

    @property
    def mean(self) -> JF:
        """Mean J and mean F."""
        return JF(self.j.mean, self.f.mean)

    @property
    def jf(self) -> float:
        """J&F: the mean of mean J and mean F."""
        return self.mean.jf

    @classmethod
    def average(cls, summaries: Iterable[Summary]) -> Summary:
        """Every figure's mean over objects."""
        j, f = np.mean(list(summaries), axis=0).tolist()
        return cls(Statistics(*j), Statistics(*f))

    def to_json(self) -> dict[str, Any]:
        """The figures as fractions in [0, 1]."""
        return {"J&F": self.jf, "J": self.j._asdict(), "F": self.f._asdict()}

    def cells(self) -> tuple[str, ...]:
        """The figures in percent, in the order of `Score.COLUMNS`."""
        return tuple(f"{100 * value:z.1f}" for value in (self.jf, *self.j, *self.f))


@dataclass(frozen=True, eq=False)
class SequenceScore:
    """J and F of one sequence.

    Attributes:
        name: The sequence.
        j: Region similarity, objects x scored frames; row k is object k + 1.
        f: Contour accuracy, as `j`.
    """

    name: str
    j: NDArray[np.float64]
    f: NDArray[np.float64]

    @property
    def objects(self) -> tuple[Summary, ...]:
        """Statistics of each object.

        The decay is the one the official code means: the same on all of DAVIS, and right beyond
        256 frames too (see `davis_statistics`).
        """
        return tuple(
            Summary(davis_statistics(j, official=False), davis_statistics(f, official=False))
            for j, f in zip(self.j, self.f, strict=True)
        )

    @property
    def summary(self) -> Summary:
        """Mean over the sequence's objects."""
        return Summary.average(self.objects)


@dataclass(frozen=True, eq=False)
class Score:
    """Scores of a set of sequences.

    Attributes:
        sequences: One score a sequence, in the order in which they were asked for.
    """

    COLUMNS = ("sequence", "J&F", "J", "J recall", "J decay", "F", "F recall", "F decay")

    sequences: tuple[SequenceScore, ...]

    @property
    def summary(self) -> Summary:
        """Mean over all objects of all sequences (not over sequences), as DAVIS defines it."""
        return Summary.average(o for s in self.sequences for o in s.objects)

    def to_json(self) -> dict[str, Any]:
        """All statistics, ready for `json.dumps`; fractions, not percent."""
        sequences = {
            s.name: s.summary.to_json()
            | {"objects": {str(k): o.to_json() for k, o in enumerate(s.objects, start=1)}}
            for s in self.sequences
        }
        objects = sum(len(s.j) for s in self.sequences)
        return self.summary.to_json() | {"objects": objects, "sequences": sequences}

    def rows(self) -> list[tuple[str, ...]]:
        """A table under `COLUMNS`, percent: sequences, objects where several, overall last."""
        rows = []
        for s in self.sequences:
            rows.append((s.name, *s.summary.cells()))
            if len(s.j) > 1:
                rows += [(f"  {k}", *o.cells()) for k, o in enumerate(s.objects, start=1)]
        return [*rows, ("overall", *self.summary.cells())]

    def csv_tables(self) -> tuple[str, str]:
        """The official code's two tables: of all, and of each object."""
        measures = [f"{m}-{s}" for m in "JF" for s in ("Mean", "Recall", "Decay")]
        total = self.summary
        figures = [f"{value:.3f}" for value in (total.jf, *total.j, *total.f)]
        lines = [
            f"{s.name}_{k},{o.j.mean:.3f},{o.f.mean:.3f}"
            for s in self.sequences
            for k, o in enumerate(s.objects, start=1)
        ]
        overall = [",".join(["J&F-Mean", *measures]), ",".join(figures)]
        return "\n".join([*overall, ""]), "\n".join(["Sequence,J-Mean,F-Mean", *lines, ""])


@dataclass(frozen=True, eq=False)
class GroupScore:
    """J and F over seen and unseen categories.

    Attributes:
        objects: Mean J and F of each object, by group, then by "<video>_<id>".
    """

    COLUMNS = ("categories", "objects", "J&F", "J", "F")

    objects: dict[Group, dict[str, JF]]

    @cached_property
    def groups(self) -> dict[Group, JF]:
        """Mean J and F over the objects of each group that has any."""
        means = {g: np.mean(list(objects.values()), axis=0) for g, objects in self._filled()}
        return {g: JF(float(j), float(f)) for g, (j, f) in means.items()}

    @property
    def overall(self) -> float:
        """G: the mean of J and F of both groups; of the one group's where the other is empty."""
        return float(np.mean(list(self.groups.values())))

    def rows(self) -> list[tuple[str, ...]]:
        """A table under `COLUMNS`, percent: the groups, and overall last."""
        rows = []
        for group, mean in self.groups.items():
            figures = (f"{100 * value:.1f}" for value in (mean.jf, mean.j, mean.f))
            rows.append((group, str(len(self.objects[group])), *figures))
        count = sum(map(len, self.objects.values()))
        return [*rows, ("overall", str(count), f"{100 * self.overall:.1f}", "", "")]

    def to_json(self) -> dict[str, Any]:
        """All figures as fractions."""
        objects = {
            name: {"J": j, "F": f, "group": group}
            for group, members in self._filled()
            for name, (j, f) in members.items()
        }
        groups: dict[str, Any] = {g: {"J": j, "F": f} for g, (j, f) in self.groups.items()}
        return {"overall": self.overall, **groups, "objects": objects}

    def _filled(self) -> Iterator[tuple[Group, dict[str, JF]]]:
        return ((group, objects) for group, objects in self.objects.items() if objects)
