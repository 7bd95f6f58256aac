"""Between encoders and the rest: strides that are taken over, frames that cannot be encoded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from pixelkin.models.encoder import Encoder
from pixelkin.propagation.protocol import Protocol
from pixelkin.types import InputError


def fitted(protocol: Protocol, encoder: Encoder) -> Protocol:
    """The protocol at the stride of an encoder that keeps its own; as it is for the others.

    Windows and radii stay as they are, in cells: where a cell covers more pixels, they reach
    farther.
    """
    if not encoder.keeps_stride or protocol.stride == encoder.stride:
        return protocol
    return replace(protocol, stride=encoder.stride)


@contextmanager
def at_frame(called: str) -> Iterator[None]:
    """Say of which frame it was that something is wrong."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{called}: {error}") from error
