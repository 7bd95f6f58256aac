"""What encoders cost: parameters, channels, cells and CPU seconds a frame, on one thread.

    python benchmarks/encoders.py                  # those of the package
    python benchmarks/encoders.py --others         # and networks of others, their weights drawn
    python benchmarks/encoders.py encoders/dinov2  # any that --weights takes

Time does not depend on what the weights are. A frame is encoded once before it is timed; the least
of `--repeats` is shown.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from pixelkin.models.encoder import Encoder, EncoderConfig, load_encoder
from pixelkin.models.importing import import_folder

SIZE = 480, 854
SMALL = {
    "hidden_size": 384,
    "num_hidden_layers": 12,
    "num_attention_heads": 6,
    "intermediate_size": 1536,
}


def resnets() -> Iterator[tuple[str, Encoder]]:
    for network in ("resnet18", "resnet50"):
        for stages in (3, 4):
            widths = (64, 128, 256, 512)[:stages]
            config = EncoderConfig(network, padding="zeros", widths=widths)
            yield f"{network}, {stages} stages", Encoder(config).eval()


def transformers() -> Iterator[tuple[str, Encoder]]:
    import transformers as t

    models: dict[str, tuple[Any, tuple[int, ...]]] = {
        "DINO ViT-S/8": (t.ViTModel(t.ViTConfig(**SMALL, patch_size=8)), (8,)),
        "DINOv2 ViT-S/14": (
            t.Dinov2Model(
                t.Dinov2Config(
                    hidden_size=384,
                    num_hidden_layers=12,
                    num_attention_heads=6,
                    patch_size=14,
                    image_size=518,
                )
            ),
            (14, 8),
        ),
        "DINOv3 ViT-S/16": (
            t.DINOv3ViTModel(t.DINOv3ViTConfig(**SMALL, patch_size=16, num_register_tokens=4)),
            (16, 8),
        ),
        "DINOv3 ConvNeXt-T": (
            t.DINOv3ConvNextModel(
                t.DINOv3ConvNextConfig(hidden_sizes=[96, 192, 384, 768], depths=[3, 3, 9, 3])
            ),
            (32, 16, 8),
        ),
    }
    with TemporaryDirectory() as folder:
        for name, (model, strides) in models.items():
            hub = Path(folder) / name.replace("/", "-")
            model.save_pretrained(hub)
            for stride in strides:
                encoder = import_folder(hub, Path(folder) / "encoder", stride=stride, link=True)
                yield name, encoder


def measure(name: str, encoder: Encoder, repeats: int) -> str:
    frame = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    parameters = sum(p.numel() for p in encoder.parameters()) / 1e6
    ready = encoder.for_inference(encoder.stride)
    grid = ready.encode(frame).shape[1:]
    seconds = []
    for _ in range(repeats):
        began = time.process_time()
        ready.encode(frame)
        seconds.append(time.process_time() - began)
    return (
        f"| {name} | {parameters:.1f} M | {encoder.stride} | {encoder.channels} | "
        f"{grid[0]} x {grid[1]} | {min(seconds):.2f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("encoders", nargs="*")
    parser.add_argument("--others", action="store_true")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    print("| encoder | parameters | stride | channels | cells of 854x480 | CPU s a frame |")
    print("|---|---|---|---|---|---|", flush=True)
    for name in given.encoders or ("default", "lab", "random"):
        print(measure(name, load_encoder(name), given.repeats), flush=True)
    if given.others:
        for name, encoder in resnets():
            print(measure(name, encoder, given.repeats), flush=True)
        for name, encoder in transformers():
            print(measure(name, encoder, given.repeats), flush=True)


if __name__ == "__main__":
    main()
