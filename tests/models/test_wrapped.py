"""Any module as an encoder: whole cells, strides of its own, what is no encoder."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import pixelkin
from pixelkin.models.encoder import Encoder, save_encoder
from pixelkin.models.grid import whole_cells
from pixelkin.types import InputError

FRAME = np.random.default_rng(0).integers(0, 255, (50, 71, 3), dtype=np.uint8)


class Means(nn.Module):
    """The mean colour of each patch."""

    def __init__(self, patch: int) -> None:
        super().__init__()
        self.patch = patch

    def forward(self, x: Tensor) -> Tensor:
        assert not x.shape[2] % self.patch and not x.shape[3] % self.patch
        return nn.functional.avg_pool2d(x, self.patch)


def test_a_cell_is_made_of_its_own_pixels() -> None:
    """Padding repeats the border, so that a cell of one column is that column's mean."""
    plain = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0), "temperature": None}
    features = Encoder.wrap(Means(14), stride=14, **plain).encode(FRAME)
    assert features.shape == (3, 4, 6)
    rgb = torch.from_numpy(FRAME).permute(2, 0, 1) / 255
    inner = rgb[:, 14:28, 28:42].mean((1, 2))
    torch.testing.assert_close(features[:, 1, 2], inner)
    torch.testing.assert_close(features[:, 1, 5], rgb[:, 14:28, 70].mean(1))


def test_input_scale_keeps_the_cells_where_they_are() -> None:
    """Enlarged, then averaged over patches: nearly the mean over the cell, at any scale."""
    plain = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0), "temperature": None}
    smooth = np.repeat(np.linspace(0, 255, 72)[None, :, None], 48, 0).repeat(3, 2).astype(np.uint8)
    own = Encoder.wrap(Means(8), stride=8, **plain).encode(smooth)
    for patch in (14, 16):
        scaled = Encoder.wrap(Means(patch), 8, input_scale=patch / 8, **plain).encode(smooth)
        torch.testing.assert_close(scaled, own, atol=2e-3, rtol=0)
    other = Encoder.wrap(Means(16), 16, **plain).with_stride(8).encode(smooth)
    torch.testing.assert_close(other, own, atol=2e-3, rtol=0)


