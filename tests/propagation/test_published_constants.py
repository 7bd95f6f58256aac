"""Every value of every protocol, as it was published: a change of one is a change of the numbers.

Sources: CRW, arXiv:2006.14613, and its code videowalk; MAST, arXiv:2002.07793, and its code; UVC,
arXiv:1909.11895, and its code; k, n and r of each are the supplement's [S]. The pages of
docs/benchmarks/protocols have the rest of the evidence.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import pytest

from pixelkin.ops.affinity import bounds, rounded
from pixelkin.propagation.protocol import PROTOCOL_NAMES, Protocol
from pixelkin.propagation.rules.mast import (
    MAST_LOCALISATION_RADIUS,
    MAST_LONG_GAP,
    MAST_MAX_DILATION,
)
from pixelkin.types import InputError

PLAIN = {  # what no published code has, or all have alike, unless said below
    "long_term": (0,), "pad_context": False, "normalize_features": True, "normalize_labels": None,
    "hard_memory": False, "stride": 8, "input_size": None, "short_side": None, "fast": False,
    "label_resize": "bilinear", "stretch_output": False, "sigma": 0.5, "decode_top": 5,
    "own_offsets": False, "localize": True,
}  # fmt: skip

PROTOCOLS = {
    "davis": {
        "rule": "crw",
        "context": 20,  # [S]
        "top_k": 10,  # [S]
        "radius": 12,  # [S]
        "temperature": 0.05,  # videowalk README --temperature 0.05 (its default is 0.07)
        "pad_context": True,  # videowalk: missing frames are copies of the first
    },
    "youtube_vos": {
        "rule": "mast",
        "context": 3,  # MAST: frames t-1, t-3, t-5
        "top_k": None,
        "radius": 12,  # MAST: R = 12, windows of 25 x 25
        "temperature": 1.0,  # MAST: raw dot products
        "long_term": (0, 5),  # MAST: I0 and I5
        "normalize_features": False,
        "hard_memory": True,
        "stride": 4,
        "label_resize": "subsample",
    },
    "youtube_vos_centred": {  # ours [D]
        "rule": "mast", "context": 3, "top_k": None, "radius": 12, "temperature": 0.006,
        "long_term": (0, 5), "stride": 4, "short_side": 320, "label_resize": "area",
        "localize": False,
    },
    "jhmdb": {
        "rule": "uvc",
        "context": 7,  # [S]
        "top_k": 5,  # [S]
        "radius": None,
        "temperature": 1.0,  # UVC: soft-max of raw dot products
        "pad_context": True,
        "normalize_features": False,
        "normalize_labels": "minmax",
        "input_size": 320,  # TimeCycle: 320 x 320
    },
    "vip": {
        "rule": "uvc",
        "context": 1,  # [S]; UVC --pre_num 1
        "top_k": 5,  # [S]
        "radius": None,
        "temperature": 1.0,  # UVC: soft-max of raw dot products
        "normalize_features": False,
        "input_size": 560,  # UVC: 560 x 560
        "label_resize": "nearest",
        "stretch_output": True,
    },
}  # fmt: skip


def test_no_protocol_is_left_out() -> None:
    assert set(PROTOCOL_NAMES) == set(PROTOCOLS)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_value_of_a_protocol_is_the_published_one(name: str) -> None:
    assert asdict(Protocol.named(name)) == {"name": name, **PLAIN, **PROTOCOLS[name]}


def test_constants_of_mast() -> None:
    """arXiv:2002.07793, section 3.2, and its code: dilated windows beyond 15 frames."""
    assert MAST_LONG_GAP == 15
    assert MAST_LOCALISATION_RADIUS == 12
    assert MAST_MAX_DILATION == 4


def test_margins_of_the_search_are_those_of_its_proof() -> None:
    """docs/internals/search.md: smaller ones would let a source be missed, on some processor."""
    assert bounds.SLACK == rounded.SLACK == 2e-5
    assert rounded.ROUNDING == 2.0**-8  # half a unit of the last of bfloat16's eight digits
    assert rounded.ABOVE == 2.0**-12
    assert rounded.LONGEST == 1 + 2e-6


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"context": 1.5}, "context: must be a whole number, got 1.5"),
        ({"top_k": 1.5}, "top_k: must be a whole number, got 1.5"),
        ({"long_term": 0}, "long_term: must be a list, got 0"),
        ({"pad_context": 1}, "pad_context: must be true or false, got 1"),
        ({"rule": "crew"}, "rule: 'crew' is not one of crw, mast, uvc"),
        ({"label_resize": "cubic"}, "label_resize: 'cubic' is not one of bilinear, "),
    ],
)
def test_values_of_another_kind_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"^protocol 'davis': {message}"):
        replace(Protocol.named("davis"), **values)
