from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pixelkin.app.demo import OUTPUTS, Scores, Tally, run_demo
from pixelkin.data.synthetic import SyntheticScene
from pixelkin.evaluation.metrics import region_similarity
from pixelkin.formats.mask_png import read_mask
from pixelkin.propagation.passes import propagate
from pixelkin.types import InputError
from pixelkin.video.reader import open_video

SMALL = {"weights": "lab", "frames": 8, "size": (96, 160)}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, object]:
    folder = tmp_path_factory.mktemp("demo") / "new"
    return folder, run_demo(folder, **SMALL)


def test_writes_its_outputs_and_nothing_else(demo) -> None:
    folder, result = demo
    assert sorted(p.name for p in folder.iterdir()) == sorted(
        (*OUTPUTS, "run.json", ".pixelkin-files")
    )
    for name in ("video.mp4", "overlay.mp4"):
        video = open_video(folder / name)
        assert len(video) == 8 and (video.info.height, video.info.width) == (96, 160)
    assert json.loads((folder / "scores.json").read_text()) == json.loads(
        json.dumps(result.to_json())
    )


def test_scores_are_those_of_a_users_own_run(demo) -> None:
    """Through the files: the mask it wrote, carried through the video it wrote."""
    folder, result = demo
    scene = SyntheticScene(0, (96, 160), frames=8)
    given = read_mask(folder / "mask.png")
    np.testing.assert_array_equal(given.ids, scene[0].ids)
    predictions = list(propagate(folder / "video.mp4", given, encoder="lab"))
    j = [
        region_similarity(scene[p.index].ids == i, p.labels.ids == i)
        for p in predictions[1:]
        for i in (1, 2)
    ]
    assert result.predicted.j == pytest.approx(np.mean(j))
    still = [
        region_similarity(scene[t].ids == i, given.ids == i) for t in range(1, 8) for i in (1, 2)
    ]
    assert result.static.j == pytest.approx(np.mean(still))
    assert result.predicted.j > result.static.j


def test_video_shows_the_scene(demo) -> None:
    folder, _ = demo
    scene = SyntheticScene(0, (96, 160), frames=8)
    for truth, frame in zip(scene, open_video(folder / "video.mp4").frames(), strict=True):
        assert np.abs(truth.image.astype(int) - frame).mean() < 8


def test_table_has_a_row_for_each(demo) -> None:
    rows = demo[1].rows()
    assert [row[0] for row in rows] == ["labels", "predicted", "static"]
    assert len({len(row) for row in rows}) == 1
    assert rows[1][2] == f"{100 * demo[1].predicted.j:.1f}"


def test_nothing_is_overwritten_unasked(demo, tmp_path: Path) -> None:
    folder, _ = demo
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    with pytest.raises(InputError, match="holds a finished demo: --overwrite replaces it"):
        run_demo(folder, **SMALL)
    assert before == {p.name: p.read_bytes() for p in folder.iterdir()}
    (tmp_path / "video.mp4").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(InputError, match=r"holds something else, video.mp4"):
            run_demo(tmp_path, **SMALL | {"frames": 2}, overwrite=overwrite)
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("video.mp4", "mine")]


def test_a_demo_replaces_one_when_asked_and_nothing_beside_it(tmp_path: Path) -> None:
    run_demo(tmp_path, **SMALL | {"frames": 2})
    (tmp_path / "notes.txt").write_text("mine")
    result = run_demo(tmp_path, **SMALL | {"frames": 3}, overwrite=True)
    assert result.settings["scene"]["frames"] == 3 and len(open_video(tmp_path / "video.mp4")) == 3
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert (tmp_path / "scores.json").read_text() != "old"


@pytest.mark.parametrize(
    "wrong",
    [
        {"frames": 1},
        {"objects": 0},
        {"size": (96, 161)},
        {"weights": "no-such"},
        {"protocol": "no-such"},
    ],
)
def test_refuses_before_writing(wrong: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(InputError):
        run_demo(tmp_path / "out", **SMALL | wrong)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_tally_of_the_truth_is_perfect() -> None:
    tally = Tally()
    for frame in SyntheticScene(0, (96, 160), frames=4):
        tally.add(frame, frame.ids, frame.positions)
    assert tally.scores() == Scores(1.0, 1.0, {"0.1": 1.0, "0.2": 1.0}, 0.0, 0.0)


def test_tally_counts_lost_and_distant_keypoints() -> None:
    frame = SyntheticScene(0, (96, 160), frames=4)[0]
    assert frame.visible.all()
    side = np.ptp(frame.positions, axis=1).max(axis=1)  # of each object's box
    moved = frame.positions.copy()
    moved[0, :2, 0] += 0.15 * side[0]  # right at 0.2, wrong at 0.1
    moved[0, 2] += 0.9 * side[0]  # wrong
    moved[1, 0] = np.nan  # lost
    tally = Tally()
    tally.add(frame, frame.ids, moved)
    scores = tally.scores()
    assert scores.pck == {"0.1": pytest.approx(0.6), "0.2": pytest.approx(0.8)}
    assert scores.lost == pytest.approx(0.1)
    assert scores.pixel_error == pytest.approx((0.3 + 0.9 * 2**0.5) * side[0] / 9, rel=1e-4)


def test_tally_without_any_keypoint_found() -> None:
    frame = SyntheticScene(0, (96, 160), frames=4)[0]
    tally = Tally()
    tally.add(frame, frame.ids, np.full((10, 2), np.nan, np.float32))
    assert tally.scores() == Scores(1.0, 1.0, {"0.1": 0.0, "0.2": 0.0}, None, 1.0)


def test_scores_exist_only_when_all_is_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_demo(tmp_path, **SMALL)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Tally, "add", stop)
    with pytest.raises(KeyboardInterrupt):
        run_demo(tmp_path, **SMALL, overwrite=True)
    found = {p.name for p in tmp_path.iterdir()}
    assert found == {"video.mp4", "mask.png", "keypoints.json", "run.json", ".pixelkin-files"}
