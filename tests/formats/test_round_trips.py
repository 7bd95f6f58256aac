"""What a format keeps comes back from it, and what it loses is what it says."""

from __future__ import annotations

from pathlib import Path

import cases
import pytest

from pixelkin.formats.catalogue import FORMATS, Format
from pixelkin.formats.registry import load_annotations, recognise, save_annotations
from pixelkin.formats.writing import FEATURES
from pixelkin.types import Annotations, VideoInfo

WRITTEN = [f for f in FORMATS if f.save is not None and not f.one_frame]
NEEDS = {"slp": "sleap_io", "sleap_h5": "sleap_io", "nwb": "sleap_io", "dlc_h5": "tables"}
TRIPS = [
    pytest.param(one, case, annotations, id=f"{one.name}, {case}")
    for what, table in (("masks", cases.MASKS), ("points", cases.POINTS))
    for one in WRITTEN
    if what not in one.loses
    for case, annotations in table.items()
]


@pytest.mark.parametrize("video", [cases.FILE, cases.FOLDER], ids=["file", "folder"])
@pytest.mark.parametrize(("one", "case", "annotations"), TRIPS)
def test_what_a_format_keeps_comes_back(
    tmp_path: Path, one: Format, case: str, annotations: Annotations, video: VideoInfo
) -> None:
    if one.name in NEEDS:
        pytest.importorskip(NEEDS[one.name])
    if one.name == "nwb":
        pytest.skip("takes whole videos alone")
    path = tmp_path / f"dog{one.suffix}"
    lost = save_annotations(path, annotations, one.name, video=video)
    assert recognise(path) == one
    found = load_annotations(path, video)
    assert not cases.differences(annotations, found, one.loses)
    words = {FEATURES[feature] for feature in one.loses}
    assert all(any(word in line for word in words) for line in lost)
    again = tmp_path / f"again/dog{one.suffix}"
    assert not set(save_annotations(again, found, one.name, video=video)) - set(lost)


@pytest.mark.parametrize("one", FORMATS, ids=lambda one: one.name)
def test_what_is_lost_is_among_the_features(one: Format) -> None:
    assert set(one.loses) <= FEATURES.keys()
