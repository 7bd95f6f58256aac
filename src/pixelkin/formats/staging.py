"""Files of one writing, put in place together: images first, then what refers to them.

    .NAME.XXXXXXXX/       beside the file or folder NAME, or in the folder if it is there already
        writing           held by who writes
        files/            what becomes NAME, or goes into it

A folder that is not there yet appears at once. One that is there receives its files one by one, and
says so until all have come, so that it is not taken for whole if the writer is killed. What killed
writers left behind is removed when the same file or folder is written again.
"""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pixelkin.files import temporary_of
from pixelkin.locks import Lock
from pixelkin.types import InputError
from pixelkin.video.suffixes import IMAGES

UNFINISHED = ".pixelkin-unfinished"
"""A file in a folder that does not have all of its files yet."""
HELD, FILES = "writing", "files"


def check_finished(path: Path) -> None:
    """Check that a folder was written wholly.

    Raises:
        InputError: If it was not.
    """
    if (path / UNFINISHED).exists():
        raise InputError(
            f"{path} is not whole, as its writing was cut off: write it again, with --overwrite"
        )


@contextmanager
def staged_file(path: Path) -> Iterator[Path]:
    """A temporary path to write to, of the same name; it becomes `path` when the block ends well.

    Raises:
        InputError: If the folder cannot be made or written to.
    """
    with _hidden(path, path.parent) as files:
        yield files / path.name
        with _told(path):
            (files / path.name).replace(path)


@contextmanager
def staged_folder(path: Path, last: str | None = None) -> Iterator[Path]:
    """A temporary folder to write to; its files go to `path` when the block ends well.

    If the block raises, nothing has changed. Otherwise its files replace those of the same names,
    so callers that must not overwrite check first. Other files of `path` stay.

    Args:
        path: The folder; a link to one is followed.
        last: Name of the file that refers to all others, which comes last.

    Raises:
        InputError: If the folder cannot be made or written to.
    """
    there = path.is_dir()
    with _hidden(path, path if there else path.parent) as files:
        yield files
        with _told(path):
            if not there and not path.exists():
                files.replace(path)
            elif any(files.iterdir()):
                _merge(files, path, last)


def _merge(files: Path, path: Path, last: str | None) -> None:
    """Put files into a folder that is there, images first."""
    found = [file for file in files.rglob("*") if file.is_file()]
    (path / UNFINISHED).touch()
    for file in sorted(found, key=lambda f: (f.name == last, f.suffix.lower() not in IMAGES, f)):
        target = path / file.relative_to(files)
        target.parent.mkdir(parents=True, exist_ok=True)
        file.replace(target)
    (path / UNFINISHED).unlink()


@contextmanager
def _hidden(path: Path, home: Path) -> Iterator[Path]:
    """A folder for files out of sight; what killed writers of `path` left is removed before."""
    name = path.resolve().name
    temporary = home / f".{name}.{secrets.token_hex(4)}"
    with _told(path):
        home.mkdir(parents=True, exist_ok=True)
        for folder in {home, path.parent}:
            _remove_leftovers(folder, name)
        (temporary / FILES).mkdir(parents=True)
    held = Lock(temporary / HELD)
    try:
        with held:
            yield temporary / FILES
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _remove_leftovers(folder: Path, name: str) -> None:
    """Remove the hidden folders of writers that are no more."""
    pattern = re.compile(rf"\.{re.escape(name)}\.[0-9a-f]{{8}}")
    for left in [entry for entry in folder.iterdir() if pattern.fullmatch(entry.name)]:
        if left.is_dir() and not left.is_symlink():
            with suppress(InputError), Lock(left / HELD):  # unless it is being written
                shutil.rmtree(left, ignore_errors=True)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """What goes wrong with files is an error of who named them, in one line."""
    try:
        yield
    except OSError as error:
        place = Path(error.filename or path)  # out of sight it says nothing to anybody
        where = "" if any(map(temporary_of, place.parts)) else f": {place}"
        raise InputError(f"cannot write {path}: {error.strerror}{where}") from error
