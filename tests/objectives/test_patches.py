from __future__ import annotations

import torch

from pixelkin.models.encoder import Encoder, EncoderConfig
from pixelkin.objectives.patches import cut_patches, pooled


def test_whole_patches_are_slices_of_the_view() -> None:
    views = torch.rand(2, 3, 3, 64, 64, generator=torch.Generator().manual_seed(5))
    cut = cut_patches(views, 7, (1.0, 1.0)).view(2, 3, 7, 7, 3, 16, 16)
    for row in range(7):
        for column in range(7):
            y, x = 8 * row, 8 * column
            expected = views[..., y : y + 16, x : x + 16]
            torch.testing.assert_close(cut[:, :, row, column], expected, atol=1e-5, rtol=0)


def test_crops_of_patches_stay_inside_and_have_the_area_that_is_asked_for() -> None:
    """On a view whose colours tell the place of every pixel."""
    place = torch.arange(64.0)
    view = torch.stack([place.expand(64, 64), place[:, None].expand(64, 64), torch.zeros(64, 64)])
    generator = torch.Generator().manual_seed(0)
    cut = cut_patches(view.expand(4, 2, 3, 64, 64), 3, (0.7, 0.9), generator)
    cut = cut.view(8, 3, 3, 3, 32, 32)
    scale = (cut[:, :, :, :2, 20, 20] - cut[:, :, :, :2, 10, 10]) / 10
    area, aspect = scale.prod(3), scale[..., 0] / scale[..., 1]
    assert 0.69 < float(area.min()) < 0.73 and 0.87 < float(area.max()) < 0.91
    assert 0.74 < float(aspect.min()) < 0.85 and 1.2 < float(aspect.max()) < 1.34
    for row in range(3):
        for column in range(3):
            for axis, begin in ((0, 16 * column), (1, 16 * row)):
                seen = cut[:, row, column, axis]
                assert begin - 0.5 <= float(seen.min()) and float(seen.max()) <= begin + 31.5
                assert float(seen.mean((1, 2)).std()) > 0.5


def test_crops_lie_anywhere_across_whatever_they_do_down() -> None:
    """Of 1,800 crops: neither their middles nor their shapes are correlated."""
    place = torch.arange(64.0)
    view = torch.stack([place.expand(64, 64), place[:, None].expand(64, 64), torch.zeros(64, 64)])
    generator = torch.Generator().manual_seed(0)
    cut = cut_patches(view.expand(200, 1, 3, 64, 64), 3, (0.7, 0.7), generator)
    middle = cut[:, :, :2].mean((3, 4)).view(200, 3, 3, 2)
    middle = (middle - middle.mean(0)).view(-1, 2).T
    size = (cut[:, :, 0, 20, 20] - cut[:, :, 0, 10, 10]).flatten()
    found = torch.corrcoef(torch.stack([*middle, size])) - torch.eye(3)
    assert float(found.abs().max()) < 0.1


def test_patches_of_an_even_view_are_alike_where_cells_of_its_map_are_not() -> None:
    """Padding tells the cells of a map where they lie; a patch is padded like every other."""
    torch.manual_seed(0)
    encoder = Encoder(EncoderConfig(widths=(8, 8, 8), padding="zeros", temperature=None)).eval()
    view = torch.full((1, 1, 3, 64, 64), 0.7)
    with torch.no_grad():
        cells = torch.nn.functional.normalize(encoder(view[0]).flatten(2)[0], dim=0)
        f = encoder(cut_patches(view, 3, (0.7, 0.9))[0])
        nodes = pooled(f[None], 1)[0, 0]
    assert float((cells.mT @ cells).min()) < 0.95
    torch.testing.assert_close(nodes, nodes[:1].expand_as(nodes))
