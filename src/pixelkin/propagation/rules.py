"""The three published ways to carry labels to one target frame, as pure functions of one step.

`query` is the target's feature grid C x h x w, `keys` those of T references T x C x h x w,
`labels` the references' soft labels T x L x h x w; each returns L x h x w. Features come as they
are to be compared: normalise them first where the protocol wants cosine similarity. Which frames
are references is decided in memory.py.

* `crw`: contrastive random walk (Jabri et al. 2020), DAVIS.
* `mast`: memory-augmented self-supervised tracker (Lai et al. 2020), YouTube-VOS.
* `uvc`: TimeCycle (Wang et al. 2019) and UVC (Li et al. 2019), JHMDB and VIP.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pixelkin.ops.affinity import windowed_topk
from pixelkin.ops.cells import Cells
from pixelkin.ops.tiles import tiles
from pixelkin.ops.windows import MovedWindows, Windows, padded

MAST_LONG_GAP = 15
MAST_LOCALISATION_RADIUS = 12
MAST_MAX_DILATION = 4


def crw(
    query: Tensor | Cells,
    keys: Tensor | Cells,
    labels: Tensor,
    *,
    k: int,
    radius: float | None,
    temperature: float,
    restricted: Sequence[bool] | None = None,
    multiplicity: Sequence[int] | None = None,
    slots: Sequence[int] | None = None,
    verify: bool = True,
) -> Tensor:
    """Joint top-k over all references, soft-max over the k survivors, weighted sum of labels.

    Args:
        query: C x h x w, or `Cells` of that one frame.
        keys: T x C x h x w, or `Cells`.
        labels: T x L x h x w.
        k: Sources kept for each target cell, counted with their multiplicity.
        radius: Sources of restricted references count at a Euclidean distance < radius cells.
        temperature: Logits are similarity / temperature.
        restricted: Which references the radius applies to; None: all.
        multiplicity: How many times each reference is present (the published code holds copies
            of frame 0, which compete in the top-k); None: once each.
        slots: Which frame of `keys` each reference is; None: they are in order.
        verify: As in `windowed_topk`.

    Returns:
        L x h x w; the k weights of a cell sum to 1.
    """
    keys = keys if isinstance(keys, Cells) else Cells.of(keys)
    slots = list(range(len(keys.exact))) if slots is None else list(slots)
    flags = [True] * len(slots) if restricted is None else list(restricted)
    counts = [1] * len(slots) if multiplicity is None else list(multiplicity)
    h, w = keys.exact.shape[1:3]
    _check(len(slots), (h, w), labels, restricted=flags, multiplicity=counts)
    values, ids = windowed_topk(query, keys, k, radius, flags, slots, verify=verify)
    # A source that is present m times takes m of the k places, best sources first.
    copies = torch.tensor(counts, device=ids.device)[ids // (h * w)]
    places = (k - (copies.cumsum(1) - copies)).clamp_min(0).minimum(copies)
    weights = ((values - values[:, :1]) / temperature).exp() * places
    weights = (weights / weights.sum(1, keepdim=True)).to(labels.dtype)
    flat = labels.permute(0, 2, 3, 1).reshape(-1, labels.shape[1])
    out = torch.einsum("nk,nkl->ln", weights, flat[ids])
    return out.view(-1, h, w)


def uvc(
    query: Tensor,
    keys: Tensor,
    labels: Tensor,
    *,
    k: int,
    temperature: float,
    multiplicity: Sequence[int] | None = None,
) -> Tensor:
    """Soft-max over each whole reference, its k largest entries kept as they are, mean.

    The kept weights are not renormalised, so classes sum to less than 1. Ties with the k-th
    value are kept (UVC).

    Args:
        query: C x h x w.
        keys: T x C x h x w.
        labels: T x L x h x w.
        k: Entries kept of each reference.
        temperature: Logits are similarity / temperature.
        multiplicity: Weight of each reference in the mean; None: once each.

    Returns:
        L x h x w.
    """
    counts = [1] * len(keys) if multiplicity is None else list(multiplicity)
    _check(len(keys), keys.shape[2:], labels, multiplicity=counts)
    channels, h, w = query.shape
    k = min(k, h * w)
    target = query.reshape(channels, -1).T / temperature
    out = labels.new_zeros(labels.shape[1], h * w)
    block = max(1, 2**21 // (h * w))
    for key, label, count in zip(keys.flatten(2), labels.flatten(2), counts, strict=True):
        for i in range(0, h * w, block):
            weights = (target[i : i + block] @ key).softmax(dim=1)
            lowest = weights.topk(k, dim=1).values[:, -1:]
            weights.masked_fill_(weights < lowest, 0)
            out[:, i : i + block] += count * (label @ weights.to(label.dtype).T)
    return (out / sum(counts)).view(-1, h, w)


def mast(
    query: Tensor,
    keys: Tensor,
    labels: Tensor,
    *,
    radius: int,
    gaps: Sequence[int],
    temperature: float = 1.0,
    own_offsets: bool = False,
) -> Tensor:
    """One soft-max over the local windows of all references; distant ones are localised first.

    A reference at most 15 frames away is compared in a square window around the target cell. In
    one further away, the window's centre is first moved by the soft-arg-max over 25 x 25
    displacements, 2 to 4 cells apart, and features and labels are read between the cells. Positions
    outside the frame count with logit 0 and label 0.

    Args:
        query: C x h x w, compared by raw dot product.
        keys: T x C x h x w.
        labels: T x L x h x w, one-hot (sub-sampled hard maps).
        radius: The window has (2 * radius + 1)^2 positions.
        gaps: Distance in frames of each reference from the target.
        temperature: Logits are dot product / temperature; the published code has none.
        own_offsets: Whether labels of each distant reference are read at its own offsets, as the
            paper says. The published code reads all of them at the last one's, and the published
            numbers come from that.

    Returns:
        L x h x w; classes sum to less than 1 near borders.
    """
    _check(len(keys), keys.shape[2:], labels, gaps=list(gaps))
    query = query / temperature
    _, h, w = query.shape
    offsets = [
        _localise(query, key, _dilation(gap)) if gap > MAST_LONG_GAP else None
        for key, gap in zip(keys, gaps, strict=True)
    ]
    last = next((o for o in reversed(offsets) if o is not None), None)
    label_offsets = [o if o is None or own_offsets else last for o in offsets]
    key_grids = [padded(key, radius) for key in keys]
    label_grids = [padded(label, radius) for label in labels]
    cells = query.permute(1, 2, 0).contiguous()
    out = labels.new_empty(h, w, labels.shape[1])
    for rows, columns in tiles(h, w):
        plain = Windows(rows, columns, radius)

        def moved(offset: Tensor | None, plain: Windows = plain) -> Windows | MovedWindows:
            return plain if offset is None else MovedWindows(plain, offset)

        tile = cells[rows, columns].flatten(0, 1)
        logits = [
            moved(offset).products(tile, grid)
            for grid, offset in zip(key_grids, offsets, strict=True)
        ]
        weights = _softmax(torch.cat(logits, dim=1)).to(labels.dtype).chunk(len(keys), dim=1)
        total = sum(
            moved(offset).sums(weight.contiguous(), grid)
            for weight, grid, offset in zip(weights, label_grids, label_offsets, strict=True)
        )
        assert isinstance(total, Tensor)
        out[rows, columns] = total.view(*out[rows, columns].shape)
    return out.permute(2, 0, 1).contiguous()


def _softmax(logits: Tensor) -> Tensor:
    """Soft-max over the last dimension, summed in the order of the published code.

    It normalises thousands of float32 terms one after the other, which is visible at 1e-5.
    """
    return logits.T.contiguous().softmax(dim=0).T


def _dilation(gap: int) -> int:
    return min(MAST_MAX_DILATION, gap // MAST_LONG_GAP + 1)


def _localise(query: Tensor, key: Tensor, dilation: int) -> Tensor:
    """Soft-arg-max displacement (x, y) of every target cell in a distant reference: h x w x 2.

    Cells of one residue class modulo the dilation only meet cells of the same class, so the
    dilated window is a plain window on each of the dilation^2 interleaved grids.
    """
    _, h, w = query.shape
    radius = MAST_LOCALISATION_RADIUS
    steps = torch.arange(-radius, radius + 1).to(query) * dilation
    offsets = query.new_empty(h, w, 2)
    for y in range(min(dilation, h)):
        for x in range(min(dilation, w)):
            cells = query[:, y::dilation, x::dilation].permute(1, 2, 0).contiguous()
            grid = padded(key[:, y::dilation, x::dilation], radius)
            part = offsets[y::dilation, x::dilation]
            for rows, columns in tiles(*cells.shape[:2]):
                tile = cells[rows, columns].flatten(0, 1)
                logits = Windows(rows, columns, radius).products(tile, grid)
                p = _softmax(logits).view(-1, len(steps), len(steps))
                found = torch.stack([p.sum(1) @ steps, p.sum(2) @ steps], dim=-1)
                part[rows, columns] = found.view(*cells[rows, columns].shape[:2], 2)
    return offsets


def _check(
    count: int, grid: Sequence[int], labels: Tensor, **per_reference: Sequence[object]
) -> None:
    if count == 0:
        raise ValueError("at least one reference is needed")
    for name, values in {"labels": labels, **per_reference}.items():
        if len(values) != count:
            raise ValueError(f"{name} has {len(values)} entries for {count} references")
    if tuple(grid) != tuple(labels.shape[2:]):
        raise ValueError(f"keys {tuple(grid)} and labels {tuple(labels.shape[2:])} differ in grid")
