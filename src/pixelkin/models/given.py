"""A module of the user's own as the network of an encoder."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


class Given(nn.Module):
    """Computes as in evaluation, and leaves the module, and its modes, as they are.

    Attributes:
        module: The user's.
        channels: Length of a feature vector, once it is known.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.channels = 0

    def train(self, mode: bool = True) -> Given:  # noqa: ARG002
        """Nothing: the modes are the user's."""
        return self

    def forward(self, x: Tensor) -> Any:
        """What the module gives in evaluation."""
        training = [m for m in self.module.modules() if m.training]
        for one in training:
            one.training = False
        try:
            return self.module(x)
        finally:
            for one in training:
                one.training = True
