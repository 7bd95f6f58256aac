"""What a session holds, as plain values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from pixelkin.types import InputError, LabelKind, Object, State

LabelSource = Literal["drawn", "imported", "corrected", "accepted"]
Origin = Literal["label", "reviewed", "result", "stale", "none"]
Place = NDArray[np.bool_] | NDArray[np.float64]
_SINGULAR: dict[str, LabelKind] = {"part": "parts", "keypoint": "keypoints", "point": "points"}


def kind_of(word: str) -> LabelKind:
    """A kind of object, in the singular or as labels have it.

    Raises:
        InputError: If there is no such kind.
    """
    for kind in get_args(LabelKind):
        if word == kind or _SINGULAR.get(word) == kind:
            found: LabelKind = kind
            return found
    raise InputError(f"no kind {word!r}: an object is a mask, part, keypoint or point")


@dataclass(frozen=True)
class Entry:
    """An object of a session.

    Attributes:
        object: Who it is.
        position: Its place in lists.
        locked: Whether its labels may not be changed.
        hidden: Whether it is not drawn.
    """

    object: Object
    position: int
    locked: bool = False
    hidden: bool = False


@dataclass(frozen=True, eq=False)
class Label:
    """What a person said of an object in a frame; its place is decoded when it is asked for.

    Attributes:
        object: Id of the object.
        frame: Frame number.
        state: "absent": it is not in the frame, from here on until its next label. "occluded":
            it is there, but hidden.
        source: Where the label came from.
        digest: Of all of this that decides results.
        seeds: Whether it has a place that can be propagated: a mask with pixels, or a point.
        read: Gives the place.
        edit: Number of the edit in which the frame was labelled first: less is older.
    """

    object: int
    frame: int
    state: State
    source: LabelSource
    digest: str
    seeds: bool
    read: Callable[[], Place | None]
    edit: int = 0

    @property
    def place(self) -> Place | None:
        """H x W bool, or 2 float64 (x, y) pixels; None where it is absent, or hidden wholly."""
        return self.read()


@dataclass(frozen=True)
class View:
    """One object in one frame, as it is to be shown.

    Attributes:
        state: Whether it is there.
        origin: "label": a person said so; "reviewed": a person has seen the frame and found it
            right; "result": it follows from the labels; "stale": it followed from labels that were
            changed since; "none": nothing is known, as it was not computed yet, or as no label
            reaches the frame.
        confidence: In [0, 1]; 1 for labels, 0 where nothing is known.
    """

    state: State
    origin: Origin
    confidence: float


@dataclass(frozen=True)
class Check:
    """A frame that asks for a look.

    Attributes:
        frame: Frame number.
        object: Id of the object that is in doubt there.
        confidence: Its confidence.
        why: In words.
    """

    frame: int
    object: int
    confidence: float
    why: str


@dataclass(frozen=True)
class Progress:
    """How far a run has come.

    Attributes:
        frame: Frame number of what was computed last.
        done: Units of work done in this run: frames of passes.
        total: Of them in all, as far as is known.
    """

    frame: int
    done: int
    total: int
