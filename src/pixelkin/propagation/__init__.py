"""Carrying labels through a video: protocols, rules, memory, and the streaming propagator."""

from pixelkin.propagation.features import FeaturePropagator, propagate_features
from pixelkin.propagation.memory import Memory
from pixelkin.propagation.protocol import PROTOCOL_NAMES, Protocol
from pixelkin.propagation.rules import Reference, references

__all__ = [
    "PROTOCOL_NAMES",
    "FeaturePropagator",
    "Memory",
    "Protocol",
    "Reference",
    "propagate_features",
    "references",
]
