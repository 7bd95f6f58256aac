"""Whose a folder is, and what may be removed from it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pixelkin.checks import check_same
from pixelkin.files import write_text
from pixelkin.locks import LOCK, Lock
from pixelkin.run_folder import LIST, RunFolder, Standing, check_empty
from pixelkin.types import InputError
from stopped import content


def run(
    folder: Path, settings: dict[str, object], *names: str, overwrite: bool = False
) -> Standing:
    """A run that writes files; what the folder was to it."""
    with RunFolder(folder, "test") as own:
        standing = own.claim(settings, overwrite=overwrite)
        own.begin()
        for name in names:
            write_text(own.file(name), f"{settings}")
        own.finish()
    return standing


def test_a_run_is_begun_continued_and_finished(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "out"
    with RunFolder(folder, "test") as own:
        assert own.claim({"a": 1}) is Standing.NEW
        assert [p.name for p in folder.iterdir()] == [LOCK]  # nothing before the first result
        own.begin()
        write_text(own.file("x/1.txt"), "one")
    assert json.loads((folder / "run.json").read_text()) == {
        "kind": "test", "format": 1, "a": 1, "progress": {}, "complete": False}  # fmt: skip
    assert not (folder / LOCK).exists()
    with RunFolder(folder, "test") as own:
        assert own.claim({"a": 1}) is Standing.UNFINISHED
        own.begin()
        assert (folder / "x/1.txt").read_text() == "one"
        own.finish()
    with RunFolder(folder, "test") as own:
        assert own.claim({"a": 1}) is Standing.COMPLETE


def test_who_claims_and_writes_nothing_leaves_nothing(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "a" / "b", "test") as own:
        own.claim({})
    assert not list(tmp_path.iterdir())
    run(tmp_path / "out", {"a": 1}, "x.txt")
    before = content(tmp_path)
    with RunFolder(tmp_path / "out", "test") as own:
        assert own.claim({"a": 2}, overwrite=True) is Standing.NEW
    assert content(tmp_path) == before


def test_another_run_is_refused_and_says_what_changed(tmp_path: Path) -> None:
    run(tmp_path, {"a": 1, "b": [1], "c": 3})
    with (
        RunFolder(tmp_path, "test") as own,
        pytest.raises(InputError, match="holds a finished run with another a, b: --overwrite"),
    ):
        own.claim({"a": 2, "b": [2], "c": 3})
    with (
        RunFolder(tmp_path, "other") as own,
        pytest.raises(InputError, match=r"run\.json is not of other by pixelkin"),
    ):
        own.claim({"a": 1, "b": [1], "c": 3}, overwrite=True)


def test_replacing_removes_what_the_run_wrote_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(out, {"a": 1}, "masks/1.png", "masks/2.png", "frames/deep/1.json", "top.txt")
    mine = ("masks/notes.txt", "mine.txt", "frames/deep/.keep")
    for name in mine:
        (out / name).write_text("precious")
    assert run(out, {"a": 2}, "masks/1.png", overwrite=True) is Standing.NEW
    left = content(out, "run.json", LIST)
    assert left.keys() == {"masks/1.png", *mine}
    assert all(left[name] == b"precious" for name in mine)
    run(out, {"a": 3}, overwrite=True)
    assert (out / "masks").is_dir()
    for name in mine:
        (out / name).unlink()
    run(out, {"a": 4}, "masks/1.png", overwrite=True)
    run(out, {"a": 5}, overwrite=True)
    assert not (out / "masks").exists()  # made by the run, and empty


@pytest.mark.parametrize(
    "mark", ["", "{", "[1]", '{"kind": "test"}', '{"kind": "test", "format": 1}']
)
def test_a_mark_alone_is_no_licence(tmp_path: Path, mark: str) -> None:
    """Only the list says which files are the run's: without it nothing is replaced."""
    (tmp_path / "run.json").write_text(mark)
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "1.png").write_text("precious")
    before = content(tmp_path)
    for overwrite in (False, True):
        with RunFolder(tmp_path, "test") as own, pytest.raises(InputError, match="choose another"):
            own.claim({}, overwrite=overwrite)
    assert content(tmp_path) == before


