"""The experiment `positives`: how many mined positives are right, where the truth is known.

    OUT/positives/    report.md, results.csv, plot.png

It trains nothing: it looks at what given weights would be trained on. Two views of a frame (of
synthetic videos, and of real clips where they are given), and two frames of synthetic videos 1 to
32 frames apart, have an exact truth; frames of real clips have the agreement of two networks.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from pixelkin.data.frames import sample_frames, sample_pairs
from pixelkin.data.index import Source, index_videos
from pixelkin.experiments.counts import (
    FOCUS,
    LEVELS,
    OPTIONS,
    SWEEP,
    VARIANCE,
    Case,
    Count,
    Counted,
    beyond_window,
    count,
)
from pixelkin.experiments.positives_report import write_report
from pixelkin.experiments.runs import Tell
from pixelkin.experiments.scale import Scale, load_scale
from pixelkin.experiments.views import (
    COLOURS,
    CROPS,
    FRAME,
    Pair,
    Views,
    agreed,
    make_views,
    synthetic_pairs,
)
from pixelkin.files import cache_folder, remove_leftovers, write_text
from pixelkin.locks import Lock
from pixelkin.mining.settings import Mining
from pixelkin.models.encoder import Encoder, load_encoder
from pixelkin.training.resources import cpu_threads
from pixelkin.training.weights import measure_batch_norm
from pixelkin.types import InputError

GAPS = (1, 8, 16, 32)
CLIP_GAPS = (8, 16, 32)
FIRST_SEED = 1000  # of the synthetic videos: none that trainings are validated on


class Network(NamedTuple):
    """An encoder with its name, and the steps of its training where it knows them."""

    name: str
    step: int | None
    encoder: Encoder


def run_positives(
    out: str | Path,
    *,
    scale: str = "cpu",
    weights: Sequence[str] = (),
    data: Sequence[str | Path] = (),
    judges: Sequence[str] = (),
    command: str = "",
    tell: Tell = lambda _: None,
) -> Path:
    """Count right positives, and write OUT/positives: report, CSV and plot.

    Args:
        out: Folder of the experiments.
        scale: Its `pairs` count.
        weights: Encoders by name or folder; "default" and "random" if there are none. Untrained
            ones get batch-norm statistics of whole frames, as trained ones have.
        data: Folders of real videos.
        judges: Two encoders whose agreement is taken for the truth in real videos.
        command: The command line, for the report.
        tell: Called with a line about what happens.

    Returns:
        Path of the report.

    Raises:
        InputError: If there is no such scale, encoder or video, or judges are not two.
    """
    if len(judges) not in (0, 2) or (judges and not data):
        raise InputError("--judges takes two encoders, and needs --data")
    size, folder = load_scale(scale), Path(out) / "positives"
    names = list(weights) or ["default", "random"]
    with Lock(folder / ".lock"), cpu_threads(1):
        remove_leftovers(folder / name for name in ("report.md", "results.csv", "plot.png"))
        networks = [_load(name, size.pairs) for name in names]
        sources = index_videos(data, cache_folder() / "clips" / "index.json") if data else []
        lines = list(_lines(size, networks, sources, [load_encoder(j) for j in judges], tell))
        _write_csv(folder / "results.csv", lines)
        return write_report(folder, lines, size, command, tell)


def _load(name: str, count: int) -> Network:
    encoder = load_encoder(name)
    if name == "random":
        frames = [pair.frames[0] for pair in synthetic_pairs(count, 0, seed=0)]
        measure_batch_norm(encoder, frames)
    if name in ("default", "random", "lab"):
        return Network(name, None, encoder.eval())
    training = encoder.config.meta.get("training")
    step = training.get("step") if isinstance(training, dict) else None
    return Network("/".join(Path(name).parts[-2:]), step, encoder.eval())


def _lines(
    size: Scale,
    networks: Sequence[Network],
    sources: Sequence[Source],
    judges: Sequence[Encoder],
    tell: Tell,
) -> Iterator[Counted]:
    """All that is counted, case by case."""
    for case, views in cases(size.pairs, sources, judges):
        tell(f"{case.source}, {case.gap} frames apart, crops {case.crop}, colours {case.colour}")
        beyond = beyond_window(views, Mining())
        for i, network in enumerate(networks):
            if i and network.step is not None and case not in (*FOCUS, *VARIANCE):
                continue  # of a training's course, the report has no more
            rules = (*LEVELS, *OPTIONS, *(SWEEP if case in FOCUS and not i else ()))
            found = count(network.encoder, views, rules)
            for rule in rules:
                partner = float(views.partner[views.known].float().mean())
                facts = network.name, network.step, case, partner, beyond
                yield Counted(*facts, rule, found[rule.name])


def cases(
    count: int, sources: Sequence[Source] = (), judges: Sequence[Encoder] = ()
) -> Iterator[tuple[Case, Views]]:
    """The views of each case.

    Args:
        count: Pairs of views of each.
        sources: Real videos, if any.
        judges: Two encoders, or none.
    """
    for gap in (0, *GAPS):
        pairs = synthetic_pairs(count, gap, seed=FIRST_SEED)
        yield from _cases("synthetic", gap, pairs, COLOURS if gap == 0 else ("same", "slight"))
    if sources:
        frames = sample_frames(sources, count, short_side=FRAME[0])
        yield from _cases("clips", 0, [Pair((f, f), 0) for f in frames], COLOURS)
    for gap in CLIP_GAPS if judges else ():
        found = sample_pairs(sources, count, gap=gap, short_side=FRAME[0])
        pairs = [Pair((a, b), distance) for a, b, distance in found]
        views = make_views(pairs, "shared", "same", seed=gap)
        yield Case("judged", gap, "shared", "same"), agreed(views, judges)


def _cases(
    source: str, gap: int, pairs: Sequence[Pair], colours: Iterable[str]
) -> Iterator[tuple[Case, Views]]:
    for crop in CROPS:
        for colour in colours:
            yield Case(source, gap, crop, colour), make_views(pairs, crop, colour, seed=gap)


def _write_csv(path: Path, lines: Sequence[Counted]) -> None:
    """Every count: a line each, fractions; empty where there is no number."""
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    what = "weights", "step", *Case._fields, "rule", "level", "epsilon", "threshold"
    out.writerow([*what, "partner", "beyond_window", *Count._fields])
    for x in lines:
        confidence, transport = x.rule.mining.confidence, x.rule.mining.transport
        epsilon = transport.epsilon if confidence.level in ("qt", "qtc") else ""
        least = "" if confidence.level == "argmax" else confidence.least
        facts = [x.weights, "" if x.step is None else x.step, *x.case, x.rule.name]
        figures = [x.partner, x.beyond, *x.found]
        shown = ["" if v != v else f"{v:.6g}" for v in figures]
        out.writerow([*facts, confidence.level, epsilon, least, *shown])
    write_text(path, text.getvalue())
