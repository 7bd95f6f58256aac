"""All objectives by their names in recipes."""

from typing import Literal

from pixelkin.objectives.base import Objective
from pixelkin.objectives.chained_distillation import ChainedDistillation
from pixelkin.objectives.distillation import Distillation
from pixelkin.objectives.known_geometry import KnownGeometry
from pixelkin.objectives.mined_contrast import MinedContrast
from pixelkin.objectives.random_walk import RandomWalk

ObjectiveName = Literal[
    "known_geometry", "mined_contrast", "random_walk", "distillation", "chained_distillation"
]

OBJECTIVES: dict[ObjectiveName, type[Objective]] = {
    "known_geometry": KnownGeometry,
    "mined_contrast": MinedContrast,
    "random_walk": RandomWalk,
    "distillation": Distillation,
    "chained_distillation": ChainedDistillation,
}

__all__ = ["OBJECTIVES", "Objective", "ObjectiveName"]
