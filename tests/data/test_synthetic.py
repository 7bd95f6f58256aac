from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from scipy.ndimage import binary_erosion, map_coordinates, maximum_filter, minimum_filter

from pixelkin.data.bodies import Motion, Swing
from pixelkin.data.synthetic import SyntheticScene
from pixelkin.data.textures import PATTERNS, sample, smooth_noise
from pixelkin.types import InputError

SEEDS = (0, 1, 2)


def flat(image: np.ndarray) -> np.ndarray:
    """Pixels whose whole 3x3 neighbourhood has one value."""
    return maximum_filter(image, 3, mode="nearest") == minimum_filter(image, 3, mode="nearest")


def grid(size: tuple[int, int], step: int) -> np.ndarray:
    y, x = np.mgrid[0 : size[0] : step, 0 : size[1] : step]
    return np.stack([x.ravel(), y.ravel()], axis=1).astype(float)


def pixels(positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.floor(positions + 0.5).astype(int).T
    return y, x


def test_shapes_and_types() -> None:
    scene = SyntheticScene(3, (120, 200), frames=4, objects=3)
    frame = scene[2]
    assert len(scene) == 4 and frame.index == 2
    assert frame.image.shape == (120, 200, 3) and frame.image.dtype == np.uint8
    assert frame.ids.shape == frame.parts.shape == (120, 200)
    assert frame.ids.dtype == frame.parts.dtype == np.int32
    assert frame.keypoints.shape == (3, 5, 2) and frame.keypoints.dtype == np.float32
    assert frame.mask_labels.present == (1, 2, 3)
    assert frame.keypoint_labels.points is not None
    assert frame.keypoint_labels.points.shape == (15, 2)
    assert frame.keypoint_labels.objects.names[5:7] == ("object 2 trunk", "object 2 limb 1")


@pytest.mark.parametrize(
    "wrong", [{"objects": 0}, {"objects": 9}, {"frames": 0}, {"size": (63, 200)}, {"seed": -1}]
)
def test_refuses(wrong: dict[str, int]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        SyntheticScene(**wrong)  # type: ignore[arg-type]
    with pytest.raises(IndexError):
        SyntheticScene(frames=3)[3]


def test_lazy_equals_listed_and_frames_depend_on_their_number_alone() -> None:
    scene = SyntheticScene(5, (96, 160), frames=6)
    iterator = iter(scene)
    assert isinstance(iterator, Iterator)
    listed = list(SyntheticScene(5, (96, 160), frames=9))
    late = scene[5]  # before any other
    for t, frame in enumerate(iterator):
        for name in ("image", "ids", "parts", "keypoints"):
            np.testing.assert_array_equal(getattr(frame, name), getattr(listed[t], name))
    np.testing.assert_array_equal(late.image, listed[5].image)


def test_rendering_waits_for_the_consumer(monkeypatch: pytest.MonkeyPatch) -> None:
    rendered: list[int] = []
    original = SyntheticScene.__getitem__
    monkeypatch.setattr(
        SyntheticScene, "__getitem__", lambda self, t: rendered.append(t) or original(self, t)
    )
    iterator = iter(SyntheticScene(0, (64, 96), frames=1000))
    assert rendered == []
    next(iterator), next(iterator)
    assert rendered == [0, 1]


def test_seeds_differ() -> None:
    a, b = (SyntheticScene(seed, (96, 160))[0] for seed in (0, 1))
    assert np.abs(a.image.astype(float) - b.image).mean() > 10
    assert (a.ids != b.ids).any()


def test_motion_has_an_exact_inverse() -> None:
    swings = [Swing(m, a, 0.3, p) for m, a, p in [(50, 9, 1), (40, 5, 2), (0, 3, 0), (30, 9, 1)]]
    motion = Motion(*swings, Swing(0, 0.2, 0.5, 1), Swing(0, 0.2, 0.4, 2))
    u, v = np.random.default_rng(0).uniform(-1.5, 1.5, (2, 500))
    for t in (0, 7, 31):
        x, y = motion.to_image(t, u, v)
        np.testing.assert_allclose(motion.to_object(t, x, y), (u, v), atol=1e-12)


def test_motion_without_waves_is_a_similarity() -> None:
    motion = Motion(Swing(10), Swing(20), Swing(np.pi / 2), Swing(3))
    x, y = motion.to_image(4, np.array([1.0, 0.0]), np.array([0.0, 2.0]))
    np.testing.assert_allclose(x, [10, 4], atol=1e-12)
    np.testing.assert_allclose(y, [23, 20], atol=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("objects", [2, 4])
def test_tracks_agree_with_masks(seed: int, objects: int) -> None:
    scene = SyntheticScene(seed, frames=40, objects=objects)
    queries = grid(scene.size, 5)
    first = scene[0]
    own = first.ids[pixels(queries)]
    positions, visible = scene.tracks(queries)
    np.testing.assert_allclose(positions[0], queries, atol=1e-9)
    assert visible[0].all()
    hidden_points = 0
    for t in (1, 12, 15, 18, 24, 28, 39):
        ids = scene[t].ids
        inside = ((positions[t] >= -0.5) & (positions[t] < np.array(scene.size[::-1]) - 0.5)).all(1)
        assert not visible[t][~inside].any()
        at = pixels(positions[t][inside])
        # Next to an outline the pixel's centre may lie on the other side of it.
        clear = flat(ids)[at]
        assert clear.mean() > 0.8
        seen, found, truth = visible[t][inside][clear], ids[at][clear], own[inside][clear]
        np.testing.assert_array_equal(found[seen], truth[seen])
        assert (found[~seen] > truth[~seen]).all()  # only nearer objects hide
        hidden_points += int(((~seen) & (truth > 0)).sum())
    assert hidden_points > 0  # objects do hide each other
    assert visible[:, own == objects].sum() > 0


@pytest.mark.parametrize("seed", SEEDS)
def test_tracks_from_a_later_frame_run_both_ways(seed: int) -> None:
    scene = SyntheticScene(seed, frames=12)
    queries = grid(scene.size, 23)
    positions, visible = scene.tracks(queries, start=5)
    np.testing.assert_allclose(positions[5], queries, atol=1e-9)
    back, _ = scene.tracks(positions[9][visible[9]], start=9)
    np.testing.assert_allclose(back[2], positions[2][visible[9]], atol=1e-9)
    some, seen = scene.tracks(queries, start=5, frames=[9, 2])
    assert np.array_equal(some, positions[[9, 2]]) and np.array_equal(seen, visible[[9, 2]])


@pytest.mark.parametrize("seed", SEEDS)
def test_colour_is_constant_along_tracks(seed: int) -> None:
    scene = SyntheticScene(seed, frames=31, noise=0, light=0, shadow=0)

    def colours(t: int, xy: np.ndarray) -> np.ndarray:
        image = scene[t].image.astype(float)
        return np.stack(
            [map_coordinates(image[..., c], xy.T[::-1], order=1, mode="nearest") for c in range(3)]
        )

    first = scene[0].ids
    queries = grid(scene.size, 3)
    queries = queries[flat(first)[pixels(queries)]]
    positions, visible = scene.tracks(queries)
    for t in (1, 15, 30):
        ids = scene[t].ids
        at = np.clip(positions[t], 0, np.array(scene.size[::-1]) - 1)
        use = visible[t] & flat(ids)[pixels(at)]
        for objects in (first[pixels(queries)] == 0, first[pixels(queries)] > 0):
            which = use & objects
            assert which.sum() > 100
            start = colours(0, queries[which])
            error = np.abs(colours(t, positions[t][which]) - start).mean()
            off = np.abs(colours(t, positions[t][which] + [2.0, 1.0]) - start).mean()
            assert error < 4.0  # grey levels: interpolation, quantisation
            assert error < 0.5 * off


def test_noise_and_light_are_as_asked() -> None:
    plain = SyntheticScene(0, noise=0, light=0, shadow=0)[7].image.astype(float)
    noisy = SyntheticScene(0, noise=3, light=0, shadow=0)[7].image
    lit = SyntheticScene(0, noise=0, light=0.2, shadow=0)[7].image
    usable = (plain > 20) & (plain < 200)
    assert (noisy - plain)[usable].std() == pytest.approx(3, rel=0.05)
    ratio = (lit / np.maximum(plain, 1))[usable]
    assert ratio.std() > 0.02 and np.abs(ratio - 1).max() < 0.2 + 0.5 / 20 + 0.05


def test_shadows_darken_and_leave_the_truth_alone() -> None:
    plain, shaded = (SyntheticScene(1, noise=0, light=0, shadow=s)[24] for s in (0.0, 0.5))
    np.testing.assert_array_equal(plain.ids, shaded.ids)
    change = shaded.image.astype(int) - plain.image
    assert change.max() <= 0 and change.min() < -20
    nearest = binary_erosion(plain.ids == 2, iterations=2)
    assert (change[nearest] == 0).all()  # nothing is in front of the nearest object


def test_area_follows_the_scale() -> None:
    """Shears keep areas, so an object's mask grows with the square of its scale alone."""
    scene = SyntheticScene(2, (480, 640), frames=60, objects=1)
    motion = scene.motions[1]
    areas = [(scene[t].ids == 1).sum() / motion.scale(t) ** 2 for t in range(0, 60, 12)]
    np.testing.assert_allclose(areas, areas[0], rtol=0.01)


def test_outline_is_anti_aliased_around_the_mask() -> None:
    """Black body over white ground: the mask is where the body covers more than half a pixel."""
    scene = SyntheticScene(0, frames=3, objects=1, noise=0, light=0, shadow=0)
    scene.ground[:] = 255.0
    scene.bodies[0].texture[:] = 0.0
    frame = scene[2]
    grey = frame.image[..., 0]
    np.testing.assert_array_equal(grey < 127, (frame.ids == 1) & (grey < 127))
    np.testing.assert_array_equal(grey > 128, (frame.ids == 0) & (grey > 128))
    between = (grey > 20) & (grey < 235)
    rim = np.abs(np.stack(np.gradient(frame.ids.astype(float)))).sum(0) > 0
    assert between.sum() > 50 and rim[between].all()
    assert (255.0 - grey).sum() / 255 == pytest.approx((frame.ids == 1).sum(), rel=0.01)


@pytest.mark.parametrize("objects", [1, 3, 8])
def test_parts_and_keypoints_lie_in_their_objects(objects: int) -> None:
    scene = SyntheticScene(4, frames=30, objects=objects)
    for t in (0, 13, 26):
        frame = scene[t]
        np.testing.assert_array_equal((frame.parts + 4) // 5, frame.ids)
        for i, points in enumerate(frame.keypoints):
            for part, point in enumerate(points):
                if np.isfinite(point).all():
                    y, x = pixels(point[None])
                    area = frame.parts[y[0] - 1 : y[0] + 2, x[0] - 1 : x[0] + 2]
                    assert (area == 5 * i + 1 + part).any()
    assert np.isfinite(scene[0].keypoints).mean() > 0.9
    assert set(np.unique(scene[0].ids)) == set(range(objects + 1))


def test_keypoints_vanish_when_hidden_and_follow_tracks() -> None:
    scene = SyntheticScene(0, frames=40)
    start = scene[0].keypoints.reshape(-1, 2)
    assert np.isfinite(start).all()
    positions, visible = scene.tracks(start)
    assert not visible.all()
    for t in range(0, 40, 3):
        points = scene[t].keypoints.reshape(-1, 2)
        np.testing.assert_array_equal(np.isfinite(points).all(1), visible[t])
        np.testing.assert_allclose(points[visible[t]], positions[t][visible[t]], atol=1e-3)


def test_no_single_colour_tells_an_object_from_the_ground() -> None:
    """Colour classes (4 levels a channel) that an object occupies also occur in the ground."""
    for seed in SEEDS:
        frame = SyntheticScene(seed)[0]
        code = (frame.image // 64).astype(int) @ [16, 4, 1]
        for i in (1, 2):
            colours = np.bincount(code[frame.ids == i], minlength=64) / (frame.ids == i).sum()
            assert colours.max() < 0.6
            assert (colours > 0.02).sum() >= 5


def test_sample_is_bilinear_and_tiles() -> None:
    texture = np.random.default_rng(0).random((5, 7, 3), np.float32)
    x, y = np.random.default_rng(1).uniform(-9, 9, (2, 200))
    expected = np.stack(
        [map_coordinates(texture[..., c], [y, x], order=1, mode="grid-wrap") for c in range(3)], -1
    )
    np.testing.assert_allclose(sample(texture, x, y), expected, atol=1e-5)


def test_noise_is_normalised_smooth_and_seamless() -> None:
    noise = smooth_noise(np.random.default_rng(0), (64, 96), 1.5, 8.0)
    assert noise.mean() == pytest.approx(0, abs=1e-5) and noise.std() == pytest.approx(1, abs=1e-5)
    steps = np.abs(np.diff(noise, axis=0, append=noise[:1]))
    assert steps[-1].mean() < 1.5 * steps[:-1].mean() and steps.max() < 1


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns_are_soft_masks_with_both_sides(pattern) -> None:
    v, u = np.meshgrid(*[np.linspace(-1, 1, 64, dtype=np.float32)] * 2, indexing="ij")
    mask = pattern(u, v, smooth_noise(np.random.default_rng(0), (64, 64), 2.0, 12.0))
    assert mask.min() >= 0 and mask.max() <= 1
    assert 0.1 < (mask > 0.5).mean() < 0.9
