"""Encoders of models in folders of Hugging Face's form, copied or referred to."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from pixelkin.files import atomic_write, write_json
from pixelkin.models.config import OtherConfig, plain
from pixelkin.models.encoder import Encoder
from pixelkin.models.hub import HubNet, read_folder
from pixelkin.models.stored import digest_of
from pixelkin.types import InputError

MODEL = "model"  # folder of the files, in that of the encoder
KEPT = ("*.json", "*.safetensors", "LICENSE*", "README.md")


def import_folder(
    source: str | Path, out: str | Path, *, stride: int = 8, link: bool = False
) -> Encoder:
    """An encoder of a model in a folder as Hugging Face has it, kept in `out`.

    Args:
        source: config.json and model.safetensors (or pytorch_model.bin).
        out: Where config.json goes, and the model's files, into a folder of their own.
        stride: Pixels of the frame that a cell covers: frames are enlarged to fit, by `patch` /
            `stride`, which costs the square of that; `patch` itself enlarges nothing.
        link: Refer to the files rather than copy them.

    Returns:
        The encoder.

    Raises:
        InputError: If the model's type is not known, transformers is missing, or its weights are
            not complete and finite.
    """
    source, out = Path(source), Path(out)
    found = read_folder(source)
    if stride < 1:
        raise InputError(f"--stride {stride}: must be 1 pixel or more")
    net = HubNet(source, found.patch, found.special)
    config = OtherConfig(
        "transformers",
        stride,
        mean=found.mean,
        std=found.std,
        input_scale=found.patch / stride,
        family=found.family,
        special=found.special,
        folder=str(source.absolute()) if link else MODEL,
        sha256=digest_of(found.weights),
        licence=licence_of(source),
    )
    out = Path(out)
    if not link:
        kept = [*KEPT, "*.bin"] if found.weights.suffix == ".bin" else KEPT
        for file in {f for pattern in kept for f in source.glob(pattern) if f.is_file()}:
            with atomic_write(out / MODEL / file.name) as temporary:
                shutil.copyfile(file, temporary)
    write_json(out / "config.json", plain(config))  # last: without it the folder is no encoder
    return Encoder(config, net).eval()


def licence_of(folder: Path) -> str:
    """What a folder says of its licence: that of its model card, or the first line of LICENSE."""
    card = folder / "README.md"
    if card.is_file():
        text = card.read_text(encoding="utf-8", errors="replace")
        header = re.match(r"---\n(.*?)\n---", text, re.DOTALL)
        names = ("license_name", "license")
        for name in names:
            if header and (said := re.search(rf"^{name}:\s*(\S.*)$", header[1], re.MULTILINE)):
                return said[1].strip()
    for file in sorted(folder.glob("LICENSE*")):
        lines = file.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        if lines:
            return lines[0].strip()[:100]
    return ""
