from __future__ import annotations

import logging
import multiprocessing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pixelkin.data.augment import Augmentation
from pixelkin.data.batch import ClipBatch, ClipSpec
from pixelkin.data.clips import ClipDataset, ClipKey, ClipSettings, clip_loader, draw_times
from pixelkin.data.drawn import collate_drawn, render_batch
from pixelkin.data.frames import sample_frames
from pixelkin.data.held import HeldFrames, held_bytes
from pixelkin.data.index import Source, index_videos
from pixelkin.data.store import Segment
from pixelkin.types import InputError
from pixelkin.video.reader import open_video

PAIR = ClipSpec(2, (4, 8))
BATCHED = ClipSettings(segment=25, rendering="batched")
STILL = Augmentation(brightness=0, contrast=0, saturation=0, hue=0, greyscale=0)


@pytest.fixture
def sources(videos: Path, tmp_path: Path) -> list[Source]:
    return index_videos([videos], tmp_path / "index.json")


def dataset(sources: list[Source], store: Path | None = None, **changes: object) -> ClipDataset:
    options = {"settings": ClipSettings(segment=25), "augmentation": Augmentation(), **changes}
    return ClipDataset(sources, size=32, store=store, budget=10**9, **options)  # type: ignore[arg-type]


def keys(spec: ClipSpec, steps: range, batch: int = 4) -> list[list[ClipKey]]:
    return [[ClipKey(spec, s, p, s * batch + p) for p in range(batch)] for s in steps]


def same(a: ClipBatch, b: ClipBatch) -> bool:
    fields = ("views", "to_frame", "times", "frame_size", "videos")
    return all(torch.equal(getattr(a, f), getattr(b, f)) for f in fields)


def test_batches_depend_on_keys_alone(sources: list[Source], tmp_path: Path) -> None:
    """Not on workers, the store, or what was asked for before."""
    full = list(clip_loader(dataset(sources), keys(PAIR, range(4)), workers=0))
    forked = list(clip_loader(dataset(sources, tmp_path), keys(PAIR, range(4)), workers=2))
    resumed = list(clip_loader(dataset(sources, tmp_path), keys(PAIR, range(2, 4)), workers=1))
    assert all(same(a, b) for a, b in zip(full, forked, strict=True))
    assert all(same(a, b) for a, b in zip(full[2:], resumed, strict=True))
    assert not same(full[0], full[1])
    other_seed = next(clip_loader(dataset(sources, seed=1), keys(PAIR, range(1)), workers=0))
    assert not same(full[0], other_seed)


@pytest.mark.parametrize("crop_jitter", [None, 0.15])
def test_views_show_their_frames(sources: list[Source], crop_jitter: float | None) -> None:
    """Bilinear look-up through to_frame and times in the decoded video gives the views back."""
    kind = replace(STILL, crop_jitter=crop_jitter)
    data = dataset(sources, augmentation=kind, settings=ClipSettings(short_side=56))
    batch = next(clip_loader(data, keys(PAIR, range(1), batch=12), workers=0))
    assert set(batch.videos.tolist()) == {0, 1, 2}
    linear = batch.to_frame[..., :2]
    assert torch.equal(linear[:, 0], linear[:, 1]) == (crop_jitter is not None)
    assert not (batch.to_frame[:, 0] == batch.to_frame[:, 1]).all(2).all(1).any()
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    pixels = torch.stack([x, y, torch.ones_like(x)])
    for i in range(len(batch)):
        reader = open_video(sources[int(batch.videos[i])].path)
        height, width = batch.frame_size[i].tolist()
        for v in range(2):
            frame = torch.from_numpy(reader[int(batch.times[i, v])]).permute(2, 0, 1) / 255
            assert frame.shape[1:] == (height, width)
            at = torch.einsum("ij,jyx->yxi", batch.to_frame[i, v], pixels)
            grid = (2 * at + 1) / torch.tensor([width, height]) - 1
            truth = torch.nn.functional.grid_sample(frame[None], grid[None], align_corners=False)
            view = batch.views[i, v]
            assert float((view - truth[0]).abs().mean()) < 0.02
            wrong = torch.nn.functional.grid_sample(
                frame[None], grid[None] + 3 / width, align_corners=False
            )
            assert float((view - wrong[0]).abs().mean()) > float((view - truth[0]).abs().mean())


def test_an_epoch_visits_every_segment_once(sources: list[Source]) -> None:
    data = dataset(sources, settings=ClipSettings(segment=10, short_side=16))
    count = len(data.eligible(PAIR))
    assert count == len(data.segments) == 5 + 2 + 2
    orders = []
    for epoch in range(2):
        clips = [data[ClipKey(PAIR, 0, i, epoch * count + i)] for i in range(count)]
        seen = [
            next(
                k
                for k, s in enumerate(data.segments)
                if s.video == clip.video and all(s.start <= t < s.stop for t in clip.times)
            )
            for clip in clips
        ]
        assert sorted(seen) == list(range(count))
        orders.append(seen)
    assert orders[0] != orders[1]


