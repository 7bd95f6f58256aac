"""VIP, body parts of people: read VIP_Fine, score mean IoU over 20 classes.

    videos = load_split("VIP_Fine", split="val")
    score = score_results(videos, "results")        # results/<video>/<frame>.png
    print(score.official.miou)

All pixels of all frames of all videos go into one confusion matrix, the given first frames among
them, as in the published script; the figure without them stands beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelkin.evaluation.layout import choose, files, find, read_lines
from pixelkin.evaluation.maps import check_maps, fit_map, map_path
from pixelkin.evaluation.metrics import MeanIoU, iou_from_confusion, mean_iou
from pixelkin.evaluation.pipeline import Video
from pixelkin.formats.id_png import read_ids
from pixelkin.types import InputError, Labels

CLASSES = (
    "background", "hat", "hair", "sun-glasses", "upper-clothes", "dress", "coat", "socks", "pants",
    "gloves", "scarf", "skirt", "torso-skin", "face", "right-arm", "left-arm", "right-leg",
    "left-leg", "right-shoe", "left-shoe",
)  # fmt: skip


@dataclass(frozen=True)
class PartsVideo(Video):
    """One VIP video: frames that lie 25 apart, each with a map of class ids."""

    annotations: tuple[Path, ...]

    fps = 2.0

    def given(self, index: int) -> Labels | None:
        """The parts of frame 0; ids that are no class become background."""
        return self.truth(0) if index == 0 else None

    @property
    def given_files(self) -> tuple[Path, ...]:
        """The annotation of frame 0."""
        return self.annotations[:1]

    def truth(self, index: int) -> Labels:
        """The parts of a frame; ids that are no class become background."""
        ids = read_ids(self.annotations[index])
        return Labels.from_mask(np.where(ids < len(CLASSES), ids, 0), kind="parts")


@dataclass(frozen=True, eq=False)
class PartsScore:
    """Mean IoU over the classes.

    Attributes:
        official: All frames, the given first one included, as published.
        predicted: Without the given frames.
        videos: Number of videos.
    """

    COLUMNS = ("class", "IoU", "without given frames")

    official: MeanIoU
    predicted: MeanIoU
    videos: int

    def rows(self) -> list[tuple[str, ...]]:
        """A table under `COLUMNS`, percent, the mean last; a dash where a class never occurs."""
        names = (*CLASSES, "mean")
        figures = zip(names, self._values(self.official), self._values(self.predicted), strict=True)
        return [(name, *map(_percent, values)) for name, *values in figures]

    def to_json(self) -> dict[str, Any]:
        """The figures as fractions; None where a class never occurs."""
        keys = {"official": self.official, "without_given_frames": self.predicted}
        return {"videos": self.videos} | {
            key: {
                "mIoU": _number(one.miou),
                "IoU": dict(zip(CLASSES, map(_number, one.iou), strict=True)),
            }
            for key, one in keys.items()
        }

    @staticmethod
    def _values(one: MeanIoU) -> list[float]:
        return [*one.iou.tolist(), one.miou]


def load_split(
    root: str | Path,
    split: str = "val",
    videos: Iterable[str] | None = None,
    *,
    frames: bool = True,
) -> list[PartsVideo]:
    """The videos of a split, checked to be complete.

    The layout is lists/<split>_videos.txt, Images/<video>/*.jpg and
    Annotations/Category_ids/<video>/*.png.

    Args:
        root: The folder VIP_Fine.
        split: "val" or "train".
        videos: Names to choose, in this order; None for all.
        frames: Whether the RGB frames are needed; scoring stored results needs none.

    Raises:
        InputError: If the root, the list, a video or a frame is not there.
    """
    root = Path(root)
    path = find(root, f"lists/{split}_videos.txt", "VIP_Fine")
    listed = list(dict.fromkeys(line.rstrip("/").split("/")[-1] for line in read_lines(path)))
    return [_find_video(root, name, frames) for name in choose(videos, listed, f"VIP_Fine {split}")]


def score_results(
    videos: Iterable[PartsVideo],
    folder: str | Path,
    *,
    resize: bool = False,
    on_score: Callable[[int, int], None] | None = None,
) -> PartsScore:
    """Score stored predictions: <folder>/<video>/<frame>.png, palette or grey PNGs of class ids.

    Args:
        videos: See `load_split`.
        folder: Every frame is looked for in it, the given first ones too.
        resize: Resample predictions of another size by nearest neighbour. The published script
            does so with smoothing, which mixes ids; we do not.
        on_score: Called with (videos done, videos in all).

    Raises:
        InputError: If a frame is missing, has another size, or an id that is no class.
    """
    folder, videos = Path(folder), list(videos)
    for video in videos:
        check_maps(folder, video, video.kept)
    given, predicted = (np.zeros((len(CLASSES),) * 2, np.int64) for _ in range(2))
    for done, video in enumerate(videos, start=1):
        for index in video.kept:
            hist = _confusion(video, index, folder, resize)
            if index == 0:
                given += hist
            else:
                predicted += hist
        if on_score is not None:
            on_score(done, len(videos))
    official, later = (MeanIoU(h, *iou_from_confusion(h)) for h in (given + predicted, predicted))
    return PartsScore(official, later, len(videos))


def _confusion(video: PartsVideo, index: int, folder: Path, resize: bool) -> NDArray[np.int64]:
    where = f"{video.name}/{video.names[index]}"
    truth = read_ids(video.annotations[index])
    guess = fit_map(read_ids(map_path(folder, video, index)), truth.shape, where, resize=resize)
    try:
        return mean_iou(truth, guess, len(CLASSES)).hist
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error


def _find_video(root: Path, name: str, frames: bool) -> PartsVideo:
    truth, video = root / "Annotations/Category_ids" / name, root / "Images" / name
    annotations = {p.stem: p for p in files(truth, "png")}
    images = files(video, "jpg") if frames else ()
    names = tuple(p.stem for p in images) or tuple(annotations)
    missing = [stem for stem in names if stem not in annotations]
    if missing:
        raise InputError(f"{truth}: no annotation {missing[0]}.png for frame {missing[0]}")
    return PartsVideo(name, names, images, tuple(annotations[stem] for stem in names))


def _percent(value: float) -> str:
    return "-" if np.isnan(value) else f"{100 * value:.1f}"


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
