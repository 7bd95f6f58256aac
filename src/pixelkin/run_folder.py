"""Who owns a folder of results: one process at a time, one run, and only the files of that run.

    with RunFolder(out, "propagation") as folder:
        folder.claim(settings, overwrite=False)              # refuses, or locks; changes nothing
        folder.begin()                                       # what is replaced goes, the mark comes
        write_mask(folder.file("masks/00000.png"), labels)   # listed before it is written
        folder.finish()

    OUT/run.json          the mark: kind, format and settings of the run, and whether it is complete
    OUT/.pixelkin-files   every file that the run has written or was about to; no other is removed
    OUT/.pixelkin-lock    there, and locked, while a process works in the folder

A process may be killed at any moment: the same command then goes on. The list comes before the
mark, so a list without a mark is a run that was being begun, or replaced. Nothing outside of the
folder is touched: no folder that is a link is written through.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from enum import Enum
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, Self

from pixelkin.files import remove_leftovers, temporary_of, write_json, write_text
from pixelkin.locks import LOCK, Lock
from pixelkin.reading import read_json
from pixelkin.types import InputError

Other = Callable[[Mapping[str, Any], Sequence[str]], str]
FORMAT = 1  # of the mark and the list; folders of version 0.1 have none
LIST = ".pixelkin-files"
HEADER = "files written by pixelkin; with --overwrite these are removed, and no others"
# What a folder may hold and still count as empty: left there by desktops, and by us.
NOTHING = frozenset({".DS_Store", "Thumbs.db", "desktop.ini", LOCK})


def check_empty(folder: Path, own: Collection[str] = ()) -> None:
    """Check that nobody's files are in a folder that is about to become a run's.

    Args:
        folder: May be missing.
        own: Names in it that are the run's.

    Raises:
        InputError: If it is a file, or holds something else.
    """
    if folder.is_dir():
        fine = NOTHING | set(own)
        names = (path.name for path in folder.iterdir())
        others = sorted(n for n in names if n not in fine and temporary_of(n) not in own)
        if others:
            raise InputError(
                f"{folder} holds something else, {others[0]}, and is not a run's folder: choose "
                "another"
            )
    elif folder.exists():
        raise InputError(f"{folder} is a file, and is not a run's folder: choose another")


class Standing(Enum):
    """How far the run of the settings that were given has come."""

    NEW = "new"
    UNFINISHED = "unfinished"
    COMPLETE = "complete"


class RunFolder:
    """The folder of one run.

    Args:
        folder: The folder.
        kind: Of the run, such as "propagation"; another kind's folder is refused.
        other: Says in words what another run in the folder is, by its settings and by which of them
            differ, for the refusal: "run with another" and their names by default.

    Attributes:
        folder: The folder.
        kind: As given.
        standing: How far the claimed run has come; None before `claim`, and in processes that write
            into a folder that another one of theirs has claimed.
        progress: What the mark says beside the settings; `note` keeps it.
    """

    def __init__(self, folder: Path, kind: str, other: Other | None = None) -> None:
        self.folder = folder
        self.kind = kind
        self._other = other or (lambda _, changed: f"run with another {', '.join(changed)}")
        self._mark = folder / "run.json"
        self._list = folder / LIST
        self._lock = Lock(folder / LOCK)
        self._settings: dict[str, Any] = {}
        self.standing: Standing | None = None
        self.progress: dict[str, Any] = {}
        self._names: set[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    @property
    def held(self) -> bool:
        """Whether nobody else can claim the folder now."""
        return self._lock.held

    def release(self) -> None:
        """Let others claim the folder."""
        self._lock.close()

    def claim(self, settings: Mapping[str, Any], *, overwrite: bool = False) -> Standing:
        """Lock the folder for a run of these settings, or refuse; nothing is replaced yet.

        Args:
            settings: Everything that decides the results, ready for JSON.
            overwrite: Whether a finished run, or a run of other settings, may be replaced. An
                unfinished one of these settings is continued.

        Raises:
            InputError: If the folder is in use, or holds another run or something else.
        """
        self._settings = json.loads(json.dumps(settings))
        self._look(overwrite)  # before anything is touched
        self.lock()
        self.standing = self._look(overwrite)  # it may have changed
        if self.standing is Standing.NEW:
            self.progress = {}
        return self.standing

    def matches(self, settings: Mapping[str, Any]) -> bool:
        """Whether the folder is marked by a run of these settings."""
        try:
            known = read_json(self._mark)
        except (OSError, ValueError, RecursionError):
            return False
        wanted = {"kind": self.kind, "format": FORMAT, **json.loads(json.dumps(settings))}
        return isinstance(known, dict) and wanted == {
            k: v for k, v in known.items() if k not in ("progress", "complete")
        }

    def lock(self) -> None:
        """Keep others out, and tidy up behind killed writers.

        Raises:
            InputError: If the folder is in use, or cannot be written to.
        """
        self._check_own()
        self._lock.acquire()
        self._names = self._listed()
        if self._names is not None and not self._list.read_bytes().endswith(b"\n"):
            self._write_list(self._names)  # a power failure cut it off
        listed = (self.folder / name for name in self._names or () if not self._leads_out(name))
        remove_leftovers([self._mark, self._list, *listed])

    def begin(self) -> None:
        """Make the folder this run's own, if it has not been begun yet."""
        if self.standing is not Standing.NEW:
            return
        self._mark.unlink(missing_ok=True)
        old = sorted(name for name in self._names or () if not self._leads_out(name))
        for name in old:
            self.remove(name)
        inside = {f for name in old for f in PurePosixPath(name).parents if f.parts}
        for folder in sorted(inside, reverse=True):  # what lies in one comes before it
            with suppress(OSError):  # not empty: files of others are in it
                (self.folder / folder).rmdir()
        self._write_list(())
        self._write_mark(complete=False)
        self.standing = Standing.UNFINISHED

    def note(self, progress: Mapping[str, Any]) -> None:
        """Keep in the mark how far the run has come; it decides nothing here."""
        self.progress = dict(progress)
        self._write_mark(complete=False)

    def finish(self) -> None:
        """Mark the run as complete."""
        self._write_list(n for n in self._listed() or () if (self.folder / n).is_file())
        self._write_mark(complete=True)
        self.standing = Standing.COMPLETE

    def file(self, name: str) -> Path:
        """The path of a file of the run, to be written; it is listed before that.

        Args:
            name: Below the folder, with forward slashes.

        Raises:
            InputError: If the name leads out of the folder, or there is a file of this name that
                the run has not written.
        """
        path = self.folder / name
        if self._leads_out(name):
            raise InputError(f"{path} leads out of {self.folder}, by its name or over a link")
        known = self._known()
        if name not in known:
            if path.exists() or path.is_symlink():
                raise InputError(
                    f"{path} is not of this run: move it away, or choose another folder"
                )
            with self._list.open("ab", buffering=0) as file:
                file.write(f"{json.dumps(name)}\n".encode())
            known.add(name)
        return path

    def remove(self, name: str) -> None:
        """Remove a file of the run, if it is there."""
        if name in self._known() and not self._leads_out(name):
            with suppress(IsADirectoryError, PermissionError):  # not as the run left it
                (self.folder / name).unlink(missing_ok=True)

    def _look(self, overwrite: bool) -> Standing:
        """What the folder is to a run of these settings."""
        self._check_own()
        if not self._mark.is_file():
            left = [name for name in self._listed() or () if (self.folder / name).is_file()]
            if left and not overwrite:
                raise InputError(
                    f"{self.folder} holds {len(left)} results of a run whose {self._mark.name} is "
                    "gone: --overwrite replaces them"
                )
            return Standing.NEW
        known = self._read_mark(overwrite)
        if known is None:
            return Standing.NEW
        complete, self.progress = known.pop("complete", False), known.pop("progress", {})
        if known == self._settings and not (complete and overwrite):
            return Standing.COMPLETE if complete else Standing.UNFINISHED
        if overwrite:
            return Standing.NEW
        keys = [*self._settings, *(k for k in known if k not in self._settings)]
        changed = [k for k in keys if known.get(k) != self._settings.get(k)]
        raise InputError(
            f"{self.folder} holds {'a finished' if complete else 'an unfinished'} "
            f"{self._other(known, changed)}: --overwrite replaces it"
        )

    def _check_own(self) -> None:
        """Raise InputError if the folder is nobody's run and not empty either."""
        if not self._mark.is_file() and self._listed() is None:
            check_empty(self.folder, (self._mark.name, LIST))

    def _read_mark(self, overwrite: bool) -> dict[str, Any] | None:
        """The settings in the mark; None if it is damaged and may be replaced."""
        listed = self._listed() is not None
        try:
            known = read_json(self._mark)
        except (ValueError, RecursionError) as error:
            if overwrite and listed:
                return None
            hint = "--overwrite replaces the run" if listed else "choose another folder"
            raise InputError(f"{self._mark} is damaged ({error}): {hint}") from error
        if not isinstance(known, dict) or known.pop("kind", None) != self.kind:
            raise InputError(
                f"{self._mark} is not of {self.kind} by pixelkin: choose another folder"
            )
        if known.pop("format", None) != FORMAT or not listed:
            raise InputError(
                f"{self.folder} was written by another version of pixelkin, or its {LIST} is lost: "
                "choose another folder"
            )
        return known

    def _write_mark(self, *, complete: bool) -> None:
        head = {"kind": self.kind, "format": FORMAT}
        mark = {**head, **self._settings, "progress": self.progress, "complete": complete}
        write_json(self._mark, mark)

    def _known(self) -> set[str]:
        """The names in the list, which is read once."""
        if self._names is None:
            self._names = self._listed() or set()
        return self._names

    def _listed(self) -> set[str] | None:
        """The names in the list; None if there is none of ours."""
        try:
            if self._list.is_symlink():
                return None
            head, *lines = self._list.read_text(encoding="utf-8").split("\n")
        except (OSError, ValueError):
            return None
        return set(_names(lines[:-1])) if head == HEADER else None

    def _write_list(self, names: Iterable[str]) -> None:
        self._names = set(names)
        write_text(self._list, "\n".join([HEADER, *map(json.dumps, sorted(self._names)), ""]))

    def _leads_out(self, name: str) -> bool:
        """Whether a name below the folder leads out of it: upwards, from the root, over a link."""
        pure = PurePosixPath(name)
        folders = (self.folder / folder for folder in pure.parents if folder.parts)
        return pure.is_absolute() or ".." in pure.parts or any(f.is_symlink() for f in folders)


def _names(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        with suppress(ValueError):
            yield str(json.loads(line))
