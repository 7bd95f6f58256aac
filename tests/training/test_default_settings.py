"""Every default of a recipe, and the constants of mining: a change of one changes trainings.

[S] is the paper's supplement, [R] a third party's re-implementation, [D] our decision; see
docs/method/index.md.
"""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any

import pytest

from pixelkin.data import augment
from pixelkin.data.augment import Augmentation
from pixelkin.data.clips import ClipSettings
from pixelkin.mining import confidence, curriculum
from pixelkin.mining.confidence import Transport
from pixelkin.mining.curriculum import Curriculum
from pixelkin.mining.negatives import Negatives
from pixelkin.mining.settings import Confidence, Mining
from pixelkin.mining.window import WindowSchedule
from pixelkin.models.encoder import EncoderConfig
from pixelkin.objectives import OBJECTIVES
from pixelkin.ops.transport.policy import FURTHEST, POLICY, REACH, WIDEST, Policy
from pixelkin.training.config import ObjectiveShare, Optimiser, Recipe, Run, Stage

DEFAULTS: dict[type, dict[str, Any]] = {
    EncoderConfig: {
        "network": "resnet18", "stride": 8, "widths": (64, 128, 256, 256),  # [S, table 1]
        "padding": "reflect", "last_relu": True, "head": None,  # [D]
        "mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225),  # of ImageNet
        "temperature": 0.07,  # [D]; [R] has 0.05
        "meta": {},
    },
    Confidence: {"level": "qtc", "threshold": None, "hard_q": False},  # [S]; [D]
    Transport: {
        "epsilon": 0.05, "max_iterations": 30,  # [R]
        "tolerance": 0.01, "dustbin": None,  # [D]
    },
    WindowSchedule: {"gaps": (8, 16, 24, 32), "radii": (2, 2, 3, 5), "grid": 32},  # [R]
    Negatives: {
        "m1": 0.0,  # [S, figure 1]
        "hardness": "rank", "floor": 32, "exclude": 1, "cross_video": 0,  # [D]
    },
    Curriculum: {
        "signal": "var_t",  # [S, table 2]
        "low": 0.3, "high": 1.0, "v_ref": None,  # [D]
    },
    Mining: {
        "confidence": Confidence(), "transport": Transport(), "window": WindowSchedule(),
        "negatives": Negatives(), "curriculum": Curriculum(),
    },
    OBJECTIVES["mined_contrast"]: {
        "gaps": (8, 16, 24, 32),  # [R]
        "mining": Mining(), "temperature": 0.07, "max_pairs": 4096,  # [D]; [R] has 0.05
    },
    OBJECTIVES["known_geometry"]: {  # [D]
        "temperature": 0.07, "symmetric": True, "exclude": 0, "cross_video": 0, "max_pairs": 4096,
    },
    OBJECTIVES["random_walk"]: {  # CRW has 4 frames, 0.07, "same", patches, and 7 x 7 of them
        "frames": 3, "gaps": (2, 4, 8), "temperature": 0.03, "edge_dropout": 0.1, "end": "warped",
        "nodes": "map", "patches": 7, "patch_area": (0.7, 0.9),
    },
    OBJECTIVES["distillation"]: {  # [D]
        "teachers": ("default",), "gaps": (0, 3, 6, 9, 12), "temperature": 0.05, "anchors": 1024,
        "scales": (1.0,), "inner": (), "inner_power": 1.0,
    },
    OBJECTIVES["chained_distillation"]: {  # [D]; [R] carries with 10 and 0.05
        "teachers": ("default",), "gaps": (1, 2, 4, 6, 8), "temperature": 0.03, "anchors": 1024,
        "scales": (1.0,), "inner": (), "inner_power": 1.0, "frames": 4, "top_k": 10,
        "carry_temperature": 0.05, "floor": 1e-4,
    },
    ClipSettings: {"exclude": (), "short_side": 240, "segment": 96, "rendering": "single"},
    Augmentation: {  # [D]
        "scale": (0.5, 1.0), "aspect": 1.25, "shift": 0.25, "flip": 0.5, "rotation": 10.0,
        "crop_jitter": None, "brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1,
        "greyscale": 0.1, "blur": 0.0, "paste": 0.0, "piece": (0.15, 0.42),
    },
    Optimiser: {  # [D]
        "learning_rate": 0.001, "weight_decay": 0.0001, "betas": (0.9, 0.999),
        "schedule": "one_cycle", "warmup": 0.1, "final": 0.001, "clip_norm": 5.0,
    },
    ObjectiveShare: {"share": 1.0, "settings": {}, "augmentation": None},
    Stage: {"share": 1.0, "rate": 1.0, "augmentation": None},
    Run: {
        "device": "auto", "workers": None, "threads": None, "frames": "auto", "store": None,
        "store_gb": 8.0, "checkpoint_every": 200, "validate_every": None, "validate_scenes": 3,
        "limit_minutes": None, "batch_norm_frames": 64, "half": False, "report": True,
        "tensorboard": True,
    },
    Recipe: {  # [D]
        "name": "unnamed", "seed": 0, "batch": 16, "accumulate": 1, "size": 128,
        "precision": "auto", "init": None, "batch_norm": "measured", "ema": 0.999,
        "network": EncoderConfig(), "data": ClipSettings(), "augmentation": Augmentation(),
        "optimiser": Optimiser(), "run": Run(),
    },
}  # fmt: skip


def defaults(kind: type) -> dict[str, Any]:
    """The defaults of a class of settings, by name; those without one are left out."""
    found = {}
    for field in fields(kind):
        if field.init and field.default is not MISSING:
            found[field.name] = field.default
        elif field.init and field.default_factory is not MISSING:
            found[field.name] = field.default_factory()
    return found


@pytest.mark.parametrize("kind", DEFAULTS, ids=lambda kind: kind.__name__)
def test_every_default_is_what_it_was(kind: type) -> None:
    assert defaults(kind) == DEFAULTS[kind]


def test_no_class_of_settings_is_left_out() -> None:
    """Whatever a recipe can hold, from the top down."""
    seen, left = set(), [Recipe, Stage, ObjectiveShare, *OBJECTIVES.values()]
    while left:
        kind = left.pop()
        seen.add(kind)
        left += [type(v) for v in defaults(kind).values() if hasattr(v, "__dataclass_fields__")]
    assert seen <= DEFAULTS.keys()


def test_constants_of_mining() -> None:
    assert curriculum.MOMENTUM == 0.98  # [D]
    assert confidence.SMALLEST_SIMILARITY == confidence.MINIMUM == 1e-3  # [D]
    assert augment.BLUR_SIGMA == (0.3, 1.5)


def test_constants_of_sinkhorn() -> None:
    """Of its acceleration [D]; docs/internals/sinkhorn.md has what they were chosen by."""
    assert Policy() == POLICY == (5, 3, 0.9, 1e-6, 512, 0.02)
    assert (REACH, WIDEST, FURTHEST) == (0.6, 1 / 2, 1 / 8)


@pytest.mark.parametrize(("signal", "sure"), [("var_t", 0.5), ("var_c", 0.3), ("var_q", 2.5 / 256)])
def test_the_variance_that_counts_as_sure(signal: Any, sure: float) -> None:
    """m2 is half of its way where the variance is half between flat, 1 / N, and sure [D]."""
    settings, flat = Curriculum(signal=signal), 1 / 256
    assert settings.upper((flat + sure) / 2, 0.0, 256) == pytest.approx(0.65)
    assert settings.upper(sure * 1.001, 0.0, 256) == 1.0
    assert settings.upper(flat, 1.0, 256) == pytest.approx(0.3)
