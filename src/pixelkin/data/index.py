"""Which videos a set of folders holds: found by name, opened once, remembered in a cache file.

A video is a video file or a folder of images, by itself or in a pack (see `packed`). What cannot be
read, or has a frame that cannot be (see `flaws`), is reported through `logging` and left out, never
fatal. Knows nothing about what the videos are used for.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import logging
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pixelkin.data.flaws import flaw_in
from pixelkin.data.packed import is_pack, open_pack
from pixelkin.files import stamp, write_text
from pixelkin.types import InputError
from pixelkin.video.images import opened, pages_of
from pixelkin.video.reader import open_video
from pixelkin.video.suffixes import IMAGES, STACKS, VIDEOS

# What nobody takes for a video. A file of any other suffix is opened to see.
OTHER_NAMES = re.compile(
    r".*\.(txt|md|rst|jsonl?|xml|csv|tsv|ya?ml|toml|ini|cfg|log|html?|pdf|docx?|py|ipynb|sh|c|cpp|h|m"
    r"|mat|np[yz]|h5|hdf5|pkl|pth?|ckpt|onnx|safetensors|parquet|arrow|db|sqlite|zip|tar|t?gz|bz2|xz"
    r"|7z|rar|md5|sha\d+|wav|mp3|aac|flac|m4a|oga|opus|srt|vtt|ass|sub|url|lnk|part|tmp|bak|lock)",
    re.IGNORECASE,
)
RESULT = frozenset({"run.json", ".pixelkin-files"})  # are in the folder of a run or a training
_NAMED = 3  # names of videos that show what a pattern should fit
LABEL_FOLDERS = frozenset({"annotations", "masks", "labels", "segmentations"})
_VERSION = 4
_CACHED = {"stamp", "content", "error", "flaw", "note", "frames", "height", "width"}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """One readable video.

    Attributes:
        path: Absolute path of the file, of the folder of images, or of the pack.
        name: Path below the folder in which it was found, with forward slashes.
        stamp: Changes whenever the files are written: size and time of modification.
        frames: Number of frames, at least 1.
        height: Of its frames, in pixels.
        width: As `height`.
        packed: Whether it is one of the videos of a pack.
        content: Digest of what its files hold, see `files.stamp`.
    """

    path: str
    name: str
    stamp: str
    frames: int
    height: int
    width: int
    packed: bool = False
    content: str = ""


def index_videos(
    roots: Sequence[str | Path],
    cache: Path,
    *,
    exclude: Sequence[str] = (),
    progress: Callable[[int, int], None] | None = None,
    unreadable: dict[str, str] | None = None,
    flawed: bool = False,
) -> list[Source]:
    """All readable videos below `roots`, in an order that depends on names alone.

    Args:
        roots: Folders to search, single video files, or packs.
        cache: JSON file that remembers what earlier calls found; made or renewed atomically.
        exclude: Shell patterns of names (see `Source.name`) to leave out, such as "jhmdb*"; of one
            that fits no name a line is logged.
        progress: Called with (videos looked at, of how many) after each.
        unreadable: Is given the names of those that cannot be read, and why.
        flawed: Whether folders of images are wanted of which a frame cannot be read, for who takes
            the others.

    Raises:
        InputError: If a root does not exist, or nothing readable is found.
    """
    packs = [root for root in map(Path, roots) if is_pack(root)]
    roots = [root for root in map(Path, roots) if root not in packs]
    known, excluded = _read_cache(cache), _Excluded(exclude)
    found = [s for pack in packs for s in _packed(pack.absolute(), excluded)]
    fresh: dict[str, dict[str, object]] = {}
    broken, noted = 0, defaultdict[str, list[Path]](list)
    candidates = list(_find(roots, excluded))
    excluded.tell()
    try:
        for i, (path, name) in enumerate(candidates, start=1):
            entry = known.get(str(path))
            try:
                stamp = _stamp(path)
            except OSError as error:
                entry = {"error": _why(path, error)}
            else:
                if entry is None or entry.get("stamp") != stamp:
                    entry = fresh[str(path)] = {"stamp": stamp, **_inspect(path)}
            facts = {key: value for key, value in entry.items() if key not in ("flaw", "note")}
            why = entry.get("error") or (None if flawed else entry.get("flaw"))
            if why:
                broken += 1
                log.warning("left out %s: %s", path, str(why).removeprefix(f"{path}: "))
                if unreadable is not None:
                    unreadable[name] = str(why)
            else:
                if "note" in entry:
                    note = str(entry["note"])
                    noted[note].append(path)
                    facts["stamp"] = f"{stamp} {note}"  # frames that are kept are of a range
                found.append(Source(path=str(path), name=name, **facts))  # type: ignore[arg-type]
            if progress is not None:
                progress(i, len(candidates))
    finally:  # who is interrupted after an hour does not begin anew
        if fresh:
            try:
                _write_cache(cache, _read_cache(cache) | fresh)
            except (OSError, InputError) as error:  # costs time in the next call
                log.warning("what was found is not kept: %s", error)
    for note, (path, *others) in noted.items():
        more = f" (and {len(others)} more of which that is so)" if others else ""
        log.warning("%s%s: %s", path, more, note)
    if not found:
        raise InputError(
            f"no readable video in {', '.join(map(str, roots))}"
            + (f" ({broken} could not be read)" if broken else "")
            + f": give folders with video files ({', '.join(sorted(VIDEOS))}, ...) "
            "or with folders of images, or packs of frames"
        )
    return found


def source_of(video: str | Path) -> Source:
    """One video as `open_video` takes it, a pattern among them; nothing is searched.

    Raises:
        InputError: If it cannot be opened, or an image of the folder that it is cannot be read.
    """
    reader = open_video(video, check=False)
    if (flaw := flaw_in(reader)) is not None:
        raise InputError(flaw)
    content = stamp(reader.paths, named=False)
    mark = content
    if reader.ranged is not None:
        log.warning("%s: %s", video, reader.ranged)
        mark = f"{content} {reader.ranged}"
    path = Path(video).expanduser().absolute()
    facts = len(reader), reader.info.height, reader.info.width
    return Source(str(path), path.name, mark, *facts, content=content)


class _Excluded:
    """Whether a name is left out, and which patterns have left out none."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns, self._idle = patterns, list(dict.fromkeys(patterns))
        self._names: set[str] = set()

    def __call__(self, name: str) -> bool:
        fitting = [p for p in self._patterns if fnmatch.fnmatch(name, p)]
        self._idle = [p for p in self._idle if p not in fitting]
        self._names.add(name)
        return bool(fitting)

    def tell(self) -> None:
        """Say which patterns fit nothing, and what names are like."""
        names = sorted(self._names)
        shown = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
        for pattern in self._idle if names else ():
            log.warning("exclude %r fits no video, so it leaves none out: %s", pattern, shown)


