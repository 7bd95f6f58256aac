from __future__ import annotations

import ctypes
import resource

import pytest
import torch

from pixelkin.training.process import cpu_threads, kept_memory


def page_faults() -> int:
    """Of allocating 240 MB in pieces of 20 and freeing them: a page of 4 KiB each, 61,440."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    pieces = [torch.ones(20 * 2**18) for _ in range(12)]
    del pieces
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="not glibc")
def test_freed_memory_is_used_again() -> None:
    with kept_memory():
        page_faults()
        assert page_faults() < 600
    page_faults()
    assert page_faults() > 6000


def test_threads_are_those_of_before_afterwards() -> None:
    before = torch.get_num_threads()
    with cpu_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
