"""Matrix products of the processor, by whichever of torch's libraries is fast on it.

torch multiplies float32 through MKL, which is Intel's and on processors of other makers does half
of what oneDNN does. The choice goes by the maker and by no clock: the last bits of a product are
those of its library, and two runs on one machine are to have the same.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

CPUINFO = Path("/proc/cpuinfo")
PAIRS = 2**11  # rows that are copied at once


def fast_bfloat16(device: torch.device | None = None) -> bool:
    """Whether a device, or this processor, multiplies bfloat16 matrices faster than float32."""
    if device is not None and device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return capable("amx_bf16") or capable("avx512_bf16")


def fast_int8() -> bool:
    """Whether this processor has VNNI, products of 8-bit integers, or torch does not tell.

    Not where oneDNN is told to leave it aside.
    """
    limits = (os.environ.get(f"{name}_MAX_CPU_ISA", "") for name in ("ONEDNN", "DNNL"))
    if any(limit.upper() in ("SSE41", "AVX", "AVX2", "AVX512_CORE") for limit in limits):
        return False
    known = _capabilities()
    return not known or capable("avx512_vnni") or bool(known.get("avx_vnni", False))


def capable(name: str) -> bool:
    """Whether this processor has an extension of AVX-512 that torch knows, not switched off."""
    allowed = torch.backends.cpu.get_cpu_capability() == "AVX512"
    return allowed and bool(_capabilities().get(name, False))


def _capabilities() -> Mapping[str, object]:
    """Extensions of this processor by name; none where torch does not tell."""
    told = getattr(torch.cpu, "get_capabilities", None)
    known: Mapping[str, object] = {} if told is None else told()
    return known


def product(a: Tensor, b: Tensor) -> Tensor:
    """m x n, dot products of m x C with n x C rows."""
    learns = torch.is_grad_enabled() and (a.requires_grad or b.requires_grad)
    fits = a.dtype == b.dtype == torch.float32 and a.device.type == "cpu" and not learns
    other = one_dnn() if fits and a.shape[1] else None
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
    """Without copies of the rows."""
    where = torch.sparse_csr_tensor(
        begin, rows, a.new_zeros(len(rows)), (len(a), len(b)), check_invariants=False
    )
    found: Tensor = torch.sparse.sampled_addmm(where, a, b.T, beta=0).values()
    return found


@lru_cache(maxsize=1)
def _samples() -> bool:
    """Whether this torch multiplies rows in pairs; it warns once that the form is new."""
    a, each = torch.ones(2, 8, dtype=torch.float32), torch.arange(2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            return torch.equal(_sampled(a, a, torch.arange(3), each), a[:, 0] * 8)
        except (RuntimeError, AttributeError):
            return False


@lru_cache(maxsize=1)
def one_dnn() -> Callable[[Tensor, Tensor], Tensor] | None:
    """The float32 product of oneDNN, where there is one and the processor is not Intel's.

    Nothing can be learned through it: it has no gradient.
    """
    linear = getattr(torch.ops.mkldnn, "_linear_pointwise", None)
    available = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if linear is None or not available or not _made_by_others():
        return None

    def multiply(a: Tensor, b: Tensor) -> Tensor:
        found: Tensor = linear(a, b, None, "none", [], "")
        return found

    a, b = (torch.ones(count, 8, dtype=torch.float32) for count in (5, 3))
    try:
        right = torch.equal(multiply(a, b), a @ b.T)
    except RuntimeError:  # it is there by name alone
        return None
    return multiply if right else None


def _made_by_others() -> bool:
    """Whether this processor says that it is of another maker than Intel."""
    try:
        said = CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return "vendor_id" in said and "GenuineIntel" not in said
