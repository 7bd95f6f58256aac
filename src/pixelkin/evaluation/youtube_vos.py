"""YouTube-VOS 2018: read the data set, write what its server takes, score hold-out splits.

    videos = load_split("YouTube-VOS", split="valid")
    write_submission(videos, "out/predictions", "out/submission.zip")    # see submission.py
    videos = load_split("YouTube-VOS", split="train", sequences=held_out)
    print(score_results(videos, "out/predictions", unseen={"parrot"}).overall)

Objects are given where they are annotated first, and a video begins where its first object does.
Of the splits only "train" is annotated throughout: parts of it can be held out and scored here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from pixelkin.evaluation.benchmark import Benchmark, Store
from pixelkin.evaluation.folders import choose, files, find, fit_map, listing
from pixelkin.evaluation.metrics import boundary_f, region_similarity
from pixelkin.evaluation.scores import JF, Group, GroupScore
from pixelkin.evaluation.submission import write_submission
from pixelkin.evaluation.videos import Video
from pixelkin.formats.id_png import read_ids
from pixelkin.reading import LABELS_BYTES, read_json
from pixelkin.types import InputError, Labels

Rate = Literal["fifth", "all"]
Split = Literal["valid", "test", "train"]
RATES = {"fifth": "every fifth frame (6 a second)", "all": "all frames (30 a second)"}


@dataclass(frozen=True, eq=False)
class YoutubeVosVideo(Video):
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

    fps: ClassVar[float] = 6.0

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
        return self.read_annotation(self.annotations[self.names[index]])

    def given(self, index: int) -> Labels | None:
        """The objects that begin in this frame, alone."""
        if not (new := [i for i, start in self.starts.items() if start == index]):
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
    split: Split = "valid",
    rate: Rate = "fifth",
    sequences: Collection[str] | None = None,
    *,
    frames: bool = True,
) -> list[YoutubeVosVideo]:
    """The videos of a split, or those named `sequences`: `YoutubeVos.load` with these options."""
    benchmark = YoutubeVos(root=Path(root), split=split, frames=rate, sequences=sequences)
    return benchmark.load(frames=frames)


def score_results(
    videos: Iterable[YoutubeVosVideo],
    folder: str | Path,
    *,
    unseen: Collection[str] = (),
    resize: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> GroupScore:
    """Score stored predictions: <folder>/<video>/<frame>.png, palette or grey PNGs of ids.

    J and F are means over an object's frames, then over the objects of seen and of unseen
    categories. An object's frames are the wanted ones after that in which it is given, those
    included in which it is not visible; the server's own rule is not published [D].

    Args:
        videos: See `load_split`; of an annotated split.
        folder: Only frames that are scored are looked for in it.
        unseen: Categories that the training has not seen.
        resize: Resample predictions of another size by nearest neighbour.
        progress: Called with (videos done, videos in all).

    Raises:
        InputError: If a video is not annotated, a frame is missing or has another size, or no
            object is of an unseen category.
    """
    folder, videos = Path(folder), list(videos)
    for video in videos:
        check_annotated(video)
        video.check_maps(folder, video.kept)
    _check_categories(unseen, (c for video in videos for c in video.categories.values()))
    objects: dict[Group, dict[str, JF]] = {"seen": {}, "unseen": {}}
    for done, video in enumerate(videos, start=1):
        for i, figures in _score_video(video, folder, resize).items():
            group: Group = "unseen" if video.categories[i] in unseen else "seen"
            objects[group][f"{video.name}_{i}"] = figures
        video.forget()
        if progress is not None:
            progress(done, len(videos))
    if not any(objects.values()):
        raise InputError("no object to score: none has a frame after the one in which it is given")
    return GroupScore(objects)


def check_annotated(video: YoutubeVosVideo) -> None:
    """Raise InputError if frames of a video that would be scored have no truth."""
    lacking = [stem for stem in video.wanted if stem not in video.annotations]
    if lacking:
        raise InputError(
            f"{video.name}: no annotation of frame {lacking[0]}; only the training split is "
            "annotated throughout, the others are scored by the server"
        )


def _score_video(video: YoutubeVosVideo, folder: Path, resize: bool) -> dict[int, JF]:
    """Mean J and F of each object that has a frame to be scored in."""
    values: dict[int, list[tuple[float, float]]] = {}
    for index in video.kept:
        followed = [i for i, start in sorted(video.starts.items()) if start < index]
        if not followed:
            continue
        truth = video.annotation(index)
        ids = read_ids(video.map_in(folder, index))
        guess = fit_map(ids, truth.shape, f"{video.name}/{video.names[index]}", resize=resize)
        for i in followed:
            masks = truth == i, guess == i
            pair = float(region_similarity(*masks)), float(boundary_f(*masks))
            values.setdefault(i, []).append(pair)
    return {i: JF(*np.mean(pairs, axis=0).tolist()) for i, pairs in values.items()}


@dataclass(frozen=True, kw_only=True)
class YoutubeVos(Benchmark[YoutubeVosVideo]):
    """YouTube-VOS 2018."""

    ABOUT: ClassVar[str] = """
YouTube-VOS 2018 at stride 4: carry every object from where it is annotated first to the end of its
video. By default by our centred form of MAST's protocol; as released: --protocol youtube_vos.

