"""What requests of the page hold."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

MOST_RUNS = 4_000_000
FrameNumber = Annotated[int, Field(ge=0, le=2**31 - 1)]
Id = Annotated[int, Field(ge=0, le=2**31 - 1)]
Revision = Annotated[int, Field(ge=0, le=2**53)]
Name = Annotated[str, Field(max_length=200)]
Channel = Annotated[int, Field(ge=0, le=255)]
Run = Annotated[int, Field(ge=0, le=2**40)]


class Body(BaseModel):
    """The body of a request; what it does not know is an error."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Edit(Body):
    """A change of what somebody saw: it is refused where another change came between."""

    base_revision: Revision


class Label(Edit):
    """Where an object is in a frame, or that it is not.

    Attributes:
        counts: Run lengths of COCO, down the columns, of zeros first.
        x: Pixels, as `y`.
        y: Of a point.
        state: "occluded" keeps the place that a label has; "absent" has none.
        source: Where it comes from.
    """

    counts: Annotated[list[Run], Field(max_length=MOST_RUNS)] | None = None
    x: float | None = None
    y: float | None = None
    state: Literal["present", "occluded", "absent"] = "present"
    source: Literal["drawn", "corrected", "accepted"] = "drawn"


class NewObject(Edit):
    """An object that is to be followed."""

    name: Name | None = None
    kind: Literal["mask", "part", "keypoint", "point"] = "mask"
    colour: tuple[Channel, Channel, Channel] | None = None
    parent: Name | None = None


class ObjectChange(Edit):
    """What is to be other about an object; what is not given stays.

    A position is its place in the list, from 0: those after it make room.
    """

    name: Name | None = None
    colour: tuple[Channel, Channel, Channel] | None = None
    parent: Name | None = None
    position: Annotated[int, Field(ge=0, le=10**6)] | None = None
    locked: bool | None = None
    hidden: bool | None = None


class Edge(Edit):
    """A line of the skeleton."""

    a: Id
    b: Id


class Review(Edit):
    """What somebody says of frames, the last one included.

    Attributes:
        first: Frame number.
        last: Frame number.
        state: "unreviewed" and "unflagged" take back the one, "none" both.
        note: Of flagged frames; None leaves what was noted before.
    """

    first: FrameNumber
    last: FrameNumber
    state: Literal["reviewed", "unreviewed", "flagged", "unflagged", "none"]
    note: Annotated[str, Field(max_length=2000)] | None = None


class Cut(Edit):
    """Whether a new shot begins with a frame."""

    cut: bool


class NewJob(Body):
    """What is to be computed, or written."""

    kind: Literal["propagate", "export"]
    near: FrameNumber = 0
    first: FrameNumber | None = None
    last: FrameNumber | None = None
    format: Annotated[str, Field(max_length=40)] = "coco"


class Opening(Body):
    """What is to be opened: a video or a session below the root, or the demo clip."""

    path: Annotated[str, Field(max_length=4096)] | None = None
    demo: bool = False
