"""Run lengths against a walk down the columns."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from pixelkin.ops import rle


@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2), elements=st.booleans()))
def test_run_lengths(mask: NDArray[np.bool_]) -> None:
    ours = rle.encode(mask)
    brute: list[int] = [0]
    value = False
    for pixel in mask.T.ravel():
        if pixel != value:
            brute.append(0)
            value = not value
        brute[-1] += 1
    assert ours == {"size": list(mask.shape), "counts": brute}
    np.testing.assert_array_equal(rle.decode(ours), mask)


def test_runs_that_do_not_fit_the_size_are_an_error() -> None:
    with pytest.raises(ValueError):
        rle.decode({"size": [2, 3], "counts": [1, 2, 2]})


@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2), elements=st.booleans()))
def test_boxes(mask: NDArray[np.bool_]) -> None:
    there = [(x, y) for y, row in enumerate(mask) for x, pixel in enumerate(row) if pixel]
    x, y = ([p[k] for p in there] or [0] for k in (0, 1))
    expected = [min(x), min(y), max(x) - min(x) + 1, max(y) - min(y) + 1] if there else [0, 0, 0, 0]
    assert rle.box(mask) == expected
