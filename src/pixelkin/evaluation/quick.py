"""Scores of an encoder in one call: on DAVIS sequences, or quickly, to watch a training by."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from pixelkin.evaluation.benchmark import Store
from pixelkin.evaluation.davis import DavisVideo, every_nth, score_results
from pixelkin.evaluation.pipeline import predict_all
from pixelkin.evaluation.scores import Score
from pixelkin.models.encoder import Encoder
from pixelkin.propagation.protocol import Protocol


def score_encoder(
    encoder: Encoder, videos: Iterable[DavisVideo], protocol: Protocol | None = None
) -> Score:
    """J and F of an encoder, without keeping its predictions.

    Args:
        encoder: What to score.
        videos: Of DAVIS.
        protocol: Decides the propagation; that of DAVIS if None.
    """
    videos = list(videos)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "run")
        predict_all(videos, encoder, protocol or Protocol.named("davis"), store)
        return score_results(videos, store.predictions)


def quick_score(
    encoder: Encoder, videos: Iterable[DavisVideo], *, short_side: int = 240, step: int = 2
) -> dict[str, float]:
    """J, F and J&F at reduced size and frame rate, to watch a training by.

    Not a benchmark's figure: the grid of a small frame alone costs several points.
    """
    protocol = replace(Protocol.named("davis"), short_side=short_side)
    total = score_encoder(encoder, [every_nth(v, step) for v in videos], protocol).summary
    return {"jf": total.jf, "j": total.j.mean, "f": total.f.mean}
