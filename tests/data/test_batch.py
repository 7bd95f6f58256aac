from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from pixelkin.data.batch import ClipBatch, ClipSpec


def _batch(b: int = 3, v: int = 2) -> ClipBatch:
    return ClipBatch(
        views=torch.rand(b, v, 3, 16, 16),
        to_frame=torch.eye(2, 3).expand(b, v, 2, 3),
        times=torch.arange(b * v).view(b, v),
        frame_size=torch.tensor([[48, 64]]).expand(b, 2),
        videos=torch.arange(b),
    )


def test_indexing_keeps_the_fields_together() -> None:
    batch = _batch()
    for index in (slice(1, 3), torch.tensor([1, 2])):
        part = batch[index]
        assert len(part) == 2
        assert part.videos.tolist() == [1, 2]
        assert part.times.tolist() == [[2, 3], [4, 5]]
        torch.testing.assert_close(part.views, batch.views[1:3])


def test_a_dtype_applies_to_the_views_alone() -> None:
    batch = _batch().to(torch.float64)
    assert batch.views.dtype == torch.float64
    assert (batch.to_frame.dtype, batch.times.dtype) == (torch.float32, torch.int64)


@pytest.mark.parametrize("field", ["to_frame", "times", "frame_size", "videos"])
def test_shapes_that_disagree_are_refused(field: str) -> None:
    with pytest.raises(ValueError, match=f"{field} must have shape"):
        replace(_batch(), **{field: getattr(_batch(b=4), field)})


def test_views_must_be_images() -> None:
    with pytest.raises(ValueError, match="views must be"):
        replace(_batch(), views=torch.rand(3, 2, 16, 16))


@pytest.mark.parametrize(("views", "gaps"), [(0, (1,)), (2, ()), (2, (8, -1))])
def test_an_impossible_clip_is_refused(views: int, gaps: tuple[int, ...]) -> None:
    with pytest.raises(ValueError):
        ClipSpec(views, gaps)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (ClipSpec(1, (8,)), "1 view of one frame"),
        (ClipSpec(2, (0,)), "2 views of one frame"),
        (ClipSpec(2, (8, 16, 24)), "2 views 8, 16 or 24 frames apart"),
        (ClipSpec(3, (1,)), "3 views 1 frame apart"),
        (ClipSpec(4, (1, 2), returns=True), "3 views 1 or 2 frames apart and the first again"),
    ],
)
def test_a_clip_is_told_in_words(spec: ClipSpec, words: str) -> None:
    assert str(spec) == words
