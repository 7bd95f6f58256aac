"""MATLAB's files: what scipy writes is read as scipy reads it, and damage is told."""

from __future__ import annotations

import io
import random
from typing import Any

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from pixelkin.formats.mat5 import read_arrays


def written(content: dict[str, Any], **options: Any) -> bytes:
    file = io.BytesIO()
    savemat(file, content, **options)
    return file.getvalue()


RNG = np.random.default_rng(0)
ARRAYS: dict[str, Any] = {
    **{
        kind: RNG.integers(0, 100, (3, 4, 2)).astype(kind)
        for kind in ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8")
    },
    "scalar": 3.5,
    "row": np.arange(5.0),
    "empty": np.zeros((0, 3)),
    "deep": RNG.normal(size=(2, 3, 4, 5)),
    "one": np.array([[7]], np.uint8),
    "a_name_that_is_long_enough_": np.ones(3),
}
OTHERS = {
    "text": "hello",
    "cell": np.array([1, "a"], object),
    "record": {"a": 1},
    "wave": np.array([1j]),
}


@pytest.mark.parametrize("packed", [False, True])
def test_numbers_are_read_as_by_scipy(packed: bool) -> None:
    content = written({**ARRAYS, **OTHERS}, do_compression=packed)
    theirs, ours = loadmat(io.BytesIO(content)), read_arrays(content)
    assert set(ours) == set(ARRAYS)
    for name, array in ours.items():
        assert array.shape == theirs[name].shape
        assert (array == theirs[name]).all()


@pytest.mark.parametrize("packed", [False, True])
def test_damage_is_told_or_changes_numbers_alone(packed: bool) -> None:
    content = written({"a": RNG.normal(size=(4, 5)), "b": np.arange(6)}, do_compression=packed)
    rng, told = random.Random(0), 0
    for _ in range(3000):
        damaged = bytearray(content)
        for _ in range(rng.choice((1, 2, 8))):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        end = rng.choice((len(damaged), rng.randrange(len(damaged))))
        try:
            found = read_arrays(bytes(damaged[:end]))
        except ValueError:
            told += 1
        else:
            assert all(array.nbytes <= len(content) * 8 for array in found.values())
    assert told > 1000


def test_what_unpacks_to_gigabytes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    content = written({"a": np.zeros((1000, 1000))}, do_compression=True)
    assert len(content) < 20_000
    monkeypatch.setattr("pixelkin.formats.mat5.LARGEST", 1_000_000)
    with pytest.raises(ValueError, match="too large"):
        read_arrays(content)


def test_other_files_are_refused() -> None:
    for content in (b"", b"x" * 500, written({"a": 1}, format="4")):
        with pytest.raises(ValueError, match="version 5"):
            read_arrays(content)
