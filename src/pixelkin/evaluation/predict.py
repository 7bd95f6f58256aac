"""Scores of an encoder in one call: on DAVIS sequences, or quickly, to watch a training by."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from pixelkin.evaluation.davis import Sequence, score_results
from pixelkin.evaluation.pipeline import Store, predict_all
from pixelkin.evaluation.scores import Score
from pixelkin.models.encoder import Encoder
from pixelkin.propagation.protocol import Protocol
from pixelkin.types import InputError


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


def score_encoder(
    encoder: Encoder, sequences: Iterable[Sequence], protocol: Protocol | None = None
) -> Score:
    """J and F of an encoder, without keeping its predictions.

    Args:
        encoder: What to score.
        sequences: Of DAVIS.
        protocol: Decides the propagation; that of DAVIS if None.
    """
    sequences = list(sequences)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "run")
        predict_all(sequences, encoder, protocol or Protocol.named("davis"), store)
        return score_results(sequences, store.predictions)


def quick_score(
    encoder: Encoder, sequences: Iterable[Sequence], *, short_side: int = 240, step: int = 2
) -> dict[str, float]:
    """J, F and J&F at reduced size and frame rate, to watch a training by.

    Not a benchmark's figure: the grid of a small frame alone costs several points.
    """
    protocol = replace(Protocol.named("davis"), short_side=short_side)
    total = score_encoder(encoder, [every_nth(s, step) for s in sequences], protocol).summary
    return {"jf": total.jf, "j": total.j.mean, "f": total.f.mean}
