"""The processes of one evaluation: a single one, or those that torchrun started.

    torchrun --nproc-per-node 2 --no-python pixelkin evaluate davis --root DAVIS --out out/davis

They exchange only names and errors, over gloo; predictions travel through the folder that all of
them write to, which on several machines must be a shared one. Where a process dies, torchrun ends
the others, and the same command goes on with what is missing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from pixelkin.types import InputError

T = TypeVar("T")
_PATIENCE = timedelta(days=7)  # until the slowest process has finished its share


@dataclass(frozen=True)
class Ranks:
    """This process among those of the evaluation.

    Attributes:
        rank: Its number; 0 prepares the folder, scores and talks to the user.
        count: How many there are.
    """

    rank: int = 0
    count: int = 1

    def agree(self, make: Callable[[], T]) -> T:
        """What `make` gives in process 0, in every process; an InputError is raised in all."""
        if self.count == 1:
            return make()
        import torch.distributed as dist

        box: list[Any] = [None, None]
        if self.rank == 0:
            try:
                box[0] = make()
            except InputError as error:
                box[1] = error
        dist.broadcast_object_list(box)
        value: T = box[0]
        _raise_first(box[1:])
        return value

    def finish(self, work: Callable[[], object]) -> None:
        """Do this process's `work` and wait for the others; an InputError of one is raised in all.

        Those that can, finish their work first, so that it is not lost.
        """
        if self.count == 1:
            work()
            return
        import torch.distributed as dist

        problem = None
        try:
            work()
        except InputError as error:
            problem = error
        problems: list[Any] = [None] * self.count
        dist.all_gather_object(problems, problem)
        _raise_first(problems)


def _raise_first(problems: Sequence[InputError | None]) -> None:
    for problem in problems:
        if problem is not None:
            raise problem


@contextmanager
def join_ranks() -> Iterator[Ranks]:
    """Join the processes that torchrun started, or be the only one."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Ranks()
        return
    import torch.distributed as dist

    dist.init_process_group("gloo", timeout=_PATIENCE)
    try:
        yield Ranks(int(os.environ["RANK"]), count)
    finally:
        dist.destroy_process_group()


def shares(sizes: Sequence[int], count: int) -> list[list[int]]:
    """Indices of work of different sizes, divided among `count` processes, about evenly.

    The largest comes first and goes to whoever has least, so that the result does not depend on
    anything but the sizes. Within a share the order is that of `sizes`.

    Example:
        >>> shares([3, 9, 5, 2], 2)
        [[1], [0, 2, 3]]
    """
    own: list[list[int]] = [[] for _ in range(count)]
    load = [0] * count
    for index in sorted(range(len(sizes)), key=lambda i: (-sizes[i], i)):
        least = load.index(min(load))
        own[least].append(index)
        load[least] += sizes[index]
    return [sorted(share) for share in own]
