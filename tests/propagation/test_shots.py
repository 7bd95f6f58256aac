"""Labels end where a new shot begins: what `propagate` shows, says and keeps of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from moving_square import results, square
from numpy.typing import NDArray

from pixelkin.evaluation.metrics import region_similarity
from pixelkin.formats.frame_json import load_prediction
from pixelkin.propagation.passes import propagate
from pixelkin.propagation.propagator import Propagator
from pixelkin.propagation.protocol import Protocol
from pixelkin.propagation.run import propagate_to_folder
from pixelkin.types import Labels, MaskLabels, Object, Objects
from pixelkin.video.reader import open_video
from pixelkin.video.writer import write_image

FRAMES, CUT, SIZE = 28, 14, (128, 208)


def scene(seed: int, t: int) -> NDArray[np.uint8]:
    """A ground of its own colours, coarse enough for the grid, and a square that moves."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (SIZE[0] // 8, SIZE[1] // 8, 3), dtype=np.uint8)
    image = coarse.repeat(8, axis=0).repeat(8, axis=1)
    image[24:72, 8 + 2 * t : 56 + 2 * t] = rng.integers(0, 255, 3)
    return image


def label(t: int, i: int = 1) -> Labels:
    ids = np.zeros(SIZE, np.int32)
    ids[24:72, 8 + 2 * t : 56 + 2 * t] = i
    return Labels.from_mask(ids)


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """14 frames of one scene, and 14 of another."""
    path = tmp_path_factory.mktemp("shots")
    for t in range(FRAMES):
        write_image(path / f"{t:03d}.png", scene(1 if t < CUT else 5, t))
    return path


@pytest.mark.parametrize("protocol", ["davis", "youtube_vos"])
def test_nothing_is_carried_over_a_cut_unless_it_is_asked_for(shots: Path, protocol: str) -> None:
    propagator = Propagator("lab", protocol)
    frames = list(open_video(shots).frames())
    plain = [propagator.step(f, label(0) if t == 0 else None) for t, f in enumerate(frames)]
    ended = list(propagate(shots, label(0), encoder="lab", protocol=protocol))
    over = list(propagate(shots, label(0), encoder="lab", protocol=protocol, over_cuts=True))
    for t in range(FRAMES):
        np.testing.assert_array_equal(over[t].ids, plain[t].ids)
        wanted = plain[t].ids if t < CUT else np.zeros(SIZE)
        np.testing.assert_array_equal(ended[t].ids, wanted)
    assert all(p.objects == (1,) and p.confidence[0] == 0 for p in ended[CUT:])
    if protocol == "davis":  # by the other one nothing is left of the square by then
        assert plain[CUT].ids.any() and ended[CUT - 1].ids.any()


def test_points_have_no_position_after_a_cut(shots: Path) -> None:
    points = Labels.from_points(np.array([[20.0, 40.0], [44.0, 60.0]]), SIZE)
    found = list(propagate(shots, points, encoder="lab", protocol="jhmdb"))
    assert np.isfinite([p.points for p in found[:CUT]]).all()
    assert np.isnan([p.points for p in found[CUT:]]).all()
    assert not np.any([p.confidence for p in found[CUT:]])


@pytest.mark.parametrize(("first", "shown"), [(FRAMES - 1, range(CUT, FRAMES)), (4, range(CUT))])
def test_the_other_way_as_well(shots: Path, tmp_path: Path, first: int, shown: range) -> None:
    """Both passes of a keyframe that is not the first frame; the cut is the one of the video."""
    run = propagate_to_folder(shots, {first: label(first)}, tmp_path / "o", encoder="lab")
    found = {p.index: p.ids.any() for p in propagate(shots, {first: label(first)}, encoder="lab")}
    assert [t for t in range(FRAMES) if found[t]] == list(shown) and run.cuts == (CUT,)


@pytest.mark.parametrize("labelled", [CUT, 20])
def test_objects_that_a_later_label_lacks_end_at_the_cut(
    shots: Path, tmp_path: Path, labelled: int
) -> None:
    """They would go on over it: in the pass before it, or in the one that begins with it."""
    keyframes = {0: label(0), labelled: label(labelled, 2)}
    run = propagate_to_folder(shots, keyframes, tmp_path / "o", encoder="lab")
    for t in range(FRAMES):
        present = load_prediction(tmp_path / "o", f"{t:03d}").labels.present
        assert present == ((1,) if t < CUT else (2,) if t >= labelled else ())
    assert run.cuts == (CUT,)


def test_both_ends_of_a_shot_are_named_once(tmp_path: Path) -> None:
    for t in range(12):
        write_image(tmp_path / f"v/{t:03d}.png", scene(1 if 4 <= t < 8 else 5, t))
    run = propagate_to_folder(tmp_path / "v", {5: label(5)}, tmp_path / "o", encoder="lab")
    assert run.cuts == (4, 8)
    again = propagate_to_folder(
        tmp_path / "v", {5: label(5)}, tmp_path / "o", encoder="lab", reuse=True
    )
    assert again.cuts == (4, 8) and again.resumed == 12


