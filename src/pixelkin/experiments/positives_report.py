"""What the experiment `positives` writes for people: report.md and plot.png."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import torch
from scipy.stats import spearmanr

from pixelkin.experiments.counts import (
    EPSILON,
    EPSILONS,
    FOCUS,
    LEVELS,
    OPTIONS,
    THRESHOLDS,
    VARIANCE,
    Case,
    Count,
    Counted,
)
from pixelkin.experiments.plots import plot_positives
from pixelkin.experiments.runs import Tell
from pixelkin.experiments.scale import Scale
from pixelkin.experiments.table import markdown
from pixelkin.experiments.views import COLOURS, CROPS, SIDE, SIZE
from pixelkin.files import write_text
from pixelkin.types import InputError

ABOUT = (
    "What a training would take for correspondences, against the truth: of two views of one frame "
    "(gap 0), and of two frames of a synthetic video whose bodies turn, bend and hide each other "
    "under changing light and noise. *Coverage* is the share of cells that get a positive, "
    "*precision* the share of positives that are right: on the true cell or next to it. A positive "
    "of a cell that has no partner in the other view is wrong. Nothing is trained."
)
KINDS = (
    "Crops: *strong* (side 0.35 to 1 of the frame's, independent), *mild* (0.7 to 1, independent), "
    "*shared* (one crop of 0.5 to 1 for both views, each moved by up to 0.15 of its side either "
    "way). Colours of each view: the *same* as the frame's, changed *slight*ly (factors of 0.9 to "
    "1.1, hue 0.02) or *strong*ly (0.6 to 1.4, hue 0.1, grey 0.1). Each entry is precision "
    "(coverage), in percent."
)
FEWEST = 4  # networks: with fewer, ranks say nothing
ENOUGH = 100  # positives: with fewer, two precisions are not compared


class Table:
    """The lines of an experiment, found by what they are about."""

    def __init__(self, lines: Sequence[Counted]) -> None:
        self.lines = lines
        self.networks = list(dict.fromkeys((x.weights, x.step) for x in lines))
        self.cases = list(dict.fromkeys(x.case for x in lines))
        self._known = {(x.weights, x.case, x.rule.name): x for x in lines}

    @property
    def first(self) -> str:
        """Name of the network that most of the report is about."""
        return self.networks[0][0]

    def count(self, case: Case, rule: str, weights: str | None = None) -> Count:
        """What a rule finds with a network, by default the first."""
        return self._known[weights or self.first, case, rule].found

    def line(self, case: Case) -> Counted:
        """A line of the case with the first network."""
        return self._known[self.first, case, "argmax"]


def write_report(
    folder: Path, lines: Sequence[Counted], scale: Scale, command: str, tell: Tell
) -> Path:
    """Write report.md and plot.png.

    Args:
        folder: Where to.
        lines: All that was counted.
        scale: Its settings.
        command: The command line that makes it.
        tell: Called with a line where no plot can be drawn.

    Returns:
        Path of report.md.
    """
    table = Table(lines)
    sections = [f"# Positives: how many are right\n\n{ABOUT}", _how(table, scale, command)]
    try:
        plot_positives(folder / "plot.png", lines)
        sections.append("![Precision and coverage of mined positives](plot.png)")
    except InputError as error:
        tell(f"no plot: {error}")
    sections += ["## What it shows", _orders(table), f"## Two views of one frame\n\n{KINDS}"]
    for source in ("synthetic", "clips"):
        sections += _crops(table, source)
    sections += [*_videos(table), *_judged(table), "## Epsilon and threshold", *_sweep(table)]
    sections += ["## The variance of T", _variance(table), *_ranks(table), *_networks(table)]
    path = folder / "report.md"
    write_text(path, "\n\n".join(sections) + "\n")
    return path


def _how(table: Table, scale: Scale, command: str) -> str:
    return (
        f"## How\n\n```sh\n{command}\n```\n\nScale `{scale.name}`: {scale.pairs} pairs of views of "
        f"{SIZE} pixels ({SIDE} x {SIDE} cells) of each kind. Tables are about the weights "
        f"`{table.first}` where they name none. torch {torch.__version__}, one thread."
    )


def _orders(table: Table) -> str:
    """In how many cases one rule is more precise than another."""
    head = ["is more precise", "than", "in cases", "of", "and covers more in"]
    rows = [head]
    labels = {r.name: r.label for r in (*LEVELS, *OPTIONS)}
    for better, worse in (
        ("q_soft", "argmax"),
        ("q", "q_soft"),
        ("qt", "q_soft"),
        ("qt", "q"),
        ("qtc", "qt"),
        ("qtc", "qc"),
        ("dustbin", "qtc"),
    ):
        pairs = [(table.count(c, better), table.count(c, worse)) for c in table.cases]
        pairs = [(a, b) for a, b in pairs if min(a.positives, b.positives) >= ENOUGH]
        precise = sum(a.precision > b.precision for a, b in pairs)
        covers = sum(a.coverage > b.coverage for a, b in pairs)
        rows.append([labels[better], labels[worse], *map(str, (precise, len(pairs), covers))])
    return (
        f"{markdown(rows)}\n\nOver all kinds of pairs in which both find at least {ENOUGH} "
        f"positives; epsilon {EPSILON} and a threshold of 0.5 where nothing else is said."
    )


def _crops(table: Table, source: str) -> Iterator[str]:
    cases = [Case(source, 0, crop, colour) for colour in COLOURS for crop in CROPS]
    if cases[0] not in table.cases:
        return
    title = "Synthetic frames" if source == "synthetic" else "Frames of real clips"
    yield f"### {title}"
    rows = _overview(table, cases, [f"{c.colour}, {c.crop}" for c in cases], "colours, crops")
    crowds = (percent(table.count(c, "argmax").crowding) for c in cases)
    yield markdown([*rows, ["crowding of argmax", *crowds]])
    case = Case(source, 0, "strong", "slight")
    rows = [["colours slight, crops strong", "coverage", "precision", "no partner", "recall"]]
    for rule in (*LEVELS, *OPTIONS):
        found = table.count(case, rule.name)
        figures = (found.coverage, found.precision, found.no_partner, found.recall)
        rows.append([rule.label, *map(percent, figures)])
    yield markdown(rows)
    yield (
        f"{percent(table.line(case).partner)} % of the cells have a partner. Crowding: share of "
        "the best matches that end on a twentieth of the cells. No partner: share of "
        "the positives whose cell has none. Recall: share of the cells with a partner that get a "
        "right positive. At gap 0 the window knows the answer, as nothing moves: what it gives "
        "counts in videos only."
    )


def _videos(table: Table) -> Iterator[str]:
    yield "## Two frames of a synthetic video"
    for crop in CROPS:
        for colour in ("same", "slight"):
            cases = [c for c in table.cases if c.source == "synthetic" and c.gap]
            cases = [c for c in cases if (c.crop, c.colour) == (crop, colour)]
            rows = _overview(table, cases, [f"gap {c.gap}" for c in cases], f"{crop}, {colour}")
            for label, name in (("cells with a partner", "partner"), ("… beyond", "beyond")):
                figures = [getattr(table.line(c), name) for c in cases]
                rows.append([label, *map(percent, figures)])
            yield markdown(rows)
    yield (
        "Each table: crops, colours. Beyond: of the cells with a partner, those that have moved "
        "further than the window allows."
    )


def _judged(table: Table) -> Iterator[str]:
    cases = [c for c in table.cases if c.source == "judged"]
    if not cases:
        return
    yield "## Two frames of real clips: no truth, the agreement of two networks"
    yield markdown(_overview(table, cases, [f"gap {c.gap}" for c in cases], "pseudo-truth"))
    yield (
        "Only cells count that both judges match there and back, at the same place to within a "
        "cell: the easy ones."
    )


def _overview(
    table: Table, cases: Sequence[Case], heads: Iterable[str], title: str
) -> list[list[str]]:
    """Precision (coverage) of every rule in some cases."""
    rows = [[title, *heads]]
    for rule in (*LEVELS, *OPTIONS):
        rows.append([rule.label, *(_both(table.count(c, rule.name)) for c in cases)])
    return rows


def _sweep(table: Table) -> Iterator[str]:
    for case in FOCUS:
        yield (
            f"### {'One frame' if not case.gap else f'Gap {case.gap}'}, crops {case.crop}, colours "
            f"{case.colour}"
        )
        rows = [["epsilon, threshold 0.5", "Q+T", "Q+T+C", "v of T"]]
        for e in EPSILONS:
            pair = [table.count(case, f"{level}_{e}_0.5") for level in ("qt", "qtc")]
            rows.append([f"{e}", *map(_both, pair), f"{pair[0].variance:.3f}"])
        yield markdown(rows)
        rows = [["threshold", *(f"{x} at {e}" for e in (0.02, 0.05) for x in ("Q+T", "Q+T+C"))]]
        for x in THRESHOLDS:
            cells = [
                _both(table.count(case, f"{level}_{e}_{x}")) if level == "qt" or x >= 0.5 else "–"
                for e in (0.02, 0.05)
                for level in ("qt", "qtc")
            ]
            rows.append([f"{x}", *cells])
        yield markdown(rows)


def _variance(table: Table) -> str:
    rules = {"0.02": "qtc_02", "0.05": "qtc"}
    heads = [f"{c.crop}, gap {c.gap}, {e}" for e in rules for c in VARIANCE]
    rows = [["v by crops, gap and epsilon", *heads]]
    for name, step in table.networks:
        figures = [table.count(c, rule, name).variance for rule in rules.values() for c in VARIANCE]
        rows.append([_title(name, step), *(f"{v:.3f}" for v in figures)])
    return (
        f"{markdown(rows)}\n\nv = (1/N) sum T^2: {1 / SIDE**2:.3f} if T is flat, 1 if it is a "
        "permutation; colours the same."
    )


def _ranks(table: Table) -> Iterator[str]:
    """Whether a number that needs no truth ranks networks as the truth does."""
    if len(table.networks) < FEWEST:
        return
    cases = [*FOCUS, *VARIANCE]
    signals = {
        "v, epsilon 0.02": ("qtc_02", "variance"),
        "v, epsilon 0.05": ("qtc", "variance"),
        "share of mutual matches": ("q", "coverage"),
    }
    rows = [["gap, crops, colours", *(f"{c.gap}, {c.crop}, {c.colour}" for c in cases)]]
    for label, (rule, figure) in signals.items():
        cells = []
        for case in cases:
            names = [name for name, _ in table.networks]
            truth = [table.count(case, "argmax", name).precision for name in names]
            told = [getattr(table.count(case, rule, name), figure) for name in names]
            differ = len(set(truth)) > 1 and len(set(told)) > 1
            cells.append(f"{spearmanr(truth, told).statistic:+.2f}" if differ else "–")
        rows.append([label, *cells])
    yield markdown(rows)
    yield (
        f"Rank correlation with the precision of argmax over the {len(table.networks)} networks: "
        "+1 where the number ranks them as the truth does."
    )


def _networks(table: Table) -> Iterator[str]:
    """What the rules find with each network, those of a training's course among them."""
    yield "## By weights"
    for case in FOCUS:
        rows = [["weights", *(r.label for r in (*LEVELS, OPTIONS[0])), "v, 0.02", "v, 0.05"]]
        for name, step in table.networks:
            found = [table.count(case, r.name, name) for r in (*LEVELS, OPTIONS[0])]
            v = [table.count(case, rule, name).variance for rule in ("qtc_02", "qtc")]
            cells = [*map(_both, found), *(f"{x:.3f}" for x in v)]
            rows.append([_title(name, step), *cells])
        yield markdown(rows)
        yield f"Gap {case.gap}, crops {case.crop}, colours {case.colour}."


def _title(name: str, step: int | None) -> str:
    return name if step is None else f"{name} (step {step})"


def percent(value: float) -> str:
    """A fraction in percent; a dash where there is none."""
    return "–" if value != value else f"{100 * value:.1f}"


def _both(count: Count) -> str:
    return f"{percent(count.precision)} ({percent(count.coverage)})"
