"""Which rows each experiment has, and what the paper says about them.

A row is a way of training; all else (data, steps, batch, network, crops) is the scale's. Rows of
several experiments are the same objects, so that they are trained once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pixelkin.experiments.scale import merge


@dataclass(frozen=True)
class Part:
    """What one phase of a row minimises, or a share of it.

    Attributes:
        objective: Its name.
        settings: On top of the scale's.
    """

    objective: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes:
        name: Short, for files.
        label: For people.
        parts: For each phase what it minimises, in equal shares of the batch; none for what is not
            trained.
        weights: A named encoder instead ("lab"), which has no seeds.
    """

    name: str
    label: str
    parts: tuple[tuple[Part, ...], ...] = ()
    weights: str | None = None


@dataclass(frozen=True)
class Claim:
    """That one row scores higher than another.

    Attributes:
        better: Name of that row.
        worse: Name of the other.
        text: Who says so, and where.
    """

    better: str
    worse: str
    text: str


@dataclass(frozen=True)
class Experiment:
    """A table and a plot.

    Attributes:
        name: On the command line.
        title: One line.
        about: What is compared, and what the paper reports.
        rows: The most informative ones first.
        control: The row that the others' differences refer to.
        claims: What the table is asked.
        curve: Whether scores inside the last phase are shown as well.
        variance_time: Whether the time of the curriculum's variances is measured too.
    """

    name: str
    title: str
    about: str
    rows: tuple[Row, ...]
    control: str
    claims: tuple[Claim, ...]
    curve: bool = False
    variance_time: bool = False


KNOWN = Part("known_geometry")
# Explicitly, so that folders of the time when all walks ended where they began are not taken for
# it. A warped end takes one view more: four of a clip in all rows.
WALK = Part("random_walk", {"end": "warped", "frames": 3})
UNCUT = Part(WALK.objective, {**WALK.settings, "edge_dropout": 0.0})
PALINDROME = Part("random_walk", {"end": "same", "frames": 4})
PATCHES = Part("random_walk", {**PALINDROME.settings, "nodes": "patches"})
WARPED_PATCHES = Part("random_walk", {**WALK.settings, "nodes": "patches"})


def mined(level: str = "qtc", signal: str = "var_t", **parts: Mapping[str, Any]) -> Part:
    """Mined contrast; by default the paper's final model: Q+T+C, m2 by var(T).

    Args:
        level: What makes a positive.
        signal: What moves m2.
        parts: Further settings of the parts of `Mining`.
    """
    main = {"confidence": {"level": level}, "curriculum": {"signal": signal}}
    return Part("mined_contrast", {"mining": merge(main, parts)})


def _after_warm_up(name: str, label: str, *parts: Part) -> Row:
    return Row(name, label, ((KNOWN,), parts))


LAB = Row("lab", "raw colour (lab)", weights="lab")
RANDOM = Row("random", "random weights")
KNOWN_GEOMETRY = _after_warm_up("known_geometry", "known_geometry", KNOWN)
KNOWN_FAR = _after_warm_up(
    "known_far",
    "known_geometry, then negatives of other videos alone",
    Part("known_geometry", {"exclude": 10**6}),
)
RANDOM_WALK = Row("random_walk", "random_walk, warped end", ((WALK,),) * 2)
MINED_ALONE = Row("mined_alone", "mined_contrast alone: Q+T+C, var(T)", ((mined(),),) * 2)
FULL = _after_warm_up("mined", "known_geometry, then mined: Q+T+C, var(T)", mined())
HALVES = _after_warm_up("halves", "known_geometry, then half of it mined", KNOWN, mined())

ARGMAX = _after_warm_up("argmax", "… argmax, var(T)", mined("argmax"))
# Explicitly, so that folders where "q" was soft are not taken for it.
Q = _after_warm_up("q", "… Q (mutual matches), var(T)", mined("q", confidence={"threshold": 1.0}))
QT = _after_warm_up("qt", "… Q+T, var(T)", mined("qt"))
CLOCK = _after_warm_up("clock", "… Q+T+C, clock", mined(signal="clock"))
VAR_Q = _after_warm_up("var_q", "… Q+T+C, var(Q)", mined(signal="var_q"))
VAR_C = _after_warm_up("var_c", "… Q+T+C, var(C)", mined(signal="var_c"))
SOFT_Q = _after_warm_up(
    "soft_q", "… Q of at least 0.5, var(T)", mined("q", confidence={"threshold": 0.5})
)
HARD_Q = _after_warm_up(
    "hard_q", "… mutual matches in the window, var(T)", mined(confidence={"hard_q": True})
)
DUSTBIN = _after_warm_up(
    "dustbin", "… Q+T+C with a dust-bin, var(T)", mined(transport={"dustbin": 0.5})
)
COSINE = _after_warm_up(
    "cosine", "… Q+T+C, hardness as cosine, var(T)", mined(negatives={"hardness": "cosine"})
)
WHOLE_WALK = Row("walk_all_edges", "… no edges cut", ((UNCUT,),) * 2)
WALK_SAME = Row("walk_same", "random_walk, ends where it began", ((PALINDROME,),) * 2)
WALK_PATCHES = Row("walk_patches", "… through patches, as published", ((PATCHES,),) * 2)
FIXED = {
    m2: _after_warm_up(
        f"m2_{m2:.1f}", f"… Q+T+C, m2 = {m2:.1f}", mined(signal="fixed", curriculum={"high": m2})
    )
    for m2 in (0.2, 0.4, 0.6, 0.8, 1.0)
}

