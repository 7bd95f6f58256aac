"""The ResNet in integers: exact sums, near float32, of nothing but the frame, and left out."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from pixelkin.data.synthetic import SyntheticScene
from pixelkin.models import quantised
from pixelkin.models.encoder import Encoder, EncoderConfig, load_encoder
from pixelkin.models.quantised import (
    LEVELS,
    QuantisedConv,
    QuantisedResNet,
    available,
    levels,
    quick_dtype,
)
from pixelkin.models.resnet import PaddedConv, ResNet
from pixelkin.ops.products import fast_int8
from pixelkin.propagation import Protocol
from pixelkin.propagation.propagator import Propagator
from pixelkin.types import InputError

CPU = torch.device("cpu")
SMALL = EncoderConfig(widths=(8, 16))
SCENE = SyntheticScene(size=(96, 128), frames=8)
integers_only = pytest.mark.skipif(not available(), reason="this processor or torch has none")


def integers(g: torch.Generator, low: int, high: int, *shape: int) -> Tensor:
    """Up to the highest, which each first index has."""
    x = torch.randint(low, high + 1, shape, generator=g).float()
    x.view(len(x), -1)[:, 0] = high
    return x


@integers_only
@pytest.mark.parametrize(
    ("kernel", "stride", "mode"),
    [(3, 1, "reflect"), (3, 2, "zeros"), (3, 2, "replicate"), (1, 2, "zeros"), (1, 1, "zeros")],
)
@pytest.mark.parametrize("channels", [(64, 32), (6, 10)])
@pytest.mark.parametrize("extreme", [False, True])
@pytest.mark.parametrize("most", [LEVELS, 255])
def test_sums_are_those_of_integers(
    kernel: int, stride: int, mode: str, channels: tuple[int, int], extreme: bool, most: int
) -> None:
    """Held to float64, also where pairs of products are the largest that there are."""
    if most > levels():
        pytest.skip("this processor adds products in 16 bits")
    g = torch.Generator().manual_seed(kernel + stride)
    cin, cout = channels
    conv = PaddedConv(cin, cout, kernel, stride, kernel // 2, padding_mode=mode)
    x = integers(g, 0, most, 1, cin, 13, 18)
    weight = integers(g, -LEVELS, LEVELS, cout, cin, kernel, kernel)
    if extreme:
        x, weight = torch.full_like(x, most), LEVELS * torch.where(weight < -60, -1.0, 1.0)
    powers = 2.0 ** torch.randint(-8, 8, (cout,), generator=g)  # of weights, so all is exact
    conv.weight.data, conv.bias.data = weight * powers.view(-1, 1, 1, 1), powers * 3
    x = (x / 4).contiguous(memory_format=torch.channels_last)
    margin = (kernel // 2,) * 4
    padded = F.pad(x, margin) if mode == "zeros" else F.pad(x, margin, mode=mode)
    expected = F.conv2d(padded.double(), conv.weight.double(), conv.bias.double(), stride)
    with torch.inference_mode():
        ours = QuantisedConv(conv, most)
        assert torch.equal(ours(x).double(), expected)
        onto = torch.randint(-99, 99, expected.shape, generator=g).float()
        onto = onto.contiguous(memory_format=torch.channels_last)
        summed = F.relu(expected + onto)
        torch.testing.assert_close(ours(x, relu=True, onto=onto).double(), summed)


def cosines(encoder: Encoder, stride: int, frame: np.ndarray) -> Tensor:
    """h x w, of features by integers and in float32."""
    ours = encoder.for_inference(stride, torch.int8)
    assert isinstance(ours.net, QuantisedResNet)
    found, expected = (e.encode(frame) for e in (ours, encoder.for_inference(stride)))
    assert found.shape == expected.shape and not torch.equal(found, expected)
    return F.cosine_similarity(found, expected, dim=0)


@integers_only
@pytest.mark.parametrize(
    "config",
    [
        SMALL,
        replace(SMALL, padding="zeros", last_relu=False, widths=(6, 10, 12, 14)),
        replace(SMALL, network="resnet34"),
        replace(SMALL, network="resnet50", padding="replicate"),
    ],
)
@pytest.mark.parametrize("stride", [4, 8])
def test_features_are_near_those_in_float32(config: EncoderConfig, stride: int) -> None:
    torch.manual_seed(0)
    # Untrained, activations of some cells are many times those of others.
    found = cosines(Encoder(config).eval(), stride, SCENE[3].image)
    assert found.mean() > 0.995 and found.min() > 0.9


@integers_only
@pytest.mark.parametrize("name", ["default", "random"])
def test_features_of_named_encoders(name: str) -> None:
    """Whitened ones are rougher; without VNNI, where float32 by NNPACK serves first, still more."""
    least = 0.999 if levels() == 255 or name == "random" else 0.998
    noise = np.random.default_rng(0).integers(0, 256, (90, 131, 3), dtype=np.uint8)
    for frame in (SCENE[0].image, noise, SCENE[0].image // 16):
        assert cosines(load_encoder(name), 8, frame).min() > least
    black = np.zeros((64, 64, 3), np.uint8)
    assert cosines(load_encoder(name), 8, black).min() > least


@integers_only
def test_features_depend_on_the_frame_alone() -> None:
    encoder = load_encoder().for_inference(8, torch.int8)
    dark, light = SCENE[0].image // 8, SCENE[5].image
    first = encoder.encode(light)
    encoder.encode(dark)
    assert torch.equal(encoder.encode(light), first)
    again = load_encoder().for_inference(8, torch.int8)
    alone = again.encode(dark)
    assert torch.equal(again.encode(light), first)
    both = torch.tensor(np.stack([dark, light])).permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode():
        assert torch.equal(again(both), torch.stack([alone, first]))


@integers_only
def test_features_do_not_depend_on_the_threads() -> None:
    encoder, threads = load_encoder().for_inference(8, torch.int8), torch.get_num_threads()
    found = []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            found.append(encoder.encode(SCENE[0].image))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(*found)


@integers_only
def test_what_is_not_finite_is_refused() -> None:
    for name in ("conv1.weight", "layer2.1.conv2.weight", "layer1.0.bn1.bias"):
        for value in (torch.nan, torch.inf):
            encoder = Encoder(SMALL).eval()
            encoder.net.get_parameter(name).data[0] = value
            with pytest.raises(InputError, match="not finite"):
                encoder.for_inference(8, torch.int8).encode(SCENE[0].image)
    encoder = Encoder(SMALL).eval()
    encoder.net.conv1.weight.data.fill_(1e38)  # too much for the sums alone
    with pytest.raises(InputError, match="not finite"):
        encoder.for_inference(8, torch.int8).encode(SCENE[0].image)


def test_the_processor_decides_and_no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    says: set[str] = set()
    monkeypatch.setattr(quantised, "capable", lambda name: name in says)
    monkeypatch.setattr(quantised, "fast_bfloat16", lambda _: bool(says & {"avx512_bf16"}))
    monkeypatch.setattr(quantised, "fast_int8", lambda: "vnni" in says)
    monkeypatch.setattr(quantised.nnpack, "available", lambda: "nnpack" in says)
    for integers_work, able, expected in (
        (True, set(), torch.int8),
        (True, {"nnpack"}, torch.float32),
        (True, {"nnpack", "vnni"}, torch.int8),
        (True, {"nnpack", "vnni", "avx512_bf16"}, torch.int8),
        (True, {"avx512_bf16", "amx_bf16"}, torch.bfloat16),
        (False, {"avx512_bf16"}, torch.bfloat16),
        (False, set(), torch.float32),
    ):
        says.clear()
        says |= able
        monkeypatch.setattr(quantised, "available", lambda works=integers_work: works)
        assert quick_dtype(CPU) is expected
    monkeypatch.setattr(quantised, "available", lambda: True)
    assert quick_dtype(torch.device("mps")) is torch.float32


def test_vnni_is_used_where_it_is_known_of_and_not_switched_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"):
        monkeypatch.delenv(name, raising=False)
    known: dict[str, bool] = {}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: known, raising=False)
    assert fast_int8()  # not told
    for told, expected in (({"avx2": True}, False), ({"avx2": True, "avx_vnni": True}, True)):
        known.clear()
        known |= told
        assert fast_int8() is expected
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert not fast_int8()
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2_VNNI")
    assert fast_int8()


def test_where_torch_lacks_the_operators_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    found = torch.ops.onednn
    try:
        for processor, operators in (
            ("DEFAULT", found),
            ("AVX2", SimpleNamespace()),
            ("AVX2", SimpleNamespace(qconv_prepack=lambda: None)),  # with other arguments
            ("AVX2", SimpleNamespace(qconv_prepack=_wrong, qconv2d_pointwise=found)),
        ):
            levels.cache_clear()
            monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda p=processor: p)
            monkeypatch.setattr(torch.ops, "onednn", operators)
            assert not available()
            net = Encoder(SMALL).eval().for_inference(8, torch.int8).net
            assert not isinstance(net, QuantisedResNet)
    finally:
        levels.cache_clear()


def _wrong(*_: object) -> Tensor:
    raise RuntimeError("not compiled")


@integers_only
def test_sums_that_are_cut_off_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """As 16 bits cut off pairs of products where activations have 8 bits."""
    compute = torch.ops.onednn.qconv2d_pointwise

    limit: list[int] = []

    def cut(x: Tensor, *others: object) -> Tensor:
        return compute.binary(x.clamp_max(limit[-1]), *others)

    operators = SimpleNamespace(
        qconv_prepack=torch.ops.onednn.qconv_prepack, qconv2d_pointwise=SimpleNamespace(binary=cut)
    )
    try:
        levels.cache_clear()
        assert available()
        monkeypatch.setattr(torch.ops, "onednn", operators)
        for most, found in ((126, 0), (200, LEVELS)):
            levels.cache_clear()
            limit.append(most)
            assert levels() == found and available() is bool(found)
    finally:
        levels.cache_clear()


@pytest.mark.parametrize("dtype", [torch.int8, torch.float32])
def test_fast_follows_objects_and_goes_on_where_it_stopped(
    dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    if dtype == torch.int8 and not available():
        pytest.skip("this processor or torch has none")
    monkeypatch.setattr("pixelkin.propagation.propagator.quick_dtype", lambda _: dtype)
    propagator = Propagator("default", replace(Protocol.named("davis"), fast=True))
    assert isinstance(propagator.encoder.net, QuantisedResNet) is (dtype == torch.int8)
    scene = SyntheticScene(size=(192, 256), frames=8)
    found, labels = [], scene[0].mask_labels
    for t, frame in enumerate(scene):
        if t == 4:
            state = propagator.state()
        found.append(propagator.step(frame.image, labels if t == 0 else None).labels.ids)
    for ids, frame in zip(found, scene, strict=True):
        for each in (1, 2):
            union = (ids == each) | (frame.ids == each)
            assert ((ids == each) & (frame.ids == each)).sum() > 0.7 * union.sum()
    again = propagator.another()
    again.restore(state, labels, lambda t: scene[t].image)
    for t in range(4, 8):
        assert np.array_equal(again.step(scene[t].image).labels.ids, found[t])


@integers_only
def test_an_encoder_in_integers_is_copied_as_any() -> None:
    encoder = Encoder(SMALL).eval().for_inference(8, torch.int8)
    expected = encoder.encode(SCENE[0].image)
    for other in (copy.deepcopy(encoder), pickle.loads(pickle.dumps(encoder))):
        assert torch.equal(other.encode(SCENE[0].image), expected)
    fast = Propagator(encoder, replace(Protocol.named("davis"), fast=True))
    assert torch.equal(fast.features(SCENE[0].image), expected)


@integers_only
def test_a_network_in_float64_stays_so() -> None:
    encoder = Encoder(replace(SMALL, head=12)).eval().double()
    inference = encoder.for_inference(8, torch.int8)
    assert isinstance(inference.net, ResNet)
    assert inference.net.head.weight.dtype == torch.float64


def test_trying_it_draws_no_numbers() -> None:
    levels.cache_clear()
    torch.manual_seed(0)
    available()
    drawn = torch.rand(3)
    torch.manual_seed(0)
    assert torch.equal(drawn, torch.rand(3))
