"""How many of the mined positives are right: by the rule that finds them, where the truth is known.

Positives are mined by `pixelkin.mining.positives.mine` with the settings of a training.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from pixelkin.experiments.views import CROPS, SIDE, STRIDE, Views, encode
from pixelkin.mining.confidence import Matches, Transport
from pixelkin.mining.curriculum import Curriculum
from pixelkin.mining.positives import Geometry, mine
from pixelkin.mining.settings import Confidence, Level, Mining
from pixelkin.mining.window import is_near
from pixelkin.models.encoder import Encoder
from pixelkin.ops.geometry import cell_centres, transform

EPSILON = 0.05
ITERATIONS = 200  # at most: enough for the tolerance at the smallest epsilon here


class Rule(NamedTuple):
    """A way to find positives.

    Attributes:
        name: Short, for files.
        label: For people.
        mining: Its settings.
    """

    name: str
    label: str
    mining: Mining


def _rule(
    name: str,
    label: str,
    level: Level,
    threshold: float | None = None,
    epsilon: float = EPSILON,
    *,
    hard_q: bool = False,
    dustbin: float | None = None,
) -> Rule:
    return Rule(
        name,
        label,
        Mining(
            Confidence(level, threshold, hard_q),
            Transport(epsilon, ITERATIONS, dustbin=dustbin),
            curriculum=Curriculum("var_t" if level in ("qt", "qtc") else "fixed"),
        ),
    )


LEVELS = (
    _rule("argmax", "argmax", "argmax"),
    _rule("q_soft", "Q of at least 0.5", "q", 0.5),
    _rule("q", "Q: mutual matches", "q"),
    _rule("qt", "Q+T", "qt"),
    _rule("qtc", "Q+T+C", "qtc"),
)
OPTIONS = (
    _rule("qc", "mutual matches in the window (T of a hard Q)", "qtc", hard_q=True),
    _rule("qtc_02", "Q+T+C, epsilon 0.02", "qtc", None, 0.02),
    _rule("dustbin", "Q+T+C with a dust-bin of 0.5", "qtc", dustbin=0.5),
)
EPSILONS = (0.005, 0.01, 0.02, 0.05, 0.1)
THRESHOLDS = (0.2, 0.3, 0.4, 0.5, 0.7, 0.9)
Q_THRESHOLDS = (0.8, 0.9, 0.95, 0.98, 0.99, 0.999, 1.0)
SWEEP = (
    *(_rule(f"q_{x}", f"Q of at least {x}", "q", x) for x in Q_THRESHOLDS),
    *(
        _rule(f"{level}_{e}_{x}", f"{level}, epsilon {e}, at least {x}", level, x, e)
        for level in ("qt", "qtc")
        for e in EPSILONS
        for x in (THRESHOLDS if e in (0.02, 0.05) else (0.5,))
        if level == "qt" or x >= 0.5  # below, a cell may have several
    ),
)


class Count(NamedTuple):
    """What a rule finds in some pairs of views.

    Attributes:
        positives: How many (a cell may have several where the threshold is below 0.5).
        coverage: Share of the cells that have one.
        precision: Share of the positives whose target is the true cell or next to it; NaN if there
            are none.
        no_partner: Share of the positives whose cell has no partner; they are never right.
        recall: Share of the cells with a partner that have a right positive.
        crowding: Share of the positives that end on the twentieth of the cells on which most end,
            mean over the pairs; NaN if there are none.
        variance: v of T, mean over the pairs; NaN where the rule needs no T.
        residual: Of Sinkhorn's algorithm, mean over the pairs.
    """

    positives: int
    coverage: float
    precision: float
    no_partner: float
    recall: float
    crowding: float
    variance: float
    residual: float


class Case(NamedTuple):
    """One kind of pairs of views.

    Attributes:
        source: "synthetic"; "clips", frames of real ones; "judged", real ones whose truth is the
            agreement of two networks.
        gap: Frames between the two.
        crop: One of `CROPS`.
        colour: One of `COLOURS`.
    """

    source: str
    gap: int
    crop: str
    colour: str


# Where thresholds and epsilons are varied as well.
FOCUS = (Case("synthetic", 0, "strong", "slight"), Case("synthetic", 8, "shared", "slight"))
# Where v is compared.
VARIANCE = (
    *(Case("synthetic", 0, crop, "same") for crop in CROPS),
    *(Case("synthetic", gap, "shared", "same") for gap in (8, 32)),
)


class Counted(NamedTuple):
    """A row of the CSV: what one rule finds in one case with one network.

    Attributes:
        weights: Name of the network.
        step: Steps of its training, where it knows them.
        case: The pairs of views.
        partner: Share of the cells that have a true partner.
        beyond: Share of those that have moved further than the window allows.
        rule: How positives are found.
        found: How many, and how many are right.
    """

    weights: str
    step: int | None
    case: Case
    partner: float
    beyond: float
    rule: Rule
    found: Count


def geometry(views: Views) -> Geometry:
    """Where and when the cells of the views were seen."""
    centres = cell_centres(SIDE, SIDE, STRIDE)
    first, second = (transform(centres, views.to_frame[:, k]) for k in (0, 1))
    return Geometry(first, second, views.gap, views.frame_size)


def beyond_window(views: Views, mining: Mining) -> float:
    """Share of the cells with a partner that have moved further than the window allows."""
    where = geometry(views)
    there = transform(views.position * STRIDE, views.to_frame[:, 1])
    radius = mining.window.radius(views.gap, views.frame_size)
    near = is_near(where.first, there, radius[:, None])
    return float((~near[views.partner]).float().mean())


def right(found: Matches, views: Views) -> torch.Tensor:
    """Which matches end on the true cell, or at most one row and column from it: E bool."""
    target = torch.stack([found.targets % SIDE, found.targets // SIDE], dim=-1)
    at = found.clips, found.sources
    near = (target - views.position[at].round()).abs().amax(-1) <= 1
    return near & views.partner[at]


def count(encoder: Encoder, views: Views, rules: tuple[Rule, ...]) -> dict[str, Count]:
    """What each rule finds, by its name.

    Args:
        encoder: The network.
        views: The pairs of views; cells whose truth is unknown do not count.
        rules: The rules.
    """
    cells, where = encode(encoder, views.views), geometry(views)
    return {rule.name: _count(rule.mining, cells, where, views) for rule in rules}


def _count(
    mining: Mining, cells: tuple[torch.Tensor, torch.Tensor], where: Geometry, views: Views
) -> Count:
    mined = mine(*cells, where, mining)
    found = mined.positives.where(views.known[mined.positives.clips, mined.positives.sources])
    correct = right(found, views)
    numbers = found.clips * SIDE**2 + found.sources
    total = len(numbers)
    follows = mining.curriculum.signal == "var_t"
    lost = ~views.partner[found.clips, found.sources]
    return Count(
        total,
        len(torch.unique(numbers)) / max(1, int(views.known.sum())),
        float(correct.sum()) / total if total else float("nan"),
        float(lost.sum()) / total if total else float("nan"),
        len(torch.unique(numbers[correct])) / max(1, int(views.partner.sum())),
        _crowding(found, len(views.views)),
        float(mined.variance.mean()) if follows else float("nan"),
        float(mined.residual.mean()),
    )


def _crowding(found: Matches, pairs: int) -> float:
    """See `Count.crowding`."""
    if not len(found.values):
        return float("nan")
    ends = torch.bincount(found.clips * SIDE**2 + found.targets, minlength=pairs * SIDE**2)
    ends = ends.view(pairs, -1)[ends.view(pairs, -1).sum(1) > 0]
    crowd = torch.topk(ends, -(-(SIDE**2) // 20), dim=1).values.sum(1)
    return float((crowd / ends.sum(1)).mean())
