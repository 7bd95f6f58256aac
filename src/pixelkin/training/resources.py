"""What a training asks of its own process: a say in signals, CPU threads, memory that it keeps."""

from __future__ import annotations

import ctypes
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from pixelkin.ops.products import fast_bfloat16

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h


@contextmanager
def interrupts() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C or termination sets; the second one has its usual effect."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event  # only the main thread may handle signals
        return
    before = {int(n): signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, _: object) -> None:
        event.set()
        signal.signal(number, before[number])

    for number in before:
        signal.signal(number, note)
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def cpu_threads(count: int | None) -> Iterator[None]:
    """Let torch compute with `count` CPU threads inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def kept_memory() -> Iterator[None]:
    """Let the C library keep memory that is freed inside the block, and use it again.

    A step frees and allocates hundreds of MB. By default glibc returns them to the system every
    time, and the page faults of getting them back take a tenth of a step on a CPU. Elsewhere than
    on glibc nothing is changed.
    """
    try:
        library = ctypes.CDLL(None)
        set_option, trim = library.mallopt, library.malloc_trim
    except (AttributeError, OSError, TypeError):
        yield
        return
    set_option(_MMAP_THRESHOLD, 2**25)  # the largest that it takes
    set_option(_TRIM_THRESHOLD, 2**31 - 1)
    try:
        yield
    finally:
        set_option(_TRIM_THRESHOLD, 2**26)  # where glibc's own adjustment ends
        trim(0)


@contextmanager
def fast_convolutions() -> Iterator[None]:
    """Have CUDA try which of its convolutions is the fastest for each size, inside the block."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def trains_in_bfloat16(device: torch.device) -> bool:
    """Whether a training step in mixed precision is faster than in float32 on a device."""
    return fast_bfloat16(device)


def available_cores() -> int:
    """Number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
