from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest
import torch

from pixelkin.training.resources import cpu_threads

PAGE_FAULTS = """
import contextlib, resource, sys, torch
from pixelkin.training.resources import kept_memory

def page_faults():
    # Of allocating 240 MB in pieces of 20 and freeing them: a page of 4 KiB each, 61,440.
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    pieces = [torch.ones(20 * 2**18) for _ in range(12)]
    del pieces
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

with kept_memory() if sys.argv[1] == "kept" else contextlib.nullcontext():
    print(*[page_faults() for _ in range(6)])
"""


def page_faults(how: str) -> list[int]:
    """Of six rounds, in a process of its own: what others have left in the heap matters."""
    command = [sys.executable, "-c", PAGE_FAULTS, how]
    out = subprocess.run(command, capture_output=True, check=True)
    return [int(count) for count in out.stdout.split()]


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="not glibc")
def test_freed_memory_is_used_again() -> None:
    kept, returned = page_faults("kept"), page_faults("returned")
    assert sum(kept[1:]) < sum(returned[1:])  # glibc adapts as well, but later
    assert max(kept[4:]) < 600


def test_threads_are_those_of_before_afterwards() -> None:
    before = torch.get_num_threads()
    with cpu_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
