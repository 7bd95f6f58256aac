"""The old name of `pixelkin.evaluation.quick`, for one version."""

import warnings

from pixelkin.evaluation.davis import every_nth
from pixelkin.evaluation.quick import quick_score, score_encoder

__all__ = ["every_nth", "quick_score", "score_encoder"]

warnings.warn(
    "pixelkin.evaluation.predict is now pixelkin.evaluation.quick",
    DeprecationWarning,
    stacklevel=2,
)
