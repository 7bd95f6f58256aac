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
import torch.nn.functional as F
from torch import Tensor

from pixelkin.ops.affinity import tiles, windowed_topk
from pixelkin.ops.cells import Cells

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

    Returns:
        L x h x w; the k weights of a cell sum to 1.
    """
    keys = keys if isinstance(keys, Cells) else Cells.of(keys)
    slots = list(range(len(keys.exact))) if slots is None else list(slots)
    flags = [True] * len(slots) if restricted is None else list(restricted)
    counts = [1] * len(slots) if multiplicity is None else list(multiplicity)
    h, w = keys.exact.shape[1:3]
    _check(len(slots), (h, w), labels, restricted=flags, multiplicity=counts)
    values, ids = windowed_topk(query, keys, k, radius, flags, slots)
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
    out = labels.new_empty(labels.shape[1], h, w)
    for rows, columns in tiles(h, w):
        tile = query[:, rows, columns]
        logits = torch.cat(
            [
                _window_logits(tile, key, rows, columns, radius, offset)
                for key, offset in zip(keys, offsets, strict=True)
            ],
            dim=1,
        )
        weights = _softmax(logits).to(labels.dtype).chunk(len(keys), dim=1)
        total = labels.new_zeros(len(logits), labels.shape[1])
        for weight, label, offset in zip(weights, labels, label_offsets, strict=True):
            total += _window_labels(weight, label, rows, columns, radius, offset)
        out[:, rows, columns] = total.T.reshape(-1, *tile.shape[1:])
    return out


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
    steps = torch.arange(-MAST_LOCALISATION_RADIUS, MAST_LOCALISATION_RADIUS + 1) * dilation
    steps = steps.to(query)
    offsets = query.new_empty(h, w, 2)
    for y in range(min(dilation, h)):
        for x in range(min(dilation, w)):
            q, key_grid = (g[:, y::dilation, x::dilation] for g in (query, key))
            part = q.new_empty(*q.shape[1:], 2)
            for rows, columns in tiles(*q.shape[1:]):
                tile = q[:, rows, columns]
                logits = _window_logits(
                    tile, key_grid, rows, columns, MAST_LOCALISATION_RADIUS, None
                )
                p = _softmax(logits).view(-1, len(steps), len(steps))
                found = torch.stack([p.sum(1) @ steps, p.sum(2) @ steps], dim=-1)
                part[rows, columns] = found.view(*tile.shape[1:], 2)
            offsets[y::dilation, x::dilation] = part
    return offsets


def _window_positions(
    rows: slice, columns: slice, side: int, base: Tensor | None, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Row and column of the window positions of a tile's cells: two n x side tensors."""
    reach = torch.arange(side, device=device) - side // 2 + (side % 2 == 0)
    y = torch.arange(rows.start, rows.stop, device=device)
    x = torch.arange(columns.start, columns.stop, device=device)
    cell_y, cell_x = (g.reshape(-1) for g in torch.meshgrid(y, x, indexing="ij"))
    if base is not None:
        moved = base[rows, columns].reshape(-1, 2)
        cell_x, cell_y = cell_x + moved[:, 0], cell_y + moved[:, 1]
    return cell_y[:, None] + reach, cell_x[:, None] + reach


def _split(offset: Tensor | None, radius: int) -> tuple[int, Tensor | None]:
    """Side of the window of whole cells that a reference needs, and whole-cell displacements.

    Reading between cells takes one more cell on the far side: 2r + 2 instead of 2r + 1.
    """
    if offset is None:
        return 2 * radius + 1, None
    return 2 * radius + 2, offset.floor().long()


def _fractions(offset: Tensor, rows: slice, columns: slice) -> list[Tensor]:
    """The four bilinear weights of a tile's cells, n x 1 x 1 each: (y, x) = 00, 01, 10, 11."""
    part = (offset - offset.floor())[rows, columns].reshape(-1, 1, 1, 2)
    fx, fy = part[..., 0], part[..., 1]
    return [(1 - fy) * (1 - fx), (1 - fy) * fx, fy * (1 - fx), fy * fx]


def _window_logits(
    tile: Tensor, key: Tensor, rows: slice, columns: slice, radius: int, offset: Tensor | None
) -> Tensor:
    """Dot products of a tile's cells with their windows: n x (2r+1)^2, 0 outside the frame.

    Sampling features between cells is linear, so it is the dot products that are interpolated.
    One product of the tile with the bounding box of all its windows serves all cells.
    """
    channels, h, w = key.shape
    side, base = _split(offset, radius)
    ys, xs = _window_positions(rows, columns, side, base, key.device)
    y0, y1 = int(ys.min().clamp(0, h - 1)), int(ys.max().clamp(0, h - 1)) + 1
    x0, x1 = int(xs.min().clamp(0, w - 1)), int(xs.max().clamp(0, w - 1)) + 1
    box = key[:, y0:y1, x0:x1].reshape(channels, -1)
    n = ys.shape[0]
    # A column of zeros behind the box stands for every position outside the frame.
    product = F.pad(tile.reshape(channels, -1).T @ box, (0, 1))
    index = (ys - y0)[:, :, None] * (x1 - x0) + (xs - x0)[:, None, :]
    inside = ((ys >= 0) & (ys < h))[:, :, None] & ((xs >= 0) & (xs < w))[:, None, :]
    index = torch.where(inside, index, box.shape[1])
    logits = product.gather(1, index.view(n, -1)).view(n, side, side)
    if offset is not None:
        a, b, c, d = _fractions(offset, rows, columns)
        logits = (
            logits[:, :-1, :-1] * a
            + logits[:, :-1, 1:] * b
            + logits[:, 1:, :-1] * c
            + logits[:, 1:, 1:] * d
        )
    return logits.reshape(n, -1)


def _window_labels(
    weight: Tensor, label: Tensor, rows: slice, columns: slice, radius: int, offset: Tensor | None
) -> Tensor:
    """Weighted sum of the labels in the windows of a tile's cells: n x L."""
    count, h, w = label.shape
    side, base = _split(offset, radius)
    ys, xs = _window_positions(rows, columns, side, base, label.device)
    n = len(ys)
    weight = weight.view(n, 2 * radius + 1, 2 * radius + 1)
    if offset is not None:
        a, b, c, d = _fractions(offset, rows, columns)
        weight = (
            F.pad(weight * a, (0, 1, 0, 1))
            + F.pad(weight * b, (1, 0, 0, 1))
            + F.pad(weight * c, (0, 1, 1, 0))
            + F.pad(weight * d, (1, 0, 1, 0))
        )
    inside = ((ys >= 0) & (ys < h))[:, :, None] & ((xs >= 0) & (xs < w))[:, None, :]
    index = ys.clamp(0, h - 1)[:, :, None] * w + xs.clamp(0, w - 1)[:, None, :]
    values = label.reshape(count, -1).T[index.view(n, -1)]
    return torch.einsum("np,npl->nl", (weight * inside).view(n, -1), values)


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