def test_with_the_list_a_damaged_mark_can_be_replaced(tmp_path: Path) -> None:
    run(tmp_path, {"a": 1}, "x.txt")
    (tmp_path / "run.json").write_text("{")
    (tmp_path / "mine.txt").write_text("precious")
    with (
        RunFolder(tmp_path, "test") as own,
        pytest.raises(InputError, match="--overwrite"),
    ):
        own.claim({"a": 2})
    run(tmp_path, {"a": 2}, overwrite=True)
    assert content(tmp_path, "run.json", LIST) == {"mine.txt": b"precious"}


def test_a_file_in_the_way_is_not_replaced(tmp_path: Path) -> None:
    run(tmp_path, {"a": 1})
    (tmp_path / "mine.txt").write_text("precious")
    (tmp_path / "link.txt").symlink_to("mine.txt")
    with RunFolder(tmp_path, "test") as own:
        own.claim({"a": 1})
        for name in ("mine.txt", "link.txt"):
            with pytest.raises(InputError, match=f"{name} is not of this run"):
                own.file(name)


@pytest.mark.parametrize(
    "name", ["../x.txt", "a/../../x.txt", "/tmp/x.txt", "link/x.txt", "a/b/x.txt"]
)
def test_nothing_is_written_or_removed_outside(tmp_path: Path, name: str) -> None:
    out, outside = tmp_path / "out", tmp_path / "outside"
    outside.mkdir()
    run(out, {"a": 1})
    (out / "link").symlink_to(outside)
    (out / "a").mkdir()
    (out / "a" / "b").symlink_to(outside)
    with RunFolder(out, "test") as own:
        own.claim({"a": 1})
        with pytest.raises(InputError, match="leads out of"):
            own.file(name)
    victims = [outside / "x.txt", tmp_path / "x.txt"]
    for victim in victims:
        victim.write_text("precious")
    with (out / LIST).open("a") as file:  # a list that somebody has tampered with
        file.write(f"{json.dumps(name)}\n")
    run(out, {"a": 2}, overwrite=True)
    assert all(victim.read_text() == "precious" for victim in victims)


def test_a_folder_that_became_a_link_is_not_followed(tmp_path: Path) -> None:
    out, outside = tmp_path / "out", tmp_path / "outside"
    run(out, {"a": 1}, "masks/1.png")
    (out / "masks").rename(outside)
    (out / "masks").symlink_to(outside)
    with pytest.raises(InputError, match="leads out of"):
        run(out, {"a": 2}, "masks/2.png", overwrite=True)
    assert content(outside).keys() == {"1.png"}


