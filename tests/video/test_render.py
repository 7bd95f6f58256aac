from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pixelkin.types import Labels, MaskLabels, Object, Objects
from pixelkin.video.palette import davis_palette, drawn_colours, mask_colours, point_colours
from pixelkin.video.render import contact_sheet, overlay

H, W = 120, 160


@pytest.fixture
def frame() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 255, (H, W, 3), dtype=np.uint8)


def square_ids(value: int = 2) -> NDArray[np.int32]:
    ids = np.zeros((H, W), np.int32)
    ids[20:60, 30:90] = value
    return ids


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_masks_are_tinted_inside_a_bright_line(frame: NDArray[np.uint8], alpha: float) -> None:
    before, ids = frame.copy(), square_ids()
    drawn = overlay(frame, Labels.from_mask(ids), alpha=alpha)
    np.testing.assert_array_equal(frame, before)
    np.testing.assert_array_equal(drawn[ids == 0], frame[ids == 0])
    inside = np.zeros_like(ids, dtype=bool)
    inside[21:59, 31:89] = True  # the line is 1 pixel at this size
    expected = (1 - alpha) * frame[inside] + alpha * davis_palette()[2]
    np.testing.assert_allclose(drawn[inside], expected, atol=0.51)
    assert (drawn[(ids > 0) & ~inside] == (0, 255, 0)).all()


def test_lines_grow_with_the_resolution_and_stop_at_borders_of_objects() -> None:
    ids = np.ones((960, 640), np.int32)
    ids[:, 320:] = 4
    drawn = overlay(np.zeros((960, 640, 3), np.uint8), Labels.from_mask(ids), alpha=0)
    assert (drawn[:, 318:320] == (255, 0, 0)).all() and (drawn[:, 320:322] == (0, 0, 255)).all()
    assert not drawn[:, :318].any() and not drawn[:, 322:].any()


def test_own_palettes_and_large_ids(frame: NDArray[np.uint8]) -> None:
    ids = square_ids(1)
    palette = np.array([[0, 0, 0], [10, 200, 90]], np.uint8)
    drawn = overlay(frame, Labels.from_mask(ids, palette=palette), alpha=1)
    assert drawn[40, 60].tolist() == [10, 200, 90]
    drawn = overlay(frame, Labels.from_mask(256 * ids), alpha=1)  # 256 begins again at 1
    assert drawn[40, 60].tolist() == [128, 0, 0]


def test_points_are_discs_around_their_position() -> None:
    grey = np.full((H, W, 3), 90, np.uint8)
    points = np.array([[40.25, 30.5], [np.nan, 3], [500, 3], [-1, 119], [159.4, 60]])
    drawn = overlay(grey, Labels.from_points(points, (H, W)))
    assert (
        drawn[30, 40].tolist()
        == point_colours(Labels.from_points(points, (H, W)).objects)[0].tolist()
    )
    weight = np.abs(drawn[20:42, 30:52].astype(float) - 90).sum(axis=2)
    y, x = np.mgrid[20:42, 30:52]
    assert np.average(x, weights=weight) == pytest.approx(40.25, abs=0.1)
    assert np.average(y, weights=weight) == pytest.approx(30.5, abs=0.1)
    assert (drawn[30, 37] < 60).all()  # the rim is dark
    changed = (drawn != 90).any(axis=2)
    assert changed[117:, :3].any() and changed[58:63, 157:].any()
    assert not changed[:20].any()


def test_uncertain_points_are_dark_inside() -> None:
    grey = np.full((H, W, 3), 90, np.uint8)
    labels = Labels.from_points(np.array([[40, 30], [100, 30]]), (H, W))
    drawn = overlay(grey, labels, confidence=[1.0, 0.1])
    assert drawn[30, 40].max() == 255
    assert drawn[30, 100].max() < 60


def test_text_beside_points_stays_in_the_frame() -> None:
    grey = np.full((H, W, 3), 90, np.uint8)
    labels = Labels.from_points(np.array([[20, 30], [155, 30]]), (H, W), names=("nose", "tail"))
    plain, named, numbered = (overlay(grey, labels, text=t) for t in ("none", "name", "number"))
    differ = (plain != named).any(axis=2)
    assert differ[24:37, 24:45].any() and not differ[24:37, :14].any()
    assert differ[24:37, 125:150].any() and not differ[24:37, 158:].any()
    assert (named != numbered).any()


def bar_lengths(drawn: NDArray[np.uint8], colour: tuple[int, int, int]) -> list[int]:
    corner = (drawn[:, :70] == colour).all(axis=2).sum(axis=1)
    return sorted({int(n) for n in corner if n > 5})


def masks(ids: NDArray[np.int32], objects: int) -> MaskLabels:
    """A map of objects 1, 2, ..., of which not all need be visible."""
    table = tuple(Object(i) for i in range(1, objects + 1))
    return MaskLabels("mask", Objects(table), ids)


def test_confidence_bars(frame: NDArray[np.uint8]) -> None:
    black = np.zeros((H, W, 3), np.uint8)
    ids = np.zeros((H, W), np.int32)
    ids[:10, :10], ids[:10, 20:30] = 1, 2
    labels = masks(ids, 3)
    drawn = overlay(black, labels, confidence=[1.0, 0.5, 0.0], alpha=0)
    corner = drawn[60:]
    (full,) = bar_lengths(corner, (255, 0, 0))
    (half,) = bar_lengths(corner, (0, 255, 0))
    assert half == pytest.approx(full / 2, abs=1)
    assert bar_lengths(corner, (255, 255, 0)) == []
    assert not corner[:, 120:].any()

    of_frame = overlay(black, labels, confidence=np.float32(0.5), alpha=0)
    assert half in bar_lengths(of_frame[60:], (235, 235, 235))
    many = overlay(black, masks(ids, 20), confidence=np.linspace(0.5, 1, 20), alpha=0)
    assert half in bar_lengths(many[60:], (235, 235, 235))


