"""What people say of objects in frames: masks, points, and that one is hidden or gone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from pixelkin.annotation.geometry import columns, place_of
from pixelkin.annotation.model import LabelSource
from pixelkin.annotation.objects import ObjectEditor, Who
from pixelkin.annotation.store import now
from pixelkin.checks import check_choice
from pixelkin.types import InputError, Labels, MaskLabels, Object, PointLabels, State, check_size


class Labeller(ObjectEditor):
    """The part of a session in which frames are labelled."""

    def label(
        self,
        frame: int,
        who: Who | Labels | NDArray[Any],
        place: NDArray[Any] | Sequence[float] | None = None,
        *,
        state: State = "present",
        source: LabelSource = "drawn",
        author: str | None = None,
    ) -> None:
        """Say where an object is in a frame, or all that labels of a frame show.

        Objects that labels do not show keep what they have. In a map, the newest label of a pixel
        counts.

        Args:
            frame: Frame number.
            who: The object; or labels of the frame or a map of ids, whose objects are added where
                they are new.
            place: H x W bool, or (x, y) in pixels. An empty mask says that the object is absent.
            state: "occluded" may go without a place; "absent" does.
            source: Where the label comes from.
            author: Who says so.

        Raises:
            InputError: If there is no such frame or object, it is locked, the place does not fit
                the frame, or there is no such state or source.
        """
        frame = self._frame(frame)
        check_choice("state", state, get_args(State))
        check_choice("source", source, get_args(LabelSource))
        if isinstance(who, np.ndarray):
            who = Labels.from_mask(who)
        with self.edit(f"label {self.spoken([frame])}"):
            if isinstance(who, Labels):
                self._label_all(frame, who, source, author)
            else:
                self._label_one(frame, self.object(who), place, state, source, author)

    def mark_absent(self, frame: int, who: Who, *, author: str | None = None) -> None:
        """Say that an object is not in the frame, from this one on until its next label."""
        frame = self._frame(frame)
        with self.edit(f"{self.object(who).called} absent from {self.spoken([frame])} on"):
            self.label(frame, who, state="absent", author=author)

    def mark_occluded(self, frames: int | range, who: Who, *, author: str | None = None) -> None:
        """Say that an object is there in frames, but hidden; labels that it has keep their place.

        Raises:
            InputError: If there is no such frame or object, or it is locked.
        """
        one, chosen = self.object(who), self._chosen(frames)
        with self.edit(f"{one.called} hidden in {self.spoken(chosen)}"):
            for frame in chosen:
                self._hide(frame, one, "occluded", "drawn", author)

    def _hide(
        self,
        frame: int,
        who: Who,
        state: State,
        source: LabelSource = "imported",
        author: str | None = None,
    ) -> None:
        """A state alone: of the label that is there, or of one without a place."""
        one, frame = self.object(who), self._frame(frame)
        row = self._store.get("label", {"object": one.id, "frame": frame})
        if row is None or state == "absent":
            self.label(frame, one, state=state, source=source, author=author)
        else:
            self._unlocked(one)
            own = {k: v for k, v in row.items() if k not in ("object", "frame")}
            self._put("label", {"object": one.id, "frame": frame}, own | {"state": state})

    def unlabel(self, frames: int | range, who: Who) -> None:
        """Take back what was said of an object in frames.

        Raises:
            InputError: If there is no such frame or object, or it is locked.
        """
        one, chosen = self.object(who), self._chosen(frames)
        with self.edit(f"remove the label of {one.called} in {self.spoken(chosen)}"):
            self._unlocked(one)
            for frame in chosen:
                self._put("label", {"object": one.id, "frame": frame}, None)

    def labels(self, who: Who) -> list[int]:
        """The frames in which an object has a label."""
        rows = self._store.rows(
            "SELECT frame FROM label WHERE object=? ORDER BY frame", self.object(who).id
        )
        return [row["frame"] for row in rows]

    def _label_all(
        self, frame: int, labels: Labels, source: LabelSource, author: str | None
    ) -> None:
        check_size(labels.size, self.size, f"labels of frame {frame}")
        if isinstance(labels, PointLabels):
            labels.check_places(f"labels of frame {frame}")
        known = {o.id: o.kind for o in self.objects}
        for o in labels.objects:
            if o.id not in known:
                # Pictures do not say that their masks are parts.
                kind = "parts" if o.kind == "mask" and "parts" in known.values() else o.kind
                about = {"category": o.category, "colour": o.colour, "parent": o.parent}
                self.add_object(o.name, kind=kind, id=o.id, **about)  # type: ignore[arg-type]
        for i in labels.present:
            place: NDArray[Any]
            match labels:
                case MaskLabels(ids=ids):
                    place = ids == i
                case PointLabels(points=points):
                    place = points[labels.objects.ids.index(i)]
            self._label_one(frame, self.object(i), place, "present", source, author)

    def _label_one(
        self,
        frame: int,
        one: Object,
        place: NDArray[Any] | Sequence[float] | None,
        state: State,
        source: LabelSource,
        author: str | None,
    ) -> None:
        self._unlocked(one)
        array = None if place is None else self._checked(one, _array(one, place))
        if array is not None and one.is_map and not array.any():
            array, state = None, "absent" if state == "present" else state
        if state == "absent" and array is not None:
            raise InputError(f"{one.called} cannot be absent and have a place")
        if state == "present" and array is None:
            raise InputError(f"{one.called}: a label needs a place")
        row = {"state": state, "source": source, "author": author, "time": now()}
        self._put("label", {"object": one.id, "frame": frame}, row | columns(array))
        if one.is_map and array is not None:
            self._take_pixels(frame, one, array)

    def _take_pixels(self, frame: int, one: Object, mask: NDArray[Any]) -> None:
        """No pixel of a map is of two objects: others' labels of the frame lose what is taken.

        One that loses all of its pixels is hidden.
        """
        for row in map(dict, self._store.rows("SELECT * FROM label WHERE frame=?", frame)):
            other = row["object"]
            theirs = place_of(row, self.size)
            if other == one.id or theirs is None or theirs.ndim != 2 or not (theirs & mask).any():
                continue
            self._unlocked(self.object(other))
            left = {k: v for k, v in row.items() if k not in ("object", "frame")}
            rest = theirs & ~mask
            left |= columns(rest) if rest.any() else columns(None) | {"state": "occluded"}
            self._put("label", {"object": other, "frame": frame}, left)

    def _checked(self, one: Object, place: NDArray[Any]) -> NDArray[Any]:
        if one.is_map:
            if place.ndim != 2:
                raise InputError(f"{one.called}: a mask is H x W, not {place.shape}")
            check_size((place.shape[0], place.shape[1]), self.size, f"the mask of {one.called}")
            if place.dtype.kind == "f" and not np.isin(place, (0, 1)).all():
                why = "a mask is true or false: say so, as in probabilities > 0.5"
                raise InputError(f"{one.called}: {why}")
            return place.astype(bool)
        height, width = self.size
        if place.shape != (2,) or not np.isfinite(place).all():
            raise InputError(f"{one.called}: a point is (x, y) in pixels")
        x, y = map(float, place)
        if not (-0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5):
            raise InputError(f"{one.called}: ({x:g}, {y:g}) lies outside of the frame, "
                             f"which is {width}x{height} pixels")  # fmt: skip
        return place.astype(np.float64)


def _array(one: Object, place: NDArray[Any] | Sequence[float]) -> NDArray[Any]:
    try:
        array = np.asarray(place)
    except ValueError:  # rows of several lengths
        array = np.asarray(None)
    if array.dtype.kind not in "biuf":
        wanted = "a mask is H x W numbers" if one.is_map else "a point is (x, y) in pixels"
        raise InputError(f"{one.called}: {wanted}")
    return array
