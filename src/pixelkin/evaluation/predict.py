"""The old name of `pixelkin.evaluation.quick`, for one version."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

from pixelkin.evaluation import quick
from pixelkin.evaluation.davis import DavisVideo, every_nth
from pixelkin.evaluation.quick import quick_score
from pixelkin.evaluation.scores import Score
from pixelkin.models.encoder import Encoder
from pixelkin.propagation.protocol import Protocol

__all__ = ["every_nth", "quick_score", "score_encoder"]

warnings.warn(
    "pixelkin.evaluation.predict is now pixelkin.evaluation.quick",
    DeprecationWarning,
    stacklevel=2,
)


def score_encoder(
    encoder: Encoder, sequences: Iterable[DavisVideo], protocol: Protocol | None = None
) -> Score:
    """`quick.score_encoder`, with the parameter's old name."""
    return quick.score_encoder(encoder, sequences, protocol)
