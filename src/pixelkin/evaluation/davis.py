"""DAVIS 2016 and 2017, semi-supervised: read the data set, score predictions as its own code does.

    sequences = load_split("DAVIS", year=2017, split="val")
    score = score_results(sequences, "results")        # PNGs from anyone: results/<seq>/00001.png
    score = evaluate(sequences, predictor)             # or straight from a predictor
    print(score.summary.jf, score.to_json())

Which pixels an object has is all this module asks of a prediction; it knows nothing about encoders,
propagation or protocols. Frames 0 and T-1 are not scored, as in the official code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pixelkin.evaluation.metrics import boundary_f, region_similarity
from pixelkin.evaluation.scores import Score, SequenceScore
from pixelkin.types import InputError, Labels
from pixelkin.video.ids import read_ids

Year = Literal[2016, 2017]
VOID = 255


@dataclass(frozen=True)
class Sequence:
    """One DAVIS video and where its files are; nothing is read before it is asked for.

    Attributes:
        name: The sequence's name, e.g. "dogs-jump".
        year: 2016: one object, whatever is not 0; 2017: ids as stored, 255 = void = background.
        names: File stem of each frame, in order.
        frames: Path of each RGB frame; empty if loaded without frames.
        annotations: Path of each frame's annotation; only the first in the test splits.
    """

    name: str
    year: Year
    names: tuple[str, ...]
    frames: tuple[Path, ...]
    annotations: tuple[Path, ...]

    def annotation(self, index: int) -> NDArray[Any]:
        """Ground truth of frame `index` as it is scored: H x W integer ids, 0 = background."""
        ids = read_ids(self.annotations[index])
        if self.year == 2016:
            ids = (ids != 0).astype(np.uint8)
        ids[ids == VOID] = 0
        return ids

    def labels(self) -> Labels:
        """The given labels of frame 0.

        Raises:
            InputError: If frame 0 has no object.
        """
        ids = self.annotation(0)
        if not ids.any():
            hint = " (0/255 masks are DAVIS-2016's: year 2016)" if self.year == 2017 else ""
            raise InputError(f"{self.annotations[0]}: no object in the first frame{hint}")
        return Labels.from_mask(ids)

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
        self.labels()


def load_split(
    root: str | Path,
    year: Year = 2017,
    split: str = "val",
    sequences: Iterable[str] | None = None,
    *,
    resolution: str = "480p",
    frames: bool = True,
) -> list[Sequence]:
    """The sequences of a split, checked to be complete.

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
    listed = _read_split(root, year, split, resolution)
    chosen = listed if sequences is None else list(dict.fromkeys(sequences))
    unknown = [name for name in chosen if name not in listed]
    if unknown:
        raise InputError(
            f"no sequence {', '.join(unknown)} in DAVIS {year} {split}; it has {', '.join(listed)}"
        )
    return [_find_sequence(root, year, name, resolution, frames) for name in chosen]


def score_sequence(
    sequence: Sequence,
    predictions: Iterable[tuple[int, NDArray[Any]]],
    *,
    resize: bool = False,
) -> SequenceScore:
    """J and F of each object of a sequence, in each scored frame.

    Objects are 1..max id of the first frame, as in the official code; one that a prediction lacks
    is an empty mask there.

    Args:
        sequence: Its annotations are the truth.
        predictions: (frame index, H x W integer ids), in any order; frames that are not scored
            may be among them. A 2016 prediction may be 0/1 or 0/255.
        resize: Resample predictions of another size by nearest neighbour.

    Raises:
        InputError: If a prediction has an id that is no object, or another size.
        ValueError: If a scored frame has no prediction.
    """
    sequence.check_scorable()
    objects = range(1, int(sequence.labels().objects[-1]) + 1)
    j = np.full((len(objects), len(sequence.names)), np.nan)
    f = j.copy()
    for index, ids in predictions:
        if index not in sequence.scored:
            continue
        truth = sequence.annotation(index)
        where = f"{sequence.name}/{sequence.names[index]}"
        guess = _checked(ids, truth.shape, len(objects), sequence.year, resize, where)
        for k in objects:
            masks = truth == k, guess == k
            j[k - 1, index], f[k - 1, index] = region_similarity(*masks), boundary_f(*masks)
    missing = [index for index in sequence.scored if np.isnan(j[0, index])]
    if missing:
        raise ValueError(f"{sequence.name}: no prediction for frame {missing[0]}")
    return SequenceScore(sequence.name, j[:, 1:-1], f[:, 1:-1])


def evaluate(
    sequences: Iterable[Sequence],
    predictor: Callable[[Sequence], Iterable[NDArray[Any]]],
    *,
    on_score: Callable[[SequenceScore], None] | None = None,
) -> Score:
    """Run a predictor over sequences and score what it gives.

    Args:
        sequences: See `load_split`.
        predictor: Gives H x W integer ids for each frame of a sequence in order, from frame 0 on;
            it is run to its end.
        on_score: Called after each sequence, for progress.

    Raises:
        InputError: See `score_sequence`; what can be checked is, before the predictor starts.
    """
    return _score_all(sequences, lambda s: score_sequence(s, enumerate(predictor(s))), on_score)


