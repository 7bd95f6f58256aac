"""The folder that a propagation writes: results of every frame, settings, and a resumable state.

OUT/run.json           video, encoder, protocol; the passes, which are finished, and cuts in them;
                       which devices computed
OUT/masks/NAME.png     palette PNG at the video's size (masks and parts)
OUT/frames/NAME.json   confidence, and coordinates of keypoints and points
OUT/.state.npz         soft labels in memory, while a pass is under way
OUT/overlay.mp4        where one was asked for; drawn by others, removed with the rest

Who may write to it, and what --overwrite removes, is `run_folder`'s. A pass is known by its digest:
where keyframes were corrected, finished passes that do not depend on them stay.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelkin.files import atomic_write, content_stamp
from pixelkin.formats.damages import DAMAGES, told
from pixelkin.formats.frame_json import files_of, load_confidence, load_prediction, save_prediction
from pixelkin.models.encoder import Encoder, describe_encoder
from pixelkin.propagation.plan import Pass
from pixelkin.propagation.protocol import Protocol
from pixelkin.run_folder import RunFolder, Standing
from pixelkin.types import InputError, Prediction, VideoInfo
from pixelkin.video.reader import VideoReader

STATE = ".state.npz"
OVERLAY = "overlay.mp4"
State = dict[str, NDArray[Any]]


def fingerprint(reader: VideoReader, encoder: Encoder, protocol: Protocol) -> dict[str, Any]:
    """What decides all results alike, as run.json keeps it; labels decide those of their passes.

    Frames that are files of their own are not in it: each decides the passes that it is in. Nor is
    the place where the video lies: it is known by its content.
    """
    info = asdict(replace(reader.info, names=None))
    del info["path"]
    files = {} if frame_stamps(reader) else {"files": [content_stamp(p) for p in reader.paths]}
    pixels = {} if reader.note is None else {"pixels": reader.note}
    return {
        "video": {**info, **files, **pixels},
        "encoder": describe_encoder(encoder),
        "protocol": asdict(protocol),
    }


def frame_stamps(reader: VideoReader) -> tuple[str, ...]:
    """For each frame a digest of its file's name and content; none of a video in one file."""
    if len(reader.paths) != len(reader) or reader.names is None:
        return ()
    names = (path.name.encode("utf-8", "surrogateescape") for path in reader.paths)
    return tuple(
        hashlib.sha256(name + content_stamp(path).encode()).hexdigest()[:12]
        for name, path in zip(names, reader.paths, strict=True)
    )


