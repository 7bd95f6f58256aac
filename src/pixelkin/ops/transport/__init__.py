"""Entropic optimal transport between two sets of pixels: Sinkhorn's algorithm.

    plain      the algorithm as textbooks have it, which the tests hold the others to
    policy     what makes it fast, in words and constants: read this first
    in_torch   that, as batched PyTorch on any device
    unattended that, for GPUs, which are never waited for
    in_numba   that, compiled for the processor: an optional dependency, imported when asked for
    solver     `sinkhorn`: checks, marginals, the domain, and the choice of a form

Pure tensor functions; nothing here knows about features, frames or videos.
"""

from __future__ import annotations

from pixelkin.ops.transport.policy import Policy
from pixelkin.ops.transport.solver import Form, sinkhorn

__all__ = ["Form", "Policy", "sinkhorn"]
