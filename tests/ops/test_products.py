"""Products by whichever library is fast, and of rows in pairs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pixelkin.ops import products
from pixelkin.ops.products import fast_bfloat16, one_dnn, product, products_of_pairs


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_products_are_those_of_the_rows(dtype: torch.dtype) -> None:
    g = torch.Generator().manual_seed(0)
    a = torch.randn(70, 33, generator=g).to(dtype)
    b = torch.randn(9, 66, generator=g).to(dtype)[:, ::2]
    expected = torch.einsum("mc,nc->mn", a.double(), b.double())
    torch.testing.assert_close(product(a, b).double(), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("copied", [False, True])
def test_products_of_pairs(copied: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if copied:
        monkeypatch.setattr(products, "_samples", lambda: False)
        monkeypatch.setattr(products, "PAIRS", 3)
    g = torch.Generator().manual_seed(0)
    a, b = torch.randn(4, 20, generator=g), torch.randn(30, 20, generator=g)
    counts, rows = torch.tensor([3, 0, 1, 4]), torch.tensor([7, 7, 2, 29, 0, 5, 4, 3])
    found = products_of_pairs(a, b, counts, rows)
    targets = [0, 0, 0, 2, 3, 3, 3, 3]
    expected = [float(a[i].double() @ b[j].double()) for i, j in zip(targets, rows, strict=True)]
    torch.testing.assert_close(found, torch.tensor(expected))
    assert products_of_pairs(a, b, 0 * counts, rows[:0]).shape == (0,)


def test_fast_bfloat16_is_what_the_processor_says(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    for says, fast in (({"amx_bf16": True}, True), ({"avx512_bf16": True}, True), ({}, False)):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda says=says: says, raising=False)
        assert fast_bfloat16(cpu) is fast_bfloat16() is fast
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True}, raising=False)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")  # switched off
    assert fast_bfloat16(cpu) is False
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert fast_bfloat16(cpu) is False


def test_the_maker_decides_and_no_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for said, ours in (("AuthenticAMD", True), ("GenuineIntel", False), (None, False)):
        monkeypatch.setattr(products, "CPUINFO", tmp_path / str(said))
        if said is not None:
            (tmp_path / said).write_text(f"processor\t: 0\nvendor_id\t: {said}\n")
        one_dnn.cache_clear()
        there = hasattr(torch.ops.mkldnn, "_linear_pointwise")
        assert (one_dnn() is not None) is (ours and there)
    one_dnn.cache_clear()


def test_products_have_gradients() -> None:
    a, b = torch.ones(3, 4, requires_grad=True), torch.ones(2, 4)
    product(a, b).sum().backward()
    assert a.grad is not None and torch.equal(a.grad, torch.full((3, 4), 2.0))
    assert product(torch.ones(3, 0), torch.ones(2, 0)).shape == (3, 2)
