"""Options that several commands share, each with one name and one meaning."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from pixelkin.types import InputError

if TYPE_CHECKING:
    from pixelkin.models.encoder import Encoder
    from pixelkin.propagation.protocol import Protocol

MAX_THREADS = 1024
Device = Literal["auto", "cpu", "cuda", "mps"]  # that of ops.devices, without torch
Runtime = Literal["torch", "onnx"]  # that of models.encoder, without torch


def check_threads(threads: int | None) -> None:
    """Raise InputError if a number of threads is out of range; None is all."""
    if threads is not None and not 1 <= threads <= MAX_THREADS:
        raise InputError(f"--threads {threads}: must be from 1 to {MAX_THREADS}")


def use_threads(threads: int | None) -> None:
    """Have torch compute on so many threads; on all if None.

    Raises:
        InputError: If the number is out of range.
    """
    check_threads(threads)
    if threads is not None:
        import torch

        torch.set_num_threads(threads)


@dataclass(frozen=True)
class Rules:
    """Options of every command that carries labels, whatever its weights are."""

    protocol: str | None = None
    """davis, youtube_vos, youtube_vos_centred, jhmdb, vip; by default davis or the benchmark's."""
    threads: int | None = None
    """CPU threads; all by default."""
    device: Device = "auto"
    """What computes: cpu, cuda or mps; auto takes a GPU where there is one."""
    overwrite: bool = False
    """Replace results that are there."""

    def rules(self, default: str = "davis") -> Protocol:
        """The protocol; `default` if none is named.

        Raises:
            InputError: If there is none of that name.
        """
        from pixelkin.propagation.protocol import Protocol

        return Protocol.named(self.protocol or default)

    def use_threads(self) -> None:
        """Have torch compute on so many threads.

        Raises:
            InputError: If the number is out of range.
        """
        use_threads(self.threads)


@dataclass(frozen=True)
class Common(Rules):
    """The same, and the weights."""

    weights: str = "default"
    """default, random, lab, the folder of a training or of `pixelkin encoder import`, or F.onnx."""
    runtime: Runtime = "torch"
    """What computes features: torch, or onnx (onnxruntime, pixelkin[onnx])."""

    def encoder(self, weights: str | None = None) -> Encoder:
        """What computes features, on its device.

        Args:
            weights: In place of the option's.

        Raises:
            InputError: If the weights are wrong, or the runtime or the device is not at hand.
        """
        from pixelkin.models.encoder import load_encoder

        return load_encoder(weights or self.weights, self.runtime, self.device)


@dataclass(frozen=True)
class Faster(Common):
    """The same, and options that trade exactness for speed."""

    short_side: int | None = None
    """Work at this short side in pixels: faster, coarser; masks keep full size. No benchmark's."""
    fast: bool = False
    """Approximate: half the references, bfloat16 where the processor has it. No benchmark's."""

    def rules(self, default: str = "davis") -> Protocol:
        """The protocol with these changes; `default` if none is named.

        Raises:
            InputError: If there is none of that name, or the short side does not go with it.
        """
        rules = replace(super().rules(default), fast=self.fast)
        return rules if self.short_side is None else replace(rules, short_side=self.short_side)
