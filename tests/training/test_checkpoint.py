from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pixelkin.training.checkpoint import load_checkpoint, save_checkpoint
from pixelkin.types import InputError


def test_round_trip_keeps_every_bit_and_stride(tmp_path: Path) -> None:
    weight = torch.randn(4, 3, 3, 3).to(memory_format=torch.channels_last)
    state = {"step": 7, "nested": [{"weight": weight, "value": 0.1, "none": None}]}
    save_checkpoint(tmp_path / "run" / "checkpoint.pt", state)
    loaded = load_checkpoint(tmp_path / "run" / "checkpoint.pt")
    assert loaded["step"] == 7
    again = loaded["nested"][0]
    assert torch.equal(again["weight"], weight)
    assert again["weight"].stride() == weight.stride()
    assert (again["value"], again["none"]) == (0.1, None)


def test_failed_write_leaves_the_old_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {"step": 1})
    with pytest.raises(Exception, match=r"pickle|local object"):
        save_checkpoint(path, {"step": 2, "wrong": lambda: None})
    assert load_checkpoint(path)["step"] == 1
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_damaged_and_foreign_files_are_input_errors(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {"weights": torch.zeros(1000)})
    whole = path.read_bytes()
    torch.save({"epoch": 3}, tmp_path / "foreign.pt")
    torch.save({"format": 99}, tmp_path / "newer.pt")
    path.write_bytes(whole[: len(whole) // 2])
    for name in ("checkpoint.pt", "foreign.pt"):
        with pytest.raises(InputError, match=f"{name} is not a checkpoint"):
            load_checkpoint(tmp_path / name)
    with pytest.raises(InputError, match="format 99, this one reads 2"):
        load_checkpoint(tmp_path / "newer.pt")
