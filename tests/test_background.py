"""Prefetching and background writing: order, bounds, errors where they belong, no thread left."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from pixelkin.background import BackgroundWriter, prefetch


def until(holds: Callable[[], bool]) -> bool:
    """Whether something becomes true within a minute."""
    end = time.monotonic() + 60
    while not holds() and time.monotonic() < end:
        time.sleep(0.001)
    return holds()


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


@pytest.mark.parametrize("count", [0, 1, 2, 3, 50])
def test_ahead_gives_the_same_in_order_from_one_other_thread(count: int) -> None:
    threads = set()

    def items() -> Iterator[int]:
        for i in range(count):
            threads.add(threading.current_thread())
            yield i

    assert list(prefetch(items())) == list(range(count))
    assert len(threads) == min(count, 1) and threading.current_thread() not in threads


@pytest.mark.parametrize("depth", [1, 3])
def test_ahead_computes_depth_items_and_no_more(depth: int) -> None:
    made: list[int] = []
    items = prefetch((made.append(i) or i for i in range(20)), depth)  # type: ignore[func-returns-value]
    assert made == []
    for used in range(5):
        assert next(items) == used
        assert until(lambda used=used: len(made) == used + 1 + depth)  # type: ignore[misc]
        time.sleep(0.01)
        assert len(made) == used + 1 + depth
    items.close()


@pytest.mark.parametrize("depth", [0, -1])
def test_a_depth_below_one_is_refused(depth: int) -> None:
    with pytest.raises(ValueError, match=f"depth: {depth} must be at least 1"):
        next(prefetch([1], depth))
    with pytest.raises(ValueError, match=f"depth: {depth} must be at least 1"):
        BackgroundWriter(depth)


def test_an_exception_comes_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield from range(3)
        raise OSError("broken frame")

    seen = []
    with pytest.raises(OSError, match="broken frame"):
        for item in prefetch(items(), 5):
            seen.append(item)
    assert seen == [0, 1, 2]


@pytest.mark.parametrize("how", ["break", "drop", "raise"])
def test_ahead_ends_with_its_user(how: str) -> None:
    closed = threading.Event()

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 0
        finally:
            closed.set()

    items = prefetch(endless())
    next(items)
    if how == "raise":
        with pytest.raises(ZeroDivisionError):
            for _ in items:
                1 / 0  # noqa: B018
    elif how == "break":
        for _ in items:
            break
    del items
    assert closed.is_set()  # files that `items` has open are closed


def test_a_program_ends_though_its_iterator_was_not_used_up() -> None:
    code = (
        "import itertools\n"
        "from pixelkin.background import BackgroundWriter, prefetch\n"
        "items, writer = prefetch(itertools.count()), BackgroundWriter()\n"
        "writer(print, next(items))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "0\n", "")


def test_behind_calls_in_order_and_has_called_when_it_ends() -> None:
    called: list[int] = []

    def slow(i: int) -> None:
        time.sleep(0.002)
        called.append(i)

    with BackgroundWriter() as writer:
        for i in range(10):
            writer(slow, i)
        writer.wait()
        assert called == list(range(10))
        for i in range(10, 20):
            writer(slow, i)
    assert called == list(range(20))


def test_no_more_than_depth_calls_wait() -> None:
    gate = threading.Event()
    with BackgroundWriter(depth=3) as writer:
        for _ in range(3):
            writer(gate.wait)
        threading.Timer(0.05, gate.set).start()
        writer(int)
        assert gate.is_set()  # the fourth call waited for the first


@pytest.mark.parametrize("after", [0, 1, 9])
def test_an_error_behind_reaches_the_caller(after: int) -> None:
    def fail() -> None:
        raise OSError(28, "No space left on device")

    submitted = []
    with pytest.raises(OSError, match="No space"), BackgroundWriter(depth=2) as writer:
        writer(fail)
        for i in range(after):
            writer(int)
            submitted.append(i)
    assert len(submitted) <= 1


def test_an_error_of_the_block_is_the_one_that_is_raised() -> None:
    called: list[int] = []

    def fail() -> None:
        raise OSError("later")

    with pytest.raises(KeyboardInterrupt), BackgroundWriter() as writer:
        writer(called.append, 1)
        writer(fail)
        writer(called.append, 2)
        raise KeyboardInterrupt
    assert called == [1, 2]