@pytest.mark.parametrize("objects", [1, 3, 8])
@pytest.mark.parametrize("size", [(30, 40), (71, 96), (72, 96), (128, 160), (120, 400), (200, 72)])
def test_confidence_leaves_small_frames_in_sight(size: tuple[int, int], objects: int) -> None:
    """Bars alone, which say what they say where there are numbers beside them; or none at all."""
    values = np.linspace(1, 0.25, objects)
    labels = masks(np.zeros(size, np.int32), objects)
    drawn = overlay(np.full((*size, 3), 90, np.uint8), labels, confidence=values)
    rows, columns = np.nonzero((drawn != 90).any(axis=2))
    short = min(size)
    if short < 72:
        assert not len(rows)
        return
    assert columns.max() - columns.min() + 1 <= 0.25 * short
    assert rows.max() - rows.min() + 1 <= 0.45 * short and rows.min() >= size[0] - 0.5 * short
    strong = drawn.max(axis=2) > 120  # bars are in bright colours, nothing else of the panel is
    lengths = strong.sum(axis=1)
    bars = lengths[np.flatnonzero(np.diff(lengths) > 0) + 1]
    assert len(bars) == objects
    np.testing.assert_allclose(bars, values * bars[0], atol=0.51)


def test_numbers_stand_beside_bars_where_there_is_room() -> None:
    for size, there in (((239, 400), False), ((240, 400), True), ((480, 240), True)):
        labels = masks(np.zeros(size, np.int32), 2)
        drawn = overlay(np.full((*size, 3), 90, np.uint8), labels, confidence=[1, 0.5])
        assert bool((drawn.min(axis=2) > 150).any()) == there  # light, as no bar is here


def test_wrong_arguments(frame: NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match="size"):
        overlay(frame[:-1], Labels.from_mask(square_ids()))
    with pytest.raises(ValueError):
        overlay(frame, Labels.from_mask(square_ids()), confidence=[0.5, 0.5])
    with pytest.raises(ValueError, match="0 frames"):
        contact_sheet([])
    with pytest.raises(ValueError, match="2 titles"):
        contact_sheet([frame], ["a", "b"])


def test_contact_sheet(frame: NDArray[np.uint8]) -> None:
    frames = [np.full((H, W, 3), 10 * i + 60, np.uint8) for i in range(5)]
    sheet = contact_sheet(frames, columns=2)
    gap = 2
    assert sheet.shape == (3 * (H + gap) + gap, 2 * (W + gap) + gap, 3)
    for i in range(5):
        y, x = gap + i // 2 * (H + gap), gap + i % 2 * (W + gap)
        np.testing.assert_array_equal(sheet[y : y + H, x : x + W], frames[i])
    titled = contact_sheet(frames, ["x" * 200] * 5, columns=2)
    bar = (titled.shape[0] - sheet.shape[0]) // 3
    assert bar > 8
    assert titled[gap : gap + bar, gap : gap + W].max() > 150
    np.testing.assert_array_equal(titled[gap + bar : gap + bar + H, gap : gap + W], frames[0])
    assert titled[gap : gap + bar, gap + W : 2 * gap + W].max() < 40  # cut at the cell
    small = contact_sheet(frames, columns=9, width=80)
    assert small.shape == (60 + 2 * gap, 5 * (80 + gap) + gap, 3)


def test_a_sheet_fits_other_shapes(frame: NDArray[np.uint8]) -> None:
    tall = np.full((2 * H, W, 3), 200, np.uint8)
    both = contact_sheet([frame, tall], columns=2)
    assert both.shape == (H + 4, 2 * W + 6, 3)
    np.testing.assert_array_equal(both[2 : 2 + H, 2 : 2 + W], frame)
    row = (both[H // 2, W + 4 : 2 * W + 4] == 200).all(axis=1)
    assert row.sum() == W // 2 and row[W // 4 : 3 * W // 4].all()


def test_point_colours_differ() -> None:
    points = Objects(tuple(Object(i, "points") for i in range(20)))
    colours = point_colours(points).astype(int)
    apart = np.abs(colours[:, None] - colours[None]).sum(axis=2) + 999 * np.eye(20, dtype=int)
    assert apart.min() > 15
    assert np.diag(apart, 1).min() > 150
    assert point_colours(Objects()).shape == (0, 3)
    own = Objects((Object(0, "points"), Object(1, "points", colour=(1, 2, 3))))
    assert point_colours(own)[1].tolist() == [1, 2, 3]


def test_objects_of_grey_levels_are_told_apart_over_a_picture(frame: NDArray[np.uint8]) -> None:
    """In files they keep their levels; other colours, and one grey alone, are drawn as they are."""
    colours = {1: (85, 85, 85), 2: (170, 170, 170), 3: (255, 0, 0)}
    objects = Objects(tuple(Object(i, colour=c) for i, c in colours.items()))
    assert mask_colours(objects)[1:4].tolist() == [list(c) for c in colours.values()]
    usual = davis_palette()
    assert drawn_colours(objects)[1:4].tolist() == [*usual[1:3].tolist(), [255, 0, 0]]
    alone = Objects((Object(2, colour=(9, 9, 9)),))
    assert drawn_colours(alone)[2].tolist() == [9, 9, 9]
    ids = np.zeros(frame.shape[:2], np.int32)
    ids[2:8, 2:8], ids[2:8, 10:16] = 1, 2
    shown = overlay(frame, MaskLabels("mask", objects, ids))
    assert len(np.unique(shown[[2, 2], [2, 10]], axis=0)) == 2
