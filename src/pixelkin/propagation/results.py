"""The folder that a propagation writes: results of every frame, settings, and a resumable state.

OUT/run.json           video, settings, whether it is complete
OUT/masks/NAME.png     palette PNG at the video's size (masks and parts)
OUT/frames/NAME.json   confidence, and coordinates of keypoints and points
OUT/.state.npz         soft labels in memory, while a run is under way
OUT/overlay.mp4        where one was asked for; drawn by others, removed with the rest
"""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelkin.formats.frame_json import load_prediction, save_prediction
from pixelkin.models.encoder import Encoder
from pixelkin.propagation.passes import Pass
from pixelkin.propagation.protocol import Protocol
from pixelkin.types import InputError, Prediction
from pixelkin.video.files import atomic_write
from pixelkin.video.reader import VideoReader
from pixelkin.video.writer import write_json

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
    files = hashlib.sha256()
    for path in reader.paths:
        status = path.stat()
        files.update(f"{path.name} {status.st_size} {status.st_mtime_ns}\n".encode())
    info = replace(reader.info, names=None, path=str(Path(reader.info.path).absolute()))
    described = {
        "kind": "propagation",
        "video": {**asdict(info), "files": files.hexdigest()},
        "keyframes": sorted({p.keyframe for p in passes}),
        "passes": [asdict(p) for p in passes],
        "encoder": describe_encoder(encoder),
        "protocol": asdict(protocol),
    }
    plain: dict[str, Any] = json.loads(json.dumps(described))
    return plain


def read_run(path: Path, kind: str, *, overwrite: bool) -> dict[str, Any] | None:
    """What a folder's run.json holds; None if there is none, or it is damaged but may be replaced.

    Raises:
        InputError: If it is damaged or of another kind of run.
    """
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        if overwrite:
            return None
        raise InputError(f"{path} is damaged ({error}): --overwrite replaces the run") from error
    if not isinstance(content, dict) or content.get("kind") != kind:
        raise InputError(f"{path} is not of {kind} by pixelkin: choose another folder")
    return content


class ResultsFolder:
    """Writes one run's results; knows whether they are complete and how to go on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._settings: dict[str, Any] = {}
        self._begun = False
        self._replaces = False

    @property
    def _state(self) -> Path:
        return self.folder / ".state.npz"

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
            InputError: If the folder holds something else and `overwrite` is not set.
        """
        self._settings = settings
        run = self.folder / "run.json"
        known = read_run(run, "propagation", overwrite=overwrite)
        if overwrite and run.is_file():
            self._replaces = True
        elif known is not None:
            if known.pop("complete", False):
                if reuse and known == settings:
                    return True
                raise InputError(f"{self.folder} holds a finished run: --overwrite replaces it")
            if known != settings:
                changed = [k for k in settings if known.get(k) != settings[k]]
                raise InputError(
                    f"{self.folder} holds an unfinished run with another {', '.join(changed)}: "
                    "--overwrite replaces it"
                )
        elif self.folder.exists() and (not self.folder.is_dir() or any(self.folder.iterdir())):
            raise InputError(f"{self.folder} exists and is not a run's folder: choose another")
        return False

    def _begin(self) -> None:
        """Make room for the first result."""
        if self._replaces:
            for old in (self.folder / "masks", self.folder / "frames"):
                shutil.rmtree(old, ignore_errors=True)
            for file in (self._state, self.folder / "overlay.mp4"):
                file.unlink(missing_ok=True)
        write_json(self.folder / "run.json", {**self._settings, "complete": False})
        self._begun = True

    def close(self) -> None:
        """Mark the run as complete."""
        write_json(self.folder / "run.json", {**self._settings, "complete": True})
        self._state.unlink(missing_ok=True)

    def write(self, prediction: Prediction) -> None:
        """Write one frame's results under its name, or its number in five digits."""
        if not self._begun:
            self._begin()
        save_prediction(self.folder, _stem(prediction.index, prediction.name), prediction)

    def save_state(self, part: int, done: int, state: State) -> None:
        """Keep what is needed to go on after `done` frames of the `part`-th pass."""
        with atomic_write(self._state) as temporary:
            np.savez(temporary, part=part, done=done, **state)  # type: ignore[arg-type]

    def load_state(self) -> tuple[int, int, State]:
        """(pass, frames of it done, state); zeros and nothing where a run starts.

        It starts again where the state is damaged, as a power failure may leave it.
        """
        if self._replaces or not self._state.is_file():
            return 0, 0, {}
        try:
            with np.load(self._state) as arrays:
                state = {k: arrays[k] for k in arrays}
            return int(state.pop("part")), int(state.pop("done")), state
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
            return 0, 0, {}

    def holds(self, index: int, name: str | None) -> bool:
        """Whether a frame has its results."""
        return (self.folder / "frames" / f"{_stem(index, name)}.json").is_file()

    def lowest_confidence(self) -> tuple[int, float]:
        """(frame number, confidence) of the least certain frame.

        Points that no keyframe has are not followed, so they do not count.
        """
        frames: dict[int, dict[int, float]] = {}
        followed: set[int] = set()
        for file in (self.folder / "frames").glob("*.json"):
            p = load_prediction(self.folder, file.stem)
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