def score_results(
    sequences: Iterable[Sequence],
    folder: str | Path,
    *,
    resize: bool = False,
    on_score: Callable[[SequenceScore], None] | None = None,
) -> Score:
    """Score stored predictions: <folder>/<sequence>/<frame>.png, palette or grey PNGs of ids.

    Args:
        sequences: See `load_split`.
        folder: Only scored frames are looked for in it.
        resize: Resample predictions of another size by nearest neighbour.
        on_score: Called after each sequence, for progress.

    Raises:
        InputError: If a sequence or frame is missing, which is checked before any is scored; and
            see `score_sequence`.
    """
    folder, sequences = Path(folder), list(sequences)
    for s in sequences:
        _check_results(folder, s)

    def score(s: Sequence) -> SequenceScore:
        stored = ((i, read_ids(folder / s.name / f"{s.names[i]}.png")) for i in s.scored)
        return score_sequence(s, stored, resize=resize)

    return _score_all(sequences, score, on_score)


def _score_all(
    sequences: Iterable[Sequence],
    score: Callable[[Sequence], SequenceScore],
    on_score: Callable[[SequenceScore], None] | None,
) -> Score:
    sequences = list(sequences)
    if not sequences:
        raise InputError("no sequence to score")
    for s in sequences:
        s.check_scorable()
    scores = []
    for s in sequences:
        scores.append(score(s))
        if on_score is not None:
            on_score(scores[-1])
    return Score(tuple(scores))


def _checked(
    ids: NDArray[Any], size: tuple[int, ...], objects: int, year: Year, resize: bool, where: str
) -> NDArray[Any]:
    """A prediction as it is scored, or InputError."""
    if ids.shape != size:
        if not resize or ids.ndim != 2:
            raise InputError(
                f"{where}: the prediction is {'x'.join(map(str, ids.shape))}, its annotation "
                f"{size[0]}x{size[1]} (HxW); predict at the annotation's size, or ask to resize"
            )
        rows, columns = (
            ((np.arange(n) + 0.5) * old / n).astype(np.intp)
            for n, old in zip(size, ids.shape, strict=True)
        )
        ids = ids[np.ix_(rows, columns)]
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
    if year not in (2016, 2017):
        raise InputError(f"no DAVIS {year}: year must be 2016 or 2017")
    path = root / "ImageSets" / str(year) / f"{split}.txt"
    original = root / "ImageSets" / resolution / f"{split}.txt"
    if year == 2016 and original.is_file() and not path.is_file():
        path = original
    if not path.is_file():
        others = sorted(p.relative_to(root).as_posix() for p in root.glob("ImageSets/*/*.txt"))
        found = f"there are {', '.join(others)}" if others else "is this DAVIS' root folder?"
        raise InputError(f"{root}: looked for ImageSets/{year}/{split}.txt; {found}")
    lines = [
        line.split()[0] for line in path.read_text("utf-8", "replace").splitlines() if line.strip()
    ]
    return list(dict.fromkeys(Path(s).parent.name if "/" in s else s for s in lines))


def _find_sequence(root: Path, year: Year, name: str, resolution: str, frames: bool) -> Sequence:
    truth, video = (root / kind / resolution / name for kind in ("Annotations", "JPEGImages"))
    annotations, images = _files(truth, "png"), _files(video, "jpg") if frames else ()
    names = tuple(p.stem for p in images or annotations)
    stems = {p.stem for p in annotations}
    missing = [n for n in names if n not in stems]
    first_only = len(annotations) == 1 and annotations[0].stem == names[0]
    if missing and not first_only:
        raise InputError(f"{truth}: no annotation {missing[0]}.png for frame {missing[0]}")
    if stems - set(names):
        raise InputError(f"{video}: no frame {min(stems - set(names))}.jpg, which is annotated")
    return Sequence(name, year, names, images, annotations)


def _files(folder: Path, suffix: str) -> tuple[Path, ...]:
    files = sorted(p for p in folder.glob(f"*.{suffix}") if not p.name.startswith("."))
    if not files:
        missing = f"no .{suffix} files in this folder" if folder.is_dir() else "no such folder"
        raise InputError(f"{folder}: {missing}")
    return tuple(files)


def _check_results(folder: Path, sequence: Sequence) -> None:
    if not (folder / sequence.name).is_dir():
        raise InputError(f"{folder}: no folder {sequence.name!r}; results are <sequence>/*.png")
    names = [sequence.names[i] for i in sequence.scored]
    missing = [n for n in names if not (folder / sequence.name / f"{n}.png").is_file()]
    if missing:
        raise InputError(
            f"{folder / sequence.name}: {missing[0]}.png is missing ({len(missing)} of the "
            f"{len(names)} frames that are scored)"
        )
