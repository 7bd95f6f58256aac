"""All settings of the mining, nested as its steps follow each other.

mining:
  confidence: {level: qtc, threshold: 0.5}      # Q, T, C: what is a positive
  transport: {epsilon: 0.05}                    # T
  window: {gaps: [8, 32], radii: [2, 5]}        # C
  negatives: {hardness: rank, m1: 0.0}
  curriculum: {signal: var_t, low: 0.3}         # m2
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from pixelkin.checks import SettingError, check_number, check_types
from pixelkin.mining.confidence import Transport
from pixelkin.mining.curriculum import Curriculum
from pixelkin.mining.negatives import Negatives
from pixelkin.mining.window import WindowSchedule

Level = Literal["argmax", "q", "qt", "qtc"]


@dataclass(frozen=True)
class Confidence:
    """What makes a positive.

    Attributes:
        level: The confidence that decides. "argmax": every i with its most similar j; "q" or "qt":
            every i with the j of its greatest Q or T, if that reaches the threshold; "qtc": all
            (i, j) whose C, T inside the window, reaches it: above 0.5 at most one for each pixel,
            as rows and columns of T sum to 1.
        threshold: Least confidence of a positive (not for "argmax", which keeps all). None takes
            1 for "q", which is mutual matches alone: the soft Q of nearly every pixel's best match
            is above 0.5, so that 0.5 would be argmax; and 0.5 for T, C and the hard Q.
        hard_q: Take Q's form of mutual nearest neighbours, see `forward_backward`, also as what T
            is solved for.

    Raises:
        SettingError: If a value is out of its range.

    Source:
        [S, B] the three levels, of which the paper takes "qtc"; [B, D] the threshold, for which [R]
        has 0.9 to 0.95; [D] the other choices, mutual matches for Q among them.
    """

    level: Level = "qtc"
    threshold: float | None = None
    hard_q: bool = False

    def __post_init__(self) -> None:
        check_types(self)
        if self.threshold is not None:
            check_number("threshold", self.threshold, above=0, most=1)

    @property
    def least(self) -> float:
        """The threshold, also where it is that of the level."""
        if self.threshold is not None:
            return self.threshold
        return 1.0 if self.level == "q" and not self.hard_q else 0.5


@dataclass(frozen=True)
class Mining:
    """How positives and negatives are found.

    Attributes:
        confidence: What makes a positive.
        transport: How T is solved for.
        window: How far pixels may move in a given time.
        negatives: What a negative may be, but for m2.
        curriculum: What moves m2, the greatest hardness of a negative.

    Raises:
        SettingError: If m1 lies above an m2 that will be.
    """

    confidence: Confidence = field(default_factory=Confidence)
    transport: Transport = field(default_factory=Transport)
    window: WindowSchedule = field(default_factory=WindowSchedule)
    negatives: Negatives = field(default_factory=Negatives)
    curriculum: Curriculum = field(default_factory=Curriculum)

    def __post_init__(self) -> None:
        check_types(self)
        m1, least = self.negatives.m1, self.curriculum.least
        if not 0 <= m1 <= least:
            raise SettingError("negatives.m1", f"{m1} must lie in [0, {least}], below every m2")
