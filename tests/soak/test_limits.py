"""Each limit on what files may hold, on both sides of it."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import bad_hostile
import bad_material
import numpy as np
import pytest
import torch
from bad_settings import recipe
from PIL import Image
from safetensors.torch import save_file

from pixelkin.annotation.session import Session
from pixelkin.app.cli import main
from pixelkin.formats.id_png import read_ids
from pixelkin.formats.label_files import MAX_OBJECTS, LabelFile, load_label_files
from pixelkin.models.encoder import Encoder, EncoderConfig, load_encoder, save_encoder
from pixelkin.training.config import load_recipe
from pixelkin.types import InputError
from pixelkin.video.images import MAX_PIXELS, read_image
from pixelkin.video.reader import open_video


@pytest.mark.parametrize("side", [8193, 20_000, 100_000])
def test_pictures_of_too_many_pixels_are_not_decoded(tmp_path: Path, side: int) -> None:
    assert side**2 > MAX_PIXELS
    (tmp_path / "a.png").write_bytes(bad_hostile.bomb(side))
    for read in (read_ids, read_image):
        with pytest.raises(InputError, match=r"a\.png.*(pixels are read|decompression bomb)"):
            read(tmp_path / "a.png")


@pytest.mark.parametrize("kind", [*bad_hostile.PLAYLISTS])
def test_playlists_are_no_videos(tmp_path: Path, kind: str) -> None:
    bad_material.video_and_mask("a.mp4", "libx264", {"preset": "ultrafast"}, tmp_path)
    assert len(open_video(tmp_path / "a.mp4")) == 12
    for name in ("x.mp4", "x.m3u8", "x"):
        (tmp_path / name).write_text(bad_hostile.PLAYLISTS[kind])
        with pytest.raises(InputError):
            open_video(tmp_path / name)


def test_frames_that_are_not_there_are_named(tmp_path: Path) -> None:
    bad_material.save_frames(tmp_path / "frames")
    (tmp_path / "frames/2.png").unlink()
    (tmp_path / "frames/2.png").symlink_to("not_fetched")
    note = open_video(tmp_path / "frames").note
    assert note is not None and "2.png is left out, as no file is there" in note


def test_too_many_objects_are_refused(tmp_path: Path) -> None:
    bad_material.save_frames(tmp_path / "frames")
    video = open_video(tmp_path / "frames").info
    for count in (MAX_OBJECTS, MAX_OBJECTS + 1):
        points = [{"x": 1, "y": 1}] * count
        size = [video.height, video.width]
        content = {"kind": "points", "size": size, "points": points}
        (tmp_path / "0.json").write_text(json.dumps(content))
        if count > MAX_OBJECTS:
            with pytest.raises(InputError, match="can be followed"):
                load_label_files([LabelFile(tmp_path / "0.json")], video)
        else:
            found = load_label_files([LabelFile(tmp_path / "0.json")], video)
            assert len(found.annotations.objects) == count


@pytest.mark.parametrize(
    "what", ["TRIGGER evil AFTER INSERT ON meta BEGIN SELECT 1; END", "VIEW evil AS SELECT 1"]
)
def test_sessions_hold_no_programs(tmp_path: Path, what: str) -> None:
    bad_material.save_frames(tmp_path / "frames")
    Session.create(tmp_path / "s", tmp_path / "frames", encoder="lab").close()
    with sqlite3.connect(tmp_path / "s/session.db") as connection:
        connection.execute(f"CREATE {what}")
    connection.close()
    with pytest.raises(InputError, match="'evil', which no session has"):
        Session.open(tmp_path / "s")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_are_finite(tmp_path: Path, value: float) -> None:
    encoder = Encoder(EncoderConfig(widths=(8, 8, 8)))
    save_encoder(encoder, tmp_path)
    load_encoder(tmp_path)
    with torch.no_grad():
        next(encoder.parameters()).view(-1)[3] = value
    with pytest.raises(InputError, match=r"values that are (not a number|infinite)"):
        save_encoder(encoder, tmp_path)
    state = {k: v.detach().contiguous() for k, v in encoder.state_dict().items()}
    save_file(state, tmp_path / "weights.safetensors")
    with pytest.raises(InputError, match=r"values that are (not a number|infinite)"):
        load_encoder(tmp_path)


@pytest.mark.parametrize(
    ("key", "fine", "wrong"),
    [
        ("run.workers", 256, 257),
        ("run.threads", 1024, 1025),
        ("batch", 4096, 4098),
        ("size", 4096, 4128),
        ("seed", 2**63 - 1, 2**63),
        ("run.batch_norm_frames", 100_000, 100_001),
        ("network.widths", [8192, 8, 8], [8193, 8, 8]),
    ],
)
def test_settings_have_bounds(tmp_path: Path, key: str, fine: object, wrong: object) -> None:
    for name, value in (("fine", fine), ("wrong", wrong)):
        (tmp_path / name).mkdir()
        recipe(tmp_path / name, {key: value})
    load_recipe(tmp_path / "fine/recipe.yaml")
    with pytest.raises(InputError, match=key.rsplit(".", 1)[-1]):
        load_recipe(tmp_path / "wrong/recipe.yaml")


def test_ids_of_annotations_have_8_bits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad_material.tree("davis", tmp_path)
    root, stored = tmp_path / "root", "root/Annotations/480p"
    command = [
        "evaluate",
        "davis",
        "--root",
        str(root),
        "--year",
        "2017",
        "--results",
        str(tmp_path / stored),
    ]
    assert main(command) == 0
    ids = np.full((48, 64), 60_000, np.uint16)
    Image.fromarray(ids).save(tmp_path / stored / "one/00000.png")
    assert main(command) == 2
    assert "has the id 60000" in capsys.readouterr().err


def test_messages_are_short_and_harmless(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "\x1b[2J" + "x" * 200
    assert main(["propagate", name * 1, "--labels", "a.png", "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "\x1b" not in said and said.count("\n") == 1
    assert main(["propagate", "y" * 5000, "--labels", "a.png", "--out", str(tmp_path / "out")]) == 2
    assert len(capsys.readouterr().err) < 1100
