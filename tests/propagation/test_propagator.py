"""The streaming propagator: bounded memory, late objects, sizes, keypoints, bad input."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pixelkin.models.encoder import Encoder, EncoderConfig, load_encoder
from pixelkin.propagation import PROTOCOL_NAMES, Protocol, propagate_features, references
from pixelkin.propagation.features import FeaturePropagator
from pixelkin.propagation.propagator import Propagator
from pixelkin.types import (
    InputError,
    Labels,
    MaskLabels,
    Object,
    Objects,
    PointLabels,
    Prediction,
)

HEIGHT, WIDTH = 64, 96


class PatchEncoder(Encoder):
    """Tells every patch of pixels from every other: a random projection of the cell's pixels."""

    def __init__(self, stride: int = 8) -> None:
        super().__init__(EncoderConfig(network="lab", stride=stride))

    def with_stride(self, stride: int) -> PatchEncoder:
        return PatchEncoder(stride)

    def encode(self, frame: np.ndarray) -> torch.Tensor:
        s = self.stride
        pixels = torch.tensor(frame).permute(2, 0, 1)[None].float()
        cells = torch.nn.functional.unfold(pixels, s, stride=s)[0]
        cells = cells - cells.mean(0)
        g = torch.Generator().manual_seed(0)
        features = torch.randn(64, len(cells), generator=g) @ cells
        features = 8 * torch.nn.functional.normalize(features, dim=0)
        return features.view(64, frame.shape[0] // s, frame.shape[1] // s)


def moving_square(frames: int, step: int = 8) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Frames and masks of a textured square that moves to the right over a textured ground."""
    rng = np.random.default_rng(0)
    ground = rng.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    patch = rng.integers(0, 255, (24, 24, 3), dtype=np.uint8)
    images, masks = [], []
    for t in range(frames):
        image, mask = ground.copy(), np.zeros((HEIGHT, WIDTH), np.int32)
        where = slice(16, 40), slice(8 + step * t, 32 + step * t)
        image[where], mask[where] = patch, 1
        images.append(image)
        masks.append(mask)
    return images, masks


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("name", PROTOCOL_NAMES)
def test_every_protocol_follows_a_square(name: str, fast: bool) -> None:
    images, masks = moving_square(8)
    protocol = replace(Protocol.named(name), input_size=None, fast=fast)
    propagator = Propagator(PatchEncoder(), protocol)
    for t, image in enumerate(images):
        prediction = propagator.step(image, Labels.from_mask(masks[0]) if t == 0 else None)
        assert prediction.index == t
        ids = prediction.labels.ids
        assert ids is not None and ids.shape == (HEIGHT, WIDTH)
        assert iou(ids == 1, masks[t] == 1) > (0.99 if t == 0 else 0.65)
        assert prediction.confidence.shape == (1,)
        assert 0.0 <= prediction.frame_confidence <= 1.0
        assert prediction.origin == ("given" if t == 0 else "propagated")


@pytest.mark.parametrize("name", PROTOCOL_NAMES)
def test_memory_does_not_grow(name: str) -> None:
    protocol = replace(Protocol.named(name), context=2, input_size=None)
    propagator = Propagator(PatchEncoder(), protocol)
    images, masks = moving_square(2)
    sizes = []
    for t in range(16):
        propagator.step(images[t % 2], Labels.from_mask(masks[0]) if t == 0 else None)
        sizes.append(propagator.memory_bytes)
    assert len(set(sizes[8:])) == 1
    one = propagator.features(images[0])
    assert sizes[0] >= one.nbytes and sizes[-1] >= 3 * one.nbytes  # of frame 0 and two before


def test_streaming_equals_whole_array() -> None:
    images, masks = moving_square(6)
    encoder = load_encoder("random")
    protocol = replace(Protocol.named("davis"), context=3, radius=3)
    propagator = Propagator(encoder, protocol)
    features = torch.stack([encoder.encode(image) for image in images])
    ids = [propagator.step(images[0], Labels.from_mask(masks[0])).labels.ids]
    ids += [propagator.step(image).labels.ids for image in images[1:]]
    one_hot = torch.stack([torch.from_numpy(masks[0] == c).float() for c in (0, 1)])
    soft0 = torch.nn.functional.interpolate(one_hot[None], features.shape[2:], mode="bilinear")[0]
    soft = propagate_features(features, soft0, protocol)
    for one, expected in zip(soft[1:], ids[1:], strict=True):
        up = torch.nn.functional.interpolate(
            one[None], size=(HEIGHT, WIDTH), mode="bilinear", align_corners=False
        )[0]
        assert np.array_equal(up.argmax(0).numpy(), expected)


def test_ids_need_not_be_contiguous_and_objects_may_come_later() -> None:
    images, masks = moving_square(6)
    late = np.zeros((HEIGHT, WIDTH), np.int32)
    late[48:64, 64:88] = 3
    texture = np.random.default_rng(1).integers(0, 255, (16 * 24, 3), dtype=np.uint8)
    for image in images[2:]:
        image[late == 3] = texture
    propagator = Propagator(PatchEncoder(), "davis")
    propagator.step(images[0], Labels.from_mask(masks[0] * 7))
    propagator.step(images[1])
    joined = propagator.step(images[2], Labels.from_mask(late), merge=True)
    assert joined.objects == (7, 3)
    assert joined.confidence[1] == 1.0
    assert joined.labels.ids is not None
    assert np.array_equal(joined.labels.ids == 3, late == 3)
    assert iou(joined.labels.ids == 7, masks[2] == 1) > 0.6
    for t in (3, 4, 5):
        ids = propagator.step(images[t]).labels.ids
        assert ids is not None
        assert iou(ids == 3, late == 3) > 0.6 and iou(ids == 7, masks[t] == 1) > 0.5


def test_a_later_keyframe_starts_afresh() -> None:
    """Labels of a whole frame supersede all that was predicted before."""
    images, masks = moving_square(6)
    propagator = Propagator(PatchEncoder(), "davis")
    propagator.step(images[0], Labels.from_mask(masks[0]))
    propagator.step(images[1])
    corrected = propagator.step(images[2], Labels.from_mask(masks[5] * 4))
    assert corrected.labels.ids is not None
    assert np.array_equal(corrected.labels.ids, masks[5] * 4)
    assert corrected.origin == "given" and corrected.frame_confidence == 1.0
    fresh = Propagator(PatchEncoder(), "davis")
    fresh.step(images[2], Labels.from_mask(masks[5] * 4))
    for image in images[3:]:
        ours, expected = propagator.step(image), fresh.step(image)
        assert np.array_equal(ours.labels.ids, expected.labels.ids)
        assert ours.objects == (4,)


@pytest.mark.parametrize("name", PROTOCOL_NAMES)
def test_keypoints_follow(name: str) -> None:
    images, _ = moving_square(6)
    corners = np.array([[12.0, 20.0], [27.0, 35.0], [np.nan, np.nan]])
    propagator = Propagator(PatchEncoder(), replace(Protocol.named(name), input_size=None))
    for t, image in enumerate(images):
        given = Labels.from_points(corners, (HEIGHT, WIDTH)) if t == 0 else None
        prediction = propagator.step(image, given)
        points = prediction.labels.points
        assert points is not None
        expected = corners[:2] + np.array([8.0 * t, 0])
        assert np.abs(points[:2] - expected).max() < 16  # two cells
        assert np.isnan(points[2]).all()
        assert t == 0 or prediction.confidence[2] == 0
        assert prediction.labels.kind == "keypoints"


def test_confidence_is_the_mean_share_of_votes_over_the_objects_pixels() -> None:
    images, masks = moving_square(1)
    propagator = Propagator(PatchEncoder(), "davis")
    ids = masks[0].copy()
    ids[:8], ids[-8:] = 5, 9
    propagator.step(images[0], Labels.from_mask(ids))
    soft = torch.rand(4, HEIGHT // 8, WIDTH // 8)
    soft[3] = 0
    prediction = propagator.decode(soft)
    up = torch.nn.functional.interpolate(
        soft[None], size=(HEIGHT, WIDTH), mode="bilinear", align_corners=False
    )[0]
    shares = (up / up.sum(0)).numpy()
    winner = shares.argmax(0)
    assert prediction.labels.ids is not None
    assert np.array_equal(prediction.labels.ids, np.array([0, 1, 5, 9])[winner])
    expected = [shares[1][winner == 1].mean(), shares[2][winner == 2].mean(), 0.0]
    np.testing.assert_allclose(prediction.confidence, expected, atol=1e-5)
    assert prediction.frame_confidence == 0.0


def test_confidence_of_a_keypoint_is_the_mass_around_it() -> None:
    images, _ = moving_square(1)
    propagator = Propagator(PatchEncoder(), "davis")
    points = np.array([[20.0, 20.0], [50.0, 30.0]])
    propagator.step(images[0], Labels.from_points(points, (HEIGHT, WIDTH)))
    soft = torch.zeros(3, HEIGHT // 8, WIDTH // 8)
    soft[1, 3, 4], soft[1, 3, 5], soft[1, 0, 0] = 0.6, 0.3, 0.1
    prediction = propagator.decode(soft)
    # Weighted mean of the cells (4, 3), (5, 3) and (0, 0); a cell is 8 pixels.
    assert prediction.labels.points is not None
    expected = [[8 * (4 * 0.6 + 5 * 0.3), 8 * 3 * 0.9], [np.nan, np.nan]]
    np.testing.assert_allclose(prediction.labels.points, expected, rtol=1e-6)
    np.testing.assert_allclose(prediction.confidence, [0.6 / 1.0, 0.0], atol=0.31)


def test_short_side_keeps_the_output_size() -> None:
    frame = np.full((HEIGHT, WIDTH, 3), 30, np.uint8)
    ids = np.zeros((HEIGHT, WIDTH), np.int32)
    ids[16:48, 32:64] = 1
    frame[ids == 1] = (220, 60, 20)
    propagator = Propagator("lab", replace(Protocol.named("davis"), short_side=32))
    propagator.step(frame, Labels.from_mask(ids))
    found = propagator.step(frame).labels.ids
    assert found is not None and found.shape == (HEIGHT, WIDTH)
    assert iou(found == 1, ids == 1) > 0.8
    assert propagator.features(frame).shape[1:] == (32 // 8, 48 // 8)


def test_bad_input_is_named() -> None:
    images, masks = moving_square(2)
    propagator = Propagator(PatchEncoder(), "davis")
    with pytest.raises(InputError, match="first frame needs labels"):
        propagator.step(images[0])
    with pytest.raises(InputError, match="mark no object"):
        propagator.step(images[0], Labels.from_mask(masks[0] * 0))
    propagator = Propagator(PatchEncoder(), "davis")
    with pytest.raises(InputError, match=r"48x32.*96x64"):
        propagator.step(images[0], Labels.from_mask(masks[0][::2, ::2]))
    propagator = Propagator(PatchEncoder(), "davis")
    propagator.step(images[0], Labels.from_mask(masks[0]))
    with pytest.raises(InputError, match=r"48x32.*96x64"):
        propagator.step(images[1][::2, ::2])
    points = Labels.from_points(np.zeros((2, 2)), (HEIGHT, WIDTH))
    with pytest.raises(InputError, match="one kind"):
        propagator.step(images[1], points, merge=True)
    frame = np.zeros((HEIGHT, WIDTH, 3))
    for name in PROTOCOL_NAMES:  # those that resize frames must not make bytes of them first
        with pytest.raises(InputError, match="uint8 RGB"):
            Propagator("lab", name).step(frame, Labels.from_mask(np.ones((HEIGHT, WIDTH), int)))
    with pytest.raises(InputError, match="davis, youtube_vos, youtube_vos_centred, jhmdb, vip"):
        Propagator(PatchEncoder(), "nonsense")
    with pytest.raises(InputError, match="top_k"):
        replace(Protocol.named("davis"), top_k=0)


def test_names_of_objects_are_kept() -> None:
    """In every frame, for the objects that are visible; a later object brings its own."""
    images, masks = moving_square(3)
    propagator = Propagator(PatchEncoder(), "davis")
    both = masks[0].copy()
    both[50:60, 70:90] = 7
    propagator.step(images[0], Labels.from_mask(both, names=("square", "ground")))
    assert names(propagator.step(images[1])) == ["square", "ground"]
    later = np.zeros_like(both)
    later[:8, :16] = 5
    merged = propagator.step(images[2], Labels.from_mask(later, names=("sky",)), merge=True)
    assert merged.labels.present == (1, 5, 7)
    assert names(merged) == ["square", "sky", "ground"]


def names(prediction: Prediction) -> list[str | None]:
    """Of the objects that are visible."""
    return [prediction.labels.objects[i].name for i in prediction.labels.present]


def test_a_restored_propagator_has_the_keyframe_that_it_began_with() -> None:
    images, masks = moving_square(4)
    propagator, restored = Propagator(PatchEncoder(), "davis"), Propagator(PatchEncoder(), "davis")
    labels = Labels.from_mask(masks[0])
    for t, image in enumerate(images):
        propagator.step(image, labels if t == 0 else None)
    restored.restore(propagator.state(), labels, lambda number: images[number])
    assert torch.equal(restored.key.features, propagator.features(images[0]))
    assert torch.equal(restored.key.soft, propagator.key.soft)


def merged(images: list[np.ndarray], masks: list[np.ndarray]) -> tuple[Propagator, Labels]:
    """A propagator whose objects have come one after the other, and the first labels."""
    ground = np.zeros_like(masks[0])
    ground[50:60, 70:90] = 7
    first = Labels.from_mask(masks[0])
    later = Objects(
        (
            Object(1, name="square", category="thing"),
            Object(7, name="ground \u5730", category="stuff", colour=(1, 2, 3), parent="world"),
        )
    )
    propagator = Propagator(PatchEncoder(), "davis")
    propagator.step(images[0], first)
    propagator.step(images[1], MaskLabels("mask", later, ground), merge=True)
    propagator.step(images[2])
    return propagator, first


def test_a_restored_propagator_knows_objects_that_came_later(tmp_path: Path) -> None:
    """By all that is said of them; also from a file."""
    images, masks = moving_square(5)
    propagator, first = merged(images, masks)
    np.savez(tmp_path / "state.npz", **propagator.state())
    with np.load(tmp_path / "state.npz") as file:
        state = dict(file)
    restored = Propagator(PatchEncoder(), "davis")
    restored.restore(state, first, lambda number: images[number])
    assert restored.objects == propagator.objects
    assert restored.objects[7].parent == "world" and restored.objects[1].name == "square"
    assert torch.equal(restored.key.soft, propagator.key.soft)
    for image in images[3:]:
        a, b = propagator.step(image), restored.step(image)
        assert np.array_equal(a.ids, b.ids) and np.array_equal(a.confidence, b.confidence)
        assert a.labels.objects == b.labels.objects


def test_a_state_of_an_earlier_version_is_restored_without_names() -> None:
    images, masks = moving_square(4)
    propagator, first = merged(images, masks)
    state = {name: array for name, array in propagator.state().items() if name != "table"}
    restored = Propagator(PatchEncoder(), "davis")
    restored.restore(state, first, lambda number: images[number])
    assert restored.objects == Objects((Object(1), Object(7)))
    assert np.array_equal(restored.step(images[3]).ids, propagator.step(images[3]).ids)


def test_keypoints_keep_their_skeleton_in_a_state() -> None:
    images, _ = moving_square(3)
    table = Objects((Object(0, "keypoints", "nose"), Object(1, "keypoints", "tail")), ((0, 1),))
    points = np.array([[20, 20], [30, 30]], np.float32)
    first = PointLabels("keypoints", table, points, (HEIGHT, WIDTH))
    propagator = Propagator(PatchEncoder(), "jhmdb")
    propagator.step(images[0], first)
    restored = Propagator(PatchEncoder(), "jhmdb")
    bare = replace(first, objects=Objects((Object(0, "keypoints"), Object(1, "keypoints"))))
    restored.restore(propagator.state(), bare, lambda number: images[number])
    assert restored.objects == propagator.objects == table
    assert np.array_equal(restored.step(images[1]).points, propagator.step(images[1]).points)


def test_a_later_keyframe_is_referred_to_ever_after() -> None:
    """What it alone shows is found again after frames without it, which are all that is recent."""
    draw = torch.Generator().manual_seed(0)
    ground, thing = torch.randn(2, 64, generator=draw)
    plain = ground.view(64, 1, 1).repeat(1, 4, 4)
    shown, again = plain.clone(), plain.clone()
    shown[:, 1, 1], again[:, 2, 3] = thing, thing
    first, later = torch.zeros(2, 4, 4), torch.zeros(3, 4, 4)
    first[1, 0, 0], later[2, 1, 1] = 1, 1
    first[0], later[0] = 1 - first[1], 1 - later[2]
    engine = FeaturePropagator(replace(Protocol.named("davis"), context=1))
    engine.step(plain, first)
    engine.step(plain)
    engine.step(shown, later)
    for _ in range(3):
        assert float(engine.step(plain)[2].max()) < 0.01
    found = engine.step(again)[2]
    assert float(found[2, 3]) > 0.99 and float(found.sum()) < 1.1


def test_frames_before_suffice_without_long_term_references() -> None:
    """One frame of context: frame 0 is no reference for frame 2."""
    protocol = replace(Protocol.named("davis"), context=1, long_term=(), pad_context=False)
    assert [r.frame for r in references(protocol, 2)] == [1]
    with pytest.raises(InputError, match="long_term"):
        replace(protocol, context=0)


def bilinear(frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """In whole numbers; halves go up. Centres of pixels lie at halves, edges are repeated."""

    def places(inner: int, outer: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        at = ((2 * np.arange(outer) + 1) * inner - outer).clip(0)  # in 1 / (2 outer) of a pixel
        lower = at // (2 * outer)
        return lower, np.minimum(lower + 1, inner - 1), at - 2 * outer * lower

    above, below, down = places(frame.shape[0], size[0])
    left, right, across = places(frame.shape[1], size[1])
    down, across, levels = down[:, None, None], across[:, None], frame.astype(np.int64)
    rows = levels[above] * (2 * size[0] - down) + levels[below] * down
    sums = rows[:, left] * (2 * size[1] - across) + rows[:, right] * across
    whole = 4 * size[0] * size[1]
    return np.asarray((2 * sums + whole) // (2 * whole))


@pytest.mark.parametrize("size", [(240, 320), (480, 854)])
@pytest.mark.parametrize("protocol", ["jhmdb", "vip"])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_frame_is_resized_to_the_same_levels_by_any_threads(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], protocol: str, threads: int
) -> None:
    seen = []
    monkeypatch.setattr(Encoder, "encode", lambda self, frame: seen.append(frame))
    frame = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)
    propagator = Propagator("lab", protocol)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        propagator.features(frame)
    finally:
        torch.set_num_threads(before)
    side = {"jhmdb": 320, "vip": 560}[protocol]
    np.testing.assert_array_equal(seen[0], bilinear(frame, (side, side)))
