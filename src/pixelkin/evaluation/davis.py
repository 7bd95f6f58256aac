"""DAVIS 2016 and 2017, semi-supervised: read the data set, score predictions as its own code does.

    videos = load_split("DAVIS", year=2017, split="val")
    score = score_results(videos, "results")           # PNGs from anyone: results/<seq>/00001.png
    print(score.summary.jf, score.to_json())

Which pixels an object has is all this module asks of a prediction; it knows nothing about encoders,
propagation or protocols. Frames 0 and T-1 are not scored, as in the official code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from pixelkin.evaluation.benchmark import Benchmark, Store
from pixelkin.evaluation.folders import choose, files, find, fit_map, read_lines
from pixelkin.evaluation.metrics import boundary_f, region_similarity
from pixelkin.evaluation.scores import Score, SequenceScore
from pixelkin.evaluation.videos import Video
from pixelkin.formats.id_png import read_ids
from pixelkin.types import InputError, Labels

Year = Literal[2016, 2017]
VOID = 255


@dataclass(frozen=True)
class DavisVideo(Video):
    """One DAVIS video and where its files are; nothing is read before it is asked for.

    Attributes:
        name: The sequence's name, e.g. "dogs-jump".
        names: File stem of each frame, in order.
        frames: Path of each RGB frame; empty if loaded without frames.
        annotations: Path of each frame's annotation; only the first in the test splits.
        year: 2016: one object, whatever is not 0; 2017: ids as stored, 255 = void = background.
    """

    annotations: tuple[Path, ...]
    year: Year

    def annotation(self, index: int) -> NDArray[Any]:
        """Ground truth of frame `index` as it is scored: H x W integer ids, 0 = background."""
        ids = self.read_annotation(self.annotations[index])
        if self.year == 2016:
            ids = (ids != 0).astype(np.uint8)
        ids[ids == VOID] = 0
        return ids

    @cached_property
    def objects(self) -> range:
        """Ids of the objects: 1 to the highest in frame 0, as in the official code.

        Raises:
            InputError: If frame 0 has no object.
        """
        highest = int(self.annotation(0).max())
        if highest == 0:
            hint = " (0/255 masks are DAVIS-2016's: year 2016)" if self.year == 2017 else ""
            raise InputError(f"{self.annotations[0]}: no object in the first frame{hint}")
        return range(1, highest + 1)

    def given(self, index: int) -> Labels | None:
        """The labels of frame 0; InputError if it has no object."""
        return self.truth(0) if index == 0 and self.objects else None

    @property
    def given_files(self) -> tuple[Path, ...]:
        """The annotation of frame 0."""
        return self.annotations[:1]

    def truth(self, index: int) -> Labels | None:
        """The true labels of a frame, where it is annotated."""
        known = index < len(self.annotations)
        return Labels.from_mask(self.annotation(index)) if known else None

    @property
    def scored(self) -> range:
        """Indices of the frames that count: all but the first, which is given, and the last."""
        return range(1, len(self.names) - 1)

    def check_scorable(self) -> None:
        """Raise InputError if there is no ground truth, no object or no frame to score."""
        if len(self.annotations) < len(self.names):
            raise InputError(
                f"{self.name}: only the first of {len(self.names)} frames is annotated (a test "
                "split?), so it cannot be scored here; choose train or val"
            )
        if not self.scored:
            raise InputError(
                f"{self.name}: {len(self.names)} frames, and the first and last do not count; "
                "scoring needs at least 3"
            )
        self.objects  # noqa: B018 - raises if there is none


def load_split(
    root: str | Path,
    year: Year = 2017,
    split: str = "val",
    sequences: Iterable[str] | None = None,
    *,
    resolution: str = "480p",
    frames: bool = True,
) -> list[DavisVideo]:
    """The videos of a split, checked to be complete.

    The layout is ImageSets/<year>/<split>.txt, JPEGImages/<resolution>/<sequence>/*.jpg and
    Annotations/<resolution>/<sequence>/*.png; the list of the original DAVIS-2016 download,
    ImageSets/<resolution>/<split>.txt, is read too.

    Args:
        root: The data set's folder.
        year: 2016 (one object a sequence) or 2017.
        split: Name of the split.
        sequences: Names to choose, in this order; None for all.
        resolution: Name of the folder of that resolution.
        frames: Whether the RGB frames are needed; scoring stored results needs none.

    Raises:
        InputError: If the root, the split, a sequence or a frame is not there.
    """
    root = Path(root)
    if year not in (2016, 2017):
        raise InputError(f"no DAVIS {year}: year must be 2016 or 2017")
    listed = _read_split(root, year, split, resolution)
    chosen = choose(sequences, listed, f"DAVIS {year} {split}")
    return [_find_video(root, year, name, resolution, frames) for name in chosen]


def score_video(
    video: DavisVideo,
    predictions: Iterable[tuple[int, NDArray[Any]]],
    *,
    resize: bool = False,
) -> SequenceScore:
    """J and F of each object of a video, in each scored frame.

    Objects are 1..max id of the first frame, as in the official code; one that a prediction lacks
    is an empty mask there.

    Args:
        video: Its annotations are the truth.
        predictions: (frame index, H x W integer ids), in any order; frames that are not scored
            may be among them. A 2016 prediction may be 0/1 or 0/255.
        resize: Resample predictions of another size by nearest neighbour.

    Raises:
        InputError: If a prediction has an id that is no object, or another size.
        ValueError: If a scored frame has no prediction.
    """
    video.check_scorable()
    objects = video.objects
    j = np.full((len(objects), len(video.names)), np.nan)
    f = j.copy()
    for index, ids in predictions:
        if index not in video.scored:
            continue
        truth = video.annotation(index)
        where = f"{video.name}/{video.names[index]}"
        guess = fit_map(ids, truth.shape, where, resize=resize)
        guess = _checked(guess, len(objects), video.year, where)
        for k in objects:
            masks = truth == k, guess == k
            j[k - 1, index], f[k - 1, index] = region_similarity(*masks), boundary_f(*masks)
    missing = [index for index in video.scored if np.isnan(j[0, index])]
    if missing:
        raise ValueError(f"{video.name}: no prediction for frame {missing[0]}")
    return SequenceScore(video.name, j[:, 1:-1], f[:, 1:-1])


def score_results(
    videos: Iterable[DavisVideo],
    folder: str | Path,
    *,
    resize: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Score:
    """Score stored predictions: <folder>/<sequence>/<frame>.png, palette or grey PNGs of ids.

    Args:
        videos: See `load_split`.
        folder: Only scored frames are looked for in it.
        resize: Resample predictions of another size by nearest neighbour.
        progress: Called with (videos done, videos in all).

    Raises:
        InputError: If a video or frame is missing, which is checked before any is scored; and see
            `score_video`.
    """
    folder, videos = Path(folder), list(videos)
    for video in videos:
        video.check_scorable()
        video.check_maps(folder, video.scored)
    scores = []
    for video in videos:
        stored = ((i, read_ids(video.map_in(folder, i))) for i in video.scored)
        scores.append(score_video(video, stored, resize=resize))
        video.forget()
        if progress is not None:
            progress(len(scores), len(videos))
    return Score(tuple(scores))


def every_nth(video: DavisVideo, step: int) -> DavisVideo:
    """A video of every `step`-th frame, for quick checks; not a benchmark's figure."""
    if step < 1:
        raise InputError(f"every {step}th frame: must be 1 or more")
    return replace(
        video,
        names=video.names[::step],
        frames=video.frames[::step],
        annotations=video.annotations[::step],
    )


@dataclass(frozen=True, kw_only=True)
class Davis(Benchmark[DavisVideo]):
    """DAVIS 2016 or 2017."""

    ABOUT: ClassVar[str] = """
DAVIS: carry the first frame's masks through each sequence and score J and F (frames 1 to T-2), as
the official code does; or score PNGs of anyone with --results.

ROOT is the data set as downloaded from davischallenge.org (480p, trainval; 2016 or 2017):
  ImageSets/YEAR/SPLIT.txt  JPEGImages/480p/SEQUENCE/*.jpg  Annotations/480p/SEQUENCE/*.png

OUT receives predictions/SEQUENCE/*.png, result.json, table.md and the official CSV tables.

Example:
  pixelkin evaluate davis --root DAVIS --year 2017 --split val --out out/davis17 --videos
  pixelkin evaluate davis --root DAVIS --year 2017 --results somebodys/masks --csv out
"""
    NAME: ClassVar[str] = "davis"
    PROTOCOL: ClassVar[str] = "davis"
    TABLES: ClassVar[tuple[str, ...]] = (
        "global_results-{split}.csv",
        "per-sequence_results-{split}.csv",
    )
    DECIDES: ClassVar[tuple[str, ...]] = ("year", "split", "every")

    year: Year = 2017
    """2016 (one object) or 2017."""
    split: str = "val"
    """Name of the split."""
    every: int = 1
    """Use every n-th frame only; not the benchmark's figure."""

    def load(self, *, frames: bool = True) -> list[DavisVideo]:
        """The sequences of the split, each of which can be scored."""
        found = load_split(self.root, self.year, self.split, self.sequences, frames=frames)
        videos = [every_nth(video, self.every) for video in found]
        for video in videos:
            video.check_scorable()
        return videos

    def title(self, videos: Sequence[DavisVideo]) -> str:  # noqa: ARG002
        """Year, split and how many of the frames."""
        some = f", every {self.every}. frame" if self.every > 1 else ""
        return f"DAVIS-{self.year} {self.split}{some}"

    def score(
        self,
        videos: Sequence[DavisVideo],
        store: Store,
        *,
        resize: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> Score:
        """J and F."""
        return score_results(videos, store.predictions, resize=resize, progress=progress)

    def tables(self, score: Score) -> Mapping[str, str]:
        """The two CSV tables of the official code."""
        return dict(zip(self.table_names, score.csv_tables(), strict=True))


def _checked(ids: NDArray[Any], objects: int, year: Year, where: str) -> NDArray[Any]:
    """A prediction as it is scored, or InputError."""
    low, high = int(ids.min()), int(ids.max())
    if year == 2016 and high > 1 and ((ids == 0) | (ids == high)).all():
        ids = (ids != 0).astype(np.uint8)
    elif low < 0 or high > objects:
        raise InputError(
            f"{where}: the prediction has id {high if high > objects else low}; the first frame "
            f"has objects 1..{objects}, and 0 is background"
        )
    return ids


def _read_split(root: Path, year: Year, split: str, resolution: str) -> list[str]:
    """Names in the split's list; each line a name, or a frame's paths as DAVIS-2016 shipped it."""
    wanted = f"ImageSets/{year}/{split}.txt"
    original = f"ImageSets/{resolution}/{split}.txt"
    if year == 2016 and (root / original).is_file() and not (root / wanted).is_file():
        wanted = original
    path = find(root, wanted, "DAVIS", "ImageSets/*/*.txt")
    first = [line.split()[0] for line in read_lines(path)]
    return list(dict.fromkeys(Path(s).parent.name if "/" in s else s for s in first))


def _find_video(root: Path, year: Year, name: str, resolution: str, frames: bool) -> DavisVideo:
    truth, video = (root / kind / resolution / name for kind in ("Annotations", "JPEGImages"))
    annotations, images = files(truth, "png"), files(video, "jpg") if frames else ()
    names = tuple(p.stem for p in images or annotations)
    stems = {p.stem for p in annotations}
    missing = [n for n in names if n not in stems]
    first_only = len(annotations) == 1 and annotations[0].stem == names[0]
    if missing and not first_only:
        raise InputError(f"{truth}: no annotation {missing[0]}.png for frame {missing[0]}")
    if stems - set(names):
        raise InputError(f"{video}: no frame {min(stems - set(names))}.jpg, which is annotated")
    return DavisVideo(name, names, images, annotations, year)
