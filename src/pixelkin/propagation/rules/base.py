"""What a rule is: which frames a target may copy from, what memory must keep for it, and the step.

Knows nothing about encoders, pixels or videos.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from pixelkin.ops.affinity import Cells
from pixelkin.propagation.protocol import Protocol


@dataclass(frozen=True)
class Reference:
    """One reference of a target frame.

    Attributes:
        frame: Frame number.
        given: Whether its given labels are used rather than its predicted ones (they differ only
            where the protocol predicts frame 0).
        restricted: Whether the radius applies.
        multiplicity: How many times it is present.
    """

    frame: int
    given: bool = False
    restricted: bool = True
    multiplicity: int = 1


class Context(NamedTuple):
    """What a target frame is compared with.

    Attributes:
        keys: Features of all frames held.
        slots: Where in `keys` each of the T references is.
        labels: T x L x h x w, soft labels of the references.
        references: T of them, as `Rule.references` gives them.
    """

    keys: Cells
    slots: list[int]
    labels: Tensor
    references: list[Reference]

    @property
    def multiplicity(self) -> list[int]:
        """How many times each reference is present."""
        return [r.multiplicity for r in self.references]


class Rule(ABC):
    """One published way to carry labels to a target frame; what varies is in the protocol."""

    searches = False
    """Whether it searches references for the most similar cells, and wants features so prepared."""
    steady = True
    """Whether the number of threads changes no bit of a step."""

    @abstractmethod
    def references(self, protocol: Protocol, t: int, later: Sequence[int]) -> list[Reference]:
        """The references of target frame `t`.

        Args:
            protocol: Decides how many, and which stay.
            t: Target frame number, counted from the first keyframe; 0 only where the protocol
                predicts frame 0 itself.
            later: Frames after 0 and before `t` whose labels were given, ascending. They join the
                long-term references ([D]; MAMP does the same for YouTube-VOS).
        """

    @abstractmethod
    def reach(self, protocol: Protocol) -> int:
        """How many frames back the recent references of a target go."""

    def long_term(self, protocol: Protocol) -> set[int]:
        """Frames besides keyframes that later targets ask for however far they are."""
        return set(protocol.long_term)

    def predicts_first(self, protocol: Protocol) -> bool:  # noqa: ARG002
        """Whether frame 0 is predicted from copies of itself."""
        return False

    @abstractmethod
    def step(self, protocol: Protocol, t: int, query: Cells, context: Context) -> Tensor:
        """The soft labels of target frame `t`.

        Args:
            protocol: Its values.
            t: Target frame number.
            query: Features of the target, one frame.
            context: Its references.

        Returns:
            L x h x w.
        """


def check_references(
    count: int, grid: Sequence[int], labels: Tensor, **per_reference: Sequence[object]
) -> None:
    """Raise ValueError if what is said of each reference does not fit their number or grid."""
    if count == 0:
        raise ValueError("at least one reference is needed")
    for name, values in {"labels": labels, **per_reference}.items():
        if len(values) != count:
            raise ValueError(f"{name} has {len(values)} entries for {count} references")
    if tuple(grid) != tuple(labels.shape[2:]):
        raise ValueError(f"keys {tuple(grid)} and labels {tuple(labels.shape[2:])} differ in grid")
