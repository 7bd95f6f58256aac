"""The planner against a frame-by-frame reading of its rules."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from pixelkin.annotation.plan import Mark, Piece, Source, piece_at, pieces, reaches

FRAMES = 12
SAYS = st.sampled_from([(True, False), (False, True), (False, False)])  # seeds, absent


@st.composite
def videos(draw: st.DrawFn) -> tuple[list[Mark], set[int]]:
    frames = draw(st.sets(st.integers(0, FRAMES - 1), max_size=5))
    marks = [Mark(f, *draw(SAYS)) for f in sorted(frames)]
    return marks, draw(st.sets(st.integers(1, FRAMES - 1), max_size=3))


def by_hand(marks: list[Mark], cuts: set[int], frame: int) -> tuple[object, ...]:
    """(before, after, label, absent) of one frame, looked for from the frame itself."""
    known = {m.frame: m for m in marks}
    if frame in known:
        return None, None, True, known[frame].absent
    bounds = {f: m for f, m in known.items() if m.seeds or m.absent}
    before = next((f for f in range(frame - 1, -1, -1) if f in bounds), None)
    after = next((f for f in range(frame + 1, FRAMES) if f in bounds), None)
    if before is not None and bounds[before].absent:
        return None, None, False, True
    if before is not None and any(before < c <= frame for c in cuts):
        before = None
    gone = after is not None and not bounds[after].seeds
    if after is not None and (gone or any(frame < c <= after for c in cuts)):
        after = None
    return before, after, False, False


@given(videos())
@settings(max_examples=300, deadline=None)
def test_each_frame_is_covered_once_by_what_the_rules_say(
    video: tuple[list[Mark], set[int]],
) -> None:
    marks, cuts = video
    found = pieces(marks, FRAMES, cuts)
    assert [f for piece in found for f in piece.frames] == list(range(FRAMES))
    for frame in range(FRAMES):
        piece = piece_at(found, frame)
        assert frame in piece.frames
        said = piece.before, piece.after, piece.label, piece.absent
        assert said == by_hand(marks, cuts, frame), frame


@given(videos())
@settings(max_examples=200, deadline=None)
def test_passes_go_as_far_as_they_are_shown_and_no_farther(
    video: tuple[list[Mark], set[int]],
) -> None:
    found = pieces(*(video[0], FRAMES), video[1])
    wanted: dict[Source, int] = {}
    for frame in range(FRAMES):
        for source in piece_at(found, frame).sources:
            distance = (frame - source.keyframe) * source.direction
            assert distance > 0
            wanted[source] = max(wanted.get(source, 0), distance)
    assert reaches(found) == wanted
    for source, reach in wanted.items():  # nothing is skipped on the way
        for distance in range(1, reach + 1):
            frame = source.keyframe + distance * source.direction
            piece = piece_at(found, frame)
            assert source in piece.sources or piece.label


@given(videos(), st.integers(0, FRAMES - 1))
@settings(max_examples=200, deadline=None)
def test_a_label_more_changes_nothing_beyond_its_neighbours(
    video: tuple[list[Mark], set[int]], frame: int
) -> None:
    marks, cuts = video
    others = [m for m in marks if m.frame != frame]
    bounds = [m.frame for m in others if m.seeds or m.absent]
    low = max((f for f in bounds if f < frame), default=-1)
    high = min((f for f in bounds if f > frame), default=FRAMES)
    before = pieces(others, FRAMES, cuts)
    after = pieces([*others, Mark(frame)], FRAMES, cuts)
    for f in (*range(low + 1), *range(high, FRAMES)):
        a, b = piece_at(before, f), piece_at(after, f)
        assert (a.before, a.after, a.label, a.absent) == (b.before, b.after, b.label, b.absent)


def test_a_label_between_two_others() -> None:
    found = pieces([Mark(2), Mark(6)], 9)
    assert found == [
        Piece(range(2), after=2),
        Piece(range(2, 3), label=True),
        Piece(range(3, 6), before=2, after=6),
        Piece(range(6, 7), label=True),
        Piece(range(7, 9), before=6),
    ]
    assert reaches(found) == {(2, -1): 2, (2, 1): 3, (6, -1): 3, (6, 1): 2}
