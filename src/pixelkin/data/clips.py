"""Augmented clips from folders of videos, in batches, the same for any number of workers.

Every clip is a function of (seed, step, position in the batch) and of the videos alone. It does not
matter which worker makes it, or in which run: a resumed training sees what an uninterrupted one
would have seen. Knows nothing about networks or objectives.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from pixelkin.checks import check_number, check_types
from pixelkin.data.augment import Augmentation, draw, draw_view
from pixelkin.data.batch import ClipBatch, ClipSpec, Layer
from pixelkin.data.drawn import (
    Clip,
    DrawnBatch,
    DrawnClip,
    collate_drawn,
    moved,
    render_batch,
    render_each,
)
from pixelkin.data.held import HeldFrames, Layout
from pixelkin.data.index import Source
from pixelkin.data.paste import draw_outline, paste
from pixelkin.data.store import FrameStore, Segment, split
from pixelkin.data.times import draw_times
from pixelkin.types import InputError

_ATTEMPTS = 20
_CPU = torch.device("cpu")
log = logging.getLogger(__name__)


class ClipKey(NamedTuple):
    """Which clip: what a sampler yields and `ClipDataset` takes.

    Attributes:
        spec: Views and gaps that are asked for.
        step: Step of the training.
        position: Place of the clip among all that the step sees, in all processes.
        visit: Place of the clip among all that the training sees; every segment is visited once
            before any is visited again.
        augmentation: How its views are cut and coloured; None takes the dataset's.
    """

    spec: ClipSpec
    step: int
    position: int
    visit: int
    augmentation: Augmentation | None = None


@dataclass(frozen=True)
class ClipSettings:
    """Which frames training sees. The values are our own [D].

    Attributes:
        exclude: Shell patterns of video names to leave out, such as "jhmdb*".
        short_side: Frames are reduced to at most this short side before views are cut.
        segment: Longest piece of a video, in frames, from which the views of a clip are drawn;
            longer videos are cut into pieces, all visited equally often.
        rendering: How views are made of what was drawn: "single", one at a time, or "batched", all
            of a batch at once, which is what a GPU is good at; a CPU takes longer for it. They
            agree to a few grey levels, see `pixelkin.data.rendering`, so that weights differ.

    Raises:
        InputError: If a value is out of its range; the message names it.
    """

    exclude: tuple[str, ...] = ()
    short_side: int = 240
    segment: int = 96
    rendering: Literal["single", "batched"] = "single"

    def __post_init__(self) -> None:
        check_types(self)
        check_number("short_side", self.short_side, least=1)
        check_number("segment", self.segment, least=1)


class ClipDataset(Dataset[DrawnClip]):
    """Clips by key, as they are drawn; `clip_loader` makes views of them.

    Attributes:
        store: Reads frames.
        held: Where all frames lie, if they are held in memory.
        layout: Where all frames lie, if they are held on a device: clips then come without.

    Args:
        sources: The index of videos.
        settings: Which frames are seen.
        augmentation: How views are cut and coloured.
        size: Side S of the square views in pixels.
        seed: Of all random choices.
        store: Folder for decoded frames, or None to decode every time.
        budget: Bytes that the folder may hold.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        settings: ClipSettings,
        augmentation: Augmentation,
        *,
        size: int,
        seed: int = 0,
        store: Path | None = None,
        budget: int = 0,
    ) -> None:
        self.sources = sources
        self.augmentation = augmentation
        self.size = size
        self.seed = seed
        self.rendering = settings.rendering
        self.held: HeldFrames | None = None
        self.layout: Layout | None = None
        self.segments = split(sources, settings.segment)
        self.store = FrameStore(
            store, sources, self.segments, short_side=settings.short_side, budget=budget
        )
        self._eligible: dict[ClipSpec, list[Segment]] = {}
        self._order: tuple[tuple[int, int], NDArray[np.int64]] | None = None
        self._reported: set[int] = set()

    def eligible(self, spec: ClipSpec) -> list[Segment]:
        """The segments with frames enough for a clip; all, if its views share one frame.

        Raises:
            InputError: If there is none.
        """
        if spec not in self._eligible:
            least = spec.frames if max(spec.gaps) > 0 else 1
            self._eligible[spec] = [s for s in self.segments if len(s) >= least]
            if not self._eligible[spec]:
                piece = max(map(len, self.segments), default=0)
                longest = max((s.frames for s in self.sources), default=0)
                has = f"the longest has {longest}"
                if longest >= least:
                    has = f"data.segment cuts them into pieces of {piece} at most"
                raise InputError(
                    f"no video has the {least} frames that a clip of {spec} needs: {has}"
                )
        return self._eligible[spec]

    def __getitem__(self, key: ClipKey) -> DrawnClip:
        """The clip of a key; if its video turns out damaged, one of another video."""
        segments = self.eligible(key.spec)
        segment = segments[self._visited(key.visit, len(segments))]
        for attempt in range(_ATTEMPTS):
            rng = np.random.default_rng((self.seed, 1, key.step, key.position, attempt))
            if attempt:
                segment = segments[int(rng.integers(len(segments)))]
            times = draw_times(key.spec, segment, rng)
            try:
                frames = self._frames(segment, times)
            except Exception as error:  # whatever a damaged file does to a decoder
                why = self._report(segment.video, error)
                continue
            how = key.augmentation or self.augmentation
            return self._draw(segment.video, times, frames, how, rng)
        raise InputError(f"{_ATTEMPTS} videos drawn in a row could not be read, the last was {why}")

    def _frames(
        self, segment: Segment, times: Sequence[int]
    ) -> list[NDArray[np.uint8]] | list[int]:
        if self.layout is not None:
            return [self.layout.locate(segment, t) for t in times]
        return (self.held or self.store).read(segment, times)

    def _draw(
        self,
        video: int,
        times: list[int],
        frames: list[NDArray[np.uint8]] | list[int],
        how: Augmentation,
        rng: np.random.Generator,
    ) -> DrawnClip:
        source, size = self.sources[video], self.store.size(video)
        centre = (rng.random(), rng.random())
        shared = None
        if how.crop_jitter is not None:
            shared = draw_view(how, size, self.size, centre, rng)
        views = [draw(how, size, self.size, centre, rng, shared) for _ in times]
        pastes, outline = bool(how.paste) and len(set(times)) == 1, None
        if pastes and rng.random() < how.paste:
            outline = draw_outline(self.size, how.piece, rng)
        # From pixels of the reduced frame to pixels of the decoded one, by their corners.
        scale = np.array([source.width / size[1], source.height / size[0]])
        maps = np.stack([view.to_frame for view in views]) * scale[:, None]
        maps[:, :, 2] += (scale - 1) / 2
        decoded = (source.height, source.width)
        sizes = [size] * len(times)
        return DrawnClip(frames, sizes, views, pastes, outline, maps, times, decoded, video)

    def _visited(self, visit: int, count: int) -> int:
        """Which of `count` segments the visit goes to: a new permutation every epoch."""
        epoch = visit // count
        if self._order is None or self._order[0] != (epoch, count):
            order = np.random.default_rng((self.seed, 2, epoch)).permutation(count)
            self._order = ((epoch, count), order)
        return int(self._order[1][visit % count])

    def _report(self, video: int, error: Exception) -> str:
        """What is wrong with which video, which is logged once a video."""
        why = " ".join(f"{self.sources[video].path}: {error}".split())
        if video not in self._reported:
            self._reported.add(video)
            log.warning("skipped a clip of %s", why)
        return why


