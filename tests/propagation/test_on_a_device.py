"""What a GPU would do, shown on the CPU: all is made where the features are, little comes back.

Inside `elsewhere` whatever is made without saying where lies on torch's `meta` device, which no
number can be had from, and which does not go together with tensors that lie anywhere else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode

from pixelkin.data.synthetic import SyntheticScene
from pixelkin.models.encoder import Encoder, load_encoder
from pixelkin.ops.host import as_on_a_device
from pixelkin.propagation import PROTOCOL_NAMES, Protocol
from pixelkin.propagation.ensemble import Voice
from pixelkin.propagation.propagator import Propagator
from pixelkin.propagation.shots import Watch
from pixelkin.types import InputError, Prediction

SIZE = (96, 136)
SCENE = SyntheticScene(size=SIZE, frames=20)


@contextmanager
def elsewhere() -> Iterator[None]:
    with as_on_a_device(), torch.device("meta"):
        yield


def test_what_says_nothing_of_its_place_is_noticed() -> None:
    x = torch.ones(3)
    with elsewhere():
        assert float((x + torch.ones(3, device=x.device)).sum()) == 6
        with pytest.raises((RuntimeError, NotImplementedError)):
            float((x + torch.ones(3)).sum())


def small(name: str) -> tuple[Protocol, range]:
    """A protocol of small frames, and frames of which some are distant where that matters."""
    protocol = Protocol.named(name)
    if protocol.input_size is not None:
        protocol = replace(protocol, input_size=128)
    return protocol, range(18 if protocol.rule == "mast" else 4)


def features_of(propagator: Propagator, frames: range) -> list[torch.Tensor]:
    return [propagator.features(SCENE[t].image) for t in frames]


@pytest.mark.parametrize("name", PROTOCOL_NAMES)
def test_votes_are_made_where_the_features_are(name: str) -> None:
    protocol, frames = small(name)
    kinds = (SCENE[0].mask_labels, SCENE[0].keypoint_labels)
    for labels in kinds[: 1 if protocol.rule == "mast" else 2]:
        here, there = (Propagator("default", protocol) for _ in range(2))
        features = features_of(here, frames)
        expected = [here.votes(f, labels if t == 0 else None) for t, f in enumerate(features)]
        with as_on_a_device():  # labels are encoded on the CPU
            found = [there.votes(features[0], labels)]
        with elsewhere():
            found += [there.votes(f) for f in features[1:]]
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


@pytest.mark.parametrize("over", [False, True])
@pytest.mark.parametrize("name", PROTOCOL_NAMES)
def test_so_are_masks_confidence_and_cuts(name: str, over: bool) -> None:
    protocol, _ = small(name)
    labels = SCENE[0].mask_labels
    images = [SCENE[t].image for t in range(3)]
    images.append(np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8))
    shown: dict[bool, list[Prediction]] = {}
    for device in (False, True):
        propagator = Propagator("default", protocol)
        watch = Watch(propagator, [Voice(propagator, labels.objects.ids)], None, over=over)
        features = [propagator.features(image) for image in images]
        with as_on_a_device() if device else nullcontext():
            shown[device] = [watch.step(images[0], labels, features=features[0])]
        for image, one in zip(images[1:], features[1:], strict=True):
            with elsewhere() if device else nullcontext():
                shown[device].append(watch.step(image, features=one))
        assert watch.cut
    for there, here in zip(shown[True], shown[False], strict=True):
        np.testing.assert_array_equal(there.labels.as_map().ids, here.labels.as_map().ids)
        np.testing.assert_allclose(there.confidence, here.confidence, atol=1e-5)


@pytest.mark.parametrize("name", ["default", "random", "lab"])
def test_features_are_made_on_the_device(name: str) -> None:
    encoder = load_encoder(name).for_inference(8)
    frame = SCENE[0].image
    expected = encoder.encode(frame)
    with elsewhere():
        torch.testing.assert_close(encoder.encode(frame), expected)


class Fetched(TorchFunctionMode):
    """Bytes that become numpy's."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes: Counter[str] = Counter()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__name__", "") in ("numpy", "tolist"):
            self.bytes[str(args[0].dtype)] += args[0].nbytes
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", PROTOCOL_NAMES)
def test_a_map_of_ids_comes_back_and_no_votes(name: str) -> None:
    protocol, _ = small(name)
    propagator, labels = Propagator("default", protocol), SCENE[0].mask_labels
    propagator.step(SCENE[0].image, labels)
    features = propagator.features(SCENE[1].image)
    with as_on_a_device(), Fetched() as fetched:
        propagator.step(SCENE[1].image, features=features)
    assert fetched.bytes == {"torch.int32": 4 * SIZE[0] * SIZE[1], "torch.float32": 4 * 2}


def test_a_state_is_restored_where_the_features_are() -> None:
    labels = SCENE[0].mask_labels
    here = Propagator("default")
    for t in range(3):
        here.step(SCENE[t].image, labels if t == 0 else None)
    there = here.another()
    with as_on_a_device():  # what one device has left, another goes on with
        there.restore(here.state(), labels, lambda t: SCENE[t].image)
        found = there.step(SCENE[3].image).labels.as_map().ids
    np.testing.assert_array_equal(found, here.step(SCENE[3].image).labels.as_map().ids)


def test_an_encoder_that_is_given_stays_where_it_is() -> None:
    encoder = load_encoder("random")
    assert load_encoder(encoder) is load_encoder(encoder, device="auto") is encoder
    assert load_encoder(encoder, device="cpu") is encoder
    assert Propagator(encoder).encoder.device == encoder.device == torch.device("cpu")


@pytest.mark.parametrize("call", [load_encoder, Propagator])
def test_a_device_that_is_not_there_is_refused(call: Any) -> None:
    for encoder in ("random", load_encoder("lab")):
        with pytest.raises(InputError, match=r"'cuda': torch .* finds none here"):
            call(encoder, device="cuda")


def test_copies_stay_on_the_device() -> None:
    encoder = load_encoder("random").to("meta")
    assert encoder.device.type == "meta"
    for copy in (encoder.with_stride(4), encoder.for_inference(8), encoder.for_inference(4)):
        assert {x.device.type for x in (*copy.parameters(), *copy.buffers())} == {"meta"}
    other = Encoder.wrap(torch.nn.Conv2d(3, 5, 8, 8), stride=8).to("meta")
    assert other.with_stride(4).device.type == "meta"