_WARM = (
    "Mined rows start from one warm-up on known geometry, which is not the paper's, and differ in "
    "the second phase alone."
)

EXPERIMENTS = {
    e.name: e
    for e in (
        Experiment(
            "comparison",
            "What each part of the method gives",
            "Objectives against each other and against baselines without training, and the parts "
            "of mined_contrast replaced one by one: what makes its positives (argmax, Q, Q+T, "
            f"Q+T+C), and what moves its upper hardness m2 (1, the clock, var(T)). {_WARM}",
            (
                *(
                    LAB,
                    RANDOM,
                    KNOWN_GEOMETRY,
                    KNOWN_FAR,
                    FULL,
                    HALVES,
                    ARGMAX,
                    Q,
                    QT,
                    FIXED[1.0],
                    CLOCK,
                ),
                *(MINED_ALONE, RANDOM_WALK),
            ),
            "known_geometry",
            (
                Claim("known_geometry", "random", "training helps"),
                Claim("known_geometry", "lab", "and gives more than colour"),
                Claim("mined", "known_geometry", "mining adds to known geometry (our question)"),
                Claim("halves", "known_geometry", "and half and half does (our question)"),
                Claim(
                    "known_far", "known_geometry", "a frame's own cells are poor negatives (ours)"
                ),
                Claim("mined", "known_far", "mining adds to that as well (our question)"),
                Claim("mined", "mined_alone", "the warm-up helps [D]"),
                Claim("mined", "argmax", "confidence makes better positives (the paper's thesis)"),
                Claim("mined", "q", "Q+T+C over Q (the paper's bottom-up pipeline)"),
                Claim("mined", "qt", "Q+T+C over Q+T (the paper's bottom-up pipeline)"),
                Claim("mined", "m2_1.0", "the curriculum over m2 = 1 [S, figure 1]"),
                Claim("mined", "clock", "var(T) over the clock (the paper's thesis)"),
            ),
        ),
        Experiment(
            "criteria",
            "Criteria of a positive: Q, Q+T, Q+T+C",
            "The paper's bottom-up pipeline adds optimal transport (T) and temporal coherence (C) "
            "to forward-backward consistency (Q: each the other's best match). How many of each "
            f"are right: `pixelkin experiment positives`. {_WARM}",
            (FULL, Q, QT, ARGMAX),
            "q",
            (
                Claim("qt", "q", "Q+T over Q (the paper's bottom-up pipeline)"),
                Claim("mined", "qt", "Q+T+C over Q+T (the paper's bottom-up pipeline)"),
                Claim("mined", "q", "Q+T+C over Q (the paper's bottom-up pipeline)"),
            ),
        ),
        Experiment(
            "upper-threshold",
            "The upper hardness m2: fixed, and by the dynamic curriculum",
            "The paper's figure 1 [S]: score against training time for fixed upper thresholds m2 "
            "and for the dynamic curriculum (m2 by var(T)), m1 = 0. It reports that m2 = 1 from "
            f"the start of training ends lower than the curriculum. {_WARM}",
            (FULL, FIXED[1.0], FIXED[0.2], FIXED[0.6], FIXED[0.4], FIXED[0.8]),
            "m2_1.0",
            tuple(
                Claim("mined", f"m2_{m2:.1f}", f"the curriculum over m2 = {m2:.1f} (figure 1)")
                for m2 in FIXED
            ),
            curve=True,
        ),
        Experiment(
            "curriculum-signal",
            "What moves m2: var(Q), var(T), var(C)",
            "The paper's table 2 [S]: J&F of 70.0 with var(Q), 70.3 with var(T), 4.5 points less "
            f"with var(C), on DAVIS-2017; and the time of each variance. {_WARM}",
            (FULL, VAR_Q, VAR_C, FIXED[1.0]),
            "m2_1.0",
            (
                Claim("mined", "var_q", "var(T) over var(Q) (table 2: by 0.3)"),
                Claim("mined", "var_c", "var(T) over var(C) (table 2: by 4.5)"),
            ),
            variance_time=True,
        ),
        Experiment(
            "options",
            "Options of the method",
            "What can be chosen where the paper is silent or other work does otherwise: Q of at "
            "least 0.5, which nearly every best match reaches; mutual matches in the window, with "
            "no T between (a T of Q's hard form adds nothing); a dust-bin for what is occluded "
            "(SuperGlue), "
            "hardness as the cosine itself; and the random walk, through feature maps to another "
            "crop of its first frame, with no edge cut, back to where it began, and that through "
            f"patches, as its authors train. {_WARM}",
            (
                *(FULL, Q, SOFT_Q, HARD_Q, DUSTBIN, COSINE),
                *(RANDOM_WALK, WHOLE_WALK, WALK_SAME, WALK_PATCHES),
            ),
            "mined",
            (
                Claim("q", "soft_q", "mutual matches over a soft Q of 0.5 (our question)"),
                Claim("mined", "hard_q", "T between Q and C (our question)"),
                Claim("dustbin", "mined", "a dust-bin helps (our question)"),
                Claim("mined", "cosine", "hardness by rank over the cosine [D]"),
                Claim("random_walk", "walk_all_edges", "cutting edges helps (the walk's authors)"),
                Claim("random_walk", "walk_same", "a warped end bars shortcuts (ours)"),
                Claim(
                    "walk_patches", "walk_same", "patches bar that by place (the walk's authors)"
                ),
                Claim("random_walk", "walk_patches", "maps over patches (our question)"),
            ),
        ),
    )
}
NAMES = (*EXPERIMENTS, "positives", "tuning", "runtime")
