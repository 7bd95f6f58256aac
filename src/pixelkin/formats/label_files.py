"""The labels of a video from several files, as people have them.

Files are joined so that one colour, and one name of a mask that holds one object alone, means one
object in all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pixelkin.formats import mask_png, points_json
from pixelkin.formats.frame_names import frame_of, object_name, spoken
from pixelkin.formats.mask_pixels import MaskPixels
from pixelkin.formats.point_names import one_id_a_name
from pixelkin.formats.registry import FORMATS, load_annotations, recognise
from pixelkin.reading import check_file
from pixelkin.types import Annotations, Colour, InputError, MaskLabels, Objects, VideoInfo
from pixelkin.video.images import natural_key
from pixelkin.video.palette import davis_palette
from pixelkin.video.suffixes import IMAGES

MAX_OBJECTS = 4096
WHOLE = tuple(one for one in FORMATS if one.folder and one.name not in ("png", "results"))


@dataclass(frozen=True)
class LabelFile:
    """A file of labels, or a folder of them.

    Attributes:
        path: Where it is.
        frame: The frame that it labels; None if its name says so.
    """

    path: Path
    frame: int | None = None


@dataclass(frozen=True)
class Labelled:
    """What `load_label_files` found.

    Attributes:
        annotations: The labels.
        said: For each file, or files that belong together, which frames it labels, in words.
    """

    annotations: Annotations
    said: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Mask:
    path: Path
    frame: int
    name: str | None  # of its object, if it holds one alone
    unnamed: bool  # the first frame's for want of a number
    pixels: MaskPixels

    @property
    def present(self) -> list[int]:
        return [int(i) for i in np.unique(self.pixels.ids) if i]


def load_label_files(
    files: Sequence[LabelFile],
    video: VideoInfo,
    *,
    snap: bool = False,
    objects: Objects | None = None,
) -> Labelled:
    """Read files of labels of any format that is known, and join them.

    A folder stands for the files in it, but where a format is a folder. Masks of one frame with one
    object each become one map: objects have the ids that tell them apart in the files, else the
    numbers that are the names of the files, else numbers from 1 on; where they overlap, the smaller
    one is in front. Colours are numbered from the first frame on, unless a palette of another file
    has them. Points are told by their names, where they have some.

    Args:
        files: What to read.
        video: What they belong to.
        snap: As in `read_mask`.
        objects: Masks that have ids, names and colours already; others get new ones.

    Raises:
        InputError: If a file is missing or wrong, its frame is not clear, or two belong to one
            frame and do not go together.
    """
    said: list[str] = []
    others: list[tuple[Path, Annotations]] = []
    masks: list[_Mask] = []
    for path, frame in _files(files):
        form = recognise(path)
        if form.load is mask_png.load:
            masks.append(_read_mask(path, frame, video, snap))
            continue
        found = load_annotations(path, video, form.name)
        if frame is not None:
            if len(found.frames) > 1:
                raise InputError(
                    f"{path} labels {len(found.frames)} frames: give it without {frame}="
                )
            found = Annotations.of({frame: found.only()}, str(path))
        others.append((path, found))
        by_name = frame is None and form.load is points_json.load
        unnamed = by_name and frame_of(path, video) is None
        said.append(_said(str(path), sorted(found.frames), video, unnamed))
    annotations = Annotations(objects or Objects(), {})
    named = one_id_a_name([found for _, found in others])
    for (path, _), found in zip(others, named, strict=True):
        annotations = _joined(annotations, found, path)
    known = _Known.of(annotations, masks)
    for group in _by_frame(masks):
        labels, told = known.map(group)
        names = ", ".join(str(m.path) for m in group)
        annotations = _joined(annotations, Annotations.of({group[0].frame: labels}, names), names)
        said.append(_said(names, [group[0].frame], video, group[0].unnamed) + told)
    if (count := len(annotations.objects)) > MAX_OBJECTS:
        raise InputError(f"{count:,} objects are labelled: at most {MAX_OBJECTS:,} can be followed")
    return Labelled(annotations, tuple(said))


def _files(files: Sequence[LabelFile]) -> Iterator[tuple[Path, int | None]]:
    """(file, frame) of all files, those of folders in natural order."""
    if not files:
        raise InputError("no file of labels is given")
    for file in files:
        if not file.path.is_dir() or any(one.looks_like(file.path) for one in WHOLE):
            yield file.path, file.frame
            continue
        wanted = {".json", *IMAGES}
        shown = (p for p in file.path.iterdir() if not p.name.startswith(".") and not p.is_dir())
        found = sorted((p for p in shown if p.suffix.lower() in wanted), key=natural_key)
        for path in found:  # a link that leads nowhere is no reason to leave out labels
            check_file(path)
        if not found:
            raise InputError(f"{file.path} holds no file of labels (*.png, *.json)")
        yield from ((path, file.frame) for path in found)


def _read_mask(path: Path, frame: int | None, video: VideoInfo, snap: bool) -> _Mask:
    pixels = mask_png.read_pixels(path, video.size, snap=snap)
    if not pixels.ids.any():
        raise InputError(f"{path} holds no object: every pixel is background (0, black)")
    named = frame if frame is not None else frame_of(path, video)
    index = named or 0
    alone = len(np.unique(pixels.ids[pixels.ids > 0])) == 1
    name = object_name(path, video, index, stated=frame is not None) if alone else None
    return _Mask(path, index, name, named is None, pixels)


def _by_frame(masks: Sequence[_Mask]) -> list[list[_Mask]]:
    """The masks of each frame, from the first frame on."""
    frames: dict[int, list[_Mask]] = {}
    for mask in sorted(masks, key=lambda m: m.frame):
        frames.setdefault(mask.frame, []).append(mask)
    return list(frames.values())


@dataclass
class _Known:
    """Who has which id, in all files."""

    by_colour: dict[Colour, int] = field(default_factory=dict)
    by_name: dict[str, int] = field(default_factory=dict)  # of masks that hold one object alone
    taken: set[int] = field(default_factory=set)
    levels: bool = False  # whether some file numbers its colours

    @classmethod
    def of(cls, annotations: Annotations, masks: Sequence[_Mask]) -> _Known:
        """From files that state ids first, then by colours and names, from the first frame on."""
        named = {o.name: o.id for o in annotations.objects.of_maps(True) if o.name is not None}
        known = cls(by_name=named, levels=any(m.pixels.coding == "colours" for m in masks))
        groups = _by_frame(masks)
        split = [group for group in groups if _is_split(group)]
        told_by_name = {m.name for group in split for m in group}
        stated = {o.id: o.colour for o in annotations.objects.of_maps(True)}
        for mask in (m for m in masks if m.pixels.coding == "ids" and m.name not in told_by_name):
            stated.update((i, mask.pixels.colours.get(i)) for i in mask.present)
        palette = davis_palette()
        for i, colour in stated.items():
            usual = tuple(palette[i].tolist()) if i < len(palette) else None
            for seen in (colour, usual):
                if seen is not None:
                    known.by_colour.setdefault(seen, i)
        known.taken.update(stated)
        if len(stated) > 1:
            known.by_name.update({str(i): i for i in stated if str(i) not in known.by_name})
        for mask in (m for group in groups for m in group):
            known._number_colours(mask)
        known._number_names(split)
        return known

    def map(self, group: Sequence[_Mask]) -> tuple[MaskLabels, str]:
        """The map of one frame from its files, and what is to be said of it."""
        if len(group) == 1 and not self._is_named(group[0]):
            return mask_png.labels_of(self._renumbered(group[0])), ""
        if not all(m.name is not None for m in group):
            files = " and ".join(str(m.path) for m in group[:2])
            raise InputError(
                f"{files} are both of frame {group[0].frame}: give one map of the frame, or masks "
                "of one object each"
            )
        return self._together(group)

    def _together(self, group: Sequence[_Mask]) -> tuple[MaskLabels, str]:
        ids = np.zeros(group[0].pixels.ids.shape, np.int32)
        areas = [np.count_nonzero(m.pixels.ids) for m in group]
        names: dict[int, str | None] = {}
        colours: dict[int, Colour] = {}
        for n in sorted(range(len(group)), key=lambda n: -areas[n]):
            mask = group[n]
            i = self._one(mask, split=_is_split(group))
            if i in names:
                raise InputError(
                    f"{mask.path}: frame {mask.frame} has a mask of its object already"
                )
            names[i] = None if mask.name == str(i) else mask.name
            (own,) = mask.present
            if mask.pixels.coding != "binary" and own in mask.pixels.colours:
                colours[i] = mask.pixels.colours[own]
            ids[mask.pixels.ids > 0] = i
        if hidden := [names[i] or f"object {i}" for i in sorted(names) if not (ids == i).any()]:
            raise InputError(f"{hidden[0]} is hidden by the masks of other objects of its frame")
        labels = mask_png.labels_of(MaskPixels(ids, "ids", colours))
        table = tuple(replace(o, name=names[o.id]) for o in labels.objects)
        twice = sum(areas) - np.count_nonzero(ids)
        who = (f"{o.id} is {o.name}" if o.name else f"object {o.id}" for o in table)
        told = f" ({', '.join(who)}"
        over = f"; {twice} pixels are in several: the smaller object has them" if twice else ""
        return replace(labels, objects=Objects(table)), f"{told}{over})"

    def _one(self, mask: _Mask, *, split: bool) -> int:
        """The id of the one object of a mask."""
        if not (split or self._is_named(mask)):
            return int(np.max(self._renumbered(mask).ids))
        if mask.name in self.by_name:
            return self.by_name[mask.name]
        known = [*self.by_name, *map(str, sorted(self.taken - {*self.by_name.values()}))]
        raise InputError(
            f"{mask.path} is of one object, but its name says not which one of {', '.join(known)}: "
            "give it that name, or the object's id as value"
        )

    def _is_named(self, mask: _Mask) -> bool:
        """Whether the name of a mask says which object it is of, or must say so."""
        coding = mask.pixels.coding
        if mask.name in self.by_name:
            return coding != "colours"
        return coding == "binary" and not self.levels and bool(self.by_name or self.taken - {1})

    def _number_colours(self, mask: _Mask) -> None:
        coding = mask.pixels.coding
        if coding == "colours" or (coding == "binary" and self.levels):
            for colour in mask.pixels.colours.values():
                if colour not in self.by_colour:
                    self.by_colour[colour] = self._free()

    def _number_names(self, groups: Sequence[Sequence[_Mask]]) -> None:
        """Ids for the objects of masks that no id tells apart."""
        found = dict.fromkeys(str(m.name) for group in groups for m in group)
        names = [name for name in found if name not in self.by_name]
        numbers = [int(n) for n in names if n.isascii() and n.isdigit() and 0 < int(n) < 255]
        if len(set(numbers)) == len(names) and not self.taken & set(numbers):
            self.by_name.update(zip(names, numbers, strict=True))
        else:
            self.by_name.update((name, self._free()) for name in names)

    def _free(self) -> int:
        used = {*self.taken, *self.by_name.values()}
        i = next(n for n in count(1) if n not in used)
        self.taken.add(i)
        return i

    def _renumbered(self, mask: _Mask) -> MaskPixels:
        """The pixels with the ids that its colours have in all files."""
        pixels = mask.pixels
        if pixels.coding == "ids":
            return pixels
        if pixels.coding == "binary" and not self.levels:
            return pixels
        table = np.zeros(1 + max(pixels.colours), np.int32)
        for i, colour in pixels.colours.items():
            table[i] = self.by_colour[colour]
        colours = {int(table[i]): colour for i, colour in pixels.colours.items()}
        ids: NDArray[np.int32] = table[pixels.ids.astype(np.int32)]
        return MaskPixels(ids, "colours", colours)


def _is_split(group: Sequence[_Mask]) -> bool:
    """Whether the masks of a frame hold one object each, and neither id nor colour says which."""
    if len(group) < 2 or any(m.name is None for m in group):
        return False
    codings = {m.pixels.coding for m in group}
    if codings == {"colours"}:
        return len({c for m in group for c in m.pixels.colours.values()}) < len(group)
    return codings != {"ids"} or len({i for m in group for i in m.present}) < len(group)


def _joined(known: Annotations, found: Annotations, path: Path | str) -> Annotations:
    try:
        return known.joined(found)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _said(names: str, frames: Sequence[int], video: VideoInfo, unnamed: bool) -> str:
    if len(frames) > 1:
        return f"{names} for {len(frames)} frames"
    why = ", the first: no number in the name says another" if unnamed else ""
    return f"{names} for {spoken(frames[0], video)}{why}"
