"""Whole videos: any keyframe, both directions, folders of results."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from moving_square import FRAMES, HEIGHT, WIDTH, results, square

from pixelkin.formats.id_png import read_ids
from pixelkin.formats.mask_png import write_mask
from pixelkin.propagation.passes import propagate
from pixelkin.propagation.plan import plan
from pixelkin.propagation.propagator import Propagator
from pixelkin.propagation.results import ResultsFolder
from pixelkin.propagation.run import propagate_to_folder
from pixelkin.types import Annotations, InputError, Labels
from pixelkin.video.reader import open_video
from pixelkin.video.writer import write_image
from running import running


def test_every_frame_once_and_near_the_truth(folder: Path) -> None:
    seen = []
    for prediction in propagate(folder, {9: square(9)}, encoder="lab"):
        seen.append(prediction.index)
        truth, found = square(prediction.index).ids, prediction.labels.ids
        assert truth is not None and found is not None
        assert (truth & found).sum() / (truth | found).sum() > 0.6
        assert prediction.name == f"{prediction.index:05d}"
    assert seen == [*range(9, FRAMES), *range(8, -1, -1)]


def test_backwards_is_forwards_of_the_reversed_video(folder: Path) -> None:
    frames = list(open_video(folder).frames())
    propagator = Propagator("lab", "davis")
    expected = [propagator.step(frames[9], square(9)).labels.ids]
    expected += [propagator.step(frames[t]).labels.ids for t in range(8, -1, -1)]
    found = {p.index: p.labels.ids for p in propagate(folder, {9: square(9)}, encoder="lab")}
    for t, ids in zip(range(9, -1, -1), expected, strict=True):
        assert np.array_equal(found[t], ids)


def test_plan_covers_every_frame_once() -> None:
    for keys in ([0], [5], [0, 7], [3, 4, 19]):
        passes = plan(20, {k: square(0) for k in keys})
        covered = [i for p in passes for i in p.results(p.frames)]
        assert sorted(covered) == list(range(20))


def test_folder_holds_what_the_iterator_gives(folder: Path, tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    run = propagate_to_folder(
        folder,
        square(0),
        tmp_path / "out",
        encoder="lab",
        progress=lambda done, total: calls.append((done, total)),
    )
    assert calls == [(i, FRAMES) for i in range(1, FRAMES + 1)]
    stored = list(ResultsFolder(run.folder).predictions(open_video(folder)))
    for ours, read in zip(propagate(folder, square(0), encoder="lab"), stored, strict=True):
        assert np.array_equal(read_ids(run.folder / f"masks/{ours.name}.png"), ours.labels.ids)
        assert np.array_equal(read.labels.ids, ours.labels.ids)
        np.testing.assert_array_equal(read.confidence, ours.confidence)
    lowest = min(stored, key=lambda p: p.frame_confidence)
    assert run.lowest == (lowest.index, lowest.frame_confidence)
    assert json.loads((run.folder / "run.json").read_text())["complete"] is True
    assert not (run.folder / ".state.npz").exists()


def test_results_are_those_of_one_thing_after_the_other(folder: Path) -> None:
    propagator = Propagator("random", "davis")
    frames = open_video(folder).frames()
    for t, overlapped in enumerate(propagate(folder, square(0), encoder="random")):
        alone = propagator.step(next(frames), square(0) if t == 0 else None)
        assert np.array_equal(overlapped.labels.ids, alone.labels.ids)
        votes = overlapped.confidence if overlapped.votes is None else overlapped.votes
        assert np.array_equal(votes, alone.confidence)


def test_an_iterator_that_is_left_leaves_no_thread(folder: Path) -> None:
    before = running()
    predictions = propagate(folder, square(0), encoder="lab")
    next(predictions)
    assert running() > before
    del predictions
    assert running() == before


@pytest.mark.parametrize("to_folder", [False, True])
def test_an_exception_that_is_kept_keeps_no_thread(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to_folder: bool
) -> None:
    before = running()
    alive = []

    def fail(*_: object, **__: object) -> None:
        alive.append(running())
        raise RuntimeError("out of memory")

    monkeypatch.setattr(Propagator, "step", fail)
    with pytest.raises(RuntimeError, match="out of memory") as kept:
        if to_folder:
            propagate_to_folder(folder, square(0), tmp_path / "out", encoder="lab")
        else:
            list(propagate(folder, square(0), encoder="lab"))
    assert kept.value.__traceback__ is not None
    assert alive[0] > before
    assert running() == before


def test_points_that_no_keyframe_has_do_not_ask_for_a_look(folder: Path, tmp_path: Path) -> None:
    points = np.array([[14, 24], [np.nan, np.nan]], np.float32)
    labels = Labels.from_points(points, (HEIGHT, WIDTH))
    run = propagate_to_folder(folder, labels, tmp_path / "o", encoder="lab")
    stored = list(ResultsFolder(run.folder).predictions(open_video(folder)))
    assert stored[0].confidence.tolist() == [1, 0]
    assert run.lowest[1] == min(p.confidence[0] for p in stored) > 0


def test_results_are_not_overwritten_unasked(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    propagate_to_folder(folder, square(0), out, encoder="lab")
    before = results(out)
    with pytest.raises(InputError, match="finished run: --overwrite"):
        propagate_to_folder(folder, square(0), out, encoder="lab")
    assert results(out) == before
    propagate_to_folder(folder, square(0), out, encoder="lab", protocol="jhmdb", overwrite=True)
    assert json.loads((out / "run.json").read_text())["protocol"]["name"] == "jhmdb"
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("precious")
    for overwrite in (False, True):
        with pytest.raises(InputError, match="not a run's folder"):
            propagate_to_folder(folder, square(0), other, encoder="lab", overwrite=overwrite)
    assert [p.name for p in other.iterdir()] == ["thesis.txt"]


def test_an_old_result_stays_until_a_new_one_is_there(folder: Path, tmp_path: Path) -> None:
    """A run that fails on its first frame neither replaces results nor leaves a trace."""
    out, broken = tmp_path / "out", tmp_path / "broken"
    propagate_to_folder(folder, square(0), out, encoder="lab")
    before = results(out)
    write_image(broken / "0.png", np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    write_image(broken / "1.png", np.zeros((HEIGHT, WIDTH + 2, 3), np.uint8))
    for target in (out, tmp_path / "new"):
        with pytest.raises(InputError, match="all must be of one size"):
            propagate_to_folder(broken, {1: square(0)}, target, encoder="lab", overwrite=True)
    assert results(out) == before
    assert not (tmp_path / "new").exists()


def test_a_finished_run_can_be_taken_as_it_is(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = propagate_to_folder(folder, square(0), out, encoder="lab")
    before = results(out)
    again = propagate_to_folder(folder, square(0), out, encoder="lab", reuse=True)
    assert (again.resumed, again.lowest) == (FRAMES, first.lowest)
    assert results(out) == before
    with pytest.raises(InputError, match="finished run"):
        propagate_to_folder(folder, square(3), out, encoder="lab", reuse=True)


@pytest.mark.parametrize("content", ["", "{", "[1]"])
def test_a_damaged_run_file_is_named(folder: Path, tmp_path: Path, content: str) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(InputError, match=r"run\.json is"):
        propagate_to_folder(folder, square(0), tmp_path, encoder="lab")
    assert (tmp_path / "run.json").read_text() == content


def test_results_come_in_the_order_of_the_video(tmp_path: Path) -> None:
    """Not in that of their own names, where frames lie in several folders."""
    for name in ("a/2.png", "b/1.png", "c/10.png"):
        write_image(tmp_path / "video" / name, np.zeros((16, 16, 3), np.uint8))
    labels = Labels.from_mask(np.ones((16, 16), np.int32))
    reader = open_video(tmp_path / "video/*/*.png")
    propagate_to_folder(tmp_path / "video/*/*.png", labels, tmp_path / "out", encoder="lab")
    stored = ResultsFolder(tmp_path / "out").predictions(reader)
    assert [p.name for p in stored] == ["2", "1", "10"]


def test_bad_keyframes_are_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="frame 99, but the video has frames 0 to 26"):
        list(propagate(folder, {99: square(0)}, encoder="lab"))
    with pytest.raises(InputError, match="no labels"):
        list(propagate(folder, {}, encoder="lab"))
    small = Labels.from_mask(np.ones((24, 40), np.int32))
    with pytest.raises(InputError, match="40x24, the video is 80x48"):
        propagate_to_folder(folder, small, tmp_path / "out", encoder="lab")
    assert not (tmp_path / "out").exists()


def test_keyframes_have_whole_numbers_of_any_type(folder: Path, tmp_path: Path) -> None:
    """NumPy's give the same run: one begun with the others is the same."""
    plain = {3: square(3), 20: square(20)}
    keyframes = {np.int64(20): plain[20], np.uint8(3): plain[3]}
    for name, given in (("plain", plain), ("numpy", keyframes)):
        propagate_to_folder(folder, given, tmp_path / name, encoder="lab")
    assert results(tmp_path / "plain") == results(tmp_path / "numpy")
    assert propagate_to_folder(folder, keyframes, tmp_path / "plain", encoder="lab", reuse=True)
    for wrong in (True, 3.0, "3"):
        with pytest.raises(InputError, match=r"^no frame .*: give the number of one$"):
            propagate(folder, {wrong: square(3)}, encoder="lab")  # type: ignore[dict-item]