@pytest.mark.parametrize("over", [False, True])
@pytest.mark.parametrize("stop", [8, 12, 17, 23, 26])
def test_an_interrupted_run_has_the_same_bytes(
    shots: Path, tmp_path: Path, stop: int, over: bool
) -> None:
    """Stopped before the cut, at it, behind it, at a keyframe whose pass has an older object."""
    keyframes = {0: label(0), 23: label(23, 2)}

    class Killed(Exception):
        pass

    def run(out: Path, stop_at: int | None = None) -> tuple[int, ...]:
        def progress(done: int, total: int) -> None:
            if done == stop_at:
                raise Killed

        return propagate_to_folder(
            shots, keyframes, out, encoder="lab", progress=progress, over_cuts=over
        ).cuts

    whole = run(tmp_path / "whole")
    with pytest.raises(Killed):
        run(tmp_path / "parts", stop)
    assert run(tmp_path / "parts") == whole == (CUT,)
    assert results(tmp_path / "parts") == results(tmp_path / "whole")


def test_an_ended_propagator_begins_again_with_a_keyframe() -> None:
    frames = [scene(1, t) for t in range(4)]
    propagator, fresh = Propagator("lab"), Propagator("lab")
    propagator.step(frames[0], label(0))
    propagator.end()
    assert propagator.ended and not propagator.step(frames[1]).ids.any()
    first = propagator.step(frames[2], label(2), merge=True)
    assert not propagator.ended
    np.testing.assert_array_equal(first.ids, fresh.step(frames[2], label(2)).ids)
    np.testing.assert_array_equal(propagator.step(frames[3]).ids, fresh.step(frames[3]).ids)


def test_a_moving_square_on_still_ground_is_no_cut(folder: Path, tmp_path: Path) -> None:
    protocol = Protocol.named("davis")
    run = propagate_to_folder(folder, square(0), tmp_path / "o", encoder="lab", protocol=protocol)
    assert run.cuts == ()


def test_a_cut_right_after_the_frame_that_was_kept_last(tmp_path: Path) -> None:
    """What a run goes on from is kept after ten frames; the eleventh begins a new shot."""
    for t in range(16):
        write_image(tmp_path / f"v/{t:03d}.png", scene(1 if t < 10 else 5, t))

    def run(out: Path, stop_at: int | None = None) -> tuple[int, tuple[int, ...]]:
        def progress(done: int, total: int) -> None:
            if done == stop_at:
                raise InterruptedError

        found = propagate_to_folder(tmp_path / "v", label(0), out, encoder="lab", progress=progress)
        return found.resumed, found.cuts

    assert run(tmp_path / "whole") == (0, (10,))
    with pytest.raises(InterruptedError):
        run(tmp_path / "parts", 10)
    assert run(tmp_path / "parts") == (10, (10,))
    assert results(tmp_path / "parts") == results(tmp_path / "whole")


def test_a_plain_floor_is_one_shot(tmp_path: Path) -> None:
    """A blob that moves over grey noise, which hardly any cell finds again."""
    rows, columns = np.mgrid[:480, :640]
    noise = np.random.default_rng(0)

    def blob(t: int) -> NDArray[np.bool_]:
        return np.asarray(((columns - 192 - 4 * t) / 38) ** 2 + ((rows - 240) / 24) ** 2 < 1)

    for t in range(3):
        ground = np.where(blob(t)[..., None], (60, 50, 45), 210)
        frame = (ground + noise.normal(0, 2, ground.shape)).clip(0, 255)
        write_image(tmp_path / f"{t}.png", frame.astype(np.uint8))
    found = list(propagate(tmp_path, Labels.from_mask(blob(0).astype(np.int32))))
    assert all(region_similarity(blob(t), p.ids == 1) > 0.75 for t, p in enumerate(found))


@pytest.mark.parametrize("over_cuts", [False, True])
def test_a_keyframe_may_list_what_it_does_not_show(shots: Path, over_cuts: bool) -> None:
    first = MaskLabels("mask", Objects((Object(1), Object(2))), np.asarray(label(0).as_map().ids))
    again = label(6, 3)
    found = list(propagate(shots, {0: first, 6: again}, encoder="lab", over_cuts=over_cuts))
    assert all(len(p.confidence) == len(p.objects) for p in found)
    assert 3 in found[-1].objects and found[5].confidence[0] > 0


def test_a_cut_stays_known_where_a_correction_shortens_a_pass(shots: Path, tmp_path: Path) -> None:
    def run(
        out: str, labels: dict[int, Labels], stop_at: int | None = None, **options: bool
    ) -> tuple[int, ...]:
        def progress(done: int, total: int) -> None:
            if done == stop_at:
                raise InterruptedError

        return propagate_to_folder(
            shots, labels, tmp_path / out, encoder="lab", progress=progress, **options
        ).cuts

    with pytest.raises(InterruptedError):
        run("corrected", {0: label(0), 2: label(2)}, stop_at=24)
    more = {0: label(0), 2: label(2), 18: label(18)}
    assert run("corrected", more, overwrite=True) == run("fresh", more) == (CUT,)
    assert results(tmp_path / "corrected") == results(tmp_path / "fresh")
