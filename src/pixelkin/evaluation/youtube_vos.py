"""YouTube-VOS 2018: read the data set, write what its server takes, score hold-out splits.

    videos = load_split("YouTube-VOS", split="valid")
    write_submission(videos, "out/predictions", "out/submission.zip")

    videos = load_split("YouTube-VOS", split="train", videos=held_out)
    print(score_results(videos, "out/predictions", unseen={"parrot"}).overall)

Objects may appear in any frame: each is given where it is annotated first, and a video begins where
its first object does. The truth of the validation split is with the server alone; the training
split is annotated, so that parts of it can be held out and scored here.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pixelkin.evaluation.layout import choose, files, find, listing
from pixelkin.evaluation.maps import check_maps, fit_map, map_path
from pixelkin.evaluation.metrics import boundary_f, region_similarity
from pixelkin.evaluation.pipeline import Video
from pixelkin.evaluation.scores import Group, GroupScore
from pixelkin.files import atomic_write
from pixelkin.formats.id_png import read_ids
from pixelkin.types import InputError, Labels

Frames = Literal["fifth", "all"]


@dataclass(frozen=True, eq=False)
class ObjectsVideo(Video):
    """One video, from the first annotated frame to the last one that is asked for.

    Attributes:
        annotations: Path of the annotation by frame stem: in the validation split only of frames
            where objects begin, in the training split of every fifth frame.
        categories: The category of each object by its id; None where meta.json does not say.
        wanted: Stems of the frames that the server wants, ascending.
    """

    annotations: Mapping[str, Path]
    categories: Mapping[int, str | None]
    wanted: tuple[str, ...]

    fps = 6.0

    @cached_property
    def starts(self) -> dict[int, int]:
        """Index of the frame in which each object is annotated first, and so given, by its id."""
        starts: dict[int, int] = {}
        for index, stem in enumerate(self.names):
            if stem in self.annotations and len(starts) < len(self.categories):
                for i in np.unique(self.annotation(index)).tolist():
                    if i in self.categories:
                        starts.setdefault(i, index)
        return starts

    def annotation(self, index: int) -> NDArray[Any]:
        """The ids of an annotated frame as stored, H x W."""
        return read_ids(self.annotations[self.names[index]])

    def given(self, index: int) -> Labels | None:
        """The objects that begin in this frame, alone."""
        new = [i for i, start in self.starts.items() if start == index]
        if not new:
            return None
        ids = self.annotation(index)
        return Labels.from_mask(np.where(np.isin(ids, new), ids, 0))

    @property
    def given_files(self) -> tuple[Path, ...]:
        """The annotations of the frames in which objects begin."""
        return tuple(self.annotations[self.names[i]] for i in sorted(set(self.starts.values())))

    def truth(self, index: int) -> Labels | None:
        """All objects, in frames that are annotated."""
        if self.names[index] not in self.annotations:
            return None
        ids = self.annotation(index)
        return Labels.from_mask(np.where(np.isin(ids, list(self.categories)), ids, 0))

    @cached_property
    def kept(self) -> Collection[int]:
        """The frames that the server wants."""
        numbers = {stem: index for index, stem in enumerate(self.names)}
        return tuple(numbers[stem] for stem in self.wanted)


def load_split(
    root: str | Path,
    split: str = "valid",
    frames: Frames = "fifth",
    videos: Iterable[str] | None = None,
    *,
    images: bool = True,
) -> list[ObjectsVideo]:
    """The videos of a split, checked to be complete.

    The layout is <split>/meta.json, <split>/Annotations/<video>/*.png and
    <split>/JPEGImages/<video>/*.jpg with every fifth frame (6 a second), or
    <split>_all_frames/JPEGImages/<video>/*.jpg with all of them (30 a second).

    Args:
        root: The data set's folder.
        split: "valid", "test" or "train".
        frames: Which frames are predicted; the wanted ones are the same.
        videos: Names to choose, in this order; None for all.
        images: Whether the RGB frames are needed; scoring stored results needs none.

    Raises:
        InputError: If a folder, a video or a frame is not there, or meta.json is not as it should.
    """
    root = Path(root)
    meta = _read_meta(root, split)
    folder = split if frames == "fifth" else f"{split}_all_frames"
    annotations = find(root, f"{split}/Annotations", "YouTube-VOS")
    pictures = find(root, f"{folder}/JPEGImages", "YouTube-VOS") if images else None
    chosen = choose(videos, list(meta), f"YouTube-VOS {split}")
    return [_find_video(name, meta[name], annotations, pictures) for name in chosen]


def hold_out(
    root: str | Path, split: str = "train", *, unseen: Collection[str] = (), every: int = 10
) -> list[str]:
    """Names of videos to keep away from training, so that they can be scored.

    These are all videos with an object of an unseen category, and of the others, in the order of
    their names, every `every`-th from the first on. The choice is ours; there is no official one.

    Args:
        root: The data set's folder.
        split: An annotated split.
        unseen: Categories that training is not to see.
        every: One video in so many is held out for the seen categories.
    """
    meta = _read_meta(Path(root), split)
    _check_categories(unseen, (c for objects in meta.values() for c, _ in objects.values()))
    if every < 1:
        raise InputError(f"every {every}th video is held out: must be 1 or more")
    hidden = {n for n, objects in meta.items() if {c for c, _ in objects.values()} & set(unseen)}
    return sorted(hidden | set(sorted(set(meta) - hidden)[::every]))


def score_results(
    videos: Iterable[ObjectsVideo],
    folder: str | Path,
    *,
    unseen: Collection[str] = (),
    resize: bool = False,
    on_score: Callable[[int, int], None] | None = None,
) -> GroupScore:
    """Score stored predictions: <folder>/<video>/<frame>.png, palette or grey PNGs of ids.

    J and F are means over an object's frames, then over the objects of seen and of unseen
    categories. An object's frames are the wanted ones after that in which it is given, those
    included in which it is not visible; the server's own rule is not published (our decision).

    Args:
        videos: See `load_split`; of an annotated split.
        folder: Only frames that are scored are looked for in it.
        unseen: Categories that the training has not seen.
        resize: Resample predictions of another size by nearest neighbour.
        on_score: Called with (videos done, videos in all).

    Raises:
        InputError: If a video is not annotated, a frame is missing or has another size, or no
            object is of an unseen category.
    """
    folder, videos = Path(folder), list(videos)
    for video in videos:
        check_annotated(video)
        check_maps(folder, video, video.kept)
    _check_categories(unseen, (c for video in videos for c in video.categories.values()))
    objects: dict[Group, dict[str, tuple[float, float]]] = {"seen": {}, "unseen": {}}
    for done, video in enumerate(videos, start=1):
        for i, figures in _score_video(video, folder, resize).items():
            group: Group = "unseen" if video.categories[i] in unseen else "seen"
            objects[group][f"{video.name}_{i}"] = figures
        if on_score is not None:
            on_score(done, len(videos))
    if not any(objects.values()):
        raise InputError("no object to score: none has a frame after the one in which it is given")
    return GroupScore(objects)


def check_annotated(video: ObjectsVideo) -> None:
    """Raise InputError if frames of a video that would be scored have no truth."""
    lacking = [stem for stem in video.wanted if stem not in video.annotations]
    if lacking:
        raise InputError(
            f"{video.name}: no annotation of frame {lacking[0]}; only the training split is "
            "annotated throughout, the others are scored by the server"
        )


def write_submission(videos: Iterable[ObjectsVideo], folder: str | Path, path: str | Path) -> None:
    """Write the zip for the evaluation server: Annotations/<video>/<frame>.png.

    It holds the wanted frames alone, and the same bytes for the same predictions.

    Args:
        videos: All videos of the split.
        folder: Of predictions, <video>/<frame>.png.
        path: Of the zip; replaced if it exists.

    Raises:
        InputError: If a wanted frame has no prediction.
    """
    folder, videos = Path(folder), list(videos)
    for video in videos:
        check_maps(folder, video, video.kept)
    with atomic_write(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for video in videos:
            for index in video.kept:
                source = map_path(folder, video, index)
                entry = zipfile.ZipInfo(f"Annotations/{video.name}/{source.name}")
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, source.read_bytes())


def _score_video(video: ObjectsVideo, folder: Path, resize: bool) -> dict[int, tuple[float, float]]:
    """Mean (J, F) of each object that has a frame to be scored in."""
    values: dict[int, list[tuple[float, float]]] = {}
    for index in video.kept:
        followed = [i for i, start in sorted(video.starts.items()) if start < index]
        if not followed:
            continue
        truth = video.annotation(index)
        where = f"{video.name}/{video.names[index]}"
        ids = read_ids(map_path(folder, video, index))
        guess = fit_map(ids, truth.shape, where, resize=resize)
        for i in followed:
            masks = truth == i, guess == i
            pair = float(region_similarity(*masks)), float(boundary_f(*masks))
            values.setdefault(i, []).append(pair)
    means = {i: np.mean(pairs, axis=0).tolist() for i, pairs in values.items()}
    return {i: (j, f) for i, (j, f) in means.items()}


_Objects = dict[int, tuple[str | None, list[str]]]  # category and frames by id


def _read_meta(root: Path, split: str) -> dict[str, _Objects]:
    path = find(root, f"{split}/meta.json", "YouTube-VOS")
    try:
        videos = json.loads(path.read_text(encoding="utf-8"))["videos"]
        return {
            name: {
                int(i): (entry.get("category"), sorted(entry["frames"]))
                for i, entry in video["objects"].items()
            }
            for name, video in videos.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} is not as it should be ({error!r}): it needs "
            '{"videos": {NAME: {"objects": {ID: {"category": .., "frames": [..]}}}}}'
        ) from error


def _find_video(
    name: str, objects: _Objects, annotations: Path, pictures: Path | None
) -> ObjectsVideo:
    known = {p.stem: p for p in files(annotations / name, "png")}
    wanted = sorted({stem for _, frames in objects.values() for stem in frames})
    given = [stem for stem in wanted if stem in known]
    if not given:
        raise InputError(f"{annotations / name}: none of the frames in meta.json is annotated")
    wanted = [stem for stem in wanted if stem >= given[0]]
    images = files(pictures / name, "jpg") if pictures else ()
    images = tuple(p for p in images if given[0] <= p.stem <= wanted[-1])
    names = tuple(p.stem for p in images) if pictures else tuple(sorted({*wanted, *known}))
    missing = sorted({*wanted, *given} - set(names))
    if missing:
        raise InputError(f"{pictures}/{name}: no frame {missing[0]}.jpg, which meta.json names")
    categories = {i: category for i, (category, _) in objects.items()}
    return ObjectsVideo(name, names, images, known, categories, tuple(wanted))


def _check_categories(unseen: Collection[str], known: Iterable[str | None]) -> None:
    categories = sorted({c for c in known if c is not None})
    wrong = sorted(set(unseen) - set(categories))
    if wrong:
        raise InputError(f"no object is of category {wrong[0]!r}; there are {listing(categories)}")
