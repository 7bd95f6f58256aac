"""The few largest entries of long rows, the few smallest of long columns."""

from __future__ import annotations

import torch
from torch import Tensor

from pixelkin.ops.host import at_hand

FOLDS, COLUMN_FOLDS = 8, 6
SHORTEST = 64  # entries for each one wanted, at which torch's search is still by one pass


def largest(rows: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """As `rows.topk(k, dim=1)`, faster where rows are long; which of equal entries may differ.

    A row is folded, so that the maximum over its folds is a row many times shorter. The k largest
    entries lie in the k largest columns of that: an entry of another column has k at least as
    large above it.

    Args:
        rows: n x m, finite.
        k: At most m.

    Returns:
        (values, ids): n x k, descending.
    """
    n, m = rows.shape
    folds = min(FOLDS, m // (SHORTEST * k))
    if folds < 2:
        top = rows.topk(k, dim=1)
        return top.values, top.indices
    width = m // folds
    columns = rows[:, : folds * width].reshape(n, folds, width).amax(1)
    best = columns.topk(k, dim=1, sorted=False).indices[:, :, None]
    ids = (best + torch.arange(0, folds * width, width, device=rows.device)).flatten(1)
    left = torch.arange(folds * width, m, device=rows.device).expand(n, -1)
    ids = torch.cat([ids, left], dim=1)
    values, order = rows.gather(1, ids).topk(k, dim=1)
    return values, ids.gather(1, order)


def smallest(columns: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k smallest entries of each column, in any order, as rows: (values, ids), n x k.

    By folds as above, which copy little of the columns.

    Args:
        columns: m x n.
        k: At most m.
    """
    m, n = columns.shape
    folds = min(COLUMN_FOLDS, m // (3 * k)) if at_hand(columns) else 1
    if folds < 2:
        top = columns.T.contiguous().topk(k, dim=1, largest=False, sorted=False)
        return top.values, top.indices
    length = m // folds
    short = columns[: folds * length].view(folds, length, n).amin(0).T.contiguous()
    best = short.topk(k, dim=1, largest=False, sorted=False).indices[:, :, None]
    ids = (best + torch.arange(0, folds * length, length)).flatten(1)
    left = torch.arange(folds * length, m).expand(n, -1)
    ids = torch.cat([ids, left], dim=1)
    places = torch.add(torch.arange(n)[:, None], ids, alpha=n)
    found = columns.reshape(-1).index_select(0, places.view(-1)).view(n, -1)
    values, order = found.topk(k, dim=1, largest=False, sorted=False)
    return values, ids.gather(1, order)
