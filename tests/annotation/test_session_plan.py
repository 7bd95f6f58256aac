"""The planner against a frame-by-frame reading of its rules."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from pixelkin.annotation.plan import THROUGH, Mark, Piece, Source, piece_at, pieces, reaches

FRAMES = 12
SAYS = st.sampled_from([(True, False), (False, True), (False, False)])  # seeds, absent
DEPTHS = st.integers(1, 3)


@st.composite
def videos(draw: st.DrawFn) -> tuple[list[Mark], set[int]]:
    frames = draw(st.sets(st.integers(0, FRAMES - 1), max_size=5))
    marks = [Mark(f, *draw(SAYS), age=draw(st.integers(0, 3))) for f in sorted(frames)]
    return marks, draw(st.sets(st.integers(1, FRAMES - 1), max_size=3))


def one_side(
    known: dict[int, Mark], cuts: set[int], frame: int, way: int, depth: int
) -> list[Source]:
    """The passes that come to a frame from one side, looked for from the frame itself."""
    found: list[Source] = []
    between: list[int] = []  # ages of the labels on the way
    at = frame - way
    while 0 <= at < FRAMES:
        mark = known.get(at)
        shot = not any(min(at, frame) < c <= max(at, frame) for c in cuts)
        if mark is not None and mark.absent:
            break
        if mark is not None and mark.seeds:
            if all(mark.age < age for age in between) and depth > 0:
                depth -= 1
                found += [Source(at, way)] * shot
            between.append(mark.age)
        at -= way
    return found


def by_hand(marks: list[Mark], cuts: set[int], frame: int, depth: int) -> tuple[object, ...]:
    """(sources, label, absent) of one frame."""
    known = {m.frame: m for m in marks}
    if frame in known:
        return (), True, known[frame].absent
    bounds = [f for f in range(frame) if f in known and (known[f].seeds or known[f].absent)]
    if bounds and known[bounds[-1]].absent:
        return (), False, True
    sides = (one_side(known, cuts, frame, way, depth) for way in (1, -1))
    return tuple(source for side in sides for source in side), False, False


@given(videos(), DEPTHS)
@settings(max_examples=500)
def test_each_frame_is_covered_once_by_what_the_rules_say(
    video: tuple[list[Mark], set[int]], depth: int
) -> None:
    marks, cuts = video
    found = pieces(marks, FRAMES, cuts, depth)
    assert [f for piece in found for f in piece.frames] == list(range(FRAMES))
    for frame in range(FRAMES):
        piece = piece_at(found, frame)
        assert frame in piece.frames
        said = piece.sources, piece.label, piece.absent
        assert said == by_hand(marks, cuts, frame, depth), frame


@given(videos(), DEPTHS)
@settings(max_examples=200)
def test_passes_go_as_far_as_they_are_shown_and_no_farther(
    video: tuple[list[Mark], set[int]], depth: int
) -> None:
    found = pieces(video[0], FRAMES, video[1], depth)
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


@given(videos(), st.integers(0, FRAMES - 1), DEPTHS)
@example(([Mark(2, False, True), Mark(5, age=1), Mark(6)], set()), 3, 2)  # new there
@settings(max_examples=300)
def test_a_label_more_changes_nothing_beyond_its_neighbours(
    video: tuple[list[Mark], set[int]], frame: int, depth: int
) -> None:
    marks, cuts = video
    others = [m for m in marks if m.frame != frame]
    bounds = [m.frame for m in others if m.seeds or m.absent]
    low = max((f for f in bounds if f < frame), default=-1)
    high = min((f for f in bounds if f > frame), default=FRAMES)
    before = pieces(others, FRAMES, cuts, depth)
    after = pieces([*others, Mark(frame, age=4)], FRAMES, cuts, depth)
    for f in (*range(low + 1), *range(high, FRAMES)):
        a, b = piece_at(before, f), piece_at(after, f)
        assert (a.sources, a.label, a.absent) == (b.sources, b.label, b.absent)
    known = reaches(before)
    for source, reach in reaches(after).items():  # passes that go farther do so for frames between
        if reach > known.get(source, 0):
            assert low < source.keyframe + source.direction * reach < high


def test_a_label_between_two_others() -> None:
    found = pieces([Mark(2), Mark(6)], 9)
    back, on, first = Source(2, -1), Source(2, 1), Source(6, -1)
    assert found == [
        Piece(range(2), (back,)),
        Piece(range(2, 3), label=True),
        Piece(range(3, 6), (on, first)),
        Piece(range(6, 7), label=True),
        Piece(range(7, 9), (Source(6, 1),)),
    ]
    assert reaches(found) == {(2, -1): 2, (2, 1): 3, (6, -1): 3, (6, 1): 2}


def test_a_newer_label_between_two_others_does_not_end_their_passes() -> None:
    marks = [Mark(0), Mark(2, age=2), Mark(5, age=1)]
    found = pieces(marks, 6, depth=2)
    assert found == [
        Piece(range(1), label=True),
        Piece(range(1, 2), (Source(0, 1), Source(2, -1), Source(5, -1))),
        Piece(range(2, 3), label=True),
        Piece(range(3, 5), (Source(2, 1), Source(0, 1), Source(5, -1))),
        Piece(range(5, 6), label=True),
    ]


def test_no_pass_counts_beyond_a_newer_label_when_its_own_is_far_away() -> None:
    found = pieces([Mark(0), Mark(50, age=1)], 400, depth=2)
    last = [(piece.frames, piece.sources) for piece in found][-2:]
    assert last == [
        (range(51, THROUGH + 1), (Source(50, 1), Source(0, 1))),
        (range(THROUGH + 1, 400), (Source(50, 1),)),
    ]
