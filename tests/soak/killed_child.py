"""One command in a fork that is killed, or told to end, at a moment of its own.

Torch is imported once, before the forks: so moments fall into the work, not into its start.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import random
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
WRITES = ("os.rename", "os.remove", "os.mkdir", "os.truncate")


@dataclass(frozen=True)
class Stop:
    """When a command is stopped, and by what.

    Attributes:
        signal: That ends it.
        after: Seconds; or None, where it happens at a write.
        write: Which of its writes: names that are given, files that are opened to be written,
            removed or flushed to the disk. Counted from 1.
        torn: Whether a file that is about to get its name is cut off before.
    """

    signal: int = signal.SIGKILL
    after: float | None = None
    write: int = 0
    torn: bool = False


class Writes:
    """Counts what a process does to files below a folder, and stops it at one of these moments."""

    def __init__(self, folder: Path, stop: Stop, count: Path) -> None:
        self.folder, self.stop, self.count = str(folder), stop, count
        self.process, self.done = os.getpid(), 0
        self._fsync = os.fsync

    def install(self) -> None:
        sys.addaudithook(self.heard)

        def fsync(file: int) -> None:
            self.happens(None)
            self._fsync(file)

        os.fsync = fsync

    def heard(self, event: str, given: tuple[object, ...]) -> None:
        if event == "open":
            path, _, flags = given
            if not (isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR)):
                return
        elif event in WRITES:
            path = given[0]
        else:
            return
        if isinstance(path, str | os.PathLike) and self.folder in str(Path(path).absolute()):
            self.happens(os.fspath(path) if event == "os.rename" else None)

    def happens(self, renamed: str | None) -> None:
        if os.getpid() != self.process:  # a worker that reads data
            return
        self.done += 1
        if self.done == self.stop.write:
            if self.stop.torn and renamed and Path(renamed).is_file():
                self.done += 10**6
                os.truncate(renamed, Path(renamed).stat().st_size // 2)
            os.kill(self.process, self.stop.signal)

    def keep(self) -> None:
        self.count.write_text(str(self.done))


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code (-9 if killed), what it printed, seconds, writes."""

    code: int
    told: str
    seconds: float
    writes: int


def run(work: Callable[[], int], folder: Path, stop: Stop | None = None) -> Ended:
    """Do some work in a fork, which may be stopped.

    Args:
        work: Gives the exit code.
        folder: Whose writes count.
        stop: When.
    """
    log, count = folder.parent / f".{folder.name}.log", folder.parent / f".{folder.name}.count"
    count.unlink(missing_ok=True)
    ready, tells = os.pipe()
    child = os.fork()
    if not child:
        _child(work, folder, stop or Stop(), log, count, tells)
    os.close(tells)
    os.read(ready, 1)  # its work begins
    os.close(ready)
    began = time.monotonic()
    code: int | None = None
    sent = stop is None or stop.after is None
    while code is None:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            code = os.waitstatus_to_exitcode(status)
        elif not sent and time.monotonic() - began >= stop.after:
            os.kill(child, stop.signal)
            sent = True
        else:
            time.sleep(0.002)
    seconds = time.monotonic() - began
    writes = int(count.read_text()) if count.exists() else 0
    return Ended(code, log.read_text(errors="replace"), seconds, writes)


def start(work: Callable[[], int], folder: Path) -> tuple[int, Path]:
    """Begin some work in a fork; its process, and the file where stands what it tells."""
    log, count = folder.parent / f".{folder.name}.first", folder.parent / f".{folder.name}.ignored"
    child = os.fork()
    if not child:
        _child(work, folder, Stop(), log, count, os.open(os.devnull, os.O_WRONLY))
    return child, log


def forked(work: Callable[[], T]) -> T:
    """What some work gives that is done in a fork, so that this process stays without threads."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        code = 1
        try:
            with os.fdopen(writing, "wb") as pipe:
                pickle.dump(work(), pipe)
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        content = pipe.read()
    os.waitpid(child, 0)
    result: T = pickle.loads(content)
    return result


def _child(
    work: Callable[[], int], folder: Path, stop: Stop, log: Path, count: Path, ready: int
) -> None:
    code = 70
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(out, 1), os.dup2(out, 2)
        sys.stdout = os.fdopen(1, "w", closefd=False)
        sys.stderr = os.fdopen(2, "w", closefd=False)
        writes = Writes(folder, stop, count)
        writes.install()
        os.write(ready, b"!")
        os.close(ready)
        code = work()
        writes.keep()
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush(), sys.stderr.flush()
        os._exit(code)


def drawn(rng: random.Random, whole: Ended, number: int, kill: int = signal.SIGKILL) -> Stop:
    """A stop: at a moment of the time that the work takes, or at one of its writes, in turn."""
    if number % 2:
        return Stop(kill, write=rng.randint(1, max(1, whole.writes)), torn=kill == signal.SIGKILL)
    return Stop(kill, after=rng.uniform(0.02, 0.98) * whole.seconds)
