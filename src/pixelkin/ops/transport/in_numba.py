"""Sinkhorn's iterations for the kernel of one pair, compiled for the processor by numba.

What `in_torch` does, by the same `policy`, with one pass over the kernel where PyTorch needs two
(an iteration is bound by memory) and no cost of calling operators:

       v (M)                    four rows at a time, which stay in the first cache:
    +--------+
    |########| 4 rows -> u      u_i = rows_i / sum_j K_ij v_j
    |        |                  sums_j += sum_i u_i K_ij
    +--------+                  and after the last of them v_j = columns_j / sums_j
       sums (M)

Nothing else imports numba, and nothing imports this module but the function that needs it.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from pixelkin.ops.transport.policy import Absorb, Policy, Settings, coarse_start

Array = NDArray[Any]

# Sums may be reordered, which lets the compiler use vector instructions; NaN and infinity count.
# What is compiled is kept until the text of *this* file changes: it must compile nothing else.
_jit = njit(
    fastmath={"reassoc", "contract", "arcp", "nsz"}, error_model="numpy", nogil=True, cache=True
)


def solve(
    kernel: Tensor,
    rows: Tensor,
    columns: Tensor,
    mass: float,
    settings: Settings,
    *,
    coarse: bool,
    absorb: Absorb | None = None,
) -> list[float]:
    """See `policy.Solve`; B is 1, and iterations take one thread."""
    (k,), r, c = kernel.numpy(), rows.numpy(), columns.numpy()
    with _subnormals_are_zero():
        v = np.ones_like(c)
        if coarse:
            v = coarse_start(kernel, settings, _coarse_kernel, _coarse_scale).numpy()[0, 0]
        v, residual, left = _scale(k, r, c, v, settings)
        while absorb and left:
            u = r / (k @ v)
            absorb(torch.from_numpy(u)[None, None], torch.from_numpy(v)[None, None])
            settings = settings._replace(max_iterations=left)
            v, residual, left = _scale(k, r, c, np.ones_like(c), settings)
        _finish(k, (rows * mass).numpy(), v)
    return [residual]


def prepare(dtype: torch.dtype) -> None:
    """Compile for a dtype, which takes seconds once on a machine; raises what is in the way.

    What others call comes first and by itself, also where all of it is loaded from numba's cache:
    otherwise `_scale` would run other copies of it in the process that compiles than in later ones,
    whose sums differ in the last digits.
    """
    a = np.ones((2, 2), torch.empty(0, dtype=dtype).numpy().dtype)
    _dot(a[0], a[0])
    _span(a[0])
    _sweep(a, a[0], a[0], a[0], a[1], False)
    _extrapolate(a, a, 1, 2, 1.0, 1.0)
    kernel = torch.ones(1, 2, 2, dtype=dtype)
    policy = Policy(history=1, period=1, coarsest=1)  # all that there is to compile is called
    ones = torch.ones(2, dtype=dtype)
    solve(kernel, ones, ones, 1.0, Settings(1.0, 2, math.inf, 1.0, policy), coarse=True)


@contextmanager
def _subnormals_are_zero() -> Iterator[None]:
    """For this thread: the processor takes many times as long for such numbers."""
    were_zero = sys.float_info.min / 2 == 0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(were_zero)


def _coarse_kernel(kernel: Tensor) -> Tensor:
    return torch.from_numpy(_halve(kernel[0].numpy()))[None]


def _coarse_scale(
    kernel: Tensor, rows: Tensor, columns: Tensor, v: Tensor, settings: Settings
) -> Tensor:
    k, start = kernel[0].numpy(), v[0, 0].numpy()
    found, _, _ = _scale(k, rows.numpy(), columns.numpy(), start, settings)
    return torch.from_numpy(found)[None, None]


@_jit
def _halve(kernel: Array) -> Array:
    """Every second row, the sums of two columns each."""
    n, m = kernel.shape[0] // 2, kernel.shape[1] // 2
    coarse = np.empty((n, m), kernel.dtype)
    for i in range(n):
        row = kernel[2 * i]
        for j in range(m):
            coarse[i, j] = row[2 * j] + row[2 * j + 1]
    return coarse


@_jit
def _scale(
    kernel: Array, rows: Array, columns: Array, v: Array, settings: Settings
) -> tuple[Array, float, int]:
    """The scaling v of the kernel's columns, beginning with v (and in it), its residual, and 0.

    Or, where log v comes to span more than `settings.widest`, that v, infinity, and the number of
    iterations left.
    """
    policy = settings.policy
    size, m = policy.history + 1, len(v)
    sums, x = np.empty_like(v), np.empty_like(v)
    total = 0.0
    for j in range(m):
        x[j] = math.log(v[j])
        total += columns[j]
    # The last updates of log v and by how much each differs from what it follows, in turns.
    updates, steps = np.empty((size, m), v.dtype), np.empty((size, m), v.dtype)
    best, least, before = np.ones_like(v), np.inf, np.inf
    wait, since = policy.period, 0
    step = np.zeros_like(v)
    for iteration in range(settings.max_iterations):
        if _span(x) > settings.widest:
            return v, np.inf, settings.max_iterations - iteration
        backwards = iteration % 2 == 1  # what was read last is still in the cache
        residual = _sweep(kernel, rows, columns, v, sums, backwards) / total
        if residual < least:
            least = residual
            for j in range(m):
                best[j] = v[j]
        if residual <= settings.tolerance:
            break
        at = iteration % size
        for j in range(m):
            v[j] = columns[j] / sums[j]
            update = math.log(v[j])
            updates[at, j], steps[at, j] = update, update - x[j]
            x[j] = update
        since += 1
        if since == wait:
            count = min(iteration + 1, size)
            x = _extrapolate(updates, steps, at, count, settings.furthest, policy.ridge)
            for j in range(m):
                v[j] = math.exp(x[j])
            turned = _dot(step, steps[at]) < 0
            if least < policy.progress * before:  # `policy.next_wait`; not compiled from there
                wait = policy.period
            elif turned:
                wait *= 2
            for j in range(m):
                step[j] = steps[at, j]
            before, since = least, 0
    return best, least, 0


@_jit
def _sweep(
    kernel: Array, rows: Array, columns: Array, v: Array, sums: Array, backwards: bool
) -> float:
    """Write K' u over `sums`, where u = rows / K v; by how much the columns of the plan miss."""
    n, m = kernel.shape
    zero = v.dtype.type(0)
    for j in range(m):
        sums[j] = zero
    whole = n - n % 4
    for k in range(0, whole, 4):
        i = whole - 4 - k if backwards else k
        k0, k1, k2, k3 = kernel[i], kernel[i + 1], kernel[i + 2], kernel[i + 3]
        u0 = u1 = u2 = u3 = zero
        for j in range(m):
            u0 += k0[j] * v[j]
            u1 += k1[j] * v[j]
            u2 += k2[j] * v[j]
            u3 += k3[j] * v[j]
        u0, u1, u2, u3 = rows[i] / u0, rows[i + 1] / u1, rows[i + 2] / u2, rows[i + 3] / u3
        for j in range(m):
            sums[j] += u0 * k0[j] + u1 * k1[j] + u2 * k2[j] + u3 * k3[j]
    for i in range(whole, n):
        row, u0 = kernel[i], zero
        for j in range(m):
            u0 += row[j] * v[j]
        u0 = rows[i] / u0
        for j in range(m):
            sums[j] += u0 * row[j]
    missed = zero
    for j in range(m):
        missed += abs(v[j] * sums[j] - columns[j])
    return float(missed)


