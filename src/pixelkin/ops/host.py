"""Whether a tensor's numbers are at hand, or far away on a device that must not be waited for.

On the CPU a look at a number costs nothing, and what it tells can save work. On a GPU it waits for
everything that is under way: there, work is done whether it is needed or not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from torch import Tensor

_far: ContextVar[bool] = ContextVar("far", default=False)


def at_hand(x: Tensor) -> bool:
    """Whether the numbers of `x` may be looked at."""
    return x.device.type == "cpu" and not _far.get()


def wide(x: Tensor) -> Tensor:
    """The same numbers in at least 32 bits: NumPy knows no bfloat16, and limits are not rounded."""
    return x.float() if x.dtype.itemsize < 4 else x


@contextmanager
def as_on_a_device() -> Iterator[None]:
    """Inside the block tensors on the CPU are treated as those of a GPU are.

    So that the CPU can show what a GPU will compute, and that it is never waited for.
    """
    token = _far.set(True)
    try:
        yield
    finally:
        _far.reset(token)
