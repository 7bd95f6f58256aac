from __future__ import annotations

import copy

import numpy as np
import torch
from torch import nn

from pixelkin.models.encoder import Encoder, EncoderConfig
from pixelkin.training.weights import (
    measure_batch_norm,
    parameter_groups,
    stack_frames,
    update_average,
)

SMALL = EncoderConfig(widths=(8, 8, 8))


def random_frames(count: int, size: tuple[int, int], seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for _ in range(count)]


def test_average_follows_the_weights() -> None:
    network = nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1))
    average = copy.deepcopy(network)
    start = average[0].weight.item()
    nn.init.constant_(network[0].weight, 2.0)
    network[1].running_mean.fill_(5.0)
    update_average(average, network, 0.9, step=10**6)
    assert abs(average[0].weight.item() - (0.9 * start + 0.1 * 2.0)) < 1e-6
    assert average[1].running_mean.item() == 5.0
    update_average(average, network, 0.9, step=0)  # short memory early on: decay 1 / 10
    expected = 0.1 * (0.9 * start + 0.1 * 2.0) + 0.9 * 2.0
    assert abs(average[0].weight.item() - expected) < 1e-6


def test_only_matrices_decay() -> None:
    encoder = Encoder(SMALL)
    decayed, free = parameter_groups(encoder, 0.1)
    assert (decayed["weight_decay"], free["weight_decay"]) == (0.1, 0.0)
    assert len(decayed["params"]) + len(free["params"]) == len(list(encoder.parameters()))
    convolutions = [m.weight for m in encoder.modules() if isinstance(m, nn.Conv2d)]
    assert {id(p) for p in decayed["params"]} == {id(p) for p in convolutions}


def test_batch_norm_statistics_are_those_of_the_frames() -> None:
    """With all frames in one batch, inference equals training mode on that batch."""
    encoder = Encoder(SMALL).eval()
    frames = random_frames(4, (96, 128))
    rgb = torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2).float() / 255
    before = copy.deepcopy(encoder)
    measure_batch_norm(encoder, frames, batch=4)
    assert not encoder.training
    assert {m.momentum for m in encoder.modules() if isinstance(m, nn.BatchNorm2d)} == {0.1}
    with torch.no_grad():
        truth = before.train()(rgb)
        # The running variance is the unbiased one: a small difference remains.
        assert float((encoder(rgb) - truth).abs().mean()) < 0.01
        assert float((before.eval()(rgb) - truth).abs().mean()) > 0.1


def test_batch_norm_of_several_batches_is_their_mean() -> None:
    encoder = Encoder(SMALL)
    halves = random_frames(2, (40, 40), 1), random_frames(2, (40, 40), 2)
    measured = []
    for frames in (halves[0], halves[1], halves[0] + halves[1]):
        measure_batch_norm(encoder, frames, batch=2)
        measured.append(encoder.net.bn1.running_var.clone())
    torch.testing.assert_close(measured[2], (measured[0] + measured[1]) / 2)


def test_without_frames_the_statistics_of_training_stay() -> None:
    encoder = Encoder(SMALL)
    encoder.net.bn1.running_mean.fill_(3.0)
    measure_batch_norm(encoder, [])
    assert encoder.net.bn1.running_mean.unique().tolist() == [3.0]


def test_frames_of_any_sizes_are_stacked() -> None:
    grey = [np.full((*size, 3), value, np.uint8) for value, size in
            ((10, (48, 96)), (20, (96, 48)), (30, (100, 160)))]  # fmt: skip
    stacked = stack_frames(grey)
    assert stacked.shape == (3, 3, 48, 48)
    assert stacked.unique().tolist() == [10, 20, 30]
    one = random_frames(1, (30, 50))
    assert np.array_equal(stack_frames(one)[0].permute(1, 2, 0).numpy(), one[0])
