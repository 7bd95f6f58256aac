"""torch's threads are divided between encoding and search, and come back to who had them."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from moving_square import square
from numpy.typing import NDArray

from pixelkin.models.encoder import load_encoder
from pixelkin.propagation.passes import stream
from pixelkin.propagation.propagator import Propagator
from pixelkin.types import InputError, Prediction
from pixelkin.video.reader import open_video


class Watched(Propagator):
    """Notes on how many threads frames are encoded and followed; fails at one."""

    def __init__(self, fails: int = -1) -> None:
        super().__init__(load_encoder("lab"))
        self.encoding, self.following = list[int](), list[int]()
        self.fails = fails

    def features(self, frame: NDArray[np.uint8]) -> torch.Tensor:
        self.encoding.append(torch.get_num_threads())
        if len(self.encoding) == self.fails:
            raise InputError("a broken frame")
        return super().features(frame)

    def step(self, *arguments: object, **named: object) -> Prediction:
        self.following.append(torch.get_num_threads())
        return super().step(*arguments, **named)  # type: ignore[arg-type]


def later() -> int:
    """What a thread has that begins now."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(torch.get_num_threads).result()


@pytest.fixture(params=[1, 2, 3, 4])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def streamed(folder: Path, propagator: Watched) -> Generator[Prediction, None, None]:
    frames = open_video(folder).frames(0, 4)
    return stream(frames, propagator, lambda t: square(0) if t == 0 else None)


def test_each_has_its_share(folder: Path, threads: int) -> None:
    propagator = Watched()
    for _ in streamed(folder, propagator):
        assert torch.get_num_threads() == threads
    shares = {(a, b) for a, b in zip(propagator.encoding, propagator.following, strict=True)}
    assert shares == {(max(1, threads - threads // 2), max(1, threads // 2))}
    assert torch.get_num_threads() == later() == threads


@pytest.mark.parametrize("fails", [1, 3])
def test_they_come_back_after_an_error(folder: Path, threads: int, fails: int) -> None:
    with pytest.raises(InputError, match="a broken frame"):
        list(streamed(folder, Watched(fails)))
    assert torch.get_num_threads() == later() == threads


def test_they_come_back_where_it_is_left(folder: Path, threads: int) -> None:
    predictions = streamed(folder, Watched())
    next(predictions)
    predictions.close()
    assert torch.get_num_threads() == later() == threads
