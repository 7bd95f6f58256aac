"""What computes: the processor, or a GPU with a memory of its own.

Tensors say where they are, and what is made of them is made there; so nothing else asks which
device it is, but for how much is worth doing at once (`host.py`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import torch

from pixelkin.types import InputError

Device = Literal["auto", "cpu", "cuda", "mps"]
"""As commands name them: "auto" is cuda where there is one, else mps (Apple's), else cpu."""
CPU = torch.device("cpu")


def find_device(name: str | torch.device = "auto") -> torch.device:
    """The device of a name.

    Args:
        name: A `Device`, one of several GPUs ("cuda:1"), or torch's own.

    Raises:
        InputError: If there is none of that name, or this machine has none.
    """
    if name == "auto":
        name = next((kind for kind in ("cuda", "mps") if _count(kind)), "cpu")
    try:
        asked = torch.device(name)
    except RuntimeError:
        asked = torch.device("meta")
    if asked.type not in ("cpu", "cuda", "mps"):
        raise InputError(f"device {str(name)!r}: must be auto, cpu, cuda or mps")
    if asked.type == "cpu":
        return CPU
    count = _count(asked.type)
    if count <= (asked.index or 0):
        found = f"{count} of them" if count else "none"
        raise InputError(
            f"device {str(name)!r}: torch {torch.__version__} finds {found} here: take cpu, or "
            "auto for what there is"
        )
    if asked.index is not None:
        return asked
    return torch.device(asked.type, torch.cuda.current_device() if asked.type == "cuda" else 0)


def _count(kind: str) -> int:
    if kind == "mps":
        return int(torch.backends.mps.is_available())
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def described(device: torch.device) -> str:
    """A device in words, for results: "cpu", or "cuda (NVIDIA H100 80GB HBM3)"."""
    if device.type != "cuda":
        return device.type
    return f"cuda ({torch.cuda.get_device_name(device)})"


@contextmanager
def computing(device: torch.device) -> Iterator[None]:
    """Inside the block a GPU computes in float32 as the processor does, not in TF32.

    So results of both differ in near-ties alone.

    Raises:
        InputError: If the memory of the device is too small for what the block does.
    """
    if device.type == "cpu":
        yield
        return
    try:
        with _full.held():
            yield
    except RuntimeError as error:
        if not any(said in str(error) for said in ("out of memory", "ALLOC_FAILED")):
            raise
        raise InputError(
            f"the memory of the device {device.type} is too small for this, or in use: a smaller "
            "short side (--short-side) needs less, and the device cpu (--device cpu) none of it"
        ) from error


class _FullPrecision:
    """No TF32 as long as anybody holds it; the switches of torch are those of all threads."""

    def __init__(self) -> None:
        self._lock, self._holders = threading.Lock(), 0
        self._restore: Callable[[], None] = lambda: None

    @contextmanager
    def held(self) -> Iterator[None]:
        with self._lock:
            self._holders += 1
            if self._holders == 1:
                self._restore = _without_tf32()
        try:
            yield
        finally:
            with self._lock:
                self._holders -= 1
                if not self._holders:
                    self._restore()


def _without_tf32() -> Callable[[], None]:
    """Switch TF32 off; what puts the switches back."""
    places = [torch.backends.cuda.matmul, getattr(torch.backends.cudnn, "conv", None)]
    name, full = "fp32_precision", "ieee"
    if places[1] is None or not hasattr(places[0], name):  # before torch 2.9
        places = [torch.backends.cuda.matmul, torch.backends.cudnn]
        name, full = "allow_tf32", False  # type: ignore[assignment]
    before = [(place, getattr(place, name)) for place in places]
    for place, _ in before:
        setattr(place, name, full)

    def restore() -> None:
        for place, value in before:
            setattr(place, name, value)

    return restore


_full = _FullPrecision()
