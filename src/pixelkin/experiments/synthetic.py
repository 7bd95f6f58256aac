"""Small synthetic videos to train on and to score, for the scale "smoke"."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pixelkin.data.synthetic import SyntheticScene
from pixelkin.formats.mask_png import write_mask
from pixelkin.types import Labels
from pixelkin.video.writer import write_image

SIZE = (64, 96)
CLIPS, CLIP_FRAMES = 4, 12
SEQUENCES, SEQUENCE_FRAMES = 2, 5


def make_clips(folder: Path) -> Path:
    """Folders of frames to train on; what is there is left as it is."""
    for seed in range(CLIPS):
        for frame in SyntheticScene(seed, SIZE, CLIP_FRAMES, speed=2.0):
            path = folder / f"clip{seed}" / f"{frame.index:05d}.png"
            if not path.exists():
                write_image(path, frame.image)
    return folder


def make_davis(root: Path) -> Path:
    """A data set in the layout of DAVIS-2016, of other scenes than the clips."""
    names = [f"scene{i}" for i in range(SEQUENCES)]
    for seed, name in enumerate(names, start=100):
        for frame in SyntheticScene(seed, SIZE, SEQUENCE_FRAMES, objects=1, speed=3.0):
            stem = f"480p/{name}/{frame.index:05d}"
            if not (root / "Annotations" / f"{stem}.png").exists():
                write_image(root / "JPEGImages" / f"{stem}.jpg", frame.image)
                mask = Labels.from_mask((frame.ids > 0).astype(np.int32))
                write_mask(root / "Annotations" / f"{stem}.png", mask)
    listed = root / "ImageSets" / "2016" / "val.txt"
    listed.parent.mkdir(parents=True, exist_ok=True)
    listed.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    return root
