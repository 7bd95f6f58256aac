"""What is said about the frames of a video file: damage, gaps, other sizes, other ranges."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from pixelkin.video.depth import span_note

if TYPE_CHECKING:
    from pixelkin.video.numbering import Index

MOST_NAMED = 8  # places
REGULAR = 0.9  # share of the intervals that are alike in a video of constant rate
GAP = 2.5  # intervals that a gap of such a video has at least


def remarks(index: Index, span: float, *others: str | None) -> str | None:
    """One line; None if there is nothing to say.

    Args:
        index: Of the file.
        span: What its values were taken for, see `depth.span_of`.
        others: What else there is to say, before all that.
    """
    said = [*(other for other in others if other is not None), *_said(index, span)]
    return "; ".join(said) if said else None


def _said(index: Index, span: float) -> Iterator[str]:
    if lost := Counter(index.lost):
        places = [
            ("before frame 0" if n == 0 else f"after frame {n - 1}")
            + (f" ({times})" if times > 1 else "")
            for n, times in sorted(lost.items())
        ]
        what = (
            "packet is damaged and skipped"
            if len(index.lost) == 1
            else "packets are damaged and skipped"
        )
        yield f"{len(index.lost)} {what}: {_listed(places)}"
    if index.doubtful:
        what = "frame is" if len(index.doubtful) == 1 else "frames are"
        runs = _listed(list(_runs(index.doubtful)))
        yield f"{len(index.doubtful)} {what} decoded from damaged data: {runs}"
    if index.timed and (gaps := list(_gaps(index.times))):
        places = [f"after frame {n} ({missing})" for n, missing in gaps]
        yield f"frames are missing, by the times of the others: {_listed(places)}"
    if index.resized:
        places = [f"from frame {n} on {width}x{height}" for n, height, width in index.resized]
        yield f"the size changes, and is scaled to that of the first frame: {_listed(places)} (WxH)"
    if index.highest is not None and (note := span_note(span, index.peak)):
        yield note


def _gaps(times: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """(frame before, frames missing) of each gap in a video of constant rate."""
    steps = [b - a for a, b in pairwise(times)]
    if len(steps) < 4:
        return
    usual = statistics.median(steps)
    # Containers round times: to milliseconds, for one.
    alike = sum(abs(step - usual) <= max(1, usual / 10) for step in steps)
    if alike < REGULAR * len(steps):
        return
    for number, step in enumerate(steps):
        if step >= GAP * usual:
            yield number, round(step / usual) - 1


def _runs(numbers: Iterable[int]) -> Iterator[str]:
    """Numbers as "3" and "5-9"."""
    first = last = None
    for number in numbers:
        if first is not None and last is not None and number == last + 1:
            last = number
            continue
        if first is not None:
            yield f"{first}" if first == last else f"{first}-{last}"
        first = last = number
    if first is not None:
        yield f"{first}" if first == last else f"{first}-{last}"


def _listed(places: list[str]) -> str:
    more = len(places) - MOST_NAMED
    return ", ".join(places[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
