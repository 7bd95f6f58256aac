"""DAVIS 2016 and 2017, semi-supervised: read the data set, score predictions as its own code does.

    sequences = load_split("DAVIS", year=2017, split="val")
    score = score_results(sequences, "results")        # PNGs from anyone: results/<seq>/00001.png
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

from pixelkin.evaluation.layout import choose, files, find, read_lines
from pixelkin.evaluation.maps import check_maps, fit_map, map_path
from pixelkin.evaluation.metrics import boundary_f, region_similarity
from pixelkin.evaluation.pipeline import Video
from pixelkin.evaluation.scores import Score, SequenceScore
from pixelkin.formats.id_png import read_ids
from pixelkin.types import InputError, Labels

Year = Literal[2016, 2017]
VOID = 255


@dataclass(frozen=True)
class Sequence(Video):
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

    def given(self, index: int) -> Labels | None:
        """The labels of frame 0."""
        return self.labels() if index == 0 else None

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
    if year not in (2016, 2017):
        raise InputError(f"no DAVIS {year}: year must be 2016 or 2017")
    listed = _read_split(root, year, split, resolution)
    chosen = choose(sequences, listed, f"DAVIS {year} {split}")
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
    objects = range(1, int(sequence.labels().present[-1]) + 1)
    j = np.full((len(objects), len(sequence.names)), np.nan)
    f = j.copy()
    for index, ids in predictions:
        if index not in sequence.scored:
            continue
        truth = sequence.annotation(index)
        where = f"{sequence.name}/{sequence.names[index]}"
        guess = fit_map(ids, truth.shape, where, resize=resize)
        guess = _checked(guess, len(objects), sequence.year, where)
        for k in objects:
            masks = truth == k, guess == k
            j[k - 1, index], f[k - 1, index] = region_similarity(*masks), boundary_f(*masks)
    missing = [index for index in sequence.scored if np.isnan(j[0, index])]
    if missing:
        raise ValueError(f"{sequence.name}: no prediction for frame {missing[0]}")
    return SequenceScore(sequence.name, j[:, 1:-1], f[:, 1:-1])


def score_results(
    sequences: Iterable[Sequence],
    folder: str | Path,
    *,
    resize: bool = False,
    on_score: Callable[[int, int], None] | None = None,
) -> Score:
    """Score stored predictions: <folder>/<sequence>/<frame>.png, palette or grey PNGs of ids.

    Args:
        sequences: See `load_split`.
        folder: Only scored frames are looked for in it.
        resize: Resample predictions of another size by nearest neighbour.
        on_score: Called with (sequences done, sequences in all).

    Raises:
        InputError: If a sequence or frame is missing, which is checked before any is scored; and
            see `score_sequence`.
    """
    folder, sequences = Path(folder), list(sequences)
    for s in sequences:
        s.check_scorable()
        check_maps(folder, s, s.scored)
    scores = []
    for s in sequences:
        stored = ((i, read_ids(map_path(folder, s, i))) for i in s.scored)
        scores.append(score_sequence(s, stored, resize=resize))
        if on_score is not None:
            on_score(len(scores), len(sequences))
    return Score(tuple(scores))


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


def _find_sequence(root: Path, year: Year, name: str, resolution: str, frames: bool) -> Sequence:
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
    return Sequence(name, names, images, annotations, year)
