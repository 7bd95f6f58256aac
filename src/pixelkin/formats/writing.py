"""What writers are given, and how they say what their format cannot keep."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pixelkin.files import check_writable
from pixelkin.formats.image_files import ImageFiles, frame_file
from pixelkin.formats.losses import Losses, label_of
from pixelkin.formats.polygons import Simplified, pieces
from pixelkin.ops.outlines import Ring
from pixelkin.types import (
    Annotations,
    Detail,
    InputError,
    MaskLabels,
    Object,
    Objects,
    PointLabels,
    VideoInfo,
    check_size,
)

Shapes = Literal["masks", "polygons", "boxes"]


@dataclass(frozen=True)
class Frame:
    """The labels of one frame, masks and points side by side.

    Attributes:
        number: Of the frame.
        maps: The map of ids, if there is one.
        points: The points, if there are any.
    """

    number: int
    maps: MaskLabels | None
    points: PointLabels | None

    def masks(self) -> Iterator[tuple[Object, NDArray[np.bool_]]]:
        """Each object of the map and its H x W mask, empty where it is absent."""
        if self.maps is not None:
            for o in self.maps.objects:
                yield o, self.maps.ids == o.id

    def places(self) -> dict[int, tuple[float, float]]:
        """By id the (x, y) of each point, NaN where it is absent."""
        if self.points is None:
            return {}
        there = zip(self.points.objects.ids, self.points.points.tolist(), strict=True)
        return {i: (x, y) for i, (x, y) in there}


class Writing(Losses):
    """One writing of annotations: what a writer reads them through.

    Args:
        annotations: What is written.
        video: What they belong to.
        title: What the format is called in messages.
        loses: Which of `FEATURES` the format does not keep.
        shapes: What masks are written as.
        simplify: How far, in pixels, polygons may be from the outlines; None for not at all.
        uncompressed: Whether run lengths are lists, where there is a string for them.
        scorer: Who labelled, where the format has a place for it.
        overwrite: Whether files that are there are replaced.
        images: Where the images of the labelled frames go; None to leave them where they are.
    """

    def __init__(
        self,
        annotations: Annotations,
        video: VideoInfo,
        title: str,
        loses: Iterable[str],
        *,
        shapes: Shapes = "masks",
        simplify: float | None = None,
        uncompressed: bool = False,
        scorer: str = "pixelkin",
        overwrite: bool = True,
        images: ImageFiles | None = None,
    ) -> None:
        super().__init__(title, loses)
        kept = tuple(o for o in annotations.objects if self.takes(o.is_map))
        if annotations.objects and not kept:
            what = "masks" if self.takes(True) else "keypoints"
            raise InputError(f"{title} holds {what} alone, of which there are none")
        for name in (n for o in kept for n in (o.name, o.category, o.parent)):
            if name is not None and "\0" in name:
                raise InputError(f"{title} cannot hold the name {name!r}, which has a NUL in it")
        self.annotations = annotations
        self.objects = annotations.objects.described(Objects(kept))
        self.video = video
        self.shapes = shapes
        self.simplified = None if simplify is None else Simplified(simplify)
        self.uncompressed = uncompressed
        self.scorer = scorer
        self.overwrite = overwrite
        self.images = images
        self._images: dict[int, str] = {}  # names of those that are written, by frame
        self.staged: tuple[Path, Path] | None = None  # a temporary folder, and what it becomes
        self.numbers = sorted(annotations.frames)
        self.notes: list[str] = []  # what else is to be said of what was written

    @property
    def length(self) -> int:
        """Number of frames of the video, as far as it is known."""
        return self.video.frames or max(self.numbers, default=-1) + 1

    def stem(self, number: int, pattern: str = "{:05d}") -> str:
        """The file stem of a frame: its own, or its number."""
        name = self.video.name(number)
        return pattern.format(number) if name is None else name

    def named_images(self, pattern: str, suffix: str | None = None) -> dict[int, str]:
        """What the image of each labelled frame is called; where they are asked for, they follow.

        Args:
            pattern: Of the stem, where frames have only numbers.
            suffix: Of all of them; None for that of each frame's file, or .png.

        Raises:
            InputError: If a file is in the way.
        """
        names = {}
        for number in self.numbers:
            file = self._file(number) if suffix is None else None
            ending = suffix or (".png" if file is None else file.suffix)
            names[number] = f"{self.stem(number, pattern)}{ending}"
        if self.images is not None:
            self.images.check(names)
            self._images = names
        return names

    def _file(self, number: int) -> Path | None:
        asked = self.images
        return frame_file(self.video, number) if asked is None else asked.file(number)

    def images_are_in(self, folder: Path) -> None:
        """Say where the format has its images.

        Raises:
            InputError: If they are asked for elsewhere.
        """
        if self.images is not None and self.images.folder.resolve() != folder.resolve():
            raise InputError(f"{self.title} has its images in {folder}: --images {folder}")

    def real(self, path: Path) -> Path:
        """What a path that is written to becomes in the end."""
        if self.staged is None:
            return path
        temporary, folder = self.staged
        return folder / path.relative_to(temporary)

    def check(self, *paths: Path) -> None:
        """Check that files may be written: see `files.check_writable`."""
        if self.staged is None:
            check_writable(*paths, overwrite=self.overwrite)
            return
        real = [self.real(path) for path in paths]
        check_writable(*(path for path in real if path.exists()), overwrite=self.overwrite)

    def detail(self, number: int, o: Object) -> Detail:
        """What is known of an object in a frame beside its place."""
        return self.annotations.detail(number, o.id)

    def lost(self) -> tuple[str, ...]:
        """What the format did not keep, what simpler polygons cost, and notes, a line each."""
        cost = () if self.simplified is None else self.simplified.said()
        return (*self.said(), *cost, *self.notes)

    def polygons(self, number: int, o: Object, mask: NDArray[np.bool_]) -> list[Ring]:
        """The polygons around the pieces of a mask, the largest first; holes are noted as lost."""
        rings, holes = pieces(mask)
        if holes:
            self.lose("holes", (number, o.id))
        return self._simpler(rings, number, o, mask)

    def outline(self, number: int, o: Object, mask: NDArray[np.bool_]) -> Ring:
        """The polygon around the largest piece of a mask; the rest is noted as lost."""
        rings, holes = pieces(mask)
        if holes:
            self.lose("holes", (number, o.id))
        if len(rings) > 1:
            self.lose("pieces", (number, o.id))
        return self._simpler(rings[:1], number, o, mask)[0]

    def _simpler(
        self, rings: list[Ring], number: int, o: Object, mask: NDArray[np.bool_]
    ) -> list[Ring]:
        if self.simplified is None:
            return rings
        height, width = mask.shape
        return self.simplified(rings, (height, width), f"{label_of(o)} in frame {number}")

    def frames(self) -> Iterator[Frame]:
        """The labelled frames in ascending order, one at a time; what they have is noted.

        Raises:
            InputError: If labels are of another size than the video.
        """
        for o in self.objects:
            self.see_object(o)
        for pair in self.objects.skeleton:
            self.lose("skeleton", pair)
        unseen = {o.id: o for o in self.annotations.objects}
        for number, group in groupby(self.annotations, key=lambda item: item[0]):
            maps = points = None
            for _, labels in group:
                check_size(labels.size, self.video.size, self.annotations.called(number))
                there = set(labels.present)
                for i in there:
                    unseen.pop(i, None)
                if not self.takes(isinstance(labels, MaskLabels)):
                    self.lose("masks" if isinstance(labels, MaskLabels) else "points", number)
                    continue
                if isinstance(labels, MaskLabels):
                    maps = labels
                elif isinstance(labels, PointLabels):
                    points = labels
                for o in labels.objects:
                    self.see_label(number, o, self.detail(number, o), there=o.id in there)
            if maps is not None or points is not None:
                if not any(one.present for one in (maps, points) if one is not None):
                    self.lose("empty", number)
                if self.images is not None:
                    self.images.write(number, self._images[number])
                yield Frame(number, maps, points)
        for o in unseen.values():
            note = self.lose if self.takes(o.is_map) else self.drop
            note("unseen" if o.is_map else "unplaced", o.id)
