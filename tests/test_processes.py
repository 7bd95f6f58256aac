"""The processes of one command: alone, and two that meet."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pixelkin.processes import Processes, join_processes, shares
from pixelkin.types import InputError


@given(st.lists(st.integers(1, 100), max_size=30), st.integers(1, 5))
def test_shares_are_a_partition_and_about_even(sizes: list[int], count: int) -> None:
    own = shares(sizes, count)
    assert len(own) == count
    assert sorted(i for share in own for i in share) == list(range(len(sizes)))
    loads = [sum(sizes[i] for i in share) for share in own]
    assert max(loads) - min(loads) <= max(sizes, default=0)


def test_one_process_needs_no_others() -> None:
    with join_processes() as processes:
        assert processes == Processes(torch.device("cpu"), 0, 1)
        assert processes.agree(lambda: 5) == 5
        processes.finish(lambda: None)


def test_a_single_process_needs_no_set_up() -> None:
    with join_processes("cpu") as processes:
        assert (processes.rank, processes.count, processes.is_main) == (0, 1, True)
        assert processes.gather(5) == [5]
        assert processes.mean({"a": 2.0}) == {"a": 2.0}
        assert processes.agree(lambda: 5) == 5
        processes.finish(lambda: None)
        network = torch.nn.Linear(2, 2)
        assert processes.wrap(network) is network
    assert not torch.distributed.is_initialized()


def test_asking_for_a_missing_gpu_is_an_input_error() -> None:
    with (
        pytest.raises(
            InputError, match=r"run.device: cuda, but there are 0 GPUs here .*: take cpu, or auto"
        ),
        join_processes("cuda"),
    ):
        pass


TWO = """
import os
import time

from pixelkin.processes import join_processes
from pixelkin.types import InputError

def main():
    if hasattr(os, "sched_setaffinity"):  # on one core a thread of torch may be late
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with join_processes() as p:
        assert p.count == 2
        assert p.agree(lambda: f"from {p.rank}") == "from 0"
        assert p.gather(p.rank) == [0, 1]
        assert p.mean({"a": float(p.rank), f"only {p.rank}": 3.0}) == {
            "a": 0.5, "only 0": 3.0, "only 1": 3.0}
        with p.main_first():
            time.sleep(0.1 if p.is_main else 0)
            now = time.monotonic()
        first, second = p.gather(now)
        assert first < second
        def fail(rank):
            if p.rank == rank:
                raise InputError(f"no luck in {rank}")
        for rank, how in ((0, p.agree), (1, p.finish)):
            try:
                how(lambda: fail(rank))
            except InputError as error:
                assert str(error) == f"no luck in {rank}"
            else:
                raise AssertionError(rank)
    print("well")

main()
"""


def test_two_processes_agree_gather_and_share_their_errors() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    env = os.environ | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    both = [
        subprocess.Popen(
            [sys.executable, "-c", TWO],
            env=env | {"RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        for process in both:
            out, error = process.communicate(timeout=120)
            assert out == "well\n", error
    finally:
        for process in both:
            process.kill()
