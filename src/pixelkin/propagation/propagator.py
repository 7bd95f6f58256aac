"""Propagator: frames in, labelled frames out, one at a time, with bounded memory.

Resizes a frame, encodes it, and lets the engine of features.py and the codec of the labels do the
rest. Knows nothing about files or whole videos.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from pixelkin.models.encoder import Encoder, check_frame, load_encoder, quick_dtype
from pixelkin.propagation.codec import Codec, Sizes, codec_for
from pixelkin.propagation.encoding import fitted
from pixelkin.propagation.features import FeaturePropagator
from pixelkin.propagation.protocol import Protocol
from pixelkin.types import InputError, LabelKind, Labels, Object, Objects, Prediction

HALF = 2.0**-24  # of a level: halves are told from less by more than rounding changes


@dataclass(frozen=True, eq=False)
class Keyframe:
    """What a propagation begins with.

    Attributes:
        labels: Of its first frame.
        features: C x h x w of that frame.
        soft: Its labels on the grid, L x h x w: the background, then the objects.
    """

    labels: Labels
    features: Tensor
    soft: Tensor


class Propagator:
    """Carries labels through a video frame by frame.

    Args:
        encoder: An `Encoder`, or what `load_encoder` takes.
        protocol: A `Protocol`, or the name of one.
        device: Where all is computed, as in `find_device`: "auto" is a GPU where there is one. An
            `Encoder` stays where it is for "auto".

    Example:
        >>> propagator = Propagator("random", protocol="davis")
        >>> first = propagator.step(frame0, Labels.from_mask(ids))  # H x W x 3 uint8, H x W ids
        >>> for frame in frames:
        ...     prediction = propagator.step(frame)  # .ids: H x W int32
    """

    def __init__(
        self,
        encoder: Encoder | str | Path = "default",
        protocol: Protocol | str = "davis",
        *,
        device: str | torch.device = "auto",
    ) -> None:
        encoder = load_encoder(encoder, device=device)
        self.protocol = fitted(Protocol.named(protocol), encoder)
        dtype = quick_dtype(encoder.device) if self.protocol.fast else torch.float32
        self.encoder = encoder.for_inference(self.protocol.stride, dtype)
        self._run: tuple[FeaturePropagator, Codec] | None = None  # none before the first frame
        self._index = 0
        self._ended = False
        self._key: Keyframe | None = None

    @torch.inference_mode()
    def step(
        self,
        frame: NDArray[np.uint8],
        labels: Labels | None = None,
        *,
        merge: bool = False,
        features: Tensor | None = None,
    ) -> Prediction:
        """Process the next frame.

        Args:
            frame: H x W x 3 uint8 RGB, the same size throughout.
            labels: Labels of this frame where it is a keyframe; the first frame must be one.
                A later keyframe supersedes all that came before: the propagation starts afresh
                from it.
            merge: Take only what a later keyframe marks (ids > 0, points that are not NaN) and
                predict the rest, as YouTube-VOS wants it for objects that appear later. The
                keyframe becomes one more long-term reference.
            features: What `features` gives for this frame, if it is known already.

        Raises:
            InputError: If it is no frame, its size changes, or the labels do not fit the frame or
                the earlier labels.
        """
        check_frame(frame)
        self._check_size((int(frame.shape[0]), int(frame.shape[1])))
        if labels is None and self._ended:
            prediction = self.decode(self._nothing())
            self._index += 1
            return prediction
        fresh = self._run is None or self._ended or (labels is not None and not merge)
        if labels is None:
            engine, codec = self._running()
        else:
            engine, codec = self._run = self._accepted(frame.shape[:2], labels, fresh)
            self._ended = False
        features = self.features(frame) if features is None else features
        if labels is None:
            prediction = self.decode(engine.step(features))
        elif fresh:
            self._key = Keyframe(labels, features, engine.step(features, codec.encode(labels)))
            prediction = Prediction(self._index, *codec.given(labels), origin="given")
        else:
            merged, confidence = codec.merge(*codec.decode(engine.peek(features)), labels)
            engine.step(features, codec.encode(merged))
            prediction = Prediction(self._index, merged, confidence, origin="given")
        self._index += 1
        return prediction

    @torch.inference_mode()
    def votes(self, features: Tensor, labels: Labels | None = None) -> Tensor:
        """Process the next frame as `step` does, without decoding it.

        Args:
            features: What `features` gives for it.
            labels: Where it is a keyframe, from which the propagation starts afresh.

        Returns:
            Soft labels on the grid, L x h x w: the background, then `objects`; on its device.
        """
        if labels is not None:
            engine, codec = self._run = self._accepted(labels.size, labels, fresh=True)
            self._ended = False
            soft = engine.step(features, codec.encode(labels))
            self._key = Keyframe(labels, features, soft)
        else:
            engine, _ = self._running()
            soft = self._nothing() if self._ended else engine.step(features)
        self._index += 1
        return soft

    def end(self) -> None:
        """Carry nothing on: no object has a pixel or a position until the next keyframe.

        A keyframe after that starts afresh, whatever `merge` is.
        """
        self._running()
        self._ended = True

    @property
    def ended(self) -> bool:
        """Whether nothing is carried on; see `end`."""
        return self._ended

    def another(self) -> Propagator:
        """One that has seen nothing, with the same encoder and protocol."""
        other = copy.copy(self)
        other._run, other._index, other._ended, other._key = None, 0, False, None
        return other

    def features(self, frame: NDArray[np.uint8]) -> Tensor:
        """Features C x h x w of a frame, whatever came before: another thread may compute them."""
        check_frame(frame)
        return self.encoder.encode(self._resized(frame))

    def decode(self, soft: Tensor) -> Prediction:
        """Soft labels on the grid, L x h x w, to labels at the frame's size."""
        _, codec = self._running()
        return Prediction(self._index, *codec.decode(soft))

    @property
    def objects(self) -> Objects:
        """The objects that are followed."""
        return Objects() if self._run is None else self._run[1].objects

    @property
    def key(self) -> Keyframe:
        """The keyframe that it began with."""
        self._running()
        if self._key is None:
            raise ValueError("a propagator that has ended has no keyframe")
        return self._key

    @property
    def next(self) -> int:
        """Number of the next frame, counted from the first that it was given."""
        return self._index

    @property
    def memory_bytes(self) -> int:
        """Bytes of the features and labels that are kept for later frames."""
        return 0 if self._run is None else self._run[0].memory.nbytes

    def state(self) -> dict[str, NDArray[Any]]:
        """What frames do not tell: the soft labels in memory, and the objects.

        Together with the frames it restores a propagator exactly; see `restore`.
        """
        engine, codec = self._running()
        return {
            "objects": np.array(codec.objects.ids),
            "table": np.array(json.dumps(asdict(codec.objects), default=int)),
            "next": np.array(self._index),
            "ended": np.array(self._ended),
            **engine.memory.state(),
        }

    @torch.inference_mode()
    def restore(
        self,
        state: Mapping[str, NDArray[Any]],
        first: Labels,
        frame: Callable[[int], NDArray[np.uint8]],
    ) -> None:
        """Continue where `state` was taken.

        Args:
            state: From `state` of a propagator with the same encoder and protocol. In those of
                earlier versions, objects that were merged later have no names.
            first: The labels that its first frame was given.
            frame: Gives the frame of a number, counted from that first frame.
        """
        began = codec_for(first, first.size, self.protocol)
        codec = began.with_objects(_followed(state, first.kind), "the state")
        engine = FeaturePropagator(self.protocol, codec.sizes.encoded)
        self._run, self._index = (engine, codec), int(state["next"])
        self._ended = bool(state.get("ended", False))
        if self._ended:
            return
        self._key = Keyframe(first, self.features(frame(0)), began.encode(first))
        engine.restore(state, self._index, lambda number: self.features(frame(number)))

    def _running(self) -> tuple[FeaturePropagator, Codec]:
        if self._run is None:
            raise InputError("the first frame needs labels")
        return self._run

    def _nothing(self) -> Tensor:
        """Soft labels of a frame in which no object is."""
        _, codec = self._running()
        soft = torch.zeros(1 + len(codec.objects), *codec.sizes.grid, device=self.encoder.device)
        soft[0] = 1
        return soft

    def _accepted(
        self, frame: tuple[int, ...], labels: Labels, fresh: bool
    ) -> tuple[FeaturePropagator, Codec]:
        """Engine and codec for a keyframe: new ones, or those that know its objects too.

        `frame` is (height, width).
        """
        where = f"labels of frame {self._index}"
        if not fresh:
            engine, codec = self._running()
            return engine, codec.accept(labels, where)
        codec = codec_for(labels, (frame[0], frame[1]), self.protocol, where)
        return FeaturePropagator(self.protocol, codec.sizes.encoded), codec

    def _check_size(self, size: tuple[int, int]) -> None:
        if self._run is not None and size != (first := self._run[1].sizes.frame):
            raise InputError(
                f"frame {self._index} is {size[1]}x{size[0]}, the first one "
                f"{first[1]}x{first[0]} (WxH): all frames must have one size"
            )

    def _resized(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = frame.shape[:2]
        size = Sizes.of((height, width), self.protocol).encoded
        if size == (height, width):
            return frame
        rgb = torch.tensor(np.ascontiguousarray(frame)).permute(2, 0, 1)[None].double()
        # The square sizes of the protocols are plain bilinear; a reduced short side is ours, and
        # shrinks without aliasing.
        smooth = self.protocol.input_size is None
        small = F.interpolate(
            rgb, size=size, mode="bilinear", align_corners=False, antialias=smooth
        )
        # Sums of other orders, as other numbers of threads give, end at the same level: halves, up
        # to what double precision loses, go up.
        levels = (small + (0.5 + HALF)).floor().clamp(0, 255)
        resized: NDArray[np.uint8] = levels[0].permute(1, 2, 0).byte().numpy()
        return resized


def _followed(state: Mapping[str, NDArray[Any]], kind: LabelKind) -> Objects:
    """The objects of a state; of those of earlier versions only the ids are known."""
    if "table" not in state:
        return Objects(tuple(Object(i, kind) for i in state["objects"].tolist()))
    told = json.loads(str(state["table"]))
    table = (Object(**(o | {"colour": o["colour"] and tuple(o["colour"])})) for o in told["table"])
    return Objects(tuple(table), tuple((a, b) for a, b in told["skeleton"]))