def _packed(pack: Path, excluded: Callable[[str], bool]) -> Iterator[Source]:
    """The videos of a pack. Their stamps are of what they hold, not of when it was written."""
    for name, video in open_pack(pack).items():
        if not excluded(name):
            yield Source(
                str(pack),
                name,
                f"{video.digest}-0",
                len(video),
                video.height,
                video.width,
                packed=True,
                content=video.digest,
            )


def digest(sources: Sequence[Source]) -> str:
    """A hash of what the index holds, wherever it lies on disk."""
    facts = [(s.name, s.frames, s.height, s.width) for s in sources]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def digest_of_files(sources: Sequence[Source]) -> str:
    """A hash that also changes when files are replaced by others of the same shape.

    It knows what they hold, not their times, which a copy of the data does not keep.
    """
    facts = [(s.name, s.content) for s in sources]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _find(
    roots: Sequence[str | Path], excluded: Callable[[str], bool]
) -> Iterator[tuple[Path, str]]:
    """(absolute path, name below its root) of everything that looks like a video."""
    seen: set[str] = set()
    for root in map(Path, roots):
        if not root.exists():
            raise InputError(f"{root} does not exist: give folders of videos, or video files")
        root = root.absolute()
        candidates = [root] if root.is_file() else _walk(root)
        for path in candidates:
            name = root.name if path == root else path.relative_to(root).as_posix()
            if excluded(name) or os.path.realpath(path) in seen:
                continue
            seen.add(os.path.realpath(path))
            yield path, name


