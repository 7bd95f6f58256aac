"""The folder that a propagation writes: results of every frame, settings, and a resumable state.

OUT/run.json           video, settings, whether it is complete
OUT/masks/NAME.png     palette PNG at the video's size (masks and parts)
OUT/frames/NAME.json   confidence, and coordinates of keypoints and points
OUT/.state.npz         soft labels in memory, while a run is under way
OUT/overlay.mp4        where one was asked for; drawn by others, removed with the rest

Who may write to it, and what --overwrite removes, is `run_folder`'s.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelkin.files import atomic_write, stamp
from pixelkin.formats.frame_json import files_of, load_prediction, save_prediction
from pixelkin.models.encoder import Encoder
from pixelkin.propagation.passes import Pass
from pixelkin.propagation.protocol import Protocol
from pixelkin.run_folder import RunFolder, Standing
from pixelkin.types import InputError, Prediction
from pixelkin.video.reader import VideoReader

STATE = ".state.npz"
State = dict[str, NDArray[Any]]


def describe_encoder(encoder: Encoder) -> dict[str, Any]:
    """An encoder's settings and a digest of its weights."""
    weights = hashlib.sha256()
    for name, value in sorted(encoder.state_dict().items()):
        weights.update(name.encode() + value.cpu().numpy().tobytes())
    settings = {k: v for k, v in asdict(encoder.config).items() if k != "meta"}
    return {**settings, "weights": weights.hexdigest()}


def fingerprint(
    reader: VideoReader, passes: Sequence[Pass], encoder: Encoder, protocol: Protocol
) -> dict[str, Any]:
    """Everything that decides a run's results, as run.json keeps it."""
    info = replace(reader.info, names=None, path=str(Path(reader.info.path).absolute()))
    described = {
        "video": {**asdict(info), "files": stamp(reader.paths)},
        "keyframes": sorted({p.keyframe for p in passes}),
        "passes": [asdict(p) for p in passes],
        "encoder": describe_encoder(encoder),
        "protocol": asdict(protocol),
    }
    plain: dict[str, Any] = json.loads(json.dumps(described))
    return plain


class ResultsFolder(RunFolder):
    """Writes one run's results; knows whether they are complete and how to go on."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "propagation")

    def open(self, settings: dict[str, Any], *, overwrite: bool, reuse: bool = False) -> bool:
        """Start, or go on with, a run of these settings.

        Nothing is written or removed before the first result is there.

        Args:
            settings: See `fingerprint`.
            overwrite: Whether another run's results may be replaced.
            reuse: Whether a finished run of these settings is welcome.

        Returns:
            Whether the run is finished already.

        Raises:
            InputError: If the folder is in use, or holds something else and `overwrite` is not set.
        """
        standing = self.claim(settings, overwrite=overwrite)
        if standing is Standing.COMPLETE and not reuse:
            raise InputError(f"{self.folder} holds a finished run: --overwrite replaces it")
        return standing is Standing.COMPLETE

    def close(self) -> None:
        """Mark the run as complete."""
        self.remove(STATE)
        self.finish()

    def write(self, prediction: Prediction) -> None:
        """Write one frame's results under its name, or its number in five digits."""
        self.begin()
        stem = _stem(prediction.index, prediction.name)
        for path in files_of(self.folder, stem, prediction.labels.kind):
            self.file(path.relative_to(self.folder).as_posix())
        save_prediction(self.folder, stem, prediction)

    def save_state(self, part: int, done: int, state: State) -> None:
        """Keep what is needed to go on after `done` frames of the `part`-th pass."""
        with atomic_write(self.file(STATE)) as temporary:
            np.savez(temporary, part=part, done=done, **state)  # type: ignore[arg-type]

    def load_state(self) -> tuple[int, int, State]:
        """(pass, frames of it done, state); zeros and nothing where a run starts.

        It starts again where the state is damaged, as a power failure may leave it.
        """
        path = self.folder / STATE
        if self.standing is Standing.NEW or not path.is_file():
            return 0, 0, {}
        try:
            with np.load(path) as arrays:
                state = {k: arrays[k] for k in arrays}
            return int(state.pop("part")), int(state.pop("done")), state
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
            return 0, 0, {}

    def holds(self, index: int, name: str | None) -> bool:
        """Whether a frame has its results."""
        return (self.folder / "frames" / f"{_stem(index, name)}.json").is_file()

    def lowest_confidence(self, reader: VideoReader) -> tuple[int, float]:
        """(frame number, confidence) of the least certain frame.

        Points that no keyframe has are not followed, so they do not count.
        """
        frames: dict[int, dict[int, float]] = {}
        followed: set[int] = set()
        for p in self.predictions(reader):
            frames[p.index] = dict(zip(p.objects, p.confidence.tolist(), strict=True))
            if p.origin == "given":
                followed |= {i for i, value in frames[p.index].items() if value > 0}
        confidence, index = min(
            (min((v for i, v in values.items() if i in followed), default=0.0), index)
            for index, values in frames.items()
        )
        return index, confidence

    def predictions(self, reader: VideoReader) -> Iterator[Prediction]:
        """Every frame's result, read one at a time, in the order of the video.

        Raises:
            InputError: If a frame's result is missing or damaged.
        """
        for index in range(len(reader)):
            yield load_prediction(self.folder, _stem(index, reader.info.name(index)))


def _stem(index: int, name: str | None) -> str:
    return name or f"{index:05d}"
