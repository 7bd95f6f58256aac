"""Which labels are taken: of some frames, given ones, all as predictions; new names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Literal, get_args

import numpy as np

from pixelkin.types import (
    Annotations,
    Detail,
    InputError,
    Labels,
    LazyFrames,
    MaskLabels,
    Objects,
    PointLabels,
)

Kept = Literal["labels", "predictions", "both"]


def within(annotations: Annotations, numbers: Iterable[int]) -> Annotations:
    """The labels of those of the frames that have any; they keep their numbers."""
    kept = [number for number in numbers if number in annotations.frames]
    return replace(annotations, frames=LazyFrames(kept, lambda n: annotations.frames[n]))


def named(annotations: Annotations, names: Mapping[int, str]) -> Annotations:
    """The same labels, of which some objects are called otherwise.

    Args:
        annotations: The labels.
        names: By the ids of objects.

    Raises:
        InputError: If there is no such object.
    """
    objects = annotations.objects
    if unknown := [i for i in names if i not in objects]:
        known = ", ".join(map(str, objects.ids[:20]))
        raise InputError(f"there is no object {unknown[0]} to be called so: there are {known}")
    table = tuple(replace(o, name=names.get(o.id, o.name)) for o in objects)
    return replace(annotations, objects=Objects(table, objects.skeleton))


def taken(annotations: Annotations, kept: Kept) -> Annotations:
    """The labels that somebody gave, or all of them as predictions, or as what they are.

    As a prediction, a label that somebody gave has a confidence of 1.
    """
    if kept not in (words := get_args(Kept)):
        raise InputError(f"no labels are called {kept!r}: there are {', '.join(words)}")
    if kept == "both":
        return annotations
    if kept == "predictions":
        return replace(annotations, details=_Predicted(annotations))
    results: dict[int, set[int]] = {}
    for (number, i), detail in annotations.details.items():
        if detail.origin == "propagated":
            results.setdefault(number, set()).add(i)

    def make(number: int) -> tuple[Labels, ...]:
        dropped = results.get(number, set())
        found = annotations.frames[number]
        return tuple(
            _without(x, dropped) for x in found if set(x.objects.ids) - dropped or not dropped
        )

    ids = set(annotations.objects.ids)
    numbers = [n for n in annotations.frames if n not in results or (results[n] != ids and make(n))]
    return replace(annotations, frames=LazyFrames(numbers, make))


def watched(annotations: Annotations, progress: Callable[[int, int], None]) -> Annotations:
    """The same labels, which tell how far they have been read.

    Args:
        annotations: The labels.
        progress: Told how many frames were read, and of how many.
    """
    frames, numbers = annotations.frames, sorted(annotations.frames)
    places = {number: n for n, number in enumerate(numbers, start=1)}

    def make(number: int) -> tuple[Labels, ...]:
        progress(places[number], len(numbers))
        return frames[number]

    return replace(annotations, frames=LazyFrames(numbers, make))


class _Predicted(Mapping[tuple[int, int], Detail]):
    """The details of annotations, each as a prediction's."""

    def __init__(self, annotations: Annotations) -> None:
        self._annotations = annotations

    def __getitem__(self, key: tuple[int, int]) -> Detail:
        known = self._annotations.detail(*key)
        sure = 1.0 if known.confidence is None and known.origin == "given" else known.confidence
        return replace(known, origin="propagated", confidence=sure)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(self._annotations.details)

    def __len__(self) -> int:
        return len(self._annotations.details)


def _without(labels: Labels, dropped: set[int]) -> Labels:
    if not dropped & set(labels.objects.ids):
        return labels
    left = Objects(tuple(o for o in labels.objects if o.id not in dropped))
    if isinstance(labels, MaskLabels):
        ids = np.where(np.isin(labels.ids, list(dropped)), 0, labels.ids)
        return replace(labels, objects=left, ids=ids)
    if isinstance(labels, PointLabels):
        rows = [n for n, o in enumerate(labels.objects) if o.id not in dropped]
        return replace(labels, objects=left, points=labels.points[rows])
    return labels