def test_whole_cells_are_whole() -> None:
    for stride, patch in ((8, 14), (14, 14), (8, 16), (7, 3)):
        assert whole_cells(torch.rand(1, 3, 50, 71), stride, patch).shape == (
            1,
            3,
            -(-50 // stride) * patch,
            -(-71 // stride) * patch,
        )


def test_what_is_no_encoder_is_refused_at_once() -> None:
    for module, why in (
        (nn.Conv2d(3, 4, 16, 16), "must give C x 8 x 12 at a stride of 8"),
        (nn.Conv2d(5, 4, 8, 8), "cannot encode a frame of 64x96 pixels"),
        (nn.Flatten(), "cannot encode|must give"),
    ):
        with pytest.raises(InputError, match=why):
            Encoder.wrap(module, 8)
    bad = nn.Conv2d(3, 4, 8, 8)
    bad.bias.data[0] = torch.nan
    with pytest.raises(InputError, match="not finite"):
        Encoder.wrap(bad, 8)
    with pytest.raises(InputError, match="input_scale"):
        Encoder.wrap(nn.Conv2d(3, 4, 8, 8), 8, input_scale=1.06)
    with pytest.raises(InputError, match="is not saved"):
        save_encoder(Encoder.wrap(nn.Conv2d(3, 4, 8, 8), 8), "nowhere")


@pytest.mark.parametrize("kind", [AssertionError, ValueError, KeyError, NotImplementedError])
def test_errors_of_any_kind_are_one_line(kind: type[Exception]) -> None:
    class Fails(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise kind("a\nreason") if kind is not AssertionError else kind()

    with pytest.raises(
        InputError, match=r"cannot encode a frame of 64x96 pixels: .*(reason|Asser)"
    ):
        Encoder.wrap(Fails(), 8)


def test_features_have_channels() -> None:
    class Nothing(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x[:, :0, ::8, ::8]

    with pytest.raises(InputError, match="without a channel"):
        Encoder.wrap(Nothing(), 8)


def test_a_module_is_left_as_it_is() -> None:
    """Its modes and attributes; it computes as in evaluation all the same."""
    module = nn.Sequential(nn.Conv2d(3, 4, 8, 8), nn.BatchNorm2d(4), nn.Dropout())
    module.channels = "mine"  # type: ignore[assignment]
    module[1].eval()
    state = {k: v.clone() for k, v in module.state_dict().items()}
    encoder = Encoder.wrap(module, 8, temperature=None)
    first = encoder.encode(FRAME)
    other = pixelkin.Propagator(encoder, "davis").encoder.encode(FRAME)
    assert encoder.channels == encoder.with_stride(16).channels == 4
    assert module.training and not module[1].training and module[2].training
    assert module.channels == "mine"
    assert all(torch.equal(v, state[k]) for k, v in module.state_dict().items())
    torch.testing.assert_close(first, other, atol=0, rtol=0)
    torch.testing.assert_close(first, module.eval()(encoder.preprocess(tensor(FRAME)))[0])


def test_what_a_module_learns_later_holds_for_its_encoder() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 8, 8), nn.BatchNorm2d(4))
    encoder = Encoder.wrap(module, 8, temperature=None)
    optimiser = torch.optim.SGD(module.parameters(), 1e-4)
    before = encoder.encode(FRAME)
    module(encoder.preprocess(tensor(FRAME))).sum().backward()
    optimiser.step()
    expected = module.eval()(encoder.preprocess(tensor(FRAME)))[0]
    assert (encoder.encode(FRAME) - before).abs().max() > 1e-3
    torch.testing.assert_close(encoder.encode(FRAME), expected, atol=1e-4, rtol=1e-4)


def test_weights_have_the_names_of_the_module() -> None:
    """By which results know their encoder."""
    assert set(Encoder.wrap(nn.Conv2d(3, 4, 8, 8), 8).state_dict()) == {"net.weight", "net.bias"}


def tensor(frame: np.ndarray) -> Tensor:
    return torch.from_numpy(frame).permute(2, 0, 1)[None] / 255


@pytest.mark.parametrize("stride", [14, 16])
@pytest.mark.parametrize("protocol", ["davis", "youtube_vos_centred", "jhmdb"])
def test_labels_follow_at_any_stride(stride: int, protocol: str) -> None:
    """A textured square moves by whole cells over plain ground."""
    rng = np.random.default_rng(0)
    texture = rng.integers(0, 256, (3 * stride, 3 * stride, 3), dtype=np.uint8)
    encoder = Encoder.wrap(nn.Conv2d(3, 64, stride, stride, bias=False), stride)
    frames, truth = [], []
    for t in range(4):
        frame = np.full((8 * stride - 5, 10 * stride - 3, 3), 90, np.uint8)
        ids = np.zeros(frame.shape[:2], np.int32)
        area = np.s_[2 * stride : 5 * stride, (1 + t) * stride : (4 + t) * stride]
        frame[area], ids[area] = texture, 1
        frames.append(frame)
        truth.append(ids)
    propagator = pixelkin.Propagator(encoder, protocol)
    assert propagator.protocol.stride == stride
    propagator.step(frames[0], pixelkin.Labels.from_mask(truth[0]))
    for frame, ids in zip(frames[1:], truth[1:], strict=True):
        found = propagator.step(frame).labels.as_map().ids == 1
        union = (found | (ids == 1)).sum()
        if protocol == "davis":
            assert (found & (ids == 1)).sum() / union > 0.75
        else:
            assert found.shape == ids.shape


def test_other_networks_teach_and_are_not_trained() -> None:
    from pixelkin.models.config import check_trainable

    encoder = Encoder.wrap(nn.Conv2d(3, 4, 16, 16), 16)
    with pytest.raises(InputError, match="cannot be trained here"):
        check_trainable(encoder.config, "mine")
    assert encoder.for_inference(8).encode(FRAME).shape == (4, 7, 9)
