"""Prefetching and background writing: one more thread, a bounded number of frames, the same order.

The work is done by torch, Pillow and FFmpeg, which let other threads of Python run meanwhile.
"""

from __future__ import annotations

import ctypes
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from types import TracebackType
from typing import Any, TypeVar

from pixelkin.checks import check_number

T = TypeVar("T")
_END: Any = object()


def give_back_memory() -> None:
    """Give memory that is free back to the system, where the C library has a way (glibc).

    What threads free for each other is left in pieces, which add up over thousands of frames.
    """
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def prefetch(items: Iterable[T], depth: int = 2) -> Generator[T, None, None]:
    """The same items in the same order, computed in another thread while earlier ones are used.

    An exception of `items` comes after the items before it. When the generator is closed or
    dropped, the thread ends with the item that it is at. A local variable is not dropped while a
    traceback holds its frame: use `contextlib.closing` for one.

    Args:
        items: Iterated over in the other thread alone.
        depth: How many items may be ready or under way beyond the one in use, at least 1.

    Raises:
        ValueError: With the first item, if `depth` is less than 1.
    """
    check_number("depth", depth, least=1)
    iterator = iter(items)
    with ThreadPoolExecutor(1, "prefetch") as thread:
        coming = deque(thread.submit(next, iterator, _END) for _ in range(depth))
        try:
            while (item := coming.popleft().result()) is not _END:
                coming.append(thread.submit(next, iterator, _END))
                yield item
        finally:
            for future in coming:
                future.cancel()


class BackgroundWriter:
    """Calls made in another thread, one after the other, while the caller goes on.

    What a call raises is raised by a later call, by `wait`, or at the end of the `with` block. If
    the block itself raises, calls that wait are still made, but what they raise is lost.

    Args:
        depth: How many calls may wait or be under way, at least 1.

    Raises:
        ValueError: If `depth` is less than 1.

    Example:
        >>> with BackgroundWriter() as writer:
        ...     writer(print, "frame 0 is written")
        frame 0 is written
    """

    def __init__(self, depth: int = 4) -> None:
        check_number("depth", depth, least=1)
        self.depth = depth
        self._calls: deque[Future[object]] = deque()
        self._thread = ThreadPoolExecutor(1, "writer")

    def __enter__(self) -> BackgroundWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._thread:
            if error is None:
                self.wait()

    def __call__(self, function: Callable[..., object], *arguments: object) -> None:
        """Have `function(*arguments)` called."""
        self.wait(self.depth - 1)
        self._calls.append(self._thread.submit(function, *arguments))

    def wait(self, left: int = 0) -> None:
        """Wait until at most `left` calls are not done."""
        while len(self._calls) > left:
            self._calls.popleft().result()
