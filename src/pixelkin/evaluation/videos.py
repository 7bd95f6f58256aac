"""A video of a benchmark: its frames, what is given of it, and what is known.

What a benchmark's folders look like is left to the benchmark's own file.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from numpy.typing import NDArray

from pixelkin.evaluation.folders import check_name
from pixelkin.files import stamp
from pixelkin.formats.id_png import decode_ids, read_content
from pixelkin.types import InputError, Labels
from pixelkin.video.images import read_image

HIGHEST_ID = 255


@dataclass(frozen=True)
class Video(ABC):
    """One video of a benchmark: where its frames are, what is given, what is known.

    Attributes:
        name: The sequence's name, e.g. "dogs-jump"; with slashes where it lies in subfolders.
        names: File stem of each frame, in order.
        frames: Path of each RGB frame; empty if loaded without frames.

    Raises:
        InputError: If a name may lead out of the folder that files of it are written to.
    """

    name: str
    names: tuple[str, ...]
    frames: tuple[Path, ...]

    fps: ClassVar[float] = 24.0  # of the videos that are drawn

    def __post_init__(self) -> None:
        check_name(self.name, "a video")
        for stem in self.names:
            check_name(stem, f"a frame of {self.name}")

    @abstractmethod
    def given(self, index: int) -> Labels | None:
        """The labels that the benchmark gives for frame `index`, if any; of frame 0 always."""

    @abstractmethod
    def truth(self, index: int) -> Labels | None:
        """The true labels of frame `index`, where they are known, to look at."""

    def region(self, index: int) -> Labels | None:  # noqa: ARG002
        """A mask to show beneath true keypoints, where there is one."""
        return None

    @property
    def kept(self) -> Collection[int]:
        """Indices of the frames whose predictions are stored: all, unless a benchmark says."""
        return range(len(self.names))

    @property
    def given_files(self) -> Collection[Path]:
        """The files from which the given labels come."""
        return ()

    @cached_property
    def source(self) -> str:
        """Digest of what decides the predictions: the frames, and the labels that are given."""
        digest = hashlib.sha256(stamp(self.frames).encode())
        for path in self.given_files:
            digest.update(f"{path.name} ".encode() + self._content(path))
        return digest.hexdigest()

    @cached_property
    def size(self) -> tuple[int, int]:
        """(height, width) of the frames."""
        height, width = read_image(self.frames[0]).shape[:2]
        return height, width

    def read_annotation(self, path: Path) -> NDArray[Any]:
        """The ids in an annotation, H x W; its file is read once, and its bytes are kept.

        They are a hundredth of the pixels, and gone with `forget`.

        Raises:
            InputError: If it is no map of ids, or one is above 255, which no benchmark has.
        """
        ids = decode_ids(self._content(path), path)
        if (highest := int(ids.max(initial=0))) > HIGHEST_ID:
            raise InputError(f"{path} has the id {highest}: at most {HIGHEST_ID} is one")
        return ids

    def forget(self) -> None:
        """Let go of the annotations that were read, when all that needs them is done."""
        self._contents.clear()

    def _content(self, path: Path) -> bytes:
        if path not in self._contents:
            self._contents[path] = read_content(path)
        return self._contents[path]

    @cached_property
    def _contents(self) -> dict[Path, bytes]:
        return {}

    def map_in(self, folder: Path, index: int) -> Path:
        """Where the map of a frame lies in a folder of results, ours or anyone's."""
        return folder / self.name / f"{self.names[index]}.png"

    def check_maps(self, folder: Path, indices: Collection[int]) -> None:
        """Raise InputError if a map of these frames is missing in a folder of results."""
        if not (folder / self.name).is_dir():
            raise InputError(f"{folder}: no folder {self.name!r}; results are <sequence>/*.png")
        missing = [p for p in (self.map_in(folder, i) for i in indices) if not p.is_file()]
        if missing:
            raise InputError(
                f"{folder / self.name}: {missing[0].name} is missing ({len(missing)} of the "
                f"{len(indices)} frames that are scored)"
            )
