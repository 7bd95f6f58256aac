from __future__ import annotations

import torch

from pixelkin.models.resnet import ResNet18
from pixelkin.ops.geometry import cell_centres, invert, transform


def test_centres_by_rows() -> None:
    centres = cell_centres(2, 3, 8)
    expected = [(x, y) for y in (0, 8) for x in (0, 8, 16)]
    assert centres.tolist() == [list(p) for p in expected]


def test_centre_of_the_networks_receptive_field() -> None:
    # With equal weights the gradient is as symmetric as the layers' geometry, max-pool apart.
    net = ResNet18(widths=(2, 2, 2), padding="zeros").eval()
    for module in net.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.constant_(module.weight, 0.1)
    images = torch.rand(16, 3, 160, 160, requires_grad=True)
    cells = net(images)
    (gradient,) = torch.autograd.grad(cells[:, :, 9, 10].sum(), images)
    weight = gradient.abs().sum((0, 1)) / gradient.abs().sum()
    pixel = torch.arange(160.0)
    centre = torch.stack([(weight.sum(0) * pixel).sum(), (weight.sum(1) * pixel).sum()])
    expected = cell_centres(*cells.shape[2:], net.stride)[9 * cells.shape[3] + 10]
    torch.testing.assert_close(centre, expected, rtol=0, atol=0.5)


def test_transform_is_the_matrix_product() -> None:
    affine = torch.tensor([[[2.0, 1.0, 3.0], [0.0, -1.0, 4.0]], [[1.0, 0, 0], [0, 1.0, 0]]])
    moved = transform(torch.tensor([[1.0, 2.0]]), affine)
    assert moved.tolist() == [[[7.0, 2.0]], [[1.0, 2.0]]]


def test_inverse_undoes_flips_and_shears() -> None:
    affine = torch.tensor([[[-0.5, 0.2, 90.0], [0.1, 0.7, -5.0]]])
    assert float(torch.linalg.det(affine[..., :2])) < 0
    points = torch.rand(1, 20, 2) * 100
    torch.testing.assert_close(
        transform(transform(points, affine), invert(affine)), points, rtol=0, atol=1e-3
    )
