from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from pixelkin.data.augment import Augmentation
from pixelkin.data.batch import ClipSpec
from pixelkin.data.clips import ClipDataset, ClipSettings
from pixelkin.data.drawn import render_each
from pixelkin.data.index import index_videos
from pixelkin.training.config import ObjectiveShare, Optimiser, Recipe, Stage
from pixelkin.training.plan import Plan, scheduled_rate

ONE, TWO = ClipSpec(2, (0,)), ClipSpec(2, (8, 16))


def recipe(**changes: object) -> Recipe:
    mixture = (ObjectiveShare("known_geometry", 0.25), ObjectiveShare("known_geometry", 0.75))
    stages = (
        Stage((ObjectiveShare("known_geometry"),), share=0.3),
        Stage(mixture, share=0.7, rate=0.5),
    )
    return Recipe(**{"steps": 10, "stages": stages, "batch": 16, **changes})  # type: ignore[arg-type]


SPECS = [[ONE], [TWO, ONE]]


def test_every_clip_is_seen_once_whatever_the_processes() -> None:
    for processes, accumulate in ((1, 1), (1, 4), (2, 1), (2, 2), (4, 1)):
        kind = recipe(accumulate=accumulate)
        plans = [Plan(kind, SPECS, rank=r, processes=processes) for r in range(processes)]
        for step in (0, 2, 3, 9):
            seen = [(q, p) for plan in plans for p in plan.micro_batches(step) for q in p.positions]
            assert sorted(q for q, _ in seen) == list(range(16))
            for position, p in seen:
                first_quarter = step >= 3 and position < 4
                assert p.spec == (TWO if first_quarter else ONE)
                assert p.stage == (step >= 3)
            for plan in plans:
                assert sum(p.weight for p in plan.micro_batches(step)) == pytest.approx(1)
                assert plan.frames(step) == 32


def test_two_processes_do_what_one_does_in_two_micro_batches() -> None:
    one = Plan(recipe(accumulate=2), SPECS)
    two = [Plan(recipe(), SPECS, rank=r, processes=2) for r in range(2)]
    for step in (0, 5):
        alone = [p.positions for p in one.micro_batches(step)]
        together = [
            p.positions
            for pair in zip(*(t.micro_batches(step) for t in two), strict=True)
            for p in pair
        ]
        assert alone == together


def test_keys_follow_the_micro_batches_from_any_step() -> None:
    plan = Plan(recipe(), SPECS)
    keys = list(plan.keys(0))
    assert len(keys) == 3 * 1 + 7 * 2
    assert list(plan.keys(3)) == keys[3:]
    visits = [k.visit for batch in keys for k in batch]
    assert visits == list(range(160))
    assert {k.spec for k in keys[3]} == {TWO}


def test_stages_and_their_progress() -> None:
    plan = Plan(recipe(), SPECS)
    assert [plan.stage(s) for s in range(10)] == [0] * 3 + [1] * 7
    assert [plan.progress(s) for s in (0, 1, 3, 9)] == pytest.approx([0, 1 / 3, 0, 6 / 7])


def test_schedules() -> None:
    def rates(**settings: object) -> list[float]:
        optimiser = Optimiser(learning_rate=2.0, final=0.1, **settings)  # type: ignore[arg-type]
        return [scheduled_rate(optimiser, s, 100) for s in range(100)]

    for schedule in ("one_cycle", "cosine"):
        r = rates(schedule=schedule, warmup=0.2)
        assert r[20] == max(r) == 2.0
        assert all(a < b for a, b in pairwise(r[:21]))
        assert all(a > b for a, b in pairwise(r[20:]))
        assert r[60] == pytest.approx(2 * (1 + 0.1) / 2)  # half-way down
        assert 0.2 < r[99] < 0.21
    assert rates(schedule="cosine", warmup=0.2)[9] == pytest.approx(2 * 10 / 21)
    assert 2 / 25 < rates(schedule="one_cycle", warmup=0.2)[0] < 0.1
    assert rates(schedule="constant", warmup=0) == [2.0] * 100
    assert rates(schedule="cosine", warmup=0)[0] == 2.0


def test_a_stage_scales_the_rate() -> None:
    kind = recipe(optimiser=Optimiser(learning_rate=1.0, schedule="constant", warmup=0))
    plan = Plan(kind, SPECS)
    assert [plan.learning_rate(s) for s in (2, 3)] == [1.0, 0.5]
    assert not math.isnan(plan.learning_rate(9))


def test_a_stage_may_cut_and_colour_its_own_way(frames: Path, tmp_path: Path) -> None:
    """Views of a stage without any change are its frames' own pixels; others are not."""
    plain = Augmentation(
        (1.0, 1.0), 1.0, 0.0, flip=0, rotation=0, brightness=0, contrast=0, saturation=0, hue=0,
        greyscale=0,
    )  # fmt: skip
    first, second = recipe().stages
    kind = recipe(stages=(first, replace(second, augmentation=plain)))
    keys = [key for keys in Plan(kind, SPECS).keys(0) for key in keys]
    assert {k.augmentation for k in keys if k.step < 3} == {None}
    assert {k.augmentation for k in keys if k.step >= 3} == {plain}
    dataset = ClipDataset(
        index_videos([frames], tmp_path / "index.json"), ClipSettings(), Augmentation(), size=32
    )
    for step, same in ((0, False), (9, True)):
        key = next(k for k in keys if k.step == step and k.spec == ONE)
        one, two = render_each(dataset[key], 32).views
        assert torch.equal(one, two) == same


def test_an_objective_may_cut_and_colour_its_own_way() -> None:
    """Its own before the stage's, and that before the recipe's."""
    of_stage, of_objective = Augmentation(flip=0.25), Augmentation(crop_jitter=0.15)
    first, second = recipe().stages
    one, two = second.objectives
    objectives = one, replace(two, augmentation=of_objective)
    kind = recipe(stages=(first, replace(second, objectives=objectives, augmentation=of_stage)))
    found = {
        (k.step >= 3, k.position < 4, k.augmentation) for keys in Plan(kind, SPECS).keys(0)
        for k in keys
    }  # fmt: skip
    assert {how for late, _, how in found if not late} == {None}
    assert {(small, how) for late, small, how in found if late} == {
        (True, of_stage),
        (False, of_objective),
    }
