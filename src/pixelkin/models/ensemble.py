"""Several networks as one: features side by side.

Similarities of networks that were trained apart agree where they mean something and differ where
they are chance. The dot product of concatenated unit features is the mean of the cosines, which
keeps the one and averages out the other. Knows nothing about images, files or labels.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pixelkin.models.resnet import ResNet18


class Ensemble(nn.Module):
    """Networks of one kind whose unit features are concatenated to vectors of length 1.

    Args:
        networks: At least one; all of one stride.
    """

    def __init__(self, networks: Iterable[ResNet18]) -> None:
        super().__init__()
        self.members = nn.ModuleList(networks)
        self.channels = sum(net.channels for net in self.networks)

    @property
    def networks(self) -> list[ResNet18]:
        """The members."""
        return [net for net in self.members if isinstance(net, ResNet18)]

    def forward(self, x: Tensor) -> Tensor:
        """B x 3 x H x W (normalised) -> B x (sum of C) x h x w."""
        units = [F.normalize(net(x).float(), dim=1, eps=1e-12) for net in self.networks]
        joined: Tensor = torch.cat(units, dim=1) * len(units) ** -0.5
        return joined

    def folded(self) -> Ensemble:
        """A copy for inference, see `ResNet18.folded`."""
        return Ensemble(net.folded() for net in self.networks)
