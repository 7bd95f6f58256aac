"""The files that an experiment leaves for people: report.md, results.csv, plot.png."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import yaml

from pixelkin.experiments.catalogue import Experiment
from pixelkin.experiments.distance import distance_section
from pixelkin.experiments.plots import plot_curves, plot_rows
from pixelkin.experiments.results import write_csv
from pixelkin.experiments.runs import Runs
from pixelkin.experiments.statistics import Spread, difference
from pixelkin.experiments.table import (
    Line,
    collect,
    curve,
    markdown,
    percent,
    points_of,
    seeds_of,
    signed,
)
from pixelkin.files import write_text
from pixelkin.types import InputError


def write_report(
    folder: Path,
    experiment: Experiment,
    runs: Runs,
    command: str,
    *,
    extra: Sequence[str] = (),
    plot: bool = True,
) -> Path:
    """Write all files from what has been run so far.

    Args:
        folder: Where to.
        experiment: Which.
        runs: Its trainings and scores.
        command: The command line that makes it.
        extra: Further sections.
        plot: Whether to draw, too.

    Returns:
        Path of report.md.
    """
    lines = collect(experiment, runs)
    write_csv(folder / "results.csv", experiment, runs)
    sections = [
        f"# {experiment.title}\n\n{experiment.about}",
        _how(experiment, runs, lines, command),
        "## Results\n\n" + markdown(_table(experiment, lines)) + "\n\n" + _legend(experiment),
    ]
    drawn = plot and _draw(folder / "plot.png", experiment, runs, lines)
    if drawn or (folder / "plot.png").is_file():
        sections.append(f"![{experiment.title}](plot.png)")
    if experiment.curve:
        sections.append("## Over the training\n\n" + markdown(_curve_table(experiment, runs)))
    sections += ["## What it shows\n\n" + markdown(_claims(experiment, lines)) + "\n\n" + READING]
    sections += distance_section(lines, experiment.control)
    sections += [*extra, "## Sequences\n\n" + markdown(_sequences(runs, lines))]
    path = folder / "report.md"
    write_text(path, "\n\n".join(sections) + "\n")
    return path


READING = (
    "Differences are taken seed by seed: rows of one seed share the initial weights, the order of "
    "the videos and the warm-up. The interval is that of their mean at 95 % (Student's t), over "
    "seeds, on these sequences: other sequences may say something else. Where it holds 0, the sign "
    "cannot be told at this scale. Each interval is by itself: of twenty, one misses by chance."
)


def _how(experiment: Experiment, runs: Runs, lines: Sequence[Line], command: str) -> str:
    scale = runs.scale
    wanted = sum(len(seeds_of(row, scale.seeds)) for row in experiment.rows)
    frames = sum(s.frames for s in runs.sources)
    steps = " + ".join(str(p.steps) for p in scale.phases)
    settings = yaml.safe_dump(
        {
            "recipe": {k: v for k, v in scale.recipe.items() if k != "run"},
            "phases": [{"steps": p.steps, **p.recipe} for p in scale.phases],
            "objectives": scale.objectives,
        },
        sort_keys=False,
        default_flow_style=None,
        width=100,
    )
    return (
        f"## How\n\n```sh\n{command}\n```\n\n"
        f"Scale `{scale.name}`: {' '.join(scale.about.split())} Every trained row has {steps} "
        f"steps, on {len(runs.sources)} videos ({frames} frames), seeds "
        f"{', '.join(map(str, scale.seeds))}. Scored on the {len(runs.videos)} sequences below "
        f"(DAVIS-2016, DAVIS protocol) at {scale.scoring}"
        + ("" if scale.scoring.native else ", which is not the benchmark's setting")
        + f". {sum(len(line.scores) for line in lines)} of {wanted} runs done. "
        f"torch {torch.__version__}, {torch.get_num_threads()} thread(s).\n\n"
        f"<details><summary>Settings of all rows</summary>\n\n```yaml\n{settings}```\n\n</details>"
    )


def _table(experiment: Experiment, lines: Sequence[Line]) -> list[list[str]]:
    rows = [["row", "J&F", "± std", "seeds", "J", "F", "difference", "± 95 %", "training s"]]
    for line in (x for x in lines if x.scores):
        count, mean, std = line.spread
        own = line.row.name == experiment.control
        seconds = "–" if line.seconds != line.seconds else f"{line.seconds:.0f}"
        rows.append(
            [
                line.row.label,
                f"**{percent(mean)}**",
                percent(std),
                str(count),
                percent(line.mean("j")),
                percent(line.mean("f")),
                "control" if own else signed(line.difference.mean),
                "–" if own else percent(line.difference.half),
                seconds,
            ]
        )
    return rows


def _legend(experiment: Experiment) -> str:
    label = next(r.label for r in experiment.rows if r.name == experiment.control)
    return (
        "J&F, J and F in percent: means over seeds of the means over sequences; std: sample "
        f"standard deviation over seeds; difference: to “{label}”, seed by seed, with its 95 % "
        "interval; training s: wall-clock seconds of a row's steps."
    )


def _curve_table(experiment: Experiment, runs: Runs) -> list[list[str]]:
    steps = [*points_of(runs), runs.scale.phases[-1].steps]
    rows = [["J&F ± std after step", *map(str, steps)]]
    for label, points in curve(experiment, runs).items():
        found = dict(points)
        rows.append([label, *(_plus_minus(found[s]) if s in found else "–" for s in steps)])
    return rows


def _plus_minus(s: Spread) -> str:
    return percent(s.mean) + (f" ± {percent(s.std)}" if s.seeds > 1 else "")


def _claims(experiment: Experiment, lines: Sequence[Line]) -> list[list[str]]:
    known = {line.row.name: line for line in lines}
    rows = [["claim", "seeds", "difference", "± 95 %", "shown?"]]
    for claim in experiment.claims:
        found = difference(known[claim.better].scores, known[claim.worse].scores)
        if not found.seeds:
            continue
        rows.append(
            [
                claim.text,
                str(found.seeds),
                signed(found.mean),
                percent(found.half),
                found.verdict,
            ]
        )
    return rows


def _sequences(runs: Runs, lines: Sequence[Line]) -> list[list[str]]:
    names = [v.name for v in runs.videos]
    rows = [["J&F, mean over seeds", *names]]
    for line in lines:
        if line.results:
            each = [
                sum(100 * r.sequences[n].summary.jf for r in line.results.values())
                / len(line.results)
                for n in names
            ]
            rows.append([line.row.label, *map(percent, each)])
    return rows


def _draw(path: Path, experiment: Experiment, runs: Runs, lines: Sequence[Line]) -> bool:
    """Whether a picture could be drawn: not without matplotlib, which is no reason to fail."""
    score = f"J&F in percent, {len(runs.videos)} sequences, {runs.scale.scoring}"
    title = f"{experiment.title} (scale {runs.scale.name})"
    try:
        if experiment.curve:
            plot_curves(path, curve(experiment, runs), title=title, score=score)
        else:
            done = [line for line in lines if line.scores]
            plot_rows(path, done, experiment.control, title=title, score=score)
    except InputError as error:
        runs.tell(f"no plot: {error}")
        return False
    return True
