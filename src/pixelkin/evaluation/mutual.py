"""A score of an encoder on a video without any label: how many cells are each other's best match.

It compares stages of one training, where features that tell more apart find more mutual matches. It
says nothing about networks of different kinds: one whose features are the place has only such.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from pixelkin.data.store import resize, small_size
from pixelkin.models.encoder import Encoder
from pixelkin.video.reader import VideoReader

SHORT_SIDE = 240  # pixels
GAP = 8  # frames
PAIRS = 8

Pair = tuple[NDArray[np.uint8], NDArray[np.uint8]]


def sample_pairs(reader: VideoReader, count: int = PAIRS) -> list[Pair]:
    """Small pairs of frames, evenly over a video, some frames apart (fewer in short ones).

    Args:
        reader: The video, of two frames at least.
        count: Pairs at most.
    """
    frames = len(reader)
    gap = min(GAP, max(1, (frames - 1) // 2))
    starts = np.linspace(0, frames - 1 - gap, count).astype(int)
    size = small_size(reader.info.height, reader.info.width, SHORT_SIDE)
    return [
        (resize(reader[start], size), resize(reader[start + gap], size))
        for start in dict.fromkeys(starts.tolist())
    ]


@torch.inference_mode()
def mutual_share(encoder: Encoder, pairs: Sequence[Pair]) -> float:
    """Share of the cells of first frames whose best match in the second has them as its own.

    Args:
        encoder: Gives the features.
        pairs: Frames H x W x 3 uint8.

    Returns:
        Mean over the pairs, in [0, 1].
    """
    ready = encoder.for_inference(encoder.stride)
    return float(np.mean([_share(ready, *pair) for pair in pairs]))


def _share(encoder: Encoder, first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    a, b = (F.normalize(encoder.encode(x).flatten(1).mT, dim=1) for x in (first, second))
    similarity = a @ b.mT
    there, back = similarity.argmax(1), similarity.argmax(0)
    return float((back[there] == torch.arange(len(a), device=a.device)).float().mean())
