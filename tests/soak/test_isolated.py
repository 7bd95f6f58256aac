"""Readers that are libraries in C: their crashes and hangs stay in a process of their own."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import bad_material
import bad_samples
import numpy as np
import pytest

from pixelkin.formats import isolated
from pixelkin.formats.registry import load_annotations
from pixelkin.types import InputError

cases = bad_material.cases
VIDEO = replace(cases.FILE, names=tuple("012345"))


@pytest.mark.parametrize("name", ["dlc_h5", "slp"])
def test_what_comes_back_is_what_was_read(tmp_path: Path, name: str) -> None:
    pytest.importorskip("tables" if name == "dlc_h5" else "sleap_io")
    sample = next(s for s in bad_samples.samples() if s.name == f"{name}.points")
    sample.make(tmp_path)
    path = tmp_path / sample.files[0]
    found = load_annotations(path, VIDEO, name)
    with isolated.inside():
        direct = load_annotations(path, VIDEO, name)
    assert found.objects == direct.objects and found.objects.skeleton == direct.objects.skeleton
    assert sorted(found.frames) == sorted(direct.frames) and found.notes == direct.notes
    for (_, a), (_, b) in zip(found, direct, strict=True):
        assert np.array_equal(a.as_points().points, b.as_points().points, equal_nan=True)


@pytest.mark.parametrize("what", ["crash", "missing", "words"])
def test_what_goes_wrong_is_one_line(
    tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if what == "words":
        pytest.importorskip("tables")
    path = tmp_path / "a.h5"
    if what != "missing":
        path.write_bytes(b"\x89HDF\r\n\x1a\npandas_type" + bytes(100))
    if what == "crash":
        (tmp_path / "h5py.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)")
        monkeypatch.setenv(
            "PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
        )
    words = {"crash": "the library that reads it crashed", "missing": "no such", "words": "damaged"}
    with pytest.raises(InputError, match=words[what]):
        load_annotations(path, VIDEO, "dlc_h5")
