"""What all commands share: options, lists of names, and printing what users chose as it is."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pixelkin.app.arguments import read_names
from pixelkin.app.cli import main
from pixelkin.app.console import progress_bar, say, show_table
from pixelkin.app.options import MAX_THREADS, Common, Faster
from pixelkin.evaluation import davis
from pixelkin.experiments import runner
from pixelkin.training import loop
from pixelkin.types import InputError, Labels
from pixelkin.video.writer import write_image


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ()),
        ("dog", ("dog",)),
        ("dog,bear", ("dog", "bear")),
        (" dog , bear,, ", ("dog", "bear")),
        ("catch/goal (1)_2", ("catch/goal (1)_2",)),
    ],
)
def test_lists_are_separated_by_commas(text: str, names: tuple[str, ...]) -> None:
    assert read_names(text) == names


def test_a_list_may_be_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("list.txt").write_text("dog\n\n  bear, brown \n")
    assert read_names("list.txt") == ("dog", "bear, brown")
    assert read_names("list.txt,dog") == ("list.txt", "dog")


@pytest.mark.parametrize("given", ["dog, bear", "list.txt"])
def test_every_command_reads_lists_alike(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """evaluate, train and experiment."""
    monkeypatch.chdir(tmp_path)
    Path("list.txt").write_text("dog\nbear\n")
    seen: list[tuple[str, ...]] = []

    def load(root: Path, year: int, split: str, sequences: Any = None, **_: Any) -> None:
        seen.append(tuple(sequences))
        raise InputError("seen")

    def experiment(*_: Any, sequences: Any, **__: Any) -> Path:
        seen.append(tuple(sequences))
        return Path("report.md")

    monkeypatch.setattr(davis, "load_split", load)
    monkeypatch.setattr(runner, "run_experiment", experiment)
    monkeypatch.setattr(loop, "train", lambda *_, **__: SimpleNamespace(encoder=None))
    assert main(["evaluate", "davis", "--root", "D", "--sequences", given]) == 2
    train = ["train", "r.yaml", "--data", "v", "--out", "o", "--davis", "D"]
    assert main([*train, "--sequences", given]) == 2
    assert main(["experiment", "criteria", "--out", "o", "--sequences", given]) == 0
    assert seen == [("dog", "bear")] * 3


@pytest.mark.parametrize(
    ("command", "more"),
    [
        ("propagate", ["--short-side", "--fast"]),
        ("evaluate davis", ["--short-side", "--fast", "--results", "--csv"]),
        ("evaluate vip", ["--short-side", "--fast", "--results"]),
        ("evaluate jhmdb", ["--short-side", "--fast"]),
        ("evaluate keypoints", []),
        ("demo", []),
    ],
)
def test_common_options_are_everywhere(
    command: str, more: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([*command.split(), "--help"])
    shown = capsys.readouterr().out
    for option in ("--weights", "--protocol", "--threads", "--overwrite", *more):
        assert f"{option} " in shown or f"{option}," in shown, option
    for option in {"--results", "--csv"} - set(more):  # shown where they apply
        assert f"{option} " not in shown


def test_rules_are_the_protocol_with_what_was_changed() -> None:
    assert Common().rules().name == "davis" and Common().rules("vip").name == "vip"
    assert Common(protocol="jhmdb").rules("vip").name == "jhmdb"
    faster = Faster(short_side=240, fast=True).rules()
    assert (faster.short_side, faster.fast) == (240, True)
    with pytest.raises(InputError, match="no protocol 'best'"):
        Faster(protocol="best").rules()
    for threads in (0, -1, MAX_THREADS + 1):
        with pytest.raises(InputError, match=f"--threads {threads}: must be from 1"):
            Common(threads=threads).use_threads()


MARKUP = ["a[/x]", "b[red]c", "[bold]", "\\[d]", "[link=file:///]e[/link]"]


@pytest.mark.parametrize("text", MARKUP)
def test_nothing_that_is_printed_is_markup(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    say(f"look at {text}")
    show_table([["x", text], [text, "y"]], columns=(text, "z"), title=text, total=True)
    shown = capsys.readouterr().out
    assert shown.count(text) == 5
    with progress_bar(text, text) as progress:
        progress(1, 1)
    assert f"{text}: 1/1 {text}" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a[/x]", "b[red]c"])
def test_a_folder_may_be_called_like_markup(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for t in range(2):
        write_image(f"frames/{t:05d}.png", rng.integers(0, 255, (32, 48, 3), dtype=np.uint8))
    from pixelkin import write_mask

    ids = np.zeros((32, 48), np.int32)
    ids[8:24, 8:24] = 1
    write_mask("mask.png", Labels.from_mask(ids))
    command = ["propagate", "frames", "--labels", "mask.png", "--weights", "lab"]
    assert main([*command, "--out", name]) == 0
    assert f": {name}\n" in capsys.readouterr().out
    assert (tmp_path / name / "run.json").is_file()


@pytest.mark.parametrize("columns", ["abc", "", "0", "-3", "²", "60", "1e3"])
def test_any_width_in_the_environment_will_do(
    columns: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert main(["doctor"]) == 0
    shown = capsys.readouterr().out
    assert "safetensors" in shown
    widest = max(map(len, shown.splitlines()))
    assert widest <= (60 if columns == "60" else 120)
    assert os.environ.get("COLUMNS") == ("60" if columns == "60" else None)


def test_a_bad_width_does_not_stop_the_progress(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "²")
    with progress_bar("drawing") as progress:
        progress(2, 2)
    assert "drawing: 2/2 frames" in capsys.readouterr().err


def test_what_may_be_left_out_is_a_plain_value(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["propagate"], ["convert"], ["session", "run"]):
        with pytest.raises(SystemExit):
            main([*command, "--help"])
        assert "None" not in capsys.readouterr().out
    assert main(["propagate", "v.mp4", "--labels", "a", "--out", "o", "--threads", "None"]) == 2
    assert "--threads None: must be a whole number" in capsys.readouterr().err
