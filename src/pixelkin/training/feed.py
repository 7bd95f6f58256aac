"""Where a training's clips come from: its videos, where their frames are kept, who makes views."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from pixelkin.checks import SettingError
from pixelkin.data.batch import ClipBatch
from pixelkin.data.clips import ClipDataset, clip_loader
from pixelkin.data.held import HeldFrames, held_bytes
from pixelkin.data.index import Source, index_videos
from pixelkin.files import cache_folder
from pixelkin.processes import Processes
from pixelkin.training.config import Recipe
from pixelkin.training.log import Count
from pixelkin.training.plan import Plan
from pixelkin.training.resources import available_cores

SHARE = 0.4  # of a GPU's free memory that frames may take where nobody says


class Feed:
    """The clips of a training, in one of its processes.

    Attributes:
        sources: The videos.
        dataset: Draws clips of them.

    Args:
        recipe: The recipe.
        data: Folders of videos, packs; and single videos, see `source_of`.
        processes: This process among those of the training.

    Raises:
        InputError: If there are no videos, or frames cannot be held where the recipe wants them.
    """

    def __init__(
        self, recipe: Recipe, data: Sequence[str | Path | Source], processes: Processes
    ) -> None:
        self.recipe, self.processes = recipe, processes
        run = recipe.run
        store = cache_folder() / "clips" if run.store is None else Path(run.store)
        index = (store if run.store != "" else cache_folder()) / "index.json"
        with processes.main_first():
            progress = Count("looking at the videos") if processes.is_main else None
            self.sources = [one for one in data if isinstance(one, Source)]
            if roots := [one for one in data if not isinstance(one, Source)]:
                exclude = recipe.data.exclude
                self.sources += index_videos(roots, index, exclude=exclude, progress=progress)
        self.dataset = ClipDataset(
            self.sources,
            recipe.data,
            recipe.augmentation,
            size=recipe.size,
            seed=recipe.seed,
            store=store if run.store != "" else None,
            budget=int(run.store_gb * 1e9),
        )
        self._pixels: Tensor | None = None

    def batches(self, plan: Plan, step: int) -> Generator[ClipBatch]:
        """The batch of every micro-batch from a step on, in order."""
        self._hold()
        workers = self.recipe.run.workers
        if workers is None:
            workers = min(8, max(1, available_cores() // self.processes.count - 1))
        yield from clip_loader(
            self.dataset,
            plan.keys(step),
            workers=workers,
            device=self.processes.device,
            pixels=self._pixels,
        )

    def _hold(self) -> None:
        """Read all frames into memory or onto the device, if they are to be held there."""
        dataset, where = self.dataset, self._place()
        if where == "store" or dataset.held or dataset.layout:
            return
        device = self.processes.device if where == "device" else torch.device("cpu")
        progress = Count("reading frames") if self.processes.is_main else None
        threads = min(16, available_cores())
        held = HeldFrames(dataset.store, dataset.segments, device, progress, threads=threads)
        if device.type == "cpu":
            dataset.held = held
        else:
            dataset.layout, self._pixels = held.layout, held.pixels

    def _place(self) -> str:
        device, batched = self.processes.device, self.recipe.data.rendering == "batched"
        place = self.recipe.run.frames
        if place == "device" and device.type != "cpu" and not batched:
            raise SettingError("run.frames", "device needs data.rendering: batched")
        if place != "auto":
            return place
        if device.type != "cuda" or not batched:
            return "store"
        free, _ = torch.cuda.mem_get_info(device)
        fits = held_bytes(self.dataset.store, self.dataset.segments) <= SHARE * free
        return "device" if fits else "store"
