"""What the experiment `tuning` writes for people: report.md, results.csv and plot.png."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from scipy.stats import spearmanr

from pixelkin.evaluation.davis import DavisVideo
from pixelkin.experiments.plots import plot_differences
from pixelkin.experiments.runs import Tell
from pixelkin.experiments.scale import Scale
from pixelkin.experiments.statistics import Difference, difference, spread
from pixelkin.experiments.table import markdown, percent, signed
from pixelkin.experiments.tuned import ROWS, START, Key, Point, Row, Tuning
from pixelkin.files import write_text
from pixelkin.types import InputError

ABOUT = (
    "The weights in the package are tuned to each sequence, without labels, as `pixelkin tune` "
    "does, and scored on it. That they have seen its frames is what is measured. *Chosen* are the "
    "weights that the score without labels takes, the start among them; *last* those of the last "
    "step."
)
CLAIMS = (
    ("both", START, "tuning helps (goal: +2.5, and no sequence below -0.5)"),
    ("both", "known", "the paper's samples add to known geometry"),
    ("mined", "known", "and alone are better than it"),
    ("both", "argmax", "Q+T+C over argmax"),
    ("both", "unanchored", "the anchor helps"),
)
Value = Callable[[Tuning], float]


def write_report(
    folder: Path,
    results: Mapping[Key, Tuning],
    scale: Scale,
    videos: Sequence[DavisVideo],
    command: str,
    tell: Tell,
) -> Path:
    """Write all files from what has been run so far.

    Args:
        folder: Where to.
        results: By row, seed and sequence.
        scale: Its settings.
        videos: The sequences.
        command: The command line that makes it.
        tell: Called with a line where no plot can be drawn.

    Returns:
        Path of report.md.
    """
    names = [v.name for v in videos]
    table = _Table(results, names)
    sections = [f"# Tuning to the video itself\n\n{ABOUT}", _how(table, scale, command)]
    sections.append(f"## Results\n\n{markdown(_rows(table))}\n\n{LEGEND}")
    try:
        shown = {
            row.label: [table.gain(row.name, name) for name in names]
            for row in table.rows
            if row.name != START
        }
        plot_differences(
            folder / "plot.png",
            names,
            shown,
            title=f"Weights tuned to each sequence (scale {scale.name}), last step",
            score=f"J&F against the weights as they are, {scale.scoring}",
        )
        sections.append("![Tuning to the video itself](plot.png)")
    except InputError as error:
        tell(f"no plot: {error}")
    sections.append(f"## What it shows\n\n{markdown(_claims(table))}\n\n{READING}")
    sections.append(f"## The choice without labels\n\n{_choice(results)}")
    sections.append(f"## Sequences\n\n{markdown(_sequences(table))}")
    _write_csv(folder / "results.csv", results)
    path = folder / "report.md"
    write_text(path, "\n\n".join(sections) + "\n")
    return path


LEGEND = (
    "Percent, means over sequences of the means over seeds. Difference: to the weights in the "
    "package, with the 95 % interval of its mean over sequences (Student's t); worst: the lowest "
    "difference of a sequence; last quarter: J of the last quarter of the frames; CPU s: processor "
    "seconds of a tuning, on one thread."
)
READING = (
    "Differences are of the last step, sequence by sequence, and their interval is over sequences: "
    "it says what other videos like these would give. Where it holds 0, the sign cannot be told."
)


class _Table:
    """Rows of which every sequence has been run, with as many seeds as all have."""

    def __init__(self, results: Mapping[Key, Tuning], names: Sequence[str]) -> None:
        self.results, self.names = results, names
        self.seeds = {
            row.name: sorted(
                {
                    seed
                    for name, seed, _ in results
                    if name == row.name and all((name, seed, n) in results for n in names)
                }
            )
            for row in ROWS
        }
        self.rows: list[Row] = [row for row in ROWS if self.seeds[row.name]]

    def value(self, row: str, name: str, of: Value) -> float:
        """Mean over seeds of something of a sequence."""
        return spread([of(self.results[row, s, name]) for s in self.seeds[row]]).mean

    def values(self, row: str, of: Value) -> dict[int, float]:
        """The same of every sequence, by its number."""
        return {i: self.value(row, name, of) for i, name in enumerate(self.names)}

    def gain(self, row: str, name: str, of: Value | None = None) -> float:
        """Difference to the weights as they are."""
        of = of or last
        return self.value(row, name, of) - self.value(START, name, of)

    def compare(self, a: str, b: str, of: Value) -> Difference:
        """Of two rows, over sequences."""
        return difference(self.values(a, of), self.values(b, of))


def chosen(tuning: Tuning) -> float:
    """J&F in percent of the weights that were chosen without labels."""
    return tuning.chosen.jf


def last(tuning: Tuning) -> float:
    """J&F in percent of the last step."""
    return tuning.last.jf


def quarter(tuning: Tuning) -> float:
    """J in percent of the last quarter of the frames, last step."""
    return 100 * tuning.last.last


def _how(table: _Table, scale: Scale, command: str) -> str:
    seeds = ", ".join(f"{row.name} {len(table.seeds[row.name])}" for row in table.rows[1:])
    return (
        f"## How\n\n```sh\n{command}\n```\n\nThe recipe is that of `pixelkin tune`. Scored on the "
        f"{len(table.names)} sequences below (DAVIS-2016, DAVIS protocol) at {scale.scoring}; "
        f"tunings see all frames. Seeds done: {seeds or 'none'}. torch {torch.__version__}, one "
        "thread."
    )


def _rows(table: _Table) -> list[list[str]]:
    head = ["row", "seeds", "J&F, last", "difference", "± 95 %", "worst", "J&F, chosen"]
    rows = [[*head, "difference", "worst", "last quarter", "CPU s"]]
    for row in table.rows:
        cells = [row.label, str(len(table.seeds[row.name]))]
        if row.name == START:
            mean = percent(spread(list(table.values(START, last).values())).mean)
            own = percent(spread(list(table.values(START, quarter).values())).mean)
            rows.append([*cells, f"**{mean}**", "control", "–", "–", mean, "–", "–", own, "–"])
            continue
        for of in (last, chosen):
            found = table.compare(row.name, START, of)
            gains = [table.gain(row.name, name, of) for name in table.names]
            mean = percent(spread(list(table.values(row.name, of).values())).mean)
            if of is last:
                cells += [f"**{mean}**", signed(found.mean), percent(found.half)]
            else:
                cells += [mean, signed(found.mean)]
            cells.append(signed(min(gains)))
        means = [table.values(row.name, of).values() for of in (quarter, lambda t: t.seconds)]
        rows.append([*cells, *(percent(spread(list(m)).mean) for m in means)])
    return rows


def _claims(table: _Table) -> list[list[str]]:
    rows = [["claim", "difference", "± 95 %", "shown?"]]
    for better, worse, text in CLAIMS:
        if not (table.seeds[better] and table.seeds[worse]):
            continue
        found = table.compare(better, worse, last)
        rows.append([text, signed(found.mean), percent(found.half), found.verdict])
    return rows


def _choice(results: Mapping[Key, Tuning]) -> str:
    """Whether the score without labels tells which weights are better."""
    gains, told = [], []
    right = 0
    for (row, _, _), tuning in results.items():
        if row == START:
            continue
        start: Point = tuning.points[0]
        gains.append(tuning.last.jf - start.jf)
        told.append(tuning.last.told - start.told)
        right += (gains[-1] > 0) == (told[-1] > 0)
    if len(gains) < 3:
        return "Too few tunings to tell."
    rank = spearmanr(gains, told).statistic
    return (
        f"Over {len(gains)} tunings, the score without labels and J&F change in the same direction "
        f"from the start to the last step in {right}; rank correlation of the two changes "
        f"{rank:+.2f}."
    )


def _sequences(table: _Table) -> list[list[str]]:
    rows = [["J&F, last step", *table.names]]
    for row in table.rows:
        rows.append([row.label, *map(percent, table.values(row.name, last).values())])
    return rows


def _write_csv(path: Path, results: Mapping[Key, Tuning]) -> None:
    """Every score: a line each, fractions."""
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow(["row", "seed", "sequence", "step", "chosen", "j", "f", "last", "told", "seconds"])
    for (row, seed, name), tuning in results.items():
        for step, point in tuning.points.items():
            figures = [f"{x:.6f}" for x in (point.j, point.f, point.last, point.told)]
            own = int(step == tuning.step)
            out.writerow([row, seed, name, step, own, *figures, f"{tuning.seconds:.1f}"])
    write_text(path, text.getvalue())
