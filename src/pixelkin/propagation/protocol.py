"""Protocol: everything that one published label-propagation benchmark fixes, by name.

Knows nothing about tensors or files. The values of the named protocols and their evidence are
described in docs/benchmarks/protocols/.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pixelkin.checks import SettingError, check_types
from pixelkin.types import InputError

Rule = Literal["crw", "mast", "uvc"]
LabelResize = Literal["bilinear", "nearest", "subsample", "area"]
KEEP_ALL = ("mast",)  # rules without top-k


@dataclass(frozen=True)
class Protocol:
    """How labels are carried from reference frames to a target frame.

    Use `Protocol.named` and change single values with `dataclasses.replace`.

    Attributes:
        name: For reports.
        rule: "crw": joint top-k over all references, then soft-max. "mast": soft-max over local
            windows of all references, without top-k. "uvc": soft-max over each whole reference,
            then its k largest entries, mean over the references.
        context: n, the number of preceding frames that serve as references.
        top_k: k, how many sources a target cell keeps; None: all (mast).
        radius: In cells. crw: sources at a Euclidean distance < radius. mast: square window of
            2 * radius + 1. None: no window.
        temperature: Logits are similarity / temperature.
        long_term: References that stay. crw: 0 is frame 0, m > 0 is frame m + 1 (as the published
            code counts). mast: frame numbers. uvc: always frame 0.
        pad_context: Missing preceding frames are copies of frame 0. crw: they compete in the
            top-k. uvc: they enter the mean, and frame 0 itself is predicted.
        normalize_features: Whether features are l2-normalised first (cosine similarity).
        normalize_labels: What the memory stores: None, as predicted; "minmax", each class
            stretched to [0, 1] over its frame.
        hard_memory: The memory stores the arg-max at full size, sub-sampled when it is used.
        stride: Pixels per cell that the encoder must have: 8 or 4 of ours, any of others, which
            keep their own (`propagation.encoding`).
        input_size: Frames are resized to a square of this side, aspect not kept; None: native.
        short_side: Frames with a longer short side are reduced to it, aspect kept; None: native.
            Not part of any published protocol.
        fast: Trade exactness for speed; not part of any published protocol either. crw: of the
            preceding frames the nearest three serve as references, and of the others every third;
            the k best are taken of what looks best, see `windowed_topk`. A ResNet computes features
            in 8-bit integers or bfloat16 where that is faster, see `models.quantised.quick_dtype`.
        label_resize: How masks come to the feature grid. "bilinear": one-hot, without
            antialiasing; "nearest"; "subsample": top-left pixel of each cell; "area": mean over
            each cell of the frame at its full size, and predictions are upsampled to that size,
            each cell over its own pixels.
        stretch_output: Whether each class of the upsampled prediction is stretched to [0, 1] over
            the frame before the arg-max (uvc).
        sigma: Standard deviation in cells of the heat maps of keypoints.
        decode_top: How many cells a keypoint's position is averaged over.
        own_offsets: mast only: labels of each distant reference are read at its own offsets
            (the paper) instead of the last one's (the published code, and so the numbers).
        localize: mast only: whether the windows in references more than 15 frames away are moved
            to where their content matches.

    Raises:
        InputError: If values are out of range or contradict each other.
    """

    name: str
    rule: Rule
    context: int
    top_k: int | None
    radius: float | None
    temperature: float
    long_term: tuple[int, ...] = (0,)
    pad_context: bool = False
    normalize_features: bool = True
    normalize_labels: Literal["minmax"] | None = None
    hard_memory: bool = False
    stride: int = 8
    input_size: int | None = None
    short_side: int | None = None
    fast: bool = False
    label_resize: LabelResize = "bilinear"
    stretch_output: bool = False
    sigma: float = 0.5
    decode_top: int = 5
    own_offsets: bool = False
    localize: bool = True

    def __post_init__(self) -> None:
        def require(fine: bool, field: str, wanted: str) -> None:
            if not fine:
                value = getattr(self, field)
                raise SettingError(
                    f"protocol {self.name!r}: {field}", f"{value!r} must be {wanted}"
                )

        try:
            check_types(self)
        except SettingError as error:
            raise SettingError(f"protocol {self.name!r}: {error.key}", error.reason) from None
        require(self.context >= 0, "context", "0 or more frames")
        require(self.temperature > 0, "temperature", "positive")
        require(self.radius is None or self.radius > 0, "radius", "positive, or None")
        require(all(m >= 0 for m in self.long_term), "long_term", "frame slots >= 0")
        require(
            self.context > 0 or self.long_term != (), "long_term", "not empty when context is 0"
        )
        require(self.stride >= 1, "stride", "1 pixel or more")
        require(self.sigma > 0, "sigma", "positive")
        require(self.decode_top > 0, "decode_top", "positive")
        for side in ("input_size", "short_side"):
            value = getattr(self, side)
            require(value is None or value >= 16, side, "at least 16 pixels, or None")
        require(
            self.input_size is None or self.short_side is None, "short_side", "None with input_size"
        )
        if self.rule in KEEP_ALL:
            require(self.top_k is None, "top_k", f"None: {self.rule} keeps all")
            require(self.radius is not None, "radius", f"given for {self.rule}")
        else:
            require(self.top_k is not None and self.top_k > 0, "top_k", "positive")

    @property
    def kept(self) -> int:
        """k, where the rule has one."""
        if self.top_k is None:
            raise ValueError(f"protocol {self.name!r} keeps all sources")
        return self.top_k

    @property
    def window(self) -> int:
        """Radius of the square window in whole cells, where the rule has one."""
        if self.radius is None:
            raise ValueError(f"protocol {self.name!r} has no window")
        return int(self.radius)

    @staticmethod
    def named(name: str | Protocol) -> Protocol:
        """A published protocol: davis (CRW), youtube_vos (MAST), jhmdb or vip (TimeCycle/UVC).

        Or youtube_vos_centred, ours: MAST's rule with labels averaged over cells, a soft memory,
        and windows that are not moved in distant references.

        A protocol is returned as it is.

        Raises:
            InputError: If there is no protocol of that name.
        """
        if isinstance(name, Protocol):
            return name
        if name not in _NAMED:
            raise InputError(f"no protocol {name!r}: there are {', '.join(PROTOCOL_NAMES)}")
        return _NAMED[name]


_NAMED = {
    p.name: p
    for p in (
        Protocol(
            name="davis", rule="crw", context=20, top_k=10, radius=12, temperature=0.05,
            pad_context=True,
        ),
        Protocol(
            name="youtube_vos", rule="mast", context=3, top_k=None, radius=12, temperature=1.0,
            long_term=(0, 5), normalize_features=False, hard_memory=True, stride=4,
            label_resize="subsample",
        ),
        Protocol(
            name="youtube_vos_centred", rule="mast", context=3, top_k=None, radius=12,
            temperature=0.006, long_term=(0, 5), stride=4, short_side=320, label_resize="area",
            localize=False,
        ),
        Protocol(
            name="jhmdb", rule="uvc", context=7, top_k=5, radius=None, temperature=1.0,
            pad_context=True, normalize_features=False, normalize_labels="minmax", input_size=320,
        ),
        Protocol(
            name="vip", rule="uvc", context=1, top_k=5, radius=None, temperature=1.0,
            normalize_features=False, input_size=560, label_resize="nearest", stretch_output=True,
        ),
    )
}  # fmt: skip
PROTOCOL_NAMES = tuple(_NAMED)