@given(
    views=st.integers(1, 5),
    gaps=st.lists(st.integers(0, 40), min_size=1, max_size=4),
    start=st.integers(0, 100),
    length=st.integers(5, 80),
    seed=st.integers(0, 1000),
)
def test_times_are_equally_spaced_and_inside(
    views: int, gaps: list[int], start: int, length: int, seed: int
) -> None:
    spec = ClipSpec(views, tuple(gaps))
    segment = Segment(0, start, start + length)
    times = draw_times(spec, segment, np.random.default_rng(seed))
    assert len(times) == views
    assert start <= min(times)
    assert max(times) < start + length
    differences = {abs(int(d)) for d in np.diff(times)}
    assert len(differences) <= 1
    if (views - 1) * max(gaps) < length:
        assert differences <= set(gaps)
    if min(gaps) > 0:
        assert 0 not in differences


def test_clips_that_return_end_with_their_first_frame() -> None:
    segment = Segment(0, 3, 30)
    for seed in range(20):
        there = draw_times(ClipSpec(3, (2, 9)), segment, np.random.default_rng(seed))
        spec = ClipSpec(4, (2, 9), returns=True)
        assert draw_times(spec, segment, np.random.default_rng(seed)) == [*there, there[0]]


def test_short_videos_keep_the_range_of_gaps() -> None:
    spec, segment = ClipSpec(2, (8, 16, 24, 32)), Segment(0, 0, 17)
    rng = np.random.default_rng(0)
    gaps = [abs(b - a) for a, b in (draw_times(spec, segment, rng) for _ in range(400))]
    assert set(gaps) == {4, 8, 12, 16}


def test_both_directions_of_time_are_seen() -> None:
    rng = np.random.default_rng(0)
    pairs = [draw_times(PAIR, Segment(0, 0, 20), rng) for _ in range(400)]
    assert 160 < sum(a < b for a, b in pairs) < 240


def test_a_video_that_breaks_later_is_replaced(
    sources: list[Source], caplog: pytest.LogCaptureFixture
) -> None:
    gone = [replace(sources[0], path=sources[0].path + ".gone")]
    damaged = gone + sources[1:]
    with caplog.at_level(logging.WARNING):
        a = list(clip_loader(dataset(damaged), keys(PAIR, range(3)), workers=0))
    b = list(clip_loader(dataset(damaged), keys(PAIR, range(3)), workers=2))
    assert all(same(x, y) for x, y in zip(a, b, strict=True))
    assert all(0 not in batch.videos for batch in a)
    assert len(caplog.records) == 1
    assert "a.mp4.gone" in caplog.text
    for workers in (0, 1):
        why = r"^20 videos drawn in a row could not be read, the last was \S+a\.mp4\.gone: no such"
        with pytest.raises(InputError, match=why) as error:
            next(clip_loader(dataset(gone), keys(PAIR, range(1)), workers=workers))
        assert not multiprocessing.active_children(), "workers wait for an error to be forgotten"
        del error


def test_videos_too_short_for_a_clip(sources: list[Source]) -> None:
    data = dataset(sources)
    assert len(data.eligible(ClipSpec(2, (0,)))) == len(data.segments)
    assert len(data.eligible(ClipSpec(15, (1,)))) == 3
    assert len(data.eligible(ClipSpec(16, (1,), returns=True))) == 3
    words = (
        r"no video has the 60 frames that a clip of 60 views 1 frame apart needs: the longest has"
    )
    with pytest.raises(InputError, match=rf"{words} 50$"):
        data.eligible(ClipSpec(60, (1,)))
    with pytest.raises(InputError, match=r"40 frames .*: data.segment cuts them into pieces of 25"):
        data.eligible(ClipSpec(40, (1,)))


def test_one_frame_seen_twice_gives_two_different_views(sources: list[Source]) -> None:
    batch = next(clip_loader(dataset(sources), keys(ClipSpec(2, (0,)), range(1)), workers=0))
    assert torch.equal(batch.times[:, 0], batch.times[:, 1])
    assert float((batch.to_frame[:, 0] - batch.to_frame[:, 1]).abs().amax(dim=(1, 2)).min()) > 1e-3


def test_sample_frames_are_whole_frames_of_different_videos(sources: list[Source]) -> None:
    frames = list(sample_frames(sources, 3, short_side=72))
    assert sorted(f.shape[:2] for f in frames) == [(64, 96), (72, 108), (96, 64)]
    again = list(sample_frames(sources, 3, short_side=72))
    assert all(np.array_equal(a, b) for a, b in zip(frames, again, strict=True))


