"""What a clip loader yields and every training objective receives.

Plain validated containers; this module knows nothing about files, augmentation or networks.
Pixel coordinates are (x, y) with (0, 0) at the *centre* of the top-left pixel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

from torch import Tensor

from pixelkin.checks import check_gaps, check_number

_T = TypeVar("_T", "ClipBatch", "Layer")


@dataclass(frozen=True)
class ClipSpec:
    """The clips that an objective asks of the loader.

    Attributes:
        views: Number of views V of one clip, at least 1.
        gaps: Frame distances between consecutive views, one of which is drawn for each clip;
            (0,) sees a single frame V times.
        returns: Whether the last view shows the frame of the first once more.

    Raises:
        SettingError: If there is no view, no gap, or a negative gap, or nothing to return from.
    """

    views: int
    gaps: tuple[int, ...]
    returns: bool = False

    def __post_init__(self) -> None:
        check_number("views", self.views, least=3 if self.returns else 1)
        check_gaps(self.gaps, least=0)

    @property
    def frames(self) -> int:
        """Number of views in order of time: all but one that returns."""
        return self.views - self.returns

    def __str__(self) -> str:
        """In words, for messages."""
        if max(self.gaps) == 0 or self.frames == 1:
            return f"{self.views} {'view' if self.views == 1 else 'views'} of one frame"
        *others, last = map(str, dict.fromkeys(self.gaps))
        gaps = f"{', '.join(others)} or {last}" if others else last
        apart = f"{self.frames} views {gaps} {'frame' if gaps == '1' else 'frames'} apart"
        return f"{apart} and the first again" if self.returns else apart


@dataclass(frozen=True, eq=False)
class Layer:
    """What of other clips lies on the views of a batch, see `pixelkin.data.paste`.

    Attributes:
        cover: B x V x S x S float in [0, 1]: how much of each pixel the other clip covers.
        to_frame: B x V x 2 x 3: as in the batch, of the other clip.
        videos: B int64: its video.
    """

    cover: Tensor
    to_frame: Tensor
    videos: Tensor


@dataclass(frozen=True, eq=False)
class ClipBatch:
    """V augmented views of each of B clips, and where and when each view was taken.

    Attributes:
        views: B x V x 3 x S x S float, RGB in [0, 1].
        to_frame: B x V x 2 x 3 float32: affine map from view pixels (x, y, 1) to pixels (x, y) of
            the frame as decoded. A flip has a negative determinant.
        times: B x V int64: number in its video of the frame that each view shows.
        frame_size: B x 2 int64: (height, width) of the frame as decoded, in pixels.
        videos: B int64: index of each clip's video in the folder's index.
        pasted: What of other clips lies on the views, or None.

    Raises:
        ValueError: If the shapes do not agree.
    """

    views: Tensor
    to_frame: Tensor
    times: Tensor
    frame_size: Tensor
    videos: Tensor
    pasted: Layer | None = None

    def __post_init__(self) -> None:
        if self.views.ndim != 5 or self.views.shape[2] != 3:
            raise ValueError(f"views must be B x V x 3 x S x S, got {tuple(self.views.shape)}")
        b, v = self.views.shape[:2]
        expected = {
            "to_frame": (b, v, 2, 3),
            "times": (b, v),
            "frame_size": (b, 2),
            "videos": (b,),
        }
        for name, shape in expected.items():
            if (got := tuple(getattr(self, name).shape)) != shape:
                raise ValueError(
                    f"{name} must have shape {shape} beside {b} x {v} views, got {got}"
                )

    def __len__(self) -> int:
        return len(self.views)

    def __getitem__(self, index: slice | Tensor) -> ClipBatch:
        """The clips of `index` (a slice, or B' indices)."""
        return _each(self, lambda x: x[index])

    def to(self, *args: Any, **kwargs: Any) -> ClipBatch:
        """The same batch on another device: `Tensor.to` of the views, and its device for the rest.

        A dtype applies to the views alone.
        """
        views = self.views.to(*args, **kwargs)
        rest = _each(self, lambda x: x.to(views.device, non_blocking=True))
        return replace(rest, views=views)

    def pin_memory(self) -> ClipBatch:
        """The same batch in memory from which a GPU reads while the processor goes on."""
        return _each(self, Tensor.pin_memory)

    def __repr__(self) -> str:
        b, v, _, h, w = self.views.shape
        return f"ClipBatch({b} clips x {v} views, {h}x{w} (HxW))"


def _each(batch: _T, change: Callable[[Tensor], Tensor]) -> _T:
    """A batch with all of its tensors changed."""
    changed: dict[str, Any] = {}
    for f in fields(batch):
        value = getattr(batch, f.name)
        if isinstance(value, Layer):
            changed[f.name] = _each(value, change)
        elif value is not None:
            changed[f.name] = change(value)
    return replace(batch, **changed)