@pytest.mark.parametrize("count", [1, 2])
def test_kinds_that_do_not_mix_are_named_whatever_their_ids(folder: Path, count: int) -> None:
    points = Labels.from_points(np.full((count, 2), 20.0), (HEIGHT, WIDTH))
    with pytest.raises(InputError, match="frame 5: keypoints, the first labels are mask, and one"):
        propagate(folder, {0: square(0), 5: points}, encoder="lab")
    both = Annotations.of({3: square(3)}).joined(Annotations.of({3: points}, "nose.json"))
    with pytest.raises(InputError, match="keypoints, the first labels are mask"):
        propagate(folder, both, encoder="lab")


def test_the_folder_of_something_else_is_not_replaced(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"kind": "evaluation"}))
    with pytest.raises(InputError, match="not of propagation"):
        propagate_to_folder(folder, square(0), tmp_path, encoder="lab", overwrite=True)


def test_bad_input_is_found_before_the_first_frame_is_asked_for(folder: Path) -> None:
    with pytest.raises(InputError, match="frame 99"):
        propagate(folder, {99: square(0)}, encoder="lab")


def test_a_pass_is_known_by_what_decides_it() -> None:
    keyframes = {3: square(3), 9: square(9)}
    passes = plan(20, keyframes)
    assert [(p.keyframe, p.frames, p.direction) for p in passes] == [
        (3, 6, 1),
        (9, 11, 1),
        (3, 4, -1),
    ]
    digests = [p.digest for p in passes]
    assert len(set(digests)) == 3 and digests == [p.digest for p in plan(20, dict(keyframes))]
    corrected = [p.digest for p in plan(20, keyframes | {9: square(10)})]
    assert [a == b for a, b in zip(digests, corrected, strict=True)] == [True, False, True]
    renamed = Labels.from_mask(square(9).ids, names=("dog",))
    assert plan(20, keyframes | {9: renamed})[1].digest != digests[1]
    added = [p.digest for p in plan(20, keyframes | {14: square(14)})]
    # The pass of frame 9 is only cut short.
    assert added[0] == digests[0] and added[3] == digests[2] and added[1] == digests[1]


