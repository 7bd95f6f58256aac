"""Passes that go on at once: each in a thread of its own, one frame ahead of what is kept of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from functools import partial
from typing import TypeVar

import torch

from pixelkin.background import prefetch

T = TypeVar("T")
V = TypeVar("V")


class Abreast:
    """Divides torch's threads among calls that are made at once.

    With one thread, calls are made where and when their results are asked for.

    Args:
        count: How many times `ahead` will be used.
        threads: To be divided; those of the thread that computes if None.
    """

    def __init__(self, count: int, threads: int | None = None) -> None:
        self._before = torch.get_num_threads()
        self._threads = threads or self._before
        self._left = count
        self._lock = threading.Lock()
        self._own = threading.local()

    def ahead(
        self, call: Callable[[T], V], items: Iterable[T]
    ) -> Generator[tuple[T, Callable[[], V]], None, None]:
        """Each item, and what gives the result of the call for it.

        Calls are made in the order of the items, in a thread that is one call ahead. When the
        generator is closed, it waits for the call that is under way.

        Args:
            call: Made for each item.
            items: Iterated over in the same thread.
        """
        if self._threads == 1:
            yield from ((item, partial(call, item)) for item in items)
            return
        try:
            with closing(prefetch(self._results(call, items), 1)) as found:
                for item, result in found:
                    yield item, partial(_same, result)
        finally:
            with self._lock:
                self._left -= 1
            torch.set_num_threads(self._before)  # for threads that others begin

    def take_share(self) -> None:
        """Have the thread that asks compute on its share of the threads, as it is now."""
        if self._threads == 1:
            return
        share = max(1, self._threads // max(1, self._left))
        if getattr(self._own, "share", None) != share:
            torch.set_num_threads(share)  # of this thread, and of those that begin after it
            self._own.share = share

    def _results(
        self, call: Callable[[T], V], items: Iterable[T]
    ) -> Generator[tuple[T, V], None, None]:
        for item in items:
            self.take_share()
            yield item, call(item)


def _same(value: V) -> V:
    return value
