"""Trainings from a pack: as from folders, also where PyAV is missing, also interrupted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pixelkin.data.index import index_videos
from pixelkin.data.packing import write_pack
from pixelkin.training.checkpoint import load_checkpoint
from pixelkin.training.loop import train
from pixelkin.types import InputError

# As if PyAV were not installed.
WITHOUT_AV = """
import sys
sys.modules["av"] = None
from pixelkin.app.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def pack(frames: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pack")
    sources = index_videos([frames], folder / "index.json")
    return write_pack(sources, folder / "frames.pack", codec="webp", quality=90).path


def test_training_needs_no_pyav_and_resumes(pack: Path, recipe_file: Path, tmp_path: Path) -> None:
    whole, other = tmp_path / "whole", tmp_path / "other"
    changes = {"run.validate_scenes": 1, "run.report": True}
    assert train(recipe_file, [pack], whole, overrides=changes).complete
    assert load_checkpoint(whole / "checkpoint.pt")["step"] == 12
    command = [sys.executable, "-c", WITHOUT_AV, "train", str(recipe_file), "--data", str(pack)]
    command += ["--out", str(other), "--set", "run.validate_scenes=1", "--set", "run.report=true"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    for more in (["--set", "run.limit_minutes=1e-6"], ["--set", "run.workers=1"]):
        done = subprocess.run([*command, *more], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    weights = [(run / "encoder" / "weights.safetensors").read_bytes() for run in (whole, other)]
    assert weights[0] == weights[1]
    assert (other / "report.png").exists()


def test_another_pack_is_other_data(pack: Path, recipe_file: Path, tmp_path: Path) -> None:
    sources = index_videos([pack], tmp_path / "index.json")
    again = write_pack(sources, tmp_path / "again.pack", codec="webp", quality=20).path
    out = tmp_path / "run"
    train(recipe_file, [pack], out, overrides={"run.limit_minutes": 1e-6})
    with pytest.raises(InputError, match="have been replaced since"):
        train(recipe_file, [again], out)
    copy = tmp_path / "elsewhere.pack"
    copy.write_bytes(pack.read_bytes())
    assert train(recipe_file, [copy], out).complete
