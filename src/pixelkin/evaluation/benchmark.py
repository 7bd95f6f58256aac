"""What an evaluation is about: a benchmark, its videos, the folder of a run, and the result.

    benchmark = Davis(root=Path("DAVIS"), year=2017, split="val")
    videos = benchmark.load()
    store = Store(Path("out"))                       # filled by `pipeline.predict_all`
    score = benchmark.score(videos, store)

What happens with them is in pipeline.py. Each benchmark is one file with a subclass of `Benchmark`
and one of `Video` (videos.py), and a line in registry.py.

    OUT/run.json                       what was run; another does not mix with it, see run_folder.py
    OUT/predictions/SEQUENCE/NAME.png  palette PNGs, as evaluation servers and codes read them
    OUT/records/SEQUENCE.json          confidences, and the positions of keypoints
    OUT/videos/SEQUENCE.mp4            truth, prediction and confidence, where asked for
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from pixelkin.evaluation.videos import Video
from pixelkin.files import write_json
from pixelkin.formats.id_png import read_ids
from pixelkin.formats.mask_png import write_mask
from pixelkin.formats.points_json import json_of, point_of
from pixelkin.reading import read_json
from pixelkin.run_folder import RunFolder
from pixelkin.types import (
    InputError,
    LabelKind,
    Labels,
    MaskLabels,
    Object,
    Objects,
    PointLabels,
    Prediction,
)


class Store(RunFolder):
    """The folder of a run.

    Attributes:
        folder: The folder.
        predictions: Where the maps are, <sequence>/<frame>.png; below `folder` unless said.
    """

    def __init__(self, folder: Path, predictions: Path | None = None) -> None:
        super().__init__(folder, "evaluation")
        self.predictions = predictions or folder / "predictions"

    def holds(self, video: Video) -> bool:
        """Whether a video's predictions are all there, and made from what is there now."""
        if not self._record(video).is_file():
            return False
        record = self.record(video)
        if record["source"] != video.source:
            return False
        if record["kind"] == "keypoints":
            return True
        return all(video.map_in(self.predictions, i).is_file() for i in video.kept)

    def changed(self, video: Video) -> bool:
        """Whether there are predictions of a video, made from other frames or given labels."""
        there = self._record(video).is_file()
        return there and bool(self.record(video)["source"] != video.source)

    def video(self, video: Video) -> Path:
        """Where the video that shows the predictions belongs."""
        return self.folder / "videos" / f"{video.name}.mp4"

    def discard(self, video: Video) -> None:
        """Forget that a video is done, and what was drawn of it."""
        self.remove(f"records/{video.name}.json")
        self.remove(f"videos/{video.name}.mp4")

    def write_map(self, video: Video, index: int, labels: MaskLabels) -> None:
        """Write the map of one frame."""
        write_mask(self.file(f"predictions/{video.name}/{video.names[index]}.png"), labels)

    def write(
        self, video: Video, kind: LabelKind, frames: dict[str, Any], device: str = "cpu"
    ) -> None:
        """Write a record, which says that a video is done; its maps have been written before.

        Args:
            video: What was predicted.
            kind: Of its labels.
            frames: By frame name, what `entry` gives.
            device: What computed them, in words.
        """
        content = {"kind": kind, "source": video.source, "device": device, "frames": frames}
        write_json(self.file(f"records/{video.name}.json"), content, indent=None)

    @staticmethod
    def entry(prediction: Prediction) -> dict[str, Any]:
        """What a record keeps of a frame: confidence by object, and points."""
        values = zip(prediction.objects, prediction.confidence, strict=True)
        entry: dict[str, Any] = {"confidence": {str(i): round(float(c), 4) for i, c in values}}
        if isinstance(prediction.labels, PointLabels):
            entry["points"] = [json_of(point) for point in prediction.labels.points]
        return entry

    def record(self, video: Video) -> dict[str, Any]:
        """What `write` wrote."""
        path = self._record(video)
        try:
            content: dict[str, Any] = read_json(path)
            if not {"kind", "source", "frames"} <= content.keys():
                raise ValueError("not a record")
        except (OSError, ValueError, AttributeError, RecursionError) as error:
            raise InputError(f"{path} is missing or damaged: remove it to start again") from error
        return content

    def devices(self, videos: Sequence[Video]) -> list[str]:
        """What computed the predictions of videos, in words."""
        return sorted({str(self.record(video).get("device", "cpu")) for video in videos})

    def points(self, video: Video) -> NDArray[np.float32]:
        """Predicted keypoints of a video, F x P x 2 (x, y) pixels, NaN where lost."""
        frames = self.record(video)["frames"].values()
        return np.stack([_points(frame) for frame in frames])

    def prediction(self, video: Video, index: int, record: dict[str, Any]) -> Prediction:
        """What is stored of one frame; `record` as `record` gives it."""
        kind: LabelKind = record["kind"]
        frame = record["frames"][video.names[index]]
        labels: Labels
        if kind == "keypoints":
            labels = Labels.from_points(_points(frame), video.size)
        else:
            ids = read_ids(video.map_in(self.predictions, index))
            labels = Labels.from_mask(ids, kind="parts" if kind == "parts" else "mask")
        confidence = {int(i): value for i, value in frame["confidence"].items()}
        objects = Objects(tuple(Object(i, kind) for i in confidence))
        return Prediction(
            index,
            replace(labels, objects=objects),
            np.array(list(confidence.values()), dtype=np.float32),
            name=video.names[index],
        )

    def _record(self, video: Video) -> Path:
        return self.folder / "records" / f"{video.name}.json"


