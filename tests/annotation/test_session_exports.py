"""A session with everything in it, in every format: what does not come back was named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sessions import finish

import facts
from pixelkin.annotation.session import Session
from pixelkin.app import console
from pixelkin.app.cli import main
from pixelkin.formats.catalogue import FORMATS, Format
from pixelkin.formats.registry import load_annotations
from pixelkin.types import Detail, InputError, Objects

NEEDS = {"slp": "sleap_io", "sleap_h5": "sleap_io", "dlc_h5": "tables"}
WRITTEN = [f for f in FORMATS if f.save and not f.one_frame and f.name != "nwb"]


@pytest.fixture(scope="module")
def session(video: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """Masks and keypoints of two bodies; hidden, absent, stale, reviewed, flagged and cut."""
    with Session.create(tmp_path_factory.mktemp("s") / "a", video.folder, encoder="lab") as made:
        one = made.add_object('one, "first" <&>', category="square", colour=(9, 8, 7))
        two = made.add_object("zwei 猫")
        made.add_object("nobody")
        made.label(0, one, video.ids[0] == 1)
        made.label(0, two, video.ids[0] == 2)
        names = (("Mickey", "nose"), ("Mickey", "tail"), ("Minnie", "nose"))
        nose, tail, other = (made.add_object(n, kind="keypoint", parent=p) for p, n in names)
        made.connect(nose, tail)
        made.label(0, nose, video.points[0, 0])
        made.label(0, tail, video.points[0, 0] + 5)
        made.label(2, other, video.points[2, 1])
        made.mark_absent(9, two)
        made.mark_occluded(range(5, 7), one)  # nowhere
        made.mark_occluded(4, nose)
        made.mark_absent(11, tail)
        made.set_cut(12, True)
        finish(made)
        made.accept(range(2, 5))
        made.flag(7, "the ear?")
        made.label(8, one, video.ids[8] == 1, state="occluded")  # what follows is stale
        yield made


def facts_of(session: Session) -> facts.Facts:
    """What the session shows, frame by frame."""
    frames, details = {}, {}
    for t in range(len(session)):
        shown = session[t]
        if shown.labels:
            frames[t] = shown.labels
        for i, one in shown.objects.items():
            given = one.origin == "label"
            sure = None if given else one.confidence
            origin = "given" if given else "propagated"
            details[t, i] = Detail(one.state, sure, origin, one.origin == "stale")
    return facts.facts_of(Objects(session.objects, session.edges), frames, details)


def test_the_session_has_everything_in_it(session: Session) -> None:
    """Otherwise the test below could not fail."""
    shown = [v for t in range(14) for v in session[t].objects.values()]
    assert {v.state for v in shown} == {"present", "occluded", "absent"}
    assert {v.origin for v in shown} == {"label", "reviewed", "result", "stale", "none"}
    assert session.reviewed() == [2, 3, 4] and session.flagged() and session.cuts == [12]
    assert 1 not in session[5].labels[0].present and session[8].objects[1].state == "occluded"


@pytest.mark.parametrize("one", WRITTEN, ids=lambda one: one.name)
def test_what_does_not_come_back_is_named(session: Session, tmp_path: Path, one: Format) -> None:
    if one.name in NEEDS:
        pytest.importorskip(NEEDS[one.name])
    path = tmp_path / f"a{one.suffix}"
    if one.name == "yolo":
        with pytest.raises(InputError, match="yolo holds either masks or keypoints"):
            session.export(path, one.name)
        return
    told: list[tuple[int, int]] = []
    said = session.export(path, one.name, progress=lambda *x: told.append(x))
    found = load_annotations(path, session.video.info, one.name)
    gone = facts.lost(facts_of(session), facts.facts(found))
    assert not facts.unsaid(gone, said), (gone, said)
    assert said[-1] == (
        "only the session keeps which frames are reviewed (3), flagged (1), first in a new shot (1)"
    )
    assert [done for done, _ in told] == list(range(1, told[-1][1] + 1))
    if one.name == "npz":
        assert not gone and len(said) == 1
    if one.name == "coco":
        assert gone == {"colour"}


def test_labels_alone_are_what_was_given_or_accepted(session: Session, tmp_path: Path) -> None:
    session.export(tmp_path / "a.npz", what="labels")
    found = load_annotations(tmp_path / "a.npz", None)
    given = {(t, i) for t in range(14) for i, v in session[t].objects.items()
             if v.origin in ("label", "reviewed")}  # fmt: skip
    theirs = {(n, o.id) for n in found.frames for x in found.frames[n] for o in x.objects}
    assert theirs == given
    assert all(found.detail(n, i).origin == "given" for n, i in theirs)
    np.testing.assert_array_equal(
        found.frames[3][0].as_map().ids == 2, session[3].labels[0].as_map().ids == 2
    )


def test_one_name_of_the_format_serves_everywhere(
    session: Session, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = []
    for n, option in enumerate(("--to", "--format")):
        path = tmp_path / f"{n}.json"
        assert main(["session", "export", str(session.folder), str(path), option, "coco"]) == 0
        assert main(["convert", str(path), str(tmp_path / f"{n}b.json"), option, "coco"]) == 0
        made += [path.read_bytes(), (tmp_path / f"{n}b.json").read_bytes()]
    assert made[0] == made[2] and made[1] == made[3]
    told = capsys.readouterr()
    assert "does not keep own colours: 1 object" in told.err and "keep" not in told.out


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("late", [-1.0, 1000.0])
def test_a_long_export_shows_how_far_it_is_on_a_terminal(
    session: Session,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    terminal: bool,
    late: float,
) -> None:
    monkeypatch.setattr(console, "LATE", late)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
    assert main(["session", "export", str(session.folder), str(tmp_path / "a.npz")]) == 0
    told = capsys.readouterr().err
    assert ("exporting" in told and "14/14" in told) == (terminal and late < 0)