Of the splits valid and test only the first masks are public: OUT/submission.zip is what the
evaluation server takes. The split train is scored here: name the videos that training has not seen
with --sequences, or hold some out with --hold-out, and categories that it has not seen with
--unseen; printed are J and F over the objects of seen and of unseen categories, and their mean.

ROOT is the 2018 data set of youtube-vos.org, unpacked (the second line for --frames all):
  SPLIT/meta.json  SPLIT/Annotations/VIDEO/*.png  SPLIT/JPEGImages/VIDEO/*.jpg
  SPLIT_all_frames/JPEGImages/VIDEO/*.jpg

OUT receives predictions/VIDEO/*.png, result.json, and submission.zip or table.md.

Example:
  pixelkin evaluate youtube_vos --root YouTube-VOS --out out/ytvos --frames all
  pixelkin evaluate youtube_vos --root YouTube-VOS --split train --hold-out 20 --unseen parrot,snail
"""
    NAME: ClassVar[str] = "youtube_vos"
    PROTOCOL: ClassVar[str] = "youtube_vos_centred"
    DECIDES: ClassVar[tuple[str, ...]] = ("split", "frames")

    split: Split = "valid"
    """valid, test or train."""
    frames: Rate = "fifth"
    """Predict every fifth frame or all of them; the scored ones are the same."""
    hold_out: int | None = None
    """With train: every n-th video, and all with objects of unseen categories."""
    unseen: Collection[str] = ()
    """With train: categories that training has not seen, separated by commas."""

    @property
    def unscored(self) -> str | None:
        """All but the training split is scored by the server."""
        return None if self.split == "train" else f"{self.split} is scored by the server"

    def load(self, *, frames: bool = True) -> list[YoutubeVosVideo]:
        """The videos that are chosen or held out."""
        if self.unscored and (self.unseen or self.hold_out is not None):
            raise InputError(f"--unseen and --hold-out are for --split train, not {self.split}")
        if self.hold_out is not None and self.sequences is not None:
            raise InputError("--hold-out chooses the videos: leave out --sequences")
        if self.frames not in RATES:
            raise InputError(f"frames: {self.frames!r}, there are {', '.join(RATES)}")
        meta, chosen = _read_meta(self.root, self.split), self.sequences
        if self.hold_out is not None:
            chosen = _hold_out(meta, self.unseen, self.hold_out)
        chosen = choose(chosen, list(meta), f"YouTube-VOS {self.split}")
        folder = self.split if self.frames == "fifth" else f"{self.split}_all_frames"
        annotations = find(self.root, f"{self.split}/Annotations", "YouTube-VOS")
        pictures = find(self.root, f"{folder}/JPEGImages", "YouTube-VOS") if frames else None
        return [_find_video(name, meta[name], annotations, pictures) for name in chosen]

    def title(self, videos: Sequence[YoutubeVosVideo]) -> str:
        """Split, how many videos, and which frames."""
        return f"YouTube-VOS 2018 {self.split}, {len(videos)} videos, {RATES[self.frames]}"

    def score(
        self,
        videos: Sequence[YoutubeVosVideo],
        store: Store,
        *,
        resize: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> GroupScore:
        """J and F of seen and unseen categories."""
        return score_results(
            videos, store.predictions, unseen=self.unseen, resize=resize, progress=progress
        )

    def submit(self, videos: Sequence[YoutubeVosVideo], store: Store) -> str | None:
        """Write submission.zip."""
        if self.unscored is None:
            return None
        path = store.file("submission.zip")
        write_submission(videos, store.predictions, path)
        partly = "" if self.sequences is None else f", of {len(videos)} videos only"
        return f"for the evaluation server: {path}{partly}"


_Objects = dict[int, tuple[str | None, list[str]]]  # category and frames by id


def _read_meta(root: Path, split: str) -> dict[str, _Objects]:
    path = find(root, f"{split}/meta.json", "YouTube-VOS")
    try:
        videos = read_json(path, LABELS_BYTES)["videos"]
        return {
            name: {
                int(i): (entry.get("category"), sorted(map(str, entry["frames"])))
                for i, entry in video["objects"].items()
            }
            for name, video in videos.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} is not as it should be ({error}): it needs "
            '{"videos": {NAME: {"objects": {ID: {"category": .., "frames": [..]}}}}}'
        ) from error


def _hold_out(meta: Mapping[str, _Objects], unseen: Collection[str], every: int) -> list[str]:
    """Names of videos to keep away from training: our choice, there is no official one.

    All with an object of an unseen category, and every `every`-th of the others by name.
    """
    _check_categories(unseen, (c for objects in meta.values() for c, _ in objects.values()))
    if every < 1:
        raise InputError(f"every {every}th video is held out: must be 1 or more")
    hidden = {n for n, objects in meta.items() if {c for c, _ in objects.values()} & set(unseen)}
    return sorted(hidden | set(sorted(set(meta) - hidden)[::every]))


def _find_video(
    name: str, objects: _Objects, annotations: Path, pictures: Path | None
) -> YoutubeVosVideo:
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
    return YoutubeVosVideo(name, names, images, known, categories, tuple(wanted))


def _check_categories(unseen: Collection[str], known: Iterable[str | None]) -> None:
    categories = sorted({c for c in known if c is not None})
    wrong = sorted(set(unseen) - set(categories))
    if wrong:
        raise InputError(f"no object is of category {wrong[0]!r}; there are {listing(categories)}")