def _points(entry: dict[str, Any]) -> NDArray[np.float32]:
    """The points of an entry, P x 2, NaN where lost."""
    return np.array([point_of(one) for one in entry["points"]], dtype=np.float32)


class Score(Protocol):
    """The figures of a benchmark, in its own form."""

    @property
    def COLUMNS(self) -> tuple[str, ...]:
        """Heads of the table."""

    def rows(self) -> list[tuple[str, ...]]:
        """Its rows; the last one is set apart."""

    def to_json(self) -> dict[str, Any]:
        """All figures, ready for `json.dumps`."""


V = TypeVar("V", bound=Video)


@dataclass(frozen=True, kw_only=True)
class Benchmark(ABC, Generic[V]):
    """A benchmark as it is asked for: a data set's folder, and what of it.

    The fields of a subclass are the options of its command, their docstrings the help; fields that
    are collections of names are given there as lists with commas.

    Attributes:
        NAME: Its name in the registry.
        ABOUT: What it is, how the folder must look, and what a run writes: the command's help.
        PROTOCOL: Its own propagation protocol.
        TAKES_MAPS: Whether predictions are maps, so that anyone's can be scored from PNG files.
        TABLES: Names of the tables that its own code writes and `tables` gives; {} are options.
        DECIDES: The fields that decide the predictions, besides the data set's folder.
    """

    NAME: ClassVar[str]
    ABOUT: ClassVar[str]
    PROTOCOL: ClassVar[str]
    TAKES_MAPS: ClassVar[bool] = True
    TABLES: ClassVar[tuple[str, ...]] = ()
    DECIDES: ClassVar[tuple[str, ...]] = ("split",)

    root: Path
    """The data set's folder."""
    sequences: Collection[str] | None = None
    """Only these: names separated by commas, or a text file with one a line."""

    @property
    def unscored(self) -> str | None:
        """Why the truth is not at hand, where it is not."""
        return None

    @property
    def settings(self) -> dict[str, Any]:
        """What besides encoder and protocol decides the predictions, ready for JSON."""
        chosen = {name: getattr(self, name) for name in self.DECIDES}
        return {"benchmark": self.NAME, "root": str(self.root.absolute()), **chosen}

    @abstractmethod
    def load(self, *, frames: bool = True) -> list[V]:
        """The videos, checked to be complete.

        Args:
            frames: Whether the RGB frames are needed; scoring stored results needs none.

        Raises:
            InputError: If an option is wrong, or something of the data set is not there.
        """

    @abstractmethod
    def title(self, videos: Sequence[V]) -> str:
        """What is evaluated, for the head of the table."""

    @abstractmethod
    def score(
        self,
        videos: Sequence[V],
        store: Store,
        *,
        resize: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> Score:
        """The figures of what is stored.

        Args:
            videos: As `load` gives them.
            store: Holds predictions of all of them.
            resize: Resample maps of another size than the truth, by nearest neighbour.
            progress: Called with (videos done, videos in all).

        Raises:
            InputError: If a prediction is missing or does not fit.
        """

    def submit(self, videos: Sequence[V], store: Store) -> str | None:  # noqa: ARG002
        """Write what an evaluation server takes, where there is one, and say so in one line."""
        return None

    @property
    def table_names(self) -> list[str]:
        """Names of the files of `tables`."""
        return [name.format_map(vars(self)) for name in self.TABLES]

    def tables(self, score: Any) -> Mapping[str, str]:  # noqa: ARG002
        """The tables that the benchmark's own code writes: content by file name."""
        return {}


@dataclass(frozen=True, eq=False)
class Result:
    """What an evaluation gave.

    Attributes:
        title: What was evaluated and how, in one line.
        figures: Settings and all figures, ready for JSON; fractions, but PCK in percent.
        score: The figures in the benchmark's own form, e.g. `score.summary.jf` of DAVIS; None where
            a server scores.
        tables: The tables that the benchmark's own code writes: content by file name.
        note: Lines about what was predicted again, and further files that were written, if any.
    """

    title: str
    figures: dict[str, Any]
    score: Any
    tables: Mapping[str, str]
    note: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Heads of the table."""
        return () if self.score is None else tuple(self.score.COLUMNS)

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """Rows of the table, the last one set apart; none where a server scores."""
        return [] if self.score is None else self.score.rows()

    def markdown(self) -> str:
        """The title, and the table as Markdown."""
        lines = [self.columns, ("---",) * len(self.columns), *self.rows] if self.rows else []
        text = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
        return f"{self.title}\n\n{text}\n"

    def __repr__(self) -> str:
        return f"Result({self.title!r})"
