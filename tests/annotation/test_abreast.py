"""Both directions of a label are computed at once, and give what they give one after the other."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

import pytest
import torch
from sessions import content, finish

from pixelkin.annotation.abreast import Abreast
from pixelkin.annotation.session import Session
from pixelkin.propagation.features import FeaturePropagator
from running import running

New = Callable[..., Session]


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    """Sets the number of torch's threads for the rest of a test, in which none may be left."""
    before, count = torch.get_num_threads(), running()
    yield torch.set_num_threads
    torch.set_num_threads(before)
    assert running() == count


@pytest.fixture
def stepped(monkeypatch: pytest.MonkeyPatch) -> list[threading.Thread]:
    """Has the thread of each step of a pass."""
    found: list[threading.Thread] = []
    step = FeaturePropagator.step
    monkeypatch.setattr(
        FeaturePropagator,
        "step",
        lambda *given: found.append(threading.current_thread()) or step(*given),
    )
    return found


def everything(session: Session) -> dict[str, list[tuple[object, ...]]]:
    """All that is kept of a session's passes, to the bit."""
    found = content(session)
    with sqlite3.connect(session.folder / "session.db") as file:
        for table in ("recent", "echo"):
            found[table] = file.execute(
                f"SELECT p.object, p.keyframe, p.direction, t.* FROM {table} t "
                "JOIN pass p ON p.id=t.pass ORDER BY 1, 2, 3, t.frame"
            ).fetchall()
            found[table] = [(*row[:3], *row[4:]) for row in found[table]]  # not which row it was
    return found


def labelled(session: Session, video) -> None:
    session.label(7, video.ids[7])
    session.label(10, 1, video.ids[10] == 1)
    point = session.add_object("centre", kind="point")
    session.label(6, point, video.points[6, 0])


def test_any_number_of_threads_keeps_the_same_bits(new: New, video, threads) -> None:
    found = []
    for count in (1, 2, 3):
        threads(count)
        session = new(f"on{count}")
        labelled(session, video)
        done = finish(session)
        found.append((done, everything(session)))
        assert torch.get_num_threads() == count
    assert found[0] == found[1] == found[2]
    assert all(len(rows) > 10 for rows in found[0][1].values())


def test_what_was_stopped_goes_on_to_the_bit(new: New, video, threads, tmp_path: Path) -> None:
    threads(1)
    whole, halted = new("whole"), new("halted")
    for session in (whole, halted):
        labelled(session, video)
    finish(whole)
    steps = [0]
    for turn in range(99):
        threads(2 - turn % 2)
        halted.close()
        halted = Session.open(tmp_path / "halted")
        with closing(halted.propagate()) as run:
            steps = [p.done for p in islice(run, 3)]
        if not steps:
            break
    assert turn > 5 and everything(halted) == everything(whole)
    halted.close()


def test_frames_come_in_the_same_order(new: New, video, threads) -> None:
    orders = []
    for count in (1, 2):
        threads(count)
        session = new(f"on{count}")
        labelled(session, video)
        orders.append([(p.frame, p.done, p.total) for p in session.propagate(near=7)])
    assert orders[0] == orders[1]
    assert [frame for frame, *_ in orders[0][:5]] == [7, 7, 8, 6, 9]


def test_a_run_ends_within_a_frame(new: New, video, threads, stepped) -> None:
    threads(2)
    session = new()
    session.label(7, video.ids[7])
    with closing(session.propagate(near=7)) as run:
        kept = len(list(islice(run, 6)))
    assert kept <= len(stepped) <= kept + 2
    assert len(set(stepped)) == 2 and threading.current_thread() not in stepped


def test_a_change_of_labels_ends_what_is_under_way(new: New, video, threads) -> None:
    found = []
    for count in (1, 2):
        threads(count)
        session = new(f"on{count}")
        session.label(7, video.ids[7])
        for n, _ in enumerate(session.propagate(near=7)):
            if n == 4:
                session.label(8, 1, video.ids[8] == 1)
        found.append(everything(session))
    assert found[0] == found[1]


def test_one_thread_computes_in_its_own(new: New, video, threads, stepped) -> None:
    threads(1)
    session = new()
    session.label(7, video.ids[7])
    finish(session)
    assert set(stepped) == {threading.current_thread()}


def test_a_rule_whose_bits_depend_on_threads_keeps_to_them(
    video, threads, stepped, tmp_path: Path
) -> None:
    threads(2)
    protocols = {"mask": "youtube_vos_centred"}
    with Session.create(tmp_path / "a", video.folder, protocols=protocols) as session:
        session.label(1, video.ids[1])
        for _ in session.propagate(frames=range(4)):
            pass
    assert set(stepped) == {threading.current_thread()}
    assert torch.get_num_threads() == 2


def test_calls_of_two_are_made_at_once_and_share_what_there_is(threads) -> None:
    threads(2)
    both = threading.Barrier(2, timeout=10)
    shares: list[list[int]] = [[], []]
    abreast = Abreast(2, 6)

    def call(item: tuple[int, int]) -> int:
        which, number = item
        if 0 < number < 3:
            both.wait()  # for the other, which is at its call too
        shares[which].append(torch.get_num_threads())
        return number

    short, long = (abreast.ahead(call, [(k, n) for n in range(m)]) for k, m in ((0, 3), (1, 9)))
    for _ in range(3):
        for way in (short, long):
            (_, number), result = next(way)
            assert result() == number
    assert next(short, None) is None
    assert [result() for _, result in long] == list(range(3, 9))
    assert shares[0] == [3, 3, 3]
    assert shares[1][:3] == [3, 3, 3] and shares[1][-4:] == [6, 6, 6, 6]
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("count", [1, 2])
def test_what_a_call_raises_comes_with_its_item(count: int, threads) -> None:
    threads(count)
    found = []

    def use() -> None:
        for item, result in Abreast(1).ahead(lambda x: 1 / x, [2, 1, 0, 4]):
            found.append((item, result()))

    with pytest.raises(ZeroDivisionError):
        use()
    assert found == [(2, 0.5), (1, 1.0)]
