"""Whether weights can be weights: complete, of the right shapes, finite, and not all zeros."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from pixelkin.types import InputError

OPTIONAL = "num_batches_tracked"  # counts batches of the training; nothing is computed from it


def check_state(state: Mapping[str, Tensor], needed: Mapping[str, Tensor], where: str) -> None:
    """Check that a state dict is what a network needs.

    Args:
        state: By name.
        needed: The network's own state dict.
        where: What it is called in errors.

    Raises:
        InputError: In one line: the first name that is missing, too much, of another shape, or
            whose values cannot be weights.
    """
    missing = [k for k in needed if k not in state and not k.endswith(OPTIONAL)]
    if missing:
        raise InputError(f"{where}: {missing[0]} is missing{_more(missing)}")
    unknown = [k for k in state if k not in needed]
    if unknown:
        raise InputError(f"{where}: the network has no {unknown[0]}{_more(unknown)}")
    for name, value in state.items():
        if value.shape != needed[name].shape:
            raise InputError(
                f"{where}: {name} is {_shape(value)}, and must be {_shape(needed[name])}"
            )
    check_values(state, where)


def check_values(state: Mapping[str, Tensor], where: str) -> None:
    """Check that weights are finite, variances not negative, and no matrix of weights all zeros.

    Vectors may be zeros: batch norms begin so.

    Raises:
        InputError: In one line, with the first name that is wrong.
    """
    for name, value in state.items():
        if not value.is_floating_point():
            continue
        if not bool(torch.isfinite(value).all()):
            what = "not a number" if bool(value.isnan().any()) else "infinite"
            raise InputError(f"{where}: {name} holds values that are {what}")
        if name.endswith("running_var") and bool((value < 0).any()):
            raise InputError(f"{where}: {name} holds negative variances")
        if name.endswith("weight") and value.ndim > 1 and not bool(value.any()):
            raise InputError(f"{where}: {name} is all zeros")


def _shape(value: Tensor) -> str:
    return "x".join(map(str, value.shape)) or "a number"


def _more(names: list[str]) -> str:
    return f", and {len(names) - 1} more" if len(names) > 1 else ""