@pytest.mark.parametrize(
    "name",
    [".DS_Store", "Thumbs.db", "desktop.ini", LOCK, ".run.01234567.json", f".{LIST}.0a1b2c3d"],
)
def test_what_counts_as_empty(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("")
    assert run(tmp_path, {"a": 1}) is Standing.NEW
    assert (tmp_path / name).exists() == (name in (".DS_Store", "Thumbs.db", "desktop.ini"))


@pytest.mark.parametrize("name", ["thesis.txt", ".secret", ".notes.0a1b2c3d.json"])
def test_what_does_not_count_as_empty(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("")
    for overwrite in (False, True):
        with pytest.raises(InputError, match=f"something else, {name}, and is not a run's folder"):
            run(tmp_path, {"a": 1}, overwrite=overwrite)
    assert [p.name for p in tmp_path.iterdir()] == [name]
    with pytest.raises(InputError, match="is a file"):
        check_empty(tmp_path / name)


def test_temporary_files_of_listed_files_go_and_others_stay(tmp_path: Path) -> None:
    run(tmp_path, {"a": 1}, "masks/1.png")
    left = ("masks/.1.0123abcd.png", ".run.ffffffff.json")
    others = ("masks/.2.0123abcd.png", "masks/.1.png", "masks/.1.0123.png", ".x.0123abcd.json")
    for name in (*left, *others):
        (tmp_path / name).write_text("")
    run(tmp_path, {"a": 1})
    assert content(tmp_path, "run.json", LIST).keys() == {"masks/1.png", *others}


def test_a_list_that_was_cut_off_is_mended(tmp_path: Path) -> None:
    run(tmp_path, {"a": 1}, "1.txt", "2.txt")
    whole = (tmp_path / LIST).read_bytes()
    (tmp_path / LIST).write_bytes(whole[:-3])
    (tmp_path / "2.txt").unlink()
    run(tmp_path, {"a": 1}, "2.txt", "a\nb.txt")
    assert run(tmp_path, {"a": 2}, overwrite=True) is Standing.NEW
    assert content(tmp_path, "run.json", LIST) == {}


def test_a_list_without_a_mark_is_a_run_that_was_being_replaced(tmp_path: Path) -> None:
    run(tmp_path, {"a": 1}, "old.txt")
    (tmp_path / "run.json").unlink()
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(InputError, match=r"holds 1 results of a run whose run.json is gone"):
        run(tmp_path, {"a": 2}, "new.txt")
    assert run(tmp_path, {"a": 2}, "new.txt", overwrite=True) is Standing.NEW
    assert content(tmp_path, "run.json", LIST).keys() == {"mine.txt", "new.txt"}


def test_a_folder_of_an_older_version_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"kind": "test", "a": 1, "complete": false}')
    for overwrite in (False, True):
        with pytest.raises(InputError, match="was written by another version of pixelkin"):
            run(tmp_path, {"a": 1}, overwrite=overwrite)


def test_other_settings_are_named(tmp_path: Path) -> None:
    saved = {"recipe": {"batch": 8, "stages": [{"share": 1.0}]}, "data": "abc"}
    check_same(tmp_path, saved, saved)
    given = {"recipe": {"batch": 16, "stages": [{"share": 0.5}, {"share": 0.5}]}, "data": "abc"}
    with pytest.raises(InputError, match=r"recipe.batch \(8 -> 16\)") as error:
        check_same(tmp_path, saved, given)
    assert "recipe.stages.0.share (1.0 -> 0.5)" in str(error.value)
    assert "recipe.stages.1.share (None -> 0.5)" in str(error.value)
    assert "data" not in str(error.value)


HOLD = """
import sys, time
from pathlib import Path
from pixelkin.locks import LOCK, Lock
lock = Lock(Path(sys.argv[1]))
lock.acquire()
print("held", flush=True)
%s
time.sleep(60)
"""
WITH_CHILD = "import os\nif not os.fork():\n    time.sleep(60)\n    os._exit(0)"


@pytest.mark.parametrize("child", ["", WITH_CHILD], ids=["alone", "with a child"])
def test_a_lock_ends_with_its_process(tmp_path: Path, child: str) -> None:
    """Also where a worker that was forked from it lives on."""
    path = tmp_path / "new" / LOCK
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD % child, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    time.sleep(0.2 if child else 0)
    lock = Lock(path)
    with pytest.raises(InputError, match="new is in use by another pixelkin command"):
        lock.acquire()
    holder.kill()
    holder.wait()
    lock.acquire()
    assert lock.held
    lock.close()
    assert not path.exists()
    if child:
        os.killpg(holder.pid, signal.SIGKILL)


def test_who_waits_for_a_lock_gets_it(tmp_path: Path) -> None:
    """Ten threads, one after the other: each removes the file that the next has opened."""
    inside, most, served = [0], [0], []

    def work() -> None:
        lock = Lock(tmp_path / "x" / LOCK)
        lock.acquire(wait=True)
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        time.sleep(0.01)
        inside[0] -= 1
        lock.close()
        served.append(1)

    threads = [threading.Thread(target=work) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] and len(served) == len(threads)
    assert not (tmp_path / "x" / LOCK).exists()
