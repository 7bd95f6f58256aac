"""Only files are read, of a bounded size and depth."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from pixelkin.reading import check_file, parse_json, parse_yaml, read_json, read_text
from pixelkin.types import InputError


def dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (os.mkfifo, "it is a pipe, must be a file"),
        (Path.mkdir, "it is a folder"),
        (device, "it is a device"),
        (dangling, "a link to nowhere, which is not there"),
        (loop, "symbolic links"),
        (lambda _: None, "no such file"),
    ],
)
def test_what_is_no_file_is_named(tmp_path: Path, make: Callable[[Path], None], words: str) -> None:
    make(tmp_path / "a")
    for read in (check_file, read_text, read_json):
        with pytest.raises(InputError, match=words):
            read(tmp_path / "a")


def test_links_to_files_are_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("[1]")
    (tmp_path / "b").symlink_to("a")
    assert read_json(tmp_path / "b") == [1]


def test_files_that_are_too_large_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("x" * 100)
    assert read_text(path, 100) == "x" * 100
    with pytest.raises(InputError, match="at most"):
        read_text(path, 99)
    os.truncate(path, 3_000_000_000)
    with pytest.raises(InputError, match="2,861 MiB"):
        read_text(path)


@pytest.mark.parametrize("text", ["[" * 100_000, "[" * 100_000 + "]" * 100_000, '{"a":' * 50_000])
def test_deep_json_is_one_error(text: str) -> None:
    with pytest.raises(InputError, match=r"x\.json is (nested too deeply|not JSON)"):
        parse_json(text, "x.json")


BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 30))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BOMB, "aliases"),
        ("a: &b [*b]", "holds itself"),
        ("a: &b {c: *b}", "holds itself"),
        ("[" * 100_000, "nested"),
        ("- " * 2000 + "1", "nested"),
        ("a: 2020-99-99", "cannot be read"),
        ("a: !!python/object/apply:os.system ['true']", "could not determine a constructor"),
        ("a: *b", "undefined alias"),
        ("a: \x00", "special characters"),
    ],
)
def test_yaml_that_nobody_means_is_one_error(text: str, words: str) -> None:
    with pytest.raises(yaml.YAMLError, match=words):
        parse_yaml(text)


def test_plain_yaml_is_read() -> None:
    assert parse_yaml("a: &x {b: [1, 2.5, null]}\nc: *x") == {
        "a": {"b": [1, 2.5, None]},
        "c": {"b": [1, 2.5, None]},
    }
    many = "".join(f"k{n}: {n}\n" for n in range(5000))
    assert len(parse_yaml(many)) == 5000
