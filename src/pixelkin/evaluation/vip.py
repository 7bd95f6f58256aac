"""VIP, body parts of people: read VIP_Fine, score mean IoU over 20 classes.

    videos = load_split("VIP_Fine", split="val")
    score = score_results(videos, "results")        # results/<video>/<frame>.png
    print(score.official.miou)

All pixels of all frames of all videos go into one confusion matrix, the given first frames among
them, as in the published script; the figure without them stands beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pixelkin.evaluation.benchmark import Benchmark, Store
from pixelkin.evaluation.folders import choose, files, find, fit_map, read_lines
from pixelkin.evaluation.metrics import MeanIoU, iou_from_confusion, mean_iou
from pixelkin.evaluation.videos import Video
from pixelkin.formats.id_png import read_ids
from pixelkin.types import InputError, Labels

CLASSES = (
    "background", "hat", "hair", "sun-glasses", "upper-clothes", "dress", "coat", "socks", "pants",
    "gloves", "scarf", "skirt", "torso-skin", "face", "right-arm", "left-arm", "right-leg",
    "left-leg", "right-shoe", "left-shoe",
)  # fmt: skip


@dataclass(frozen=True)
class VipVideo(Video):
    """One VIP video: frames that lie 25 apart, each with a map of class ids."""

    annotations: tuple[Path, ...]

    fps: ClassVar[float] = 2.0

    def given(self, index: int) -> Labels | None:
        """The parts of frame 0; ids that are no class become background."""
        return self.truth(0) if index == 0 else None

    @property
    def given_files(self) -> tuple[Path, ...]:
        """The annotation of frame 0."""
        return self.annotations[:1]

    def truth(self, index: int) -> Labels:
        """The parts of a frame; ids that are no class become background."""
        ids = self.read_annotation(self.annotations[index])
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
    sequences: Iterable[str] | None = None,
    *,
    frames: bool = True,
) -> list[VipVideo]:
    """The videos of a split, checked to be complete.

    The layout is lists/<split>_videos.txt, Images/<video>/*.jpg and
    Annotations/Category_ids/<video>/*.png.

    Args:
        root: The folder VIP_Fine.
        split: "val" or "train".
        sequences: Names to choose, in this order; None for all.
        frames: Whether the RGB frames are needed; scoring stored results needs none.

    Raises:
        InputError: If the root, the list, a video or a frame is not there.
    """
    root = Path(root)
    path = find(root, f"lists/{split}_videos.txt", "VIP_Fine")
    listed = list(dict.fromkeys(line.rstrip("/").split("/")[-1] for line in read_lines(path)))
    return [
        _find_video(root, name, frames) for name in choose(sequences, listed, f"VIP_Fine {split}")
    ]


def score_results(
    videos: Iterable[VipVideo],
    folder: str | Path,
    *,
    resize: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> PartsScore:
    """Score stored predictions: <folder>/<video>/<frame>.png, palette or grey PNGs of class ids.

    Args:
        videos: See `load_split`.
        folder: Every frame is looked for in it, the given first ones too.
        resize: Resample predictions of another size by nearest neighbour. The published script
            does so with smoothing, which mixes ids; we do not.
        progress: Called with (videos done, videos in all).

    Raises:
        InputError: If a frame is missing, has another size, or an id that is no class.
    """
    folder, videos = Path(folder), list(videos)
    for video in videos:
        video.check_maps(folder, video.kept)
    given, predicted = (np.zeros((len(CLASSES),) * 2, np.int64) for _ in range(2))
    for done, video in enumerate(videos, start=1):
        for index in video.kept:
            hist = _confusion(video, index, folder, resize)
            if index == 0:
                given += hist
            else:
                predicted += hist
        video.forget()
        if progress is not None:
            progress(done, len(videos))
    official, later = (MeanIoU(h, *iou_from_confusion(h)) for h in (given + predicted, predicted))
    return PartsScore(official, later, len(videos))


@dataclass(frozen=True, kw_only=True)
class Vip(Benchmark[VipVideo]):
    """VIP."""

    ABOUT: ClassVar[str] = """
VIP: carry the body parts of each video's first frame through it (n = 1, k = 5, 560 x 560) and score
the mean IoU over 20 classes, as the published script does; or score PNGs with --results.

ROOT is the folder VIP_Fine of the Video Instance-level Parsing data set (sysu-hcp.net/lip, "Video
Multi-Person Human Parsing"; a link to the download is there):
  lists/val_videos.txt  Images/VIDEO/*.jpg  Annotations/Category_ids/VIDEO/*.png

OUT receives predictions/VIDEO/*.png, result.json and table.md.

Example:
  pixelkin evaluate vip --root VIP_Fine --out out/vip --videos
"""
    NAME: ClassVar[str] = "vip"
    PROTOCOL: ClassVar[str] = "vip"

    split: str = "val"
    """val or train."""

    def load(self, *, frames: bool = True) -> list[VipVideo]:
        """The videos of the split."""
        return load_split(self.root, self.split, self.sequences, frames=frames)

    def title(self, videos: Sequence[VipVideo]) -> str:
        """Split, and how many videos."""
        return f"VIP {self.split}, {len(videos)} videos, percent"

    def score(
        self,
        videos: Sequence[VipVideo],
        store: Store,
        *,
        resize: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> PartsScore:
        """Mean IoU."""
        return score_results(videos, store.predictions, resize=resize, progress=progress)


def _confusion(video: VipVideo, index: int, folder: Path, resize: bool) -> NDArray[np.int64]:
    where = f"{video.name}/{video.names[index]}"
    truth = video.read_annotation(video.annotations[index])
    guess = fit_map(read_ids(video.map_in(folder, index)), truth.shape, where, resize=resize)
    try:
        return mean_iou(truth, guess, len(CLASSES)).hist
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error


def _find_video(root: Path, name: str, frames: bool) -> VipVideo:
    truth, video = root / "Annotations/Category_ids" / name, root / "Images" / name
    annotations = {p.stem: p for p in files(truth, "png")}
    images = files(video, "jpg") if frames else ()
    names = tuple(p.stem for p in images) or tuple(annotations)
    missing = [stem for stem in names if stem not in annotations]
    if missing:
        raise InputError(f"{truth}: no annotation {missing[0]}.png for frame {missing[0]}")
    return VipVideo(name, names, images, tuple(annotations[stem] for stem in names))


def _percent(value: float) -> str:
    return "-" if np.isnan(value) else f"{100 * value:.1f}"


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