def test_a_video_is_opened_once_and_a_reader_will_do(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = open_video(folder)
    monkeypatch.setattr("pixelkin.video.reader.find_images", None)
    run = propagate_to_folder(reader, square(0), tmp_path / "out", encoder="lab")
    assert run.frames == FRAMES
    assert len(list(propagate(reader, square(0), encoder="lab"))) == FRAMES


def test_labels_may_be_an_array_or_a_file(folder: Path, tmp_path: Path) -> None:
    write_mask(tmp_path / "mask.png", square(0))
    expected = next(propagate(folder, square(0), encoder="lab")).ids
    for labels in (
        square(0).ids,
        square(0).ids > 0,
        tmp_path / "mask.png",
        str(tmp_path / "mask.png"),
    ):
        assert np.array_equal(next(propagate(folder, labels, encoder="lab")).ids, expected)


def test_given_frames_do_not_ask_for_a_look(folder: Path, tmp_path: Path) -> None:
    """Also where one of them lacks a point that another one has."""
    both = np.array([[14, 24], [20, 30]], np.float32)
    one = np.array([[16, 24], [np.nan, np.nan]], np.float32)
    labels = {t: Labels.from_points(p, (HEIGHT, WIDTH)) for t, p in ((0, both), (1, one))}
    run = propagate_to_folder(folder, labels, tmp_path / "o", encoder="lab")
    assert run.lowest[0] > 1
    every = {t: square(t) for t in range(FRAMES)}
    assert propagate_to_folder(folder, every, tmp_path / "all", encoder="lab").lowest[1] == 1
