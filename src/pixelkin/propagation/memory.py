"""The bounded memory: features and labels of the frames that a later target can still ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from pixelkin.ops.affinity import Cells
from pixelkin.propagation.protocol import Protocol
from pixelkin.propagation.rules import RULES, Reference


@dataclass
class _Entry:
    slot: int
    predicted: Tensor
    given: Tensor | None


class Memory:
    """Features and labels of the frames that later targets can still refer to.

    Its size does not depend on the length of the video: n recent frames, the long-term ones, and
    one for each further keyframe. Features stay where they were put, ready for the products.
    """

    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol
        self._entries: dict[int, _Entry] = {}
        self._cells: Cells | None = None

    @property
    def cells(self) -> Cells:
        """Features of all frames held; `collect` says which is where."""
        if self._cells is None:
            raise ValueError("the memory is empty")
        return self._cells

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors held."""
        tensors = {
            id(x): x
            for e in self._entries.values()
            for x in (e.predicted, e.given)
            if x is not None
        }
        stored = 0 if self._cells is None else self._cells.nbytes
        return stored + sum(x.nbytes for x in tensors.values())

    def add(self, frame: int, features: Cells, labels: Tensor, given: Tensor | None) -> None:
        """Store frame `frame` and drop what no later target needs.

        Args:
            frame: Frame number, ascending from call to call.
            features: Of this one frame.
            labels: L x h x w as predicted (as given, on keyframes that are not predicted).
            given: L x h x w as given, on keyframes.
        """
        rule = RULES[self._protocol.rule]
        reach = rule.reach(self._protocol)
        stay = {0, *self.keyframes, *rule.long_term(self._protocol)}
        for old in [f for f in self._entries if f not in stay and f <= frame - reach]:
            del self._entries[old]
        self._put(frame, features, labels, given)

    def _put(self, frame: int, features: Cells, labels: Tensor, given: Tensor | None) -> None:
        taken = {e.slot for e in self._entries.values()}
        slot = next(s for s in range(len(taken) + 1) if s not in taken)
        if self._cells is None:
            self._cells = features.resized(self._protocol.context + 2)
        elif slot == len(self._cells.exact):
            self._cells = self._cells.resized(slot + 4)
        self._cells.put(slot, features)
        self._entries[frame] = _Entry(slot, labels, given)

    @property
    def keyframes(self) -> tuple[int, ...]:
        """Frames with given labels, ascending."""
        return tuple(sorted(f for f, e in self._entries.items() if e.given is not None))

    def grow(self, classes: int) -> None:
        """Give every stored label map `classes` channels; new ones are zero."""
        for entry in self._entries.values():
            entry.predicted = _padded(entry.predicted, classes)
            if entry.given is not None:
                entry.given = _padded(entry.given, classes)

    def state(self) -> dict[str, NDArray[Any]]:
        """The labels held, as arrays by name; features can be computed again."""
        state = {f"predicted.{f}": e.predicted.cpu().numpy() for f, e in self._entries.items()}
        given = {
            f"given.{f}": e.given.cpu().numpy()
            for f, e in self._entries.items()
            if e.given is not None
        }
        return state | given

    def restore(self, state: Mapping[str, NDArray[Any]], features: Callable[[int], Cells]) -> None:
        """Fill from `state`; `features` gives the features of a frame."""
        frames = sorted(int(k.split(".")[1]) for k in state if k.startswith("predicted."))
        for f in frames:
            cells = features(f)
            labels = {
                how: torch.from_numpy(state[f"{how}.{f}"]).to(cells.exact.device)
                for how in ("predicted", "given")
                if f"{how}.{f}" in state
            }
            self._put(f, cells, labels["predicted"], labels.get("given"))

    def collect(self, wanted: list[Reference]) -> tuple[list[int], Tensor]:
        """Of T references, the places in `cells` and the labels T x L x h x w."""
        entries = [self._entries[r.frame] for r in wanted]
        labels = [
            e.given if r.given and e.given is not None else e.predicted
            for r, e in zip(wanted, entries, strict=True)
        ]
        return [e.slot for e in entries], torch.stack(labels)


def _padded(labels: Tensor, classes: int) -> Tensor:
    lacking = classes - len(labels)
    if lacking <= 0:
        return labels
    return torch.cat([labels, labels.new_zeros(lacking, *labels.shape[1:])])
