"""The compiled form of Sinkhorn's iterations, that of PyTorch, and the choice between them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pixelkin.ops.transport import Policy, in_torch, sinkhorn
from pixelkin.ops.transport.policy import Settings


def costs(b: int, n: int, m: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    return torch.rand(b, n, m, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def matching_costs(n: int, noise: float, dtype: torch.dtype = torch.float64) -> Tensor:
    """Cosine distances of noisy copies: a few pixels compete, which is slow to settle."""
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(n, 16, dtype=torch.float64, generator=generator)
    b = a + noise * torch.randn(n, 16, dtype=torch.float64, generator=generator)
    return (1 - torch.cosine_similarity(a[:, None], b[None], dim=-1))[None].to(dtype)


LINE = torch.linspace(0, 1, 17, dtype=torch.float64)


@pytest.mark.parametrize(
    ("cost", "log_domain"),
    [
        (matching_costs(37, 0.5)[:, :, :31], False),
        (matching_costs(37, 0.5)[:, :, :31], True),
        (15 * (LINE.square()[:, None] - LINE.sqrt()).abs()[None], False),  # extrapolates too far
    ],
)
def test_compiled_code_does_what_pytorch_does(cost: Tensor, log_domain: bool) -> None:
    pytest.importorskip("numba")
    for k in range(1, 11):
        (plan, residual), (expected, same) = (
            sinkhorn(
                cost,
                max_iterations=k,
                tolerance=0,
                log_domain=log_domain,
                form=form,
                policy=Policy(coarsest=8),
            )
            for form in ("numba", "torch")
        )
        torch.testing.assert_close(plan, expected, rtol=1e-8, atol=0)
        torch.testing.assert_close(residual, same, rtol=1e-8, atol=1e-14)


def test_a_pair_does_not_depend_on_its_companions(how: dict[str, Any]) -> None:
    cost = torch.cat([costs(3, 30, 30), matching_costs(30, 0.8)])
    together, residuals = sinkhorn(cost, tolerance=1e-4, max_iterations=200, **how)
    for c, plan, residual in zip(cost, together, residuals, strict=True):
        alone, own = sinkhorn(c[None], tolerance=1e-4, max_iterations=200, **how)
        torch.testing.assert_close(plan, alone[0], rtol=1e-6, atol=1e-12)
        assert float(own) == pytest.approx(float(residual), rel=1e-4)


def test_more_pairs_than_fit_at_a_time(how: dict[str, Any]) -> None:
    cost = costs(25, 100, 120)
    assert in_torch.pairs_at_a_time(cost) == 10
    together = sinkhorn(cost, **how)
    for start in range(0, 25, 5):  # groups that all fit
        part = slice(start, start + 5)
        for a, b in zip(together, sinkhorn(cost[part], **how), strict=True):
            torch.testing.assert_close(a[part], b, rtol=1e-9, atol=1e-15)


def test_autocast_changes_nothing(how: dict[str, Any]) -> None:
    cost = costs(2, 16, 16, torch.float32)
    expected = sinkhorn(cost, **how)
    with torch.autocast("cpu", torch.bfloat16):
        for a, b in zip(expected, sinkhorn(cost, **how), strict=True):
            assert torch.equal(a, b)


@pytest.mark.parametrize("flushed", [False, True])
def test_subnormal_numbers_of_others_are_left_alone(flushed: bool) -> None:
    torch.set_flush_denormal(flushed)
    try:
        sinkhorn(costs(1, 6, 6))
        assert (float.fromhex("0x1p-1030") * 1.0 == 0) == flushed
    finally:
        torch.set_flush_denormal(False)


def test_subnormal_numbers_of_others_are_left_alone_by_an_error() -> None:
    in_numba = pytest.importorskip("pixelkin.ops.transport.in_numba", exc_type=ImportError)

    def fails(u: Tensor, v: Tensor) -> None:
        assert float.fromhex("0x1p-1030") * 1.0 == 0
        raise OSError("in the midst of it")

    kernel, ones = costs(1, 6, 6), torch.ones(6, dtype=torch.float64)
    absorbs_at_once = Settings(0.0, 10, widest=1e-9, furthest=1.0, policy=Policy())
    with pytest.raises(OSError, match="in the midst"):
        in_numba.solve(kernel, ones, ones, 1.0, absorbs_at_once, coarse=False, absorb=fails)
    assert float.fromhex("0x1p-1030") * 1.0 > 0


def test_entries_too_small_for_the_dtype_cost_no_accuracy(how: dict[str, Any]) -> None:
    # Distances on a line along which all mass goes one way: the kernel spans 50 powers of e, the
    # plan twice as many, which is more than float32 does.
    t = torch.linspace(0, 1, 40, dtype=torch.float64)
    exact = 50 * (t.square()[:, None] - t.sqrt()).abs()[None]
    plan, expected = (
        sinkhorn(c, epsilon=1, tolerance=1e-5, max_iterations=5000, **how)[0]
        for c in (exact.float(), exact)
    )
    assert float(expected.min()) < torch.finfo(torch.float32).tiny
    torch.testing.assert_close(plan.double(), expected, rtol=1e-2, atol=1e-7)


BROKEN = """
def njit(**options):
    def compiles(function):
        def call(*arguments):
            raise OSError("no space left")
        return call
    return compiles
