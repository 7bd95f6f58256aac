"""Readers that are libraries in C run in a process of their own, with limits.

HDF5's library has been crashed by damaged files, and believes what they say of their sizes. What
the other process has read comes back as pixelkin's own arrays (`npz`), which are checked like any
file; so neither a crash nor a hang there is one here.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from functools import wraps
from importlib import import_module
from pathlib import Path

from pixelkin.files import write_json
from pixelkin.formats import npz
from pixelkin.formats.damages import DAMAGES, told
from pixelkin.formats.writing import Writing
from pixelkin.reading import LABELS_BYTES, check_file, read_json
from pixelkin.types import Annotations, InputError, VideoInfo

REFUSED = 2  # exit code
SECONDS_AND = 20  # of computing that a small file may take
SECONDS_A_MB = 2
MEMORY, MEMORY_A_BYTE = 2 * 2**30, 20  # of addresses

Load = Callable[[Path, VideoInfo], Annotations]
_INSIDE = False  # whether this is the other process


def isolated(load: Load) -> Load:
    """The same reader, a function of a module, run in another process.

    It raises InputError as the reader, or if the other process crashes or exceeds its limits.
    """

    @wraps(load)
    def safely(path: Path, video: VideoInfo) -> Annotations:
        return load(path, video) if _INSIDE else _elsewhere(load, path, video)

    return safely


@contextmanager
def inside() -> Iterator[None]:
    """Within it readers run in this process, unguarded: for files that are trusted."""
    global _INSIDE
    before, _INSIDE = _INSIDE, True
    try:
        yield
    finally:
        _INSIDE = before


def _elsewhere(load: Load, path: Path, video: VideoInfo) -> Annotations:
    check_file(path, LABELS_BYTES)
    with tempfile.TemporaryDirectory(prefix="pixelkin-") as folder:
        asked, answer = Path(folder) / "video.json", Path(folder) / "labels.npz"
        write_json(asked, asdict(video))
        program = "import sys; from pixelkin.formats import isolated; sys.exit(isolated.main())"
        command = [sys.executable, "-P", "-c", program, load.__module__, load.__name__]
        command += [str(path), str(asked), str(answer)]
        limit = 3 * _seconds(path) + 60  # of the clock, for machines with other things to do
        try:
            ended = subprocess.run(command, capture_output=True, timeout=limit, check=False)
        except subprocess.TimeoutExpired as error:
            raise InputError(f"{path} is damaged: reading it does not end") from error
        if ended.returncode or not answer.exists():
            said = ended.stdout.decode("utf-8", "replace").strip().splitlines()
            if ended.returncode == REFUSED and said:
                raise InputError(said[-1])
            raise InputError(f"{path} is damaged: the library that reads it crashed")
        found = npz.load(answer, video)
        frames = {number: found.frames[number] for number in found.frames}
        notes = tuple(map(str, read_json(answer.with_suffix(".json"))))
    sources = dict.fromkeys(frames, str(path))
    return replace(found, frames=frames, sources=sources, notes=notes)


def _seconds(path: Path) -> int:
    return SECONDS_AND + SECONDS_A_MB * path.stat().st_size // 2**20


def _limit(path: Path) -> None:
    """Give this process no more time and memory than reading the file can need."""
    with suppress(ImportError):  # on Windows, where there are no such limits
        import resource

        size = path.stat().st_size
        seconds, memory = _seconds(path), MEMORY + MEMORY_A_BYTE * size
        for kind, most in (
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_CPU, seconds),
            (resource.RLIMIT_AS, memory),
        ):
            _, highest = resource.getrlimit(kind)
            most = most if highest == resource.RLIM_INFINITY else min(most, highest)
            resource.setrlimit(kind, (most, highest))


def main() -> int:
    """What the other process does: read as its arguments say; its exit code."""
    with inside():
        load = getattr(import_module(sys.argv[1]), sys.argv[2])
        return _read(load, *map(Path, sys.argv[3:]))


def _read(load: Load, path: Path, asked: Path, answer: Path) -> int:
    video = read_json(asked)
    names = video.pop("names")
    info = VideoInfo(**video, names=None if names is None else tuple(names))
    _limit(path)
    try:
        found = load(path, info)
        npz.save(answer, Writing(found, info, "npz", npz.LOSES))
    except InputError as error:
        print(" ".join(str(error).split()))
        return REFUSED
    except MemoryError:
        print(f"{path} is damaged: it says that more is in it than a file of its size can hold")
        return REFUSED
    except DAMAGES as error:
        print(f"{path} is damaged, or of another format: {told(error)}")
        return REFUSED
    write_json(answer.with_suffix(".json"), list(found.notes))
    return 0
