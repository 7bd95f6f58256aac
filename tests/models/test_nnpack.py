"""Convolutions by NNPACK against those of torch in float64, and where they must not be used."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from pixelkin import Encoder, load_encoder
from pixelkin.data.synthetic import SyntheticScene
from pixelkin.models import nnpack
from pixelkin.models.config import EncoderConfig
from pixelkin.models.fused import FusedResNet
from pixelkin.models.nnpack import LEAST, NnpackConv, PointwiseConv, available, by_nnpack
from pixelkin.models.resnet import PaddedConv, ResNet
from pixelkin.ops.products import one_dnn
from pixelkin.types import InputError

nnpack_only = pytest.mark.skipif(not available(), reason="this processor or torch has no NNPACK")
SCENE = SyntheticScene(size=(240, 426), frames=1)


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def convolved(conv: PaddedConv, x: Tensor) -> Tensor:
    """In float64, padded by hand."""
    mode = {"zeros": "constant"}.get(conv.padding_mode, conv.padding_mode)
    padded = F.pad(x.double(), (1, 1, 1, 1), mode=mode)
    return F.conv2d(padded, conv.weight.double(), conv.bias.double())


@nnpack_only
@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("mode", ["reflect", "replicate", "zeros"])
@pytest.mark.parametrize("size", [(24, 24), (25, 31), (37, 50), (100, 7), (10, 90), (61, 107)])
def test_a_convolution(size: tuple[int, int], mode: str, threads: int) -> None:
    conv = PaddedConv(16, 24, 3, 1, 1, padding_mode=mode).requires_grad_(False)
    x, onto = torch.randn(2, 16, *size), torch.randn(2, 24, *size)
    ours, expected = NnpackConv(conv), convolved(conv, x)
    torch.set_num_threads(threads)
    for layout in (torch.contiguous_format, torch.channels_last):
        laid = x.to(memory_format=layout)
        torch.testing.assert_close(ours(laid).double(), expected, rtol=0, atol=2e-5)
        given = onto.to(memory_format=layout).clone()
        summed = ours(laid, relu=True, onto=given).double()
        torch.testing.assert_close(summed, F.relu(expected + onto), rtol=0, atol=2e-5)
    torch.testing.assert_close(ours(x, relu=True).double(), F.relu(expected), rtol=0, atol=2e-5)
    assert torch.equal(x, laid)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_pointwise_convolution(stride: int, bias: bool, count: int) -> None:
    conv = torch.nn.Conv2d(16, 24, 1, stride, bias=bias).requires_grad_(False)
    x = torch.randn(count, 16, 25, 31)
    expected = F.conv2d(x.double(), conv.weight.double(), stride=stride)
    if conv.bias is not None:
        expected += conv.bias.double().view(-1, 1, 1)
    onto = torch.randn(expected.shape)
    ours = PointwiseConv(conv)
    for layout in (torch.contiguous_format, torch.channels_last):
        laid = x.to(memory_format=layout)
        found = ours(laid)
        assert found.is_contiguous()  # as NNPACK wants what it adds
        torch.testing.assert_close(found.double(), expected, rtol=0, atol=2e-5)
        summed = ours(laid, relu=True, onto=onto.to(memory_format=layout).clone()).double()
        torch.testing.assert_close(summed, F.relu(expected + onto), rtol=0, atol=2e-5)
    wide = copy.deepcopy(ours).double()(x.double())
    torch.testing.assert_close(wide, expected, rtol=0, atol=1e-12)


@nnpack_only
def test_pointwise_convolutions_go_by_onednn_where_products_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net = load_encoder().net.folded()
    for known in (None, one_dnn() or torch.matmul):
        monkeypatch.setattr(nnpack, "one_dnn", lambda known=known: known)
        found = [isinstance(m, PointwiseConv) for m in by_nnpack(net).modules()]
        assert any(found) == (known is not None)


@nnpack_only
def test_features_have_the_same_bits_with_any_number_of_threads() -> None:
    encoder = load_encoder().for_inference(8)
    found = []
    for threads in (1, 2, 3, 7):
        torch.set_num_threads(threads)
        found.append(encoder.encode(SCENE[0].image))
    assert all(torch.equal(f, found[0]) for f in found)


@nnpack_only
@pytest.mark.parametrize("size", [(24, 24), (25, 31), (61, 107), (100, 7)])
@pytest.mark.parametrize("threads", [1, 3])
def test_strips_of_any_height_have_the_bits_of_the_whole(
    size: tuple[int, int], threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    conv = NnpackConv(PaddedConv(8, 8, 3, 1, 1, padding_mode="reflect"))
    x, onto = torch.randn(1, 8, *size), torch.randn(1, 8, *size)
    torch.set_num_threads(1)
    whole = conv(x, relu=True, onto=onto.clone())
    torch.set_num_threads(threads)
    for largest in (1, 20_000, 50_000, 100_000):
        monkeypatch.setattr(nnpack, "LARGEST", largest)
        assert torch.equal(conv(x, relu=True, onto=onto.clone()), whole)


@nnpack_only
@pytest.mark.parametrize(
    ("config", "stride"),
    [
        (None, 8),
        (None, 4),
        (EncoderConfig(network="resnet50", widths=(16, 24, 32, 40)), 8),
        (EncoderConfig(padding="zeros", last_relu=False), 8),
    ],
)
def test_features_are_as_near_to_float64_as_direct_ones(
    config: EncoderConfig | None, stride: int
) -> None:
    encoder = load_encoder() if config is None else Encoder(config).eval()
    net = encoder.with_stride(stride).net.eval().folded()
    ours = by_nnpack(net)
    assert isinstance(net, ResNet) and isinstance(ours, FusedResNet)
    assert any(isinstance(m, NnpackConv) for m in ours.modules())
    x = torch.tensor(SCENE[0].image).permute(2, 0, 1)[None] / 128.0 - 1
    exact = F.normalize(copy.deepcopy(net).double()(x.double()), dim=1)
    direct, found = (
        (F.normalize(f(x).double(), dim=1) - exact).norm(dim=1).mean() for f in (net, ours)
    )
    assert 0 < found < 2 * direct


@nnpack_only
def test_where_nnpack_does_not_serve_the_convolution_itself_does() -> None:
    conv = PaddedConv(4, 8, 3, 1, 1, padding_mode="reflect")
    ours = NnpackConv(conv)
    side = int(LEAST**0.5)
    small, large = torch.randn(1, 4, side - 1, side), torch.randn(1, 4, side, side)
    assert torch.equal(ours(small), conv(small))
    assert not torch.equal(ours(large), conv(large))
    wide = copy.deepcopy(ours).double()
    torch.testing.assert_close(wide(large.double()), convolved(conv, large), rtol=0, atol=1e-12)


@nnpack_only
def test_an_encoder_is_copied_and_pickled() -> None:
    ready = load_encoder().for_inference(8)
    assert isinstance(ready.net, FusedResNet)
    expected = ready.encode(SCENE[0].image)
    for other in (copy.deepcopy(ready), pickle.loads(pickle.dumps(ready))):
        assert torch.equal(other.encode(SCENE[0].image), expected)


@nnpack_only
def test_infinite_weights_are_told() -> None:
    encoder = load_encoder()
    encoder.net.layer2[1].conv2.weight.data[3, 4] = torch.inf
    with pytest.raises(InputError, match="finite"):
        encoder.for_inference(8).encode(SCENE[0].image)


@nnpack_only
def test_threads_of_torch_stay_as_they_were() -> None:
    torch.set_num_threads(3)
    encoder = load_encoder().for_inference(8)
    encoder.encode(SCENE[0].image)
    later: list[int] = []
    thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert (torch.get_num_threads(), later) == (3, [3])


FORK = """
import os, torch
from pixelkin.models.nnpack import NnpackConv, available
available()
torch.set_num_threads(2)
conv, x = NnpackConv(torch.nn.Conv2d(8, 8, 3, padding=1)), torch.randn(1, 8, 60, 50)
expected = conv(x).sum(1)  # by two threads, which the fork does not have
child = os.fork()
if not child:
    os._exit(0 if torch.equal(conv(x).sum(1), expected) else 1)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@nnpack_only
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no os.fork here")
def test_a_fork_has_threads_of_its_own() -> None:
    subprocess.run([sys.executable, "-c", FORK], check=True, timeout=60)


@pytest.mark.parametrize("missing", ["_nnpack_available", "_nnpack_spatial_convolution"])
def test_a_torch_without_it(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch, missing)
    available.cache_clear()
    try:
        assert not available()
        net = load_encoder().net.folded()
        assert by_nnpack(net) is net
    finally:
        available.cache_clear()


def test_wrong_results_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "_nnpack_available", lambda: True)
    monkeypatch.setattr(torch, "_nnpack_spatial_convolution", lambda x, *_: torch.zeros_like(x))
    available.cache_clear()
    try:
        assert not nnpack.available()
    finally:
        available.cache_clear()