def collate(clips: Sequence[Clip]) -> ClipBatch:
    """Clips of equal shapes -> one batch, their pieces pasted."""
    batch = ClipBatch(
        views=torch.stack([c.views for c in clips]),
        to_frame=torch.from_numpy(np.stack([c.to_frame for c in clips]).astype(np.float32)),
        times=torch.tensor([c.times for c in clips]),
        frame_size=torch.tensor([c.frame_size for c in clips]),
        videos=torch.tensor([c.video for c in clips]),
    )
    pieces = [c.piece for c in clips if c.piece is not None]
    if len(pieces) < len(clips):
        return batch
    views, cover = paste(batch.views, torch.stack(pieces), batch.videos)
    layer = Layer(cover, batch.to_frame.roll(-1, 0), batch.videos.roll(-1, 0))
    return replace(batch, views=views, pasted=layer)


def _collate(
    clips: Sequence[DrawnClip], *, size: int, how: str, device: torch.device
) -> ClipBatch | DrawnBatch:
    if how == "single":
        return collate([render_each(clip, size) for clip in clips])
    batch = collate_drawn(clips, size)
    return render_batch(batch) if device.type == "cpu" else batch


def clip_loader(
    dataset: ClipDataset,
    batches: Iterable[list[ClipKey]],
    *,
    workers: int = 0,
    device: torch.device = _CPU,
    pixels: Tensor | None = None,
) -> Generator[ClipBatch]:
    """Batches in the order of their keys, made ahead of time by worker processes.

    Workers make the views as well, unless these are made on another device, all at once.

    Args:
        dataset: Where the clips come from.
        batches: The keys of each batch.
        workers: Number of processes; 0 works in this one.
        device: Where batched views are made; batches of single views stay on the CPU, in memory
            from which they travel to it fast.
        pixels: All frames, if they are held there, see `ClipDataset.layout`.

    Raises:
        InputError: If videos cannot be read.
    """
    loader = DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=partial(_collate, size=dataset.size, how=dataset.rendering, device=device),
        pin_memory=device.type == "cuda",
        prefetch_factor=4 if workers else None,
        worker_init_fn=_leave_signals_to_trainer,
        generator=torch.Generator(),  # the loader's own; ours are in the keys
    )
    iterator = iter(loader)
    try:
        for batch in iterator:
            if isinstance(batch, DrawnBatch):
                batch = render_batch(moved(batch, device), pixels)
            yield batch
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise InputError(f"a process that makes clips has died: {FEW}") from error
    except InputError as error:  # a worker's one arrives as a traceback
        raise InputError(str(error).strip().splitlines()[-1].split("InputError: ")[-1]) from None
    finally:
        # torch ends workers when the iterator is collected, which an error may put off for long.
        getattr(iterator, "_shutdown_workers", lambda: None)()


FEW = "give it more memory, or shared memory (docker's --shm-size), or take run.workers=0"
GRACE = 15.0  # seconds that a worker outlives SIGTERM: time for a slow step


def _leave_signals_to_trainer(_: int) -> None:
    # Ctrl-C and batch systems signal all processes of a group. The main one decides when to stop:
    # workers that die first would take it along. SIGTERM must end them in time all the same, as
    # that is how an exiting process dismisses the workers of a loader that nobody closed.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: signal.setitimer(signal.ITIMER_REAL, GRACE))
