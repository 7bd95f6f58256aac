"""Table 1 of the supplement: strides, channels, padding, and torchvision's names."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
import torch.nn.functional as F

from pixelkin.models.resnet import PaddedConv, ResNet18, reflected
from pixelkin.ops.host import as_on_a_device


def test_256_pixels_give_32x32x256() -> None:
    net = ResNet18().eval()
    with torch.inference_mode():
        assert net(torch.rand(1, 3, 256, 256)).shape == (1, 256, 32, 32)


@pytest.mark.parametrize(("stride", "grid"), [(8, (60, 107)), (4, (120, 214))])
def test_grids_of_480p(stride: int, grid: tuple[int, int]) -> None:
    net = ResNet18(stride).eval()
    with torch.inference_mode():
        assert net(torch.rand(1, 3, 480, 854)).shape[2:] == grid


def test_one_set_of_weights_serves_both_strides() -> None:
    assert ResNet18(8).state_dict().keys() == ResNet18(4).state_dict().keys()
    ResNet18(4).load_state_dict(ResNet18(8).state_dict())


def test_parameter_count_is_table_1s() -> None:
    """Stem 9,536; stages 147,968 + 525,568 + 2,099,712 + 2,361,344, as their shapes say."""
    blocks = {1: 147_968, 2: 525_568, 3: 2_099_712, 4: 2_361_344}
    net = ResNet18()
    for i, expected in blocks.items():
        assert sum(p.numel() for p in net.get_submodule(f"layer{i}").parameters()) == expected
    assert sum(p.numel() for p in net.parameters()) == 9_536 + sum(blocks.values())


def test_reflect_padding_leaks_no_border_into_a_constant_image() -> None:
    constant = torch.full((1, 3, 64, 96), 0.7)
    for padding, spread in (("reflect", False), ("replicate", False), ("zeros", True)):
        torch.manual_seed(0)
        net = ResNet18(padding=padding, widths=(16, 16)).eval()
        with torch.inference_mode():
            out = net(constant)
        deviation = float((out - out[:, :, 3:4, 3:4]).abs().max())
        assert (deviation > 1e-3) == spread


@pytest.mark.parametrize("mode", ["reflect", "replicate", "zeros"])
def test_mixed_precision_convolves_rounded_values(mode: str) -> None:
    """As float32 does on inputs and weights rounded to bfloat16, up to the output's rounding."""
    conv = PaddedConv(4, 6, 7, 2, 3, bias=False, padding_mode=mode)
    x = torch.randn(2, 4, 15, 22, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        out = conv(x)
    assert out.dtype == torch.bfloat16
    rounded = x.detach().bfloat16().float().requires_grad_()
    weight = conv.weight.detach().bfloat16().float()
    padded = F.pad(rounded, (3,) * 4, mode="constant" if mode == "zeros" else mode)
    expected = F.conv2d(padded, weight, stride=2)
    torch.testing.assert_close(out.float(), expected, rtol=2**-8, atol=2**-8)
    torch.testing.assert_close(conv.float()(rounded), F.conv2d(padded, conv.weight, stride=2))
    out.float().sum().backward()
    expected.sum().backward()
    assert x.grad is not None and rounded.grad is not None
    torch.testing.assert_close(x.grad, rounded.grad, rtol=0.02, atol=0.02)


def test_a_block_is_two_convolutions_and_a_shortcut() -> None:
    net = ResNet18(padding="zeros", widths=(8, 8), last_relu=False).eval()
    block = net.get_submodule("layer2.0")
    x = torch.rand(2, 8, 12, 12)
    with torch.inference_mode():
        a = F.conv2d(x, block.conv1.weight, stride=2, padding=1)
        a = F.conv2d((a / (1 + 1e-5) ** 0.5).relu(), block.conv2.weight, padding=1)
        b = F.conv2d(x, block.downsample[0].weight, stride=2)
        expected = ((a + b) / (1 + 1e-5) ** 0.5).relu()
        torch.testing.assert_close(block(x), expected)
        assert float(net(torch.rand(1, 3, 64, 64)).min()) < 0  # no ReLU at the end


@pytest.mark.parametrize("widths", [(16, 16), (16, 24, 32, 32)])
def test_folded_batch_norms_give_the_same_features(widths: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    net = ResNet18(widths=widths).eval()
    for m in net.modules():
        if isinstance(m, torch.nn.BatchNorm2d):
            for x in (m.weight.data, m.bias.data, m.running_mean, m.running_var):
                assert x is not None
                x.uniform_(0.5, 2)
    folded, image = net.folded(), torch.rand(1, 3, 48, 64)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in folded.modules())
    with torch.inference_mode():
        expected = net(image)
        difference = (folded(image) - expected).abs().max()
        assert difference < 1e-5 * expected.abs().max()
        assert torch.equal(folded.folded()(image), folded(image))


def test_wrong_settings_are_named() -> None:
    for wrong in ({"stride": 16}, {"padding": "circular"}, {"widths": (64,)}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            ResNet18(**wrong)


@pytest.mark.parametrize("margin", [1, 3])
def test_reflection_by_slices_is_that_of_torch(margin: int) -> None:
    x = torch.rand(2, 3, 7, 9, dtype=torch.float64).to(memory_format=torch.channels_last)
    found, expected = x.clone().requires_grad_(), x.clone().requires_grad_()
    weights = torch.rand(2, 3, 7 + 2 * margin, 9 + 2 * margin, dtype=torch.float64)
    padded = reflected(found, margin)
    truth = F.pad(expected, (margin,) * 4, mode="reflect")
    assert torch.equal(padded, truth)
    assert padded.is_contiguous(memory_format=torch.channels_last)
    (padded * weights).sum().backward()
    (truth * weights).sum().backward()
    torch.testing.assert_close(found.grad, expected.grad)
    assert torch.autograd.gradcheck(lambda x: reflected(x, margin), (found,))


def test_the_network_is_the_same_on_a_device() -> None:
    net, x = ResNet18(widths=(8, 8, 8)).double(), torch.rand(2, 3, 32, 40, dtype=torch.float64)
    results = []
    for device in (False, True):
        net.zero_grad()
        with as_on_a_device() if device else nullcontext():
            out = net(x)
            out.square().sum().backward()
        results.append((out.detach(), [p.grad.clone() for p in net.parameters()]))
    torch.testing.assert_close(results[0], results[1])