@pytest.mark.parametrize("wrong", [{"short_side": 0}, {"segment": 0}])
def test_wrong_settings_are_named(wrong: dict[str, int]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        ClipSettings(**wrong)


def test_pieces_of_neighbours_lie_on_clips_of_one_frame(sources: list[Source]) -> None:
    still, spec = replace(STILL, paste=0.7), ClipSpec(2, (0,))
    plain = next(clip_loader(dataset(sources, augmentation=STILL), keys(spec, range(1), 8)))
    data = dataset(sources, augmentation=still)
    batches = [next(clip_loader(data, keys(spec, range(1), 8), workers=w)) for w in (0, 1)]
    layers = [b.pasted for b in batches]
    assert layers[0] is not None and layers[1] is not None
    assert torch.equal(layers[0].cover, layers[1].cover)  # whoever makes it
    assert 2 <= int(layers[0].cover.amax((1, 2, 3)).count_nonzero()) < 8  # some have none
    shares = layers[0].cover[:, :, None]
    expected = plain.views * (1 - shares) + plain.views.roll(-1, 0) * shares
    torch.testing.assert_close(batches[0].views, expected)
    assert torch.equal(batches[0].to_frame, plain.to_frame)
    assert torch.equal(layers[0].to_frame, plain.to_frame.roll(-1, 0))
    assert torch.equal(layers[0].videos, plain.videos.roll(-1, 0))


def near(a: ClipBatch, b: ClipBatch) -> bool:
    """Whether two batches are of the same draws, made in different ways."""
    fields = ("to_frame", "times", "frame_size", "videos")
    exact = all(torch.equal(getattr(a, f), getattr(b, f)) for f in fields)
    difference = (a.views - b.views).abs() * 255
    return exact and float(difference.mean()) < 0.1 and float(difference.max()) < 6


@pytest.mark.parametrize("spec", [PAIR, ClipSpec(2, (0,))])
def test_batched_views_are_of_the_same_draws(
    sources: list[Source], tmp_path: Path, spec: ClipSpec
) -> None:
    how = Augmentation(paste=0.6, blur=0.3)
    batches = [
        list(clip_loader(data, keys(spec, range(3), 6), workers=workers))
        for workers, data in (
            (0, dataset(sources, augmentation=how)),
            (0, dataset(sources, augmentation=how, settings=BATCHED)),
            (2, dataset(sources, tmp_path, augmentation=how, settings=BATCHED)),
        )
    ]
    for single, batched, again in zip(*batches, strict=True):
        assert near(single, batched)
        assert same(batched, again), "depends on who makes it"
        assert (single.pasted is None) == (batched.pasted is None) == (spec == PAIR)
        if single.pasted is not None and batched.pasted is not None:
            torch.testing.assert_close(single.pasted.cover, batched.pasted.cover, atol=1e-3, rtol=0)
            assert torch.equal(single.pasted.to_frame, batched.pasted.to_frame)


def test_clips_are_the_same_wherever_frames_are_held(sources: list[Source]) -> None:
    """In the store, in memory, or in one tensor on the device, from which views are cut."""
    damaged = [*sources, replace(sources[0], path=sources[0].path + ".gone", name="gone")]
    asked = keys(PAIR, range(4), 6)
    truth = list(clip_loader(dataset(damaged, settings=BATCHED), asked))
    data = dataset(damaged, settings=BATCHED)
    held = HeldFrames(data.store, data.segments, torch.device("cpu"))
    assert held.pixels.nbytes == held_bytes(data.store, data.segments)
    assert len(held.layout.broken) == 2
    data.held = held
    assert all(map(same, truth, clip_loader(data, asked, workers=1)))
    data.held, data.layout = None, held.layout
    for batch, asked_for in zip(truth, asked, strict=True):
        drawn = collate_drawn([data[key] for key in asked_for], 32)
        assert drawn.pixels.numel() == 0  # no frame travels
        assert near(batch, render_batch(drawn, held.pixels))


def test_clips_of_several_frames_get_no_pieces(sources: list[Source]) -> None:
    batch = next(
        clip_loader(dataset(sources, augmentation=Augmentation(paste=1)), keys(PAIR, range(1)))
    )
    assert batch.pasted is None


def test_a_batch_moves_and_divides_with_its_layer(sources: list[Source]) -> None:
    how = Augmentation(paste=1)
    batch = next(clip_loader(dataset(sources, augmentation=how), keys(ClipSpec(2, (0,)), range(1))))
    assert batch.pasted is not None
    part = batch[1:3].to(torch.float64)
    assert part.views.dtype == torch.float64 and part.pasted is not None
    assert torch.equal(part.pasted.cover, batch.pasted.cover[1:3])
