"""What a training may minimise: the interface of all objectives.

An objective is a dataclass of its settings, which checks itself. A training asks it for the clips
it wants, prepares it once, and then calls it with the network's features of such clips.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self

import torch
from torch import Tensor

from pixelkin.data.batch import ClipBatch, ClipSpec
from pixelkin.mining.settings import Mining

State = dict[str, float | None]
Figures = dict[str, float | Tensor]


class Objective(ABC):
    """A loss of the features of a batch of clips.

    Attributes:
        mining: How it finds matches, for reports to show them; None if it mines nothing.
    """

    mining: Mining | None = None

    @property
    @abstractmethod
    def clip(self) -> ClipSpec:
        """The clips that it wants."""

    def prepare(self, stride: int, device: torch.device) -> Self:
        """The objective as a training begins with it: all at hand, nothing remembered.

        Args:
            stride: Pixels per cell of the network that learns.
            device: Where its features will be.

        Returns:
            The objective itself where there is nothing to load or to remember, or else a copy.

        Raises:
            InputError: If something that its settings name cannot be loaded.
        """
        del stride, device
        return self

    def check_views(self, size: int, stride: int, crop_jitter: float | None = None) -> None:
        """Whether it can do with its views.

        Args:
            size: Of the square views in pixels.
            stride: Pixels per cell.
            crop_jitter: Of its augmentation.

        Raises:
            SettingError: If not; the message names the setting that does not fit.
        """
        del size, stride, crop_jitter

    def images(self, views: Tensor, generator: torch.Generator | None) -> Tensor:
        """What the network is to encode of the views; here the views as they are.

        Args:
            views: B x V x 3 x S x S.
            generator: Of all random draws, before those of the loss.

        Returns:
            B x I x 3 x s x s.
        """
        del generator
        return views

    def __call__(
        self,
        features: Tensor,
        batch: ClipBatch,
        progress: float,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, dict[str, float]]:
        """The loss, and the figures that explain it.

        In float32 also under autocast; what is large and has no need of it in the precision of the
        features.

        Args:
            features: B x I x C x h x w, of the `images` of each clip: of its V views, unless the
                class says otherwise.
            batch: The clips they were made of.
            progress: Of the training, in [0, 1].
            generator: Of all random draws.

        Returns:
            (loss, figures): a scalar; numbers by name: "loss", and those that the class tells of.
        """
        loss, figures = self.loss(features, batch, progress, generator)
        return loss, numbers(figures)

    def loss(
        self,
        features: Tensor,
        batch: ClipBatch,
        progress: float,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Figures]:
        """What a call gives, but figures may still lie on the device: see `numbers`."""
        with torch.autocast(features.device.type, enabled=False):
            loss, figures = self._loss(features, batch, progress, generator)
        return loss, {"loss": figure(loss), **figures}

    @abstractmethod
    def _loss(
        self,
        features: Tensor,
        batch: ClipBatch,
        progress: float,
        generator: torch.Generator | None,
    ) -> tuple[Tensor, Figures]:
        """What `loss` gives, but for the figure "loss"; autocast is off."""

    def state_dict(self) -> State:
        """Numbers that training has added to the settings."""
        return {}

    def load_state_dict(self, state: State) -> None:
        """Continue from a `state_dict`."""
        del state


def figure(x: Tensor) -> Tensor:
    """A number to be told later; in float64, in which figures are added up as floats are."""
    return x.detach().double()


def numbers(figures: Figures) -> dict[str, float]:
    """All figures as floats, for which the device is waited for once."""
    there = {name: x for name, x in figures.items() if isinstance(x, Tensor)}
    if not there:
        return {name: float(x) for name, x in figures.items()}
    told = torch.stack([x.double() for x in there.values()]).tolist()
    return {
        name: float(x) for name, x in {**figures, **dict(zip(there, told, strict=True))}.items()
    }
