from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest

from pixelkin.files import (
    atomic_write,
    check_writable,
    remove_leftovers,
    stamp,
    temporary_of,
)
from pixelkin.formats.staging import staged_folder
from pixelkin.types import InputError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_file_appears_at_the_end_with_ordinary_permissions(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.txt"
    with atomic_write(path) as temporary:
        assert temporary.parent == path.parent
        assert temporary.suffix == ".txt"
        temporary.write_text("done")
        assert not path.exists()
    assert path.read_text() == "done"
    assert names(path.parent) == ["a.txt"]
    (path.parent / "plain").write_text("")
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((path.parent / "plain").stat().st_mode)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_failure_leaves_what_was_there(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(error), atomic_write(path) as temporary:
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_replaces(tmp_path: Path) -> None:
    for text in ("old", "new"):
        with atomic_write(tmp_path / "a.txt") as temporary:
            temporary.write_text(text)
    assert (tmp_path / "a.txt").read_text() == "new"


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "a.txt", tmp_path):
        with pytest.raises(InputError, match="cannot write"), atomic_write(path):
            raise AssertionError("must not get here")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no folder of that kind")
def test_what_is_out_of_sight_is_not_named() -> None:
    """In /proc no file can be made, and no permission says so."""
    with pytest.raises(OSError) as told, atomic_write("/proc/a.json") as temporary:
        temporary.write_text("{}")
    assert told.value.filename == "/proc/a.json"
    with (
        pytest.raises(InputError, match=r"^cannot write /proc/a: [\w ]+$"),
        staged_folder(Path("/proc/a"), None),
    ):
        pass


def test_a_temporary_file_tells_what_it_was_to_become(tmp_path: Path) -> None:
    for name in ("a.txt", "plain", ".hidden.npz", "two.dots.png"):
        with atomic_write(tmp_path / name) as temporary:
            temporary.write_text("x")
            assert temporary_of(temporary.name) == name
    for name in ("a.txt", ".a.txt", ".a.0123.txt", "a.01234567.txt", ".a.0123456z.txt"):
        assert temporary_of(name) is None


def test_leftovers_go(tmp_path: Path) -> None:
    kept = ("checkpoint.pt", ".other.0a1b2c3d.pt", "sub/.x.0a1b2c3d.pt")
    for name in (*kept, ".checkpoint.0a1b2c3d.pt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"half")
    (tmp_path / "link").symlink_to("sub")
    remove_leftovers([tmp_path / "checkpoint.pt", tmp_path / "link/x.pt", tmp_path / "none/x.pt"])
    assert {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()} == set(
        kept
    )


def test_what_cannot_be_written_is_found_out_at_once(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text("{}")
    check_writable(None, tmp_path / "new" / "a.json", overwrite=False)
    with pytest.raises(InputError, match=r"old\.json exists: --overwrite replaces it"):
        check_writable(tmp_path / "old.json", overwrite=False)
    check_writable(tmp_path / "old.json", overwrite=True)
    for path in (tmp_path / "old.json" / "a.json", tmp_path):
        with pytest.raises(InputError, match="cannot write"):
            check_writable(path, overwrite=True)


def test_stamp_is_of_what_files_hold(tmp_path: Path) -> None:
    """Not of when they were written, nor of where they lie."""
    paths = [tmp_path / "a", tmp_path / "b"]
    for path in paths:
        path.write_text("x")
    first = stamp(paths)
    os.utime(paths[1], ns=(1, 1))
    assert stamp(paths) == first
    (tmp_path / "other").mkdir()
    assert stamp([Path(shutil.copy(p, tmp_path / "other")) for p in paths]) == first
    before = paths[0].stat()
    paths[0].write_text("y")
    os.utime(paths[0], ns=(before.st_atime_ns, before.st_mtime_ns))
    assert stamp(paths) != first
    named, bare = stamp(paths[:1]), stamp(paths[:1], named=False)
    renamed = [paths[0].rename(tmp_path / "c")]
    assert stamp(renamed) != named and stamp(renamed, named=False) == bare
    with pytest.raises(InputError, match="cannot read"):
        stamp([tmp_path / "a"])


@pytest.mark.parametrize("at", [0, 5, 2**20 - 1, -(2**20), -1])
def test_a_byte_near_the_ends_of_a_large_file_changes_its_stamp(tmp_path: Path, at: int) -> None:
    path = tmp_path / "large"
    content = bytearray(3 * 2**20)
    path.write_bytes(content)
    first = stamp([path])
    content[at] = 1
    path.write_bytes(content)
    assert stamp([path]) != first
