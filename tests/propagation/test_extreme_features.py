"""What propagation gives at the edges of what is allowed: finite, defined, and the same again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from pixelkin.models.encoder import load_encoder
from pixelkin.propagation.features import propagate_features
from pixelkin.propagation.propagator import Propagator
from pixelkin.propagation.protocol import PROTOCOL_NAMES, Protocol
from pixelkin.types import Labels, Prediction

FRAMES = 9


def features(kind: str, dtype: torch.dtype = torch.float32) -> Tensor:
    """Features FRAMES x 6 x 5 x 7 of some kind."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(FRAMES, 6, 5, 7, generator=generator, dtype=torch.float64)
    kinds = {
        "noise": noise,
        "zero": noise * 0,
        "equal": noise * 0 + 1,
        "one cell": noise * (torch.arange(35).view(5, 7) == 17),
        "subnormal": noise * 1e-42,
        "small": noise * 1e-18,
        "large": noise * 1e9,
        "negative": -noise.abs(),
        "very different": noise
        * 10.0 ** torch.linspace(-15, 9, 35, dtype=torch.float64).view(5, 7),
    }
    return kinds[kind].to(dtype)


KINDS = ("noise", "zero", "equal", "one cell", "subnormal", "small", "large", "negative",
         "very different")  # fmt: skip


def labels(objects: int = 2, dtype: torch.dtype = torch.float32) -> Tensor:
    """Soft labels of a background and some objects of one cell each, 5 x 7."""
    ids = torch.zeros(5, 7, dtype=torch.int64)
    ids.view(-1)[3 : 3 + objects] = torch.arange(1, objects + 1)
    return torch.nn.functional.one_hot(ids, objects + 1).movedim(-1, 0).to(dtype)


def rules(name: str, *, native: bool = True) -> Protocol:
    """A protocol on frames as they are."""
    protocol = Protocol.named(name)
    return replace(protocol, input_size=None, short_side=None) if native else protocol


def size(name: str, h: int = 5, w: int = 7) -> tuple[int, int]:
    """Pixels of a frame whose grid is h x w."""
    return h * rules(name).stride, w * rules(name).stride


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", PROTOCOL_NAMES)
def test_no_rule_gives_what_is_not_finite(name: str, kind: str) -> None:
    found = propagate_features(features(kind), labels(), rules(name), size(name))
    assert torch.isfinite(found).all()
    assert float(found.min()) >= 0 and float(found.max()) <= 1 + 1e-5
    if name == "davis":  # shares of votes
        torch.testing.assert_close(found.sum(1), torch.ones(FRAMES, 5, 7))


@pytest.mark.parametrize("name", PROTOCOL_NAMES)
def test_float32_is_near_float64(name: str) -> None:
    """Soft labels of one step to 1e-4: no rule takes a difference of large numbers."""
    one, other = (
        propagate_features(features("noise", d)[:2], labels(dtype=d), rules(name), size(name))
        for d in (torch.float32, torch.float64)
    )
    torch.testing.assert_close(one.double(), other, atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", PROTOCOL_NAMES)
def test_threads_and_deterministic_algorithms_change_no_bit(name: str) -> None:
    """But for the last one of MAST's sums, whose parts two threads share."""
    wide = torch.randn(5, 64, 20, 24, generator=torch.Generator().manual_seed(1))
    ids = (torch.arange(480).view(20, 24) % 24 < 9).long()
    marked = torch.nn.functional.one_hot(ids, 2).movedim(-1, 0).float()
    before = torch.get_num_threads()
    found = []
    try:
        for threads, deterministic in ((1, False), (2, False), (1, True)):
            torch.set_num_threads(threads)
            torch.use_deterministic_algorithms(deterministic)
            found.append(propagate_features(wide, marked, rules(name), size(name, 20, 24)))
    finally:
        torch.set_num_threads(before)
        torch.use_deterministic_algorithms(False)
    assert torch.equal(found[0], found[2])
    if rules(name).rule == "mast":
        torch.testing.assert_close(found[0], found[1], atol=1e-6, rtol=0)
    else:
        assert torch.equal(found[0], found[1])


def carried(frames: np.ndarray, ids: np.ndarray, name: str) -> list[Prediction]:
    """Predictions of a video, by colours."""
    protocol = rules(name)
    propagator = Propagator(load_encoder("lab").with_stride(protocol.stride), protocol)
    first = Labels.from_mask(ids)
    return [propagator.step(f, first if t == 0 else None) for t, f in enumerate(frames)]


def check(found: list[Prediction], ids: np.ndarray, objects: int) -> None:
    for t, prediction in enumerate(found):
        shown = prediction.labels.as_map().ids
        assert shown.shape == ids.shape and set(np.unique(shown)) <= set(np.unique(ids))
        assert prediction.confidence.shape == (objects,)
        assert np.isfinite(prediction.confidence).all(), t
        assert (prediction.confidence >= 0).all() and (prediction.confidence <= 1).all()


@pytest.mark.parametrize("name", PROTOCOL_NAMES)
@pytest.mark.parametrize("pixels", [(16, 16), (8, 8), (8, 64), (64, 8), (33, 47)])
def test_the_smallest_and_the_narrowest_frames(name: str, pixels: tuple[int, int]) -> None:
    """A grid of 1 x 1 included: each frame is what the first one was there."""
    frames = np.random.default_rng(0).integers(0, 255, (4, *pixels, 3), dtype=np.uint8)
    ids = np.zeros(pixels, np.int32)
    ids[: pixels[0] // 2] = 1
    check(carried(frames, ids, name), ids, 1)


@pytest.mark.parametrize("name", PROTOCOL_NAMES)
@pytest.mark.parametrize("level", [0, 255])
def test_a_video_of_one_colour(name: str, level: int) -> None:
    """Nothing tells cells apart: labels are defined all the same, and in bounds."""
    ids = np.zeros((48, 64), np.int32)
    ids[16:32, 16:40] = 1
    check(carried(np.full((6, 48, 64, 3), level, np.uint8), ids, name), ids, 1)


@pytest.mark.parametrize("name", PROTOCOL_NAMES)
def test_three_hundred_objects_of_a_few_pixels(name: str) -> None:
    ids = np.arange(301, dtype=np.int32)[np.arange(64 * 80).reshape(64, 80) % 301]
    frames = np.random.default_rng(0).integers(0, 255, (3, 64, 80, 3), dtype=np.uint8)
    check(carried(frames, ids, name), ids, 300)


@pytest.mark.parametrize("name", PROTOCOL_NAMES)
def test_an_object_of_one_pixel_and_one_that_vanishes(name: str) -> None:
    """Where an object is shown nowhere, its confidence is a number, and the rest goes on."""
    rng = np.random.default_rng(0)
    frames = np.repeat(rng.integers(0, 60, (1, 48, 64, 3), dtype=np.uint8), 8, 0)
    frames[:4, 16:32, 16:32] = (230, 40, 30)
    ids = np.zeros((48, 64), np.int32)
    ids[16:32, 16:32], ids[40, 50] = 1, 2
    found = carried(frames, ids, name)
    check(found, ids, 2)
    if name == "davis":
        assert (found[3].labels.as_map().ids == 1).sum() > 200


def test_what_is_too_large_to_be_compared_is_an_error() -> None:
    """Without normalisation logits are dot products, which must be numbers."""
    for name in ("youtube_vos", "jhmdb", "vip"):
        with pytest.raises(ValueError, match="too large"):
            propagate_features(features("noise") * 1e20, labels(), rules(name), size(name))
    found = propagate_features(features("noise") * 1e20, labels(), rules("davis"))
    assert torch.isfinite(found).all()
