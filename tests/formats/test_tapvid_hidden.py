"""TAP-Vid's arrays: what our own files say beside them."""

from __future__ import annotations

from pathlib import Path

import cases
import numpy as np

from pixelkin.formats.registry import load_annotations, save_annotations
from pixelkin.types import Annotations, Detail, Object, Objects, PointLabels


def test_tapvid_says_where_hidden_points_are(tmp_path: Path) -> None:
    objects = Objects((Object(0, "points"), Object(1, "points")))
    xy = np.array([[3, 4], [7, 2]], np.float32)
    labels = PointLabels("points", objects, xy, (12, 16))
    given = Annotations(objects, {5: (labels,)}, details={(5, 1): Detail("occluded")})
    assert save_annotations(tmp_path / "a.npz", given, "tapvid", video=cases.FILE) == ()
    with np.load(tmp_path / "a.npz") as arrays:
        assert arrays["occluded"].tolist() == [[False], [True]]
        np.testing.assert_allclose(arrays["points"][:, 0] * [16, 12] - 0.5, xy)
    found = load_annotations(tmp_path / "a.npz", cases.FILE)
    np.testing.assert_allclose(found.frames[5][0].as_points().points, xy)
    assert [found.detail(5, i).state for i in (0, 1)] == ["present", "occluded"]