@_jit
def _extrapolate(
    updates: Array, steps: Array, last: int, count: int, furthest: float, ridge: float
) -> Array:
    """The log v that follows the last of `count` updates."""
    size, m = updates.shape
    k = count - 1
    of_updates, of_steps = np.empty((k, m), updates.dtype), np.empty((k, m), updates.dtype)
    for q in range(k):
        a, b = (last - q) % size, (last - q - 1) % size
        for j in range(m):
            of_updates[q, j] = updates[a, j] - updates[b, j]
            of_steps[q, j] = steps[a, j] - steps[b, j]
    # Least squares by the normal equations, which the diagonal keeps from being singular.
    gram, weights = np.empty((k, k)), np.empty(k)
    for q in range(k):
        weights[q] = _dot(of_steps[q], steps[last])
        for r in range(q + 1):
            gram[q, r] = gram[r, q] = _dot(of_steps[q], of_steps[r])
        gram[q, q] = gram[q, q] * (1 + ridge) + 1e-300
    for q in range(k):  # Gauss-Jordan elimination
        for r in range(k):
            if r != q:
                factor = gram[r, q] / gram[q, q]
                weights[r] -= factor * weights[q]
                for c in range(q, k):
                    gram[r, c] -= factor * gram[q, c]
    change = np.zeros(m, updates.dtype)
    mean = 0.0
    for q in range(k):
        weight = change.dtype.type(weights[q] / gram[q, q])
        for j in range(m):
            change[j] += weight * of_updates[q, j]
    for j in range(m):
        mean += change[j] / m
    mean, far = change.dtype.type(mean), change.dtype.type(furthest)
    for j in range(m):
        change[j] -= mean
    if _dot(change, steps[last]) > 0:
        for j in range(m):
            change[j] = 0
    top = change.dtype.type(-np.inf)
    for j in range(m):
        change[j] = updates[last, j] - min(max(change[j], -far), far)
        top = max(top, change[j])
    for j in range(m):
        change[j] -= top
    return change


@_jit
def _span(x: Array) -> float:
    least = most = x[0]
    for value in x:
        least, most = min(least, value), max(most, value)
    return float(most - least)


@_jit
def _dot(a: Array, b: Array) -> float:
    total = 0.0
    for j in range(len(a)):
        total += a[j] * b[j]
    return total


@_jit
def _finish(kernel: Array, rows: Array, v: Array) -> None:
    """Kernel to plan, in place, with rows that are exact."""
    n, m = kernel.shape
    for i in range(n):
        row, u = kernel[i], v.dtype.type(0)
        for j in range(m):
            u += row[j] * v[j]
        u = rows[i] / u
        for j in range(m):
            row[j] *= u * v[j]
