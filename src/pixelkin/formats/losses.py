"""What formats do not keep of labels, and how that is said."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from pixelkin.types import Detail, Object
from pixelkin.video.palette import davis_palette

FEATURES = {
    "masks": "masks",
    "points": "keypoints",
    "ids": "which object is which from frame to frame",
    "numbers": "numbers of objects",
    "names": "names",
    "categories": "categories",
    "both": "names beside categories",
    "colours": "own colours",
    "parts": "parts of a body as such",
    "loose": "points as such",
    "bodies": "whose a keypoint is",
    "skeleton": "skeletons",
    "origin": "which labels are results",
    "stale": "which results are older than the labels",
    "confidence": "confidence",
    "occluded": "occlusion",
    "hidden": "occlusion without a place",
    "gone": "confidence and origin of what is absent",
    "frame": "which frame it is, but by the name of the file",
    "empty": "empty frames",
    "unseen": "objects that no frame shows",
    "unplaced": "keypoints that no frame shows",
    "holes": "holes",
    "pieces": "pieces beside the largest one",
    "form": "more of a mask than its box",
}

OF_OBJECTS = (
    "ids", "numbers", "names", "categories", "both", "colours", "parts", "loose", "bodies",
    "unseen", "unplaced",
)  # fmt: skip


def label_of(o: Object) -> str:
    """The one word for an object that many formats have: what it is, or its name."""
    return o.category or o.name or f"object {o.id}"


def counted(number: int, what: str) -> str:
    """A number of things, in words."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


class Losses:
    """What one format does not keep of the labels that are written in it.

    Args:
        title: What the format is called in messages.
        loses: Which of `FEATURES` it does not keep.
    """

    def __init__(self, title: str, loses: Iterable[str]) -> None:
        self.title = title
        self._loses = frozenset(loses)
        self._lost: dict[str, set[Hashable]] = {}

    def lose(self, feature: str, label: Hashable) -> None:
        """Note that a label or an object has something, in case that the format loses it."""
        if feature in self._loses:
            self.drop(feature, label)

    def drop(self, feature: str, label: Hashable) -> None:
        """Note that something of one label is lost, where the format keeps it of others."""
        self._lost.setdefault(feature, set()).add(label)

    def losing(self, *features: str) -> None:
        """Say that the format does not keep these either, as it is written now."""
        self._loses |= set(features)

    def keeping(self, feature: str) -> None:
        """Say that of these labels, as it turned out, this was kept."""
        self._lost.pop(feature, None)

    def said(self) -> tuple[str, ...]:
        """What the format did not keep, a line each."""
        return tuple(
            f"{self.title} does not keep {words}: "
            + counted(len(self._lost[feature]), "object" if feature in OF_OBJECTS else "label")
            for feature, words in FEATURES.items()
            if feature in self._lost
        )

    def takes(self, maps: bool) -> bool:
        """Whether the format holds masks, or points."""
        return ("masks" if maps else "points") not in self._loses

    def see_object(self, o: Object) -> None:
        """Note what is known of an object."""
        usual = davis_palette()
        if o.is_map:
            self.lose("ids", o.id)
            self.lose("numbers", o.id)
        if o.name is not None:
            self.lose("names", o.id)
        name = o.name if o.is_map else o.parent
        if o.category is not None and o.category != name:
            self.lose("categories" if name is None else "both", o.id)
        own = o.colour is not None
        if own and not (o.id < len(usual) and tuple(usual[o.id]) == o.colour):
            self.lose("colours", o.id)
        if o.kind == "parts":
            self.lose("parts", o.id)
        if o.kind == "points":
            self.lose("loose", o.id)
        if o.parent is not None:
            self.lose("bodies", o.id)

    def see_label(self, number: int, o: Object, detail: Detail, *, there: bool) -> None:
        """Note what is known of a label.

        Args:
            number: Of its frame.
            o: Its object.
            detail: What is known beside its place.
            there: Whether it has a place.
        """
        label = number, o.id
        hidden, result = detail.state == "occluded", detail.origin == "propagated"
        if hidden:
            self.lose("occluded" if there or "occluded" in self._loses else "hidden", label)
        if not there:
            if detail.confidence is not None or result or detail.stale:
                self.lose("gone", label)
            return
        if detail.confidence is not None:
            self.lose("confidence", label)
        if result:
            self.lose("origin", label)
        if detail.stale:
            self.lose("stale", label)