class ResultsFolder(RunFolder):
    """Writes one run's results; knows whether they are complete and how to go on."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "propagation")
        self._video = VideoInfo("", 0, 0)
        self._passes: Sequence[Pass] = ()
        self._finished: dict[str, int] = {}  # frames, by digest of the pass
        self._cuts: dict[str, list[int]] = {}  # that were found in it
        self._corrects = False  # passes of a finished or begun run, by other labels or frames
        self._stamps: Sequence[str] = ()
        self._changed: frozenset[int] = frozenset()  # frames whose files were replaced since
        self._devices: list[str] = []  # that have computed any of the results, in words
        self._begun = False

    def open(
        self,
        video: VideoInfo,
        settings: dict[str, Any],
        passes: Sequence[Pass],
        *,
        stamps: Sequence[str] = (),
        device: str = "cpu",
        overwrite: bool,
        reuse: bool = False,
    ) -> bool:
        """Start, or go on with, a run of these settings and passes.

        Nothing is written or removed before the first result is there.

        Args:
            video: What the results are of.
            settings: See `fingerprint`.
            passes: What is to be computed.
            stamps: See `frame_stamps`. Passes that have come past a frame that has changed are made
                again.
            device: What computes now, in words; kept beside those of before.
            overwrite: Whether other results may be replaced. Where only labels are others, those
                of finished passes that are still asked for stay.
            reuse: Whether a finished run of these settings is welcome.

        Returns:
            Whether the run is finished already.

        Raises:
            InputError: If the folder is in use, or holds something else and `overwrite` is not set.
        """
        self._video, self._passes, self._stamps = video, passes, stamps
        # With the same settings, passes decide what is replaced.
        standing = self.claim(settings, overwrite=overwrite and not self.matches(settings))
        try:
            stored, known = self._recalled(device)
        except DAMAGES as error:
            if not overwrite:
                why = f"{self._mark} is damaged ({told(error)}): --overwrite replaces the run"
                raise InputError(why) from error
            self.progress = {}
            stored, known = self._recalled(device)
        self._changed = frozenset(
            i for i, (a, b) in enumerate(zip(known, stamps, strict=False)) if a != b
        )
        same = stored == [(p.digest, p.frames) for p in passes]
        complete = standing is Standing.COMPLETE
        self._corrects = self._forget_changed()
        if standing is Standing.NEW or (same and not complete):
            return False
        if same and reuse and not overwrite and not self._corrects:
            return all(self.done(p)[0] == p.frames for p in passes)
        if not overwrite:
            which = "a finished" if complete else "an unfinished"
            differs = "" if same else " with other labels"
            if same and self._corrects:
                differs = f" of other frames ({self._called(self._changed)})"
            raise InputError(
                f"{self.folder} holds {which} run{differs}: --overwrite replaces "
                f"{'what they change' if differs else 'it'}"
            )
        if (same and not self._corrects) or not any(self._is_finished(p) for p in passes):
            self.standing = Standing.NEW
        else:
            self._corrects = True
        return False

    def _recalled(self, device: str) -> tuple[list[tuple[str, int]], list[str]]:
        """What the mark says of a run: digests and lengths of its passes, and its stamps."""
        stored = self.progress.get("passes", [])
        known_devices = self.progress.get("devices", ["cpu"] if stored else [])
        self._devices = [*(d for d in known_devices if d != device), device]
        self._finished = {p["digest"]: int(p["frames"]) for p in stored if p["finished"]}
        self._cuts = {p["digest"]: p["cuts"] for p in stored if p.get("cuts")}
        return [(p["digest"], p["frames"]) for p in stored], self.progress.get("stamps", "").split()

    def done(self, part: Pass) -> tuple[int, State]:
        """How many frames of a pass are done, and the state from which it goes on.

        It starts again where results were removed, or the state is damaged, as a power failure may
        leave it.
        """
        if self.standing is Standing.NEW:
            return 0, {}
        number, state = part.frames, State()
        if not self._is_finished(part):
            number, state = self._state(part)
        if self._passed_changed(part, number):
            return 0, {}
        files = (f for i in part.results(number) for f in self._files(i, part.kind))
        whole = all(file.is_file() for file in files)
        if whole and number == part.frames and not state:
            self._finished.setdefault(part.digest, number)
        return (number, state) if whole else (0, {})

    def write(self, prediction: Prediction) -> None:
        """Write one frame's results under its name, or its number in five digits."""
        if not self._begun:
            self._begin()
        stem = _stem(prediction.index, prediction.name)
        for path in reversed(files_of(Path(), stem, prediction.labels.kind)):
            self.file(path.as_posix())
        save_prediction(self.folder, stem, prediction)

    def save_state(self, part: Pass, done: int, state: State) -> None:
        """Keep what is needed to go on after `done` frames of a pass."""
        with atomic_write(self.file(STATE)) as temporary:
            np.savez(temporary, part=part.digest, done=done, **state)  # type: ignore[arg-type]

    def finish_pass(self, part: Pass, cuts: Sequence[int] = ()) -> None:
        """Keep that all results of a pass are there, and where new shots begin in it."""
        self._finished[part.digest] = part.frames
        self._cuts[part.digest] = list(cuts)
        self.note(self._progress())

    def finish(self) -> None:
        """Mark the run as complete."""
        self.remove(STATE)
        super().finish()

    @property
    def cuts(self) -> tuple[int, ...]:
        """Frames with which new shots begin, as far as labels came to them."""
        found = ((p.followed(p.frames), self._cuts.get(p.digest, ())) for p in self._passes)
        return tuple(sorted({i for frames, cuts in found for i in cuts if i in frames}))

    def lowest_confidence(self, reader: VideoReader) -> tuple[int, float]:
        """(frame number, confidence) of the least certain frame that was not given.

        Points that no keyframe has are not followed, so they do not count.
        """
        frames: dict[int, dict[int, float]] = {}
        given: set[int] = set()
        followed: set[int] = set()
        for index in range(len(reader)):
            origin, values = load_confidence(self.folder, _stem(index, reader.info.name(index)))
            frames[index] = values
            if origin == "given":
                given.add(index)
                followed |= {i for i, value in values.items() if value > 0}
        confidence, index = min(
            (min((v for i, v in frames[index].items() if i in followed), default=0.0), index)
            for index in (frames.keys() - given or given)
        )
        return index, confidence

    def predictions(self, reader: VideoReader) -> Iterator[Prediction]:
        """Every frame's result, read one at a time, in the order of the video.

        Raises:
            InputError: If a frame's result is missing or damaged.
        """
        for index in range(len(reader)):
            yield load_prediction(self.folder, _stem(index, reader.info.name(index)))

    def _begin(self) -> None:
        """Make room for the first result."""
        if self.standing is Standing.NEW:
            self._finished, self._cuts, self._devices = {}, {}, self._devices[-1:]
            self.progress = self._progress()
            self.begin()
        else:
            if self._corrects:
                self.remove(STATE)  # of labels whose results are about to be replaced
            self.note(self._progress())
            self.remove(OVERLAY)
        self._begun = True

    def _progress(self) -> dict[str, Any]:
        passes = [
            {**asdict(p), "digest": p.digest, "finished": self._is_finished(p)}
            | ({"cuts": cuts} if (cuts := self._cuts.get(p.digest)) else {})
            for p in self._passes
        ]
        place = {"path": str(Path(self._video.path).absolute())}
        return (
            place
            | {"devices": self._devices, "passes": passes}
            | ({"stamps": " ".join(self._stamps)} if self._stamps else {})
        )

    def _passed_changed(self, part: Pass, done: int) -> bool:
        """Whether a frame that has changed is among those that `done` frames of a pass follow."""
        return bool(done) and any(i in self._changed for i in part.followed(done))

    def _forget_changed(self) -> bool:
        """Take no pass for finished, nor begun, that has come past a frame that has changed."""
        begun = [p for p in self._passes if self._passed_changed(p, self._state(p)[0])]
        gone = [
            p for p in self._passes if self._is_finished(p) and self._passed_changed(p, p.frames)
        ]
        for part in gone:
            del self._finished[part.digest]
        return bool(begun or gone)

    def _called(self, indices: Iterable[int]) -> str:
        """What some frames are called, the first of them."""
        first, *more = sorted(indices)
        return f"{_stem(first, self._video.name(first))}{f' and {len(more)} more' if more else ''}"

    def _is_finished(self, part: Pass) -> bool:
        return self._finished.get(part.digest, 0) >= part.frames

    def _files(self, index: int, kind: str) -> tuple[Path, ...]:
        """The files of a frame's results."""
        return files_of(self.folder, _stem(index, self._video.name(index)), kind)

    def _state(self, part: Pass) -> tuple[int, State]:
        try:
            with np.load(self.folder / STATE) as arrays:
                if any(member.compress_type for member in arrays.zip.infolist()):
                    return 0, {}  # ours are not packed, and so no larger than the file
                state = {k: arrays[k] for k in arrays}
            done = int(state.pop("done"))
            if str(state.pop("part")) != part.digest:
                return 0, {}
            if done <= part.frames:
                return done, state
            self._cuts[part.digest] = state["cuts"].tolist()  # shorter by now, so it is finished
            return part.frames, {}
        except DAMAGES:  # computed again: the results are the same
            return 0, {}


def _stem(index: int, name: str | None) -> str:
    return name or f"{index:05d}"
