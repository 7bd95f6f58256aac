"""The rule of the memory-augmented tracker MAST: YouTube-VOS (Lai et al., arXiv:2002.07793)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pixelkin.ops.affinity import Cells
from pixelkin.ops.tiles import side_for, tiles
from pixelkin.ops.windows import MovedWindows, Windows
from pixelkin.propagation.protocol import Protocol
from pixelkin.propagation.rules.base import Context, Reference, Rule, check_references

MAST_LONG_GAP = 15
MAST_LOCALISATION_RADIUS = 12
MAST_MAX_DILATION = 4


def mast(
    query: Tensor,
    keys: Sequence[Tensor] | Tensor,
    labels: Tensor,
    *,
    radius: int,
    gaps: Sequence[int],
    temperature: float = 1.0,
    own_offsets: bool = False,
    localize: bool = True,
) -> Tensor:
    """One soft-max over the local windows of all references; distant ones are localised first.

    A reference at most 15 frames away is compared in a square window around the target cell. In
    one further away, the window's centre is first moved by the soft-arg-max over 25 x 25
    displacements, 2 to 4 cells apart, and features and labels are read between the cells. Positions
    outside the frame count with logit 0 and label 0.

    Args:
        query: C x h x w, compared by raw dot product.
        keys: T of C x h x w.
        labels: T x L x h x w, one-hot (sub-sampled hard maps).
        radius: The window has (2 * radius + 1)^2 positions.
        gaps: Distance in frames of each reference from the target.
        temperature: Logits are dot product / temperature; the published code has none.
        own_offsets: Whether labels of each distant reference are read at its own offsets, as the
            paper says. The published code reads all of them at the last one's, and the published
            numbers come from that.
        localize: Whether windows in distant references are moved; if not, they are where those in
            near ones are.

    Returns:
        L x h x w; classes sum to less than 1 near borders.
    """
    check_references(len(keys), query.shape[1:], labels, gaps=list(gaps))
    query = query / temperature
    _, h, w = query.shape
    offsets = [
        _localise(query, key, _dilation(gap)) if localize and gap > MAST_LONG_GAP else None
        for key, gap in zip(keys, gaps, strict=True)
    ]
    last = next((o for o in reversed(offsets) if o is not None), None)
    label_offsets = [o if o is None or own_offsets else last for o in offsets]
    key_grids = [key.permute(1, 2, 0).contiguous() for key in keys]
    label_grids = [label.permute(1, 2, 0).contiguous() for label in labels]
    cells = query.permute(1, 2, 0).contiguous()
    out = labels.new_empty(h, w, labels.shape[1])
    for rows, columns in tiles(h, w, side_for(query)):
        plain = Windows(rows, columns, radius)
        moved: dict[int, MovedWindows] = {}
        for offset in offsets:
            if offset is not None and id(offset) not in moved:
                moved[id(offset)] = MovedWindows(plain, offset)
        windows, label_windows = (
            [moved.get(id(offset), plain) for offset in chosen]
            for chosen in (offsets, label_offsets)
        )
        found = out[rows, columns]
        if (label := _agreed(label_windows, label_grids)) is not None:
            found[:] = label  # whatever the weights are, they sum to 1
            continue
        tile = cells[rows, columns].flatten(0, 1)
        logits = [w.products(tile, grid) for w, grid in zip(windows, key_grids, strict=True)]
        weights = _softmax(torch.cat(logits)).to(labels.dtype).chunk(len(keys))
        total = sum(
            w.sums(weight, grid)
            for w, weight, grid in zip(label_windows, weights, label_grids, strict=True)
        )
        assert isinstance(total, Tensor)
        found[:] = total.view(*found.shape)
    return out.permute(2, 0, 1).contiguous()


class MastRule(Rule):
    """One soft-max over windows in the long-term frames and every second of the recent ones."""

    steady = False

    def references(self, protocol: Protocol, t: int, later: Sequence[int]) -> list[Reference]:
        """Long-term frames, later keyframes, and recent frames two apart."""
        anchors = {f for f in (*protocol.long_term, *later) if f <= t - 1}
        recent = {t - 1 - 2 * i for i in range(protocol.context)}
        return [Reference(f) for f in sorted(anchors | {f for f in recent if f > 0})]

    def reach(self, protocol: Protocol) -> int:
        """Recent frames are two apart."""
        return 2 * protocol.context - 1

    def step(self, protocol: Protocol, t: int, query: Cells, context: Context) -> Tensor:
        """See `mast`."""
        return mast(
            query.features([0])[0],
            context.keys.features(context.slots),
            context.labels,
            radius=protocol.window,
            gaps=[t - r.frame for r in context.references],
            temperature=protocol.temperature,
            own_offsets=protocol.own_offsets,
            localize=protocol.localize,
        )


def _softmax(logits: Tensor) -> Tensor:
    """Soft-max over the first dimension, summed in the order of the published code.

    It normalises thousands of float32 terms one after the other, which is visible at 1e-5.
    """
    return logits.contiguous().softmax(dim=0)


def _agreed(windows: Sequence[Windows | MovedWindows], grids: Sequence[Tensor]) -> Tensor | None:
    """The label, L, that all windows have everywhere in the grids of all references, if any."""
    agreed = None
    for window, grid in zip(windows, grids, strict=True):
        label = window.only(grid)
        if label is None or (agreed is not None and not torch.equal(label, agreed)):
            return None
        agreed = label
    return agreed


def _dilation(gap: int) -> int:
    return min(MAST_MAX_DILATION, gap // MAST_LONG_GAP + 1)


def _localise(query: Tensor, key: Tensor, dilation: int) -> Tensor:
    """Soft-arg-max displacement (x, y) of every target cell in a distant reference: h x w x 2.

    Cells of one residue class modulo the dilation only meet cells of the same class, so the
    dilated window is a plain window on each of the dilation^2 interleaved grids.
    """
    _, h, w = query.shape
    radius = MAST_LOCALISATION_RADIUS
    steps = torch.arange(-radius, radius + 1, device=query.device).to(query.dtype) * dilation
    offsets = query.new_empty(h, w, 2)
    for y in range(min(dilation, h)):
        for x in range(min(dilation, w)):
            cells = query[:, y::dilation, x::dilation].permute(1, 2, 0).contiguous()
            grid = key[:, y::dilation, x::dilation].permute(1, 2, 0).contiguous()
            part = offsets[y::dilation, x::dilation]
            for rows, columns in tiles(len(cells), cells.shape[1], side_for(query)):
                tile = cells[rows, columns].flatten(0, 1)
                logits = Windows(rows, columns, radius).products(tile, grid)
                p = _softmax(logits).view(len(steps), len(steps), -1)
                found = torch.stack([steps @ p.sum(0), steps @ p.sum(1)], dim=-1)
                part[rows, columns] = found.view(*cells[rows, columns].shape[:2], 2)
    return offsets
