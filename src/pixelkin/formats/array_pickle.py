"""Pickles of plain containers and numpy arrays, read without running anything of theirs.

A pickle names functions that are called as it is read. The few that plain arrays need are replaced
by stand-ins, which note what they are given; any other name is an error. Numpy itself sees the
bytes of an array alone, once its type and shape are known to fit them.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelkin.reading import check_file
from pixelkin.types import InputError

SUFFIXES = (".pkl", ".pickle")
PLAIN = r"[<>=|]?(b1|[iu][1248]|f[248])"  # types of numbers


class ArrayStandIn:
    """An array of a pickle, of which nothing is known to be right."""

    __slots__ = ("state",)

    def __init__(self, *state: Any) -> None:
        self.state = state  # shape, type, whether the first axis is the fastest, bytes

    def __setstate__(self, state: Any) -> None:
        _, *self.state = state

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape that is said; `read` sees whether it fits."""
        shape = self.state[0] if self.state else None
        if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
            raise ValueError(f"an array of shape {shape!r}")
        return shape

    def read(self) -> NDArray[Any]:
        """The array.

        Raises:
            ValueError: If it is not one of numbers, or has another size than it says.
        """
        shape, (_, dtype, columns, content) = self.shape, self.state
        kind = dtype.kind if isinstance(dtype, _TypeStandIn) else None
        if kind is None or not re.fullmatch(PLAIN, kind, re.ASCII):
            raise ValueError(f"an array of {kind}, must be of numbers")
        content = content.encode("latin-1") if isinstance(content, str) else content
        if not isinstance(content, bytes | bytearray):
            raise ValueError("an array without bytes")
        expected = int(np.prod(shape, dtype=object)) * np.dtype(kind).itemsize
        if len(content) != expected:
            raise ValueError(f"an array of {len(content)} bytes, must be {expected}")
        return np.frombuffer(content, kind).reshape(shape, order="F" if columns else "C")


class _TypeStandIn:
    __slots__ = ("kind",)

    def __init__(self, kind: Any, *_: Any) -> None:
        self.kind = str(kind)

    def __setstate__(self, state: Any) -> None:
        order = state[1]
        if order in ("<", ">") and self.kind[:1] not in "<>=|":
            self.kind = order + self.kind


class _Function:
    """A function that a pickle may call; it cannot be changed by one."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[..., Any]) -> None:
        self._make = make

    def __call__(self, *given: Any) -> Any:
        return self._make(*given)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("changes a function")


def _empty(*_: Any) -> ArrayStandIn:
    return ArrayStandIn()


def _from_buffer(content: Any, dtype: Any, shape: Any, order: Any) -> ArrayStandIn:
    return ArrayStandIn(shape, dtype, order == "F", content)


def _encoded(text: str, encoding: str) -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"text as {encoding}")
    return text.encode("latin-1")


FUNCTIONS = {
    "numpy.ndarray": _Function(_empty),
    "numpy.dtype": _Function(_TypeStandIn),
    "numpy.core.multiarray._reconstruct": _Function(_empty),
    "numpy._core.multiarray._reconstruct": _Function(_empty),
    "numpy.core.numeric._frombuffer": _Function(_from_buffer),
    "numpy._core.numeric._frombuffer": _Function(_from_buffer),
    "_codecs.encode": _Function(_encoded),  # how old pickles hold bytes
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """A stand-in of the few functions that arrays need."""
        if (found := FUNCTIONS.get(f"{module}.{name}")) is None:
            raise InputError(f"holds {module}.{name}")
        return found


def read_pickle(path: Path) -> Any:
    """What a pickle holds: lists, dictionaries, text, numbers, and `ArrayStandIn` for arrays.

    Raises:
        InputError: If it is no pickle, is cut off, or holds anything else; nothing of it is run.
    """
    check_file(path)
    try:
        with path.open("rb") as file:
            return _Unpickler(file, encoding="latin-1").load()
    except InputError as error:
        raise InputError(
            f"{path} {error}: of pickles, numpy arrays in lists and dictionaries alone are read"
        ) from error
    except Exception as error:  # a damaged pickle may raise anything
        raise InputError(f"{path} is no pickle, or damaged: {error}") from error
