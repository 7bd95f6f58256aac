"""The pipeline that all mask benchmarks share: encoder and protocol in, stored predictions out.

    OUT/run.json                       what was run; another run does not mix with it
    OUT/predictions/SEQUENCE/NAME.png  palette PNGs, as evaluation servers and codes read them

Sequences that are there already are read, not computed again.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from pixelkin.evaluation.davis import Sequence, evaluate
from pixelkin.models.encoder import Encoder
from pixelkin.propagation.propagator import Propagator
from pixelkin.propagation.protocol import Protocol
from pixelkin.propagation.results import describe_encoder, read_run
from pixelkin.types import InputError, Labels
from pixelkin.video.ids import read_ids
from pixelkin.video.images import read_image
from pixelkin.video.masks import write_mask
from pixelkin.video.writer import write_json


class Predictor:
    """Predicts the masks of benchmark sequences, and keeps them in a folder if there is one.

    Args:
        encoder: Gives the features.
        protocol: Decides the propagation.
        folder: Where predictions are kept; None: nowhere.
        settings: What else decides the results, for run.json.
        overwrite: Whether another run's results in `folder` may be replaced.
        on_frame: Called with (sequence, frames done) after each frame.

    Raises:
        InputError: If `folder` holds another run, or something else.
    """

    def __init__(
        self,
        encoder: Encoder,
        protocol: Protocol,
        folder: Path | None = None,
        *,
        settings: dict[str, Any] | None = None,
        overwrite: bool = False,
        on_frame: Callable[[Sequence, int], None] | None = None,
    ) -> None:
        self.encoder = encoder
        self.protocol = protocol
        self.folder = folder
        self.on_frame = on_frame
        self.frames = 0  # predicted, not found in the folder
        self.seconds = 0.0  # reading and predicting them, without scoring
        if folder is not None:
            described = {
                "kind": "evaluation",
                "encoder": describe_encoder(encoder),
                "protocol": asdict(protocol),
                **(settings or {}),
            }
            _claim(folder, json.loads(json.dumps(described)), overwrite)

    def __call__(self, sequence: Sequence) -> Iterator[NDArray[Any]]:
        """H x W ids of each frame of a sequence, in order."""
        stored = self._stored(sequence)
        if stored is not None:
            for i, path in enumerate(stored, start=1):
                yield read_ids(path)
                self._tell(sequence, i)
            return
        propagator = Propagator(self.encoder, self.protocol)
        for i, (name, path) in enumerate(zip(sequence.names, sequence.frames, strict=True)):
            began = time.monotonic()
            prediction = propagator.step(read_image(path), sequence.labels() if i == 0 else None)
            self.seconds += time.monotonic() - began
            self.frames += 1
            assert prediction.labels.ids is not None
            if self.folder is not None:
                self._write(sequence.name, name, prediction.labels)
            yield prediction.labels.ids
            self._tell(sequence, i + 1)

    def _tell(self, sequence: Sequence, done: int) -> None:
        if self.on_frame is not None:
            self.on_frame(sequence, done)

    def _path(self, sequence: str, name: str) -> Path:
        assert self.folder is not None
        return self.folder / "predictions" / sequence / f"{name}.png"

    def _write(self, sequence: str, name: str, labels: Labels) -> None:
        write_mask(self._path(sequence, name), labels)

    def _stored(self, sequence: Sequence) -> list[Path] | None:
        """Paths of a sequence's predictions if all of them are there."""
        if self.folder is None:
            return None
        paths = [self._path(sequence.name, name) for name in sequence.names]
        return paths if all(p.is_file() for p in paths) else None


def _claim(folder: Path, settings: dict[str, Any], overwrite: bool) -> None:
    """Make `folder` this run's own, or go on with it."""
    run = folder / "run.json"
    known = read_run(run, "evaluation", overwrite=overwrite)
    if known == settings and not overwrite:
        return
    if known is not None and not overwrite:
        changed = ", ".join(k for k in settings if known.get(k) != settings[k])
        raise InputError(f"{folder} holds a run with another {changed}: --overwrite replaces it")
    if run.is_file():
        shutil.rmtree(folder / "predictions", ignore_errors=True)
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} exists and is not a run's folder: choose another")
    write_json(run, settings)


def every_nth(sequence: Sequence, step: int) -> Sequence:
    """A sequence of every `step`-th frame, for quick checks; not a benchmark's figure."""
    if step < 1:
        raise InputError(f"every {step}th frame: must be 1 or more")
    return replace(
        sequence,
        names=sequence.names[::step],
        frames=sequence.frames[::step],
        annotations=sequence.annotations[::step],
    )


def quick_score(
    encoder: Encoder, sequences: Iterable[Sequence], *, short_side: int = 240, step: int = 2
) -> dict[str, float]:
    """J, F and J&F at reduced size and frame rate, to watch a training by.

    Not a benchmark's figure: the grid of a small frame alone costs several points.
    """
    protocol = replace(Protocol.named("davis"), short_side=short_side)
    score = evaluate([every_nth(s, step) for s in sequences], Predictor(encoder, protocol))
    return {"jf": score.summary.jf, "j": score.summary.j.mean, "f": score.summary.f.mean}
