"""Matrix products of the processor, by whichever of torch's libraries is fast on it.

torch multiplies float32 through MKL, which on processors of other makers does half of what oneDNN
does, where that was built in. Which is faster is measured once, in some milliseconds.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor

SOURCES, TARGETS, CHANNELS = 2**13, 144, 64  # of the product that is timed
GAIN = 1.1  # the other library is taken where it is so many times faster
RUNS = 4
PAIRS = 2**11  # rows that are copied at once


def fast_bfloat16(device: torch.device | None = None) -> bool:
    """Whether a device, or this processor, multiplies bfloat16 matrices faster than float32."""
    if device is not None and device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    capabilities = getattr(torch.cpu, "get_capabilities", None)
    known = {} if capabilities is None else capabilities()
    allowed = torch.backends.cpu.get_cpu_capability() == "AVX512"  # not switched off
    return allowed and any(known.get(name, False) for name in ("amx_bf16", "avx512_bf16"))


def product(a: Tensor, b: Tensor) -> Tensor:
    """m x n, dot products of m x C with n x C rows."""
    other = one_dnn() if a.dtype == torch.float32 and a.device.type == "cpu" else None
    return a @ b.T if other is None else other(a, b)


def products_of_pairs(a: Tensor, b: Tensor, counts: Tensor, rows: Tensor) -> Tensor:
    """Dot products of m x C rows with rows of n x C, some for each.

    Args:
        a: m x C.
        b: n x C.
        counts: m, how many of `b` each is multiplied with.
        rows: Which of `b`, those of the first of `a` first.

    Returns:
        As many as `rows`.
    """
    # The sparse form has room for each pair once.
    if a.device.type == "cpu" and len(rows) <= len(a) * len(b) and _samples():
        begin = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        return _sampled(a, b, begin, rows)
    of = torch.arange(len(a), device=a.device).repeat_interleave(counts)
    parts = zip(torch.split(of, PAIRS), torch.split(rows, PAIRS), strict=True)
    return torch.cat([(a.index_select(0, i) * b.index_select(0, j)).sum(1) for i, j in parts])


def _sampled(a: Tensor, b: Tensor, begin: Tensor, rows: Tensor) -> Tensor:
    """Without copies of the rows: four times as fast."""
    where = torch.sparse_csr_tensor(
        begin, rows, a.new_zeros(len(rows)), (len(a), len(b)), check_invariants=False
    )
    found: Tensor = torch.sparse.sampled_addmm(where, a, b.T, beta=0).values()
    return found


@lru_cache(maxsize=1)
def _samples() -> bool:
    """Whether this torch multiplies rows in pairs; it warns once that the form is new."""
    a, each = torch.ones(2, 8), torch.arange(2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            return torch.equal(_sampled(a, a, torch.arange(3), each), torch.full((2,), 8.0))
        except (RuntimeError, AttributeError):
            return False


@lru_cache(maxsize=1)
def one_dnn() -> Callable[[Tensor, Tensor], Tensor] | None:
    """The float32 product of oneDNN, where there is one and it is the faster."""
    linear = getattr(torch.ops.mkldnn, "_linear_pointwise", None)
    if linear is None or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return None

    def multiply(a: Tensor, b: Tensor) -> Tensor:
        found: Tensor = linear(a, b, None, "none", [], "")
        return found

    a, b = torch.ones(SOURCES, CHANNELS), torch.ones(TARGETS, CHANNELS)
    try:
        right = torch.equal(multiply(a, b), a @ b.T)
    except RuntimeError:  # it is there by name alone
        return None
    faster = _seconds(lambda: multiply(a, b)) * GAIN < _seconds(lambda: a @ b.T)
    return multiply if right and faster else None


def _seconds(step: Callable[[], object]) -> float:
    """The least CPU seconds of some calls."""
    seconds = []
    for _ in range(RUNS):
        began = time.process_time()
        step()
        seconds.append(time.process_time() - began)
    return min(seconds)
