"""The three published ways to carry labels to one target frame, one file each.

`query` is the target's feature grid C x h x w, `keys` those of T references T x C x h x w,
`labels` the references' soft labels T x L x h x w; each function returns L x h x w. Features come
as they are to be compared: normalise them first where the protocol wants cosine similarity.

* `crw`: contrastive random walk, DAVIS.
* `mast`: memory-augmented self-supervised tracker, YouTube-VOS.
* `uvc`: TimeCycle and UVC, JHMDB and VIP.
"""

from collections.abc import Mapping

from pixelkin.propagation.protocol import Protocol
from pixelkin.propagation.rules.base import Reference, Rule
from pixelkin.propagation.rules.crw import CrwRule, crw
from pixelkin.propagation.rules.mast import MastRule, mast
from pixelkin.propagation.rules.uvc import UvcRule, uvc

RULES: Mapping[str, Rule] = {"crw": CrwRule(), "mast": MastRule(), "uvc": UvcRule()}


def references(protocol: Protocol, t: int, keyframes: tuple[int, ...] = (0,)) -> list[Reference]:
    """The references of target frame `t`.

    Args:
        protocol: Decides the rule.
        t: Target frame number, counted from the first keyframe.
        keyframes: Frames whose labels were given, 0 first.
    """
    later = [f for f in keyframes if 0 < f < t]
    return RULES[protocol.rule].references(protocol, t, later)


__all__ = ["RULES", "Reference", "Rule", "crw", "mast", "references", "uvc"]
