"""Keyframes that show some of the objects: the others go on from their own labels."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from moving_square import results

from pixelkin.models.encoder import load_encoder
from pixelkin.ops import resample
from pixelkin.propagation.ensemble import Voice, join
from pixelkin.propagation.features import propagate_features
from pixelkin.propagation.passes import propagate
from pixelkin.propagation.plan import Pass, plan
from pixelkin.propagation.propagator import Propagator
from pixelkin.propagation.protocol import Protocol
from pixelkin.propagation.run import propagate_to_folder
from pixelkin.types import Labels, MaskLabels, Prediction
from pixelkin.video.reader import open_video
from pixelkin.video.writer import write_image

FRAMES, HEIGHT, WIDTH = 24, 96, 128
CORNERS = {1: (8, 8), 2: (40, 30), 3: (64, 60)}
DAVIS = Protocol.named("davis")


def where(i: int, t: int) -> tuple[slice, slice]:
    top, left = CORNERS[i]
    return np.s_[top : top + 24, left + 2 * t : left + 2 * t + 24]


@pytest.fixture(scope="session")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three squares of different colours that move over a noisy ground."""
    folder = tmp_path_factory.mktemp("three")
    rng = np.random.default_rng(0)
    ground = rng.integers(0, 70, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    for t in range(FRAMES):
        image = ground.copy()
        for i, colour in ((1, (220, 30, 30)), (2, (30, 220, 40)), (3, (240, 230, 40))):
            image[where(i, t)] = colour
        write_image(folder / f"{t:05d}.png", image)
    return folder


def shown(t: int, *ids: int) -> MaskLabels:
    found = np.zeros((HEIGHT, WIDTH), np.int32)
    for i in ids:
        found[where(i, t)] = i
    return Labels.from_mask(found)


def run(video: Path, keyframes: Mapping[int, Labels], **how: object) -> dict[int, Prediction]:
    found = propagate(video, keyframes, encoder="lab", **how)  # type: ignore[arg-type]
    return {p.index: p for p in found}


def by_hand(video: Path, keyframes: Mapping[int, MaskLabels], t: int) -> np.ndarray:
    """The map of frame t: each object alone from its latest label, through arrays, then arg-max."""
    encoder = load_encoder("lab").for_inference(DAVIS.stride)
    latest = {i: k for k in sorted(keyframes) if k <= t for i in keyframes[k].present}
    votes = []
    for i, k in sorted(latest.items()):
        alone = torch.from_numpy((keyframes[k].ids == i).astype(np.int32))
        grid = (HEIGHT // DAVIS.stride, WIDTH // DAVIS.stride)
        soft = resample.mask_to_grid(alone, (0, 1), grid, DAVIS.label_resize, DAVIS.stride)
        frames = open_video(video).frames(k, t + 1)
        features = torch.stack([encoder.encode(frame) for frame in frames])
        votes.append(propagate_features(features, soft, DAVIS)[-1, 1])
    both = torch.stack([(1 - sum(votes)).clamp(min=0), *votes])
    winner, _ = resample.decode_map(both, (HEIGHT, WIDTH), stretched=False)
    return np.array([0, *sorted(latest)])[winner.numpy()]


def test_an_object_follows_its_own_latest_label(three: Path) -> None:
    keyframes = {0: shown(0, 1, 2, 3), 8: shown(8, 2), 14: shown(14, 1, 3)}
    found = run(three, keyframes)
    assert sorted(found) == list(range(FRAMES))
    for t in (3, 10, 13, 17, 23):
        ids = by_hand(three, keyframes, t)
        assert set(np.unique(ids)) == {0, 1, 2, 3}
        assert (found[t].ids != ids).mean() < 1e-3  # sums in another order
        assert found[t].objects == (1, 2, 3) and found[t].origin == "propagated"


def test_a_correction_of_one_object_leaves_the_others_as_they_were(three: Path) -> None:
    first, wrong = shown(0, 1, 2, 3), shown(8, 2).ids.copy()
    wrong[where(2, 8)[0], where(2, 8)[1].stop : where(2, 8)[1].stop + 6] = 2
    corrected = run(three, {0: first, 8: Labels.from_mask(wrong)})
    plain = run(three, {0: first})
    for t in range(FRAMES):
        for i in (1, 3):
            other = (corrected[t].ids == i) != (plain[t].ids == i)
            assert other.sum() <= (0 if t < 8 else 2 if i == 1 else 16)  # 3 touches 2; ties
        close = 4e-3  # of votes 1e-3; the table of confidence is steeper than that
        assert abs(corrected[t].confidence[0] - plain[t].confidence[0]) < close
    alone = run(three, {8: Labels.from_mask(wrong)})
    assert ((corrected[15].ids == 2) != (alone[15].ids == 2)).sum() <= 16
    assert ((corrected[15].ids == 2) != (plain[15].ids == 2)).sum() > 40
    given = corrected[8]
    assert given.origin == "given" and np.array_equal(given.ids == 2, wrong == 2)
    assert given.confidence[1] == 1 and 0 < given.confidence[0] < 1


def test_replacing_ends_what_a_keyframe_lacks(three: Path) -> None:
    keyframes = {0: shown(0, 1, 2, 3), 8: shown(8, 2)}
    found = run(three, keyframes, replace=True)
    assert found[7].labels.present == (1, 2, 3)
    for t in range(8, FRAMES):
        assert found[t].objects == (2,) and found[t].labels.present == (2,)
    alone = run(three, {8: shown(8, 2)})
    assert all(np.array_equal(found[t].ids, alone[t].ids) for t in range(8, FRAMES))


def test_labels_of_everything_are_the_same_either_way(three: Path) -> None:
    keyframes = {t: shown(t, 1, 2, 3) for t in (2, 8, 14)}
    merged, replaced = run(three, keyframes), run(three, keyframes, replace=True)
    for t in range(FRAMES):
        assert np.array_equal(merged[t].ids, replaced[t].ids)
        assert np.array_equal(merged[t].confidence, replaced[t].confidence)


def test_an_object_may_come_later(three: Path) -> None:
    found = run(three, {2: shown(2, 3), 9: shown(9, 1)})
    assert found[8].objects == (3,) and found[0].objects == (3,)
    assert found[9].objects == (1, 3) and found[20].labels.present == (1, 3)


@pytest.mark.parametrize("protocol", ["davis", "youtube_vos", "vip"])
def test_every_protocol_carries_parts(three: Path, protocol: str) -> None:
    """Also where votes do not sum to one, and where memory is hard."""
    rules = replace(Protocol.named(protocol), input_size=None)
    plain = run(three, {0: shown(0, 1, 2, 3)}, protocol=rules)
    found = run(three, {0: shown(0, 1, 2, 3), 6: shown(6, 2)}, protocol=rules)
    for i in (1, 3):
        both = (found[12].ids == i) & (plain[12].ids == i)
        assert both.sum() / ((found[12].ids == i) | (plain[12].ids == i)).sum() > 0.8


def test_points_that_a_keyframe_lacks_go_on(three: Path) -> None:
    def points(t: int, *ids: int) -> Labels:
        middle = np.full((3, 2), np.nan, np.float32)
        for i in ids:
            y, x = where(i, t)
            middle[i - 1] = (x.start + 11.5, y.start + 11.5)
        return Labels.from_points(middle, (HEIGHT, WIDTH), names=("a", "b", "c"))

    rules = replace(Protocol.named("jhmdb"), input_size=None)
    keyframes = {0: points(0, 1, 2, 3), 8: points(8, 2)}
    merged = run(three, keyframes, protocol=rules)
    plain = run(three, {0: keyframes[0]}, protocol=rules)
    alone = run(three, {8: keyframes[8]}, protocol=rules)
    for t in range(9, FRAMES):
        np.testing.assert_array_equal(merged[t].points[[0, 2]], plain[t].points[[0, 2]])
        np.testing.assert_array_equal(merged[t].points[1], alone[t].points[1])
    replaced = run(three, keyframes, protocol=rules, replace=True)
    assert np.isnan(replaced[12].points[[0, 2]]).all()


class Killed(Exception):
    pass


@pytest.mark.parametrize("stop", [5, 11, 19, 23])
def test_an_interrupted_run_ends_as_an_uninterrupted_one(
    three: Path, tmp_path: Path, stop: int
) -> None:
    """With a pass of two sources, and one of three; before, in and after them."""
    keyframes = {0: shown(0, 1, 2, 3), 4: shown(4, 2), 7: shown(7, 3)}

    def make(out: Path, stop_at: int | None = None) -> int:
        def progress(done: int, total: int) -> None:
            if done == stop_at:
                raise Killed

        made = propagate_to_folder(three, keyframes, out, encoder="lab", progress=progress)
        return made.resumed

    make(tmp_path / "whole")
    with pytest.raises(Killed):
        make(tmp_path / "parts", stop)
    assert make(tmp_path / "parts") == {5: 4, 11: 7, 19: 17, 23: 17}[stop]
    assert results(tmp_path / "whole") == results(tmp_path / "parts")


def test_a_correction_that_is_added_redoes_what_depends_on_it(
    three: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, told = tmp_path / "out", []
    first = {0: shown(0, 1, 2, 3), 6: shown(6, 1, 2, 3)}
    propagate_to_folder(three, first, out, encoder="lab")
    before = {p.name: p.stat().st_mtime_ns for p in (out / "masks").iterdir()}
    corrected = first | {15: shown(15, 2)}
    made = propagate_to_folder(
        three,
        corrected,
        out,
        encoder="lab",
        overwrite=True,
        progress=lambda done, _: told.append(done),
    )
    assert made.resumed == 15
    # The objects that go on are followed anew from frame 6, and that is shown too.
    assert told == [15] * 9 + list(range(16, FRAMES + 1))
    after = {p.name: p.stat().st_mtime_ns for p in (out / "masks").iterdir()}
    assert {n for n in before if before[n] == after[n]} == {f"{t:05d}.png" for t in range(15)}
    propagate_to_folder(three, corrected, tmp_path / "whole", encoder="lab")
    assert results(out) == results(tmp_path / "whole")


def test_passes_know_whose_labels_they_follow(tmp_path: Path, three: Path) -> None:
    keyframes = {0: shown(0, 1, 2, 3), 8: shown(8, 2), 14: shown(14, 1, 3)}

    def sources(found: list[Pass]) -> list[dict[int, tuple[int, ...]]]:
        return [{s.keyframe: s.objects for s in p.others} for p in found]

    passes = plan(FRAMES, keyframes)
    assert sources(passes) == [{}, {0: (1, 3)}, {8: (2,)}]
    assert sources(plan(FRAMES, keyframes, replace=True)) == [{}, {}, {}]
    digests = [p.digest for p in passes]
    other = [p.digest for p in plan(FRAMES, keyframes | {0: shown(1, 1, 2, 3)})]
    assert [a == b for a, b in zip(digests, other, strict=True)] == [False, False, True]
    later = [p.digest for p in plan(FRAMES, keyframes | {14: shown(15, 1, 3)})]
    assert [a == b for a, b in zip(digests, later, strict=True)] == [True, True, False]
    propagate_to_folder(three, keyframes, tmp_path / "out", encoder="lab")
    stored = json.loads((tmp_path / "out/run.json").read_text())["progress"]["passes"]
    assert [[s["objects"] for s in p["others"]] for p in stored] == [[], [[1, 3]], [[2]]]


@given(seed=st.integers(0, 2**32 - 1), split=st.lists(st.integers(0, 2), min_size=4, max_size=4))
def test_joined_votes_are_those_of_one(seed: int, split: list[int]) -> None:
    """Where propagators agree on who is where, joining gives what one of them has."""
    torch.manual_seed(seed)
    soft = torch.rand(5, 3, 4).softmax(0)
    carried = shown(0, 1, 2, 3).ids.copy()
    carried[0, 0] = 4
    one = Propagator("lab", DAVIS)
    frame = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    one.step(frame, Labels.from_mask(carried))
    voices = [Voice(one, [i for i, k in enumerate(split, start=1) if k == n]) for n in range(3)]
    joined = join([(voice, soft) for voice in voices], (1, 2, 3, 4))
    torch.testing.assert_close(joined, soft)