def _walk(root: Path) -> Iterator[Path]:
    visited: set[str] = set()

    def skipped(error: OSError) -> None:
        log.warning("left out %s: %s", error.filename, error.strerror)

    for top, folders, files in os.walk(root, onerror=skipped, followlinks=True):
        if os.path.realpath(top) in visited:  # a link back up
            folders.clear()
            continue
        visited.add(os.path.realpath(top))
        if Path(top) != root and RESULT.issubset(files):
            log.warning("left out %s: what pixelkin wrote", top)
            folders.clear()
            continue
        for label_folder in [f for f in folders if f.lower() in LABEL_FOLDERS]:
            log.info("left out %s: holds labels, judging by its name", Path(top, label_folder))
        folders[:] = sorted(
            f for f in folders if not f.startswith(".") and f.lower() not in LABEL_FOLDERS
        )
        shown = sorted(Path(top, f) for f in files if not f.startswith("."))
        images = [f for f in shown if f.suffix.lower() in IMAGES]
        broken = [f for f in images if not f.is_file()]
        whole = [f for f in images if f not in broken]
        if whole and _is_stack(whole[0]):
            yield from whole
        elif whole:
            yield Path(top)
        yield from broken
        others = (f for f in shown if f.suffix.lower() not in IMAGES)
        yield from (f for f in others if not OTHER_NAMES.fullmatch(f.name))


def _is_stack(image: Path) -> bool:
    """Whether an image file is a video of its own."""
    if image.suffix.lower() not in STACKS:
        return False
    try:
        with opened(image) as first:
            return len(pages_of(first)) > 1
    except InputError:
        return False


def _why(path: Path, error: OSError) -> str:
    if path.is_symlink() and not path.exists():
        return f"a link to {path.readlink()}, which is not there"
    return error.strerror or str(error)


def _stamp(path: Path) -> str:
    if not path.is_dir():
        stat = path.stat()
        return f"{stat.st_size}-{stat.st_mtime_ns}"
    with os.scandir(path) as entries:
        images = (e for e in entries if Path(e.name).suffix.lower() in IMAGES)
        stats = [e.stat() for e in images if e.is_file()]
    return f"{len(stats)}-{sum(s.st_size for s in stats)}-{max(s.st_mtime_ns for s in stats)}"


def _inspect(path: Path) -> dict[str, object]:
    """Of a video that can be opened frame count, size, flaw and note, else its error."""
    try:
        reader = open_video(path, check=False)
        info, content, flaw = reader.info, stamp(reader.paths, named=False), flaw_in(reader)
    except Exception as error:  # whatever a damaged file does to a decoder, the others go on
        return {"error": (str(error) or type(error).__name__).strip().splitlines()[0]}
    facts: dict[str, object] = {"frames": info.frames, "height": info.height, "width": info.width}
    said = {"content": content, "flaw": flaw, "note": reader.ranged}
    return facts | {name: what for name, what in said.items() if what is not None}


def _read_cache(cache: Path) -> dict[str, dict[str, object]]:
    try:
        content = json.loads(cache.read_text(encoding="utf-8"))
        if content["version"] == _VERSION:
            known = content["videos"].items()
            return {path: dict(v) for path, v in known if {"stamp", *v} <= _CACHED}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        pass  # a cache that is missing or damaged is built anew
    return {}


def _write_cache(cache: Path, videos: dict[str, dict[str, object]]) -> None:
    write_text(cache, json.dumps({"version": _VERSION, "videos": videos}))
