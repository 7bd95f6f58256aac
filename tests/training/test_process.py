from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest
import torch

from pixelkin.training.process import cpu_threads


PAGE_FAULTS = """
import resource, torch
from pixelkin.training.process import kept_memory

def page_faults():
    # Of allocating 240 MB in pieces of 20 and freeing them: a page of 4 KiB each, 61,440.
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    pieces = [torch.ones(20 * 2**18) for _ in range(12)]
    del pieces
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

with kept_memory():
    page_faults()
    print(page_faults())
page_faults()
print(page_faults())
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="not glibc")
def test_freed_memory_is_used_again() -> None:
    # In a process of its own: what others have left in the heap decides where pieces fit.
    out = subprocess.run([sys.executable, "-c", PAGE_FAULTS], capture_output=True, check=True)
    inside, outside = map(int, out.stdout.split())
    assert inside < 600 and outside > 6000


def test_threads_are_those_of_before_afterwards() -> None:
    before = torch.get_num_threads()
    with cpu_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