"""


@pytest.fixture(params=["raise ImportError('absent')", BROKEN], ids=["absent", "broken"])
def without_numba(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], list[str]]:
    """What runs code where numba does not work: the lines that it prints."""
    (tmp_path / "numba.py").write_text(request.param)

    def run(code: str) -> list[str]:
        path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
        return subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONPATH": path},
        ).stdout.splitlines()

    return run


def test_without_numba_pytorch_does_it_and_says_so(
    without_numba: Callable[[str], list[str]],
) -> None:
    lines = without_numba(
        """
import logging, sys, torch
from pixelkin.ops.transport import sinkhorn
logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(message)s")
cost = torch.rand(2, 12, 15, generator=torch.Generator().manual_seed(0))
found = [sinkhorn(cost, tolerance=1e-5, form=form) for form in ("auto", "auto", "torch")]
print(all(torch.equal(a, b) for f in found for a, b in zip(f, found[2])))
"""
    )
    said, equal = lines
    assert said.startswith("WARNING Sinkhorn runs in PyTorch")
    assert "pixelkin[train]" in said and said.endswith(("absent", "no space left"))
    assert equal == "True"


def test_numba_that_was_asked_for_is_an_error_where_it_does_not_work(
    without_numba: Callable[[str], list[str]],
) -> None:
    (said,) = without_numba(
        """
import torch
from pixelkin.ops.transport import sinkhorn
try:
    sinkhorn(torch.rand(1, 3, 3), form="numba")
except RuntimeError as error:
    print(error)
"""
    )
    assert "pixelkin[train]" in said and said.endswith(("absent", "no space left"))


def test_the_form_is_compiled_where_numba_works() -> None:
    pytest.importorskip("numba")
    cost = matching_costs(70, 0.5, torch.float32)
    auto, compiled, pytorch = (sinkhorn(cost, form=f)[0] for f in ("auto", "numba", "torch"))
    assert torch.equal(auto, compiled)
    assert not torch.equal(auto, pytorch)  # which differs in the last digits


def test_compiled_code_gives_the_same_bits_whether_just_compiled_or_kept(tmp_path: Path) -> None:
    """Also for sizes that no vector divides; a resumed training depends on it."""
    code = """
import hashlib, torch
from pixelkin.ops.transport import sinkhorn
g = torch.Generator().manual_seed(0)
for dtype in (torch.float32, torch.float64):
    cost = torch.rand(2, 60, 70, generator=g).to(dtype)
    plan, _ = sinkhorn(cost, epsilon=0.05, tolerance=1e-3, dustbin=0.3, mass=130, form="numba")
    print(hashlib.sha256(plan.numpy().tobytes()).hexdigest())
"""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "OMP_NUM_THREADS": "1"}
    compiled, kept = (
        subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for _ in range(2)
    )
    assert any(tmp_path.rglob("*.nbc"))
    assert compiled == kept and len(set(compiled.split())) == 2
