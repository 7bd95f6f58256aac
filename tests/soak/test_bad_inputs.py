"""Damaged and hostile inputs, the short form; `make soak` is the long one."""

from __future__ import annotations

from collections import Counter
from typing import Any

import bad_hostile
import bad_inputs
import bad_samples
import pytest

CASES = 150


def chosen() -> list[dict[str, Any]]:
    """Every sound sample that is quick, one damage to each, and some of the hostile inputs."""
    quick = [
        s.name
        for s in bad_samples.samples()
        if not s.slow and "h5" not in s.name and "slp" not in s.name
    ]
    found: list[dict[str, Any]] = [{"sample": name, "seed": None} for name in quick]
    found += [{"sample": name, "seed": 7} for name in quick]
    hostile = [h.name for h in bad_hostile.cases() if not h.slow]
    rest = CASES - len(found)
    return found + [{"sample": name, "seed": 0} for name in hostile[:: len(hostile) // rest + 1]]


def test_bad_inputs_end_in_one_line() -> None:
    failed, ends = {}, Counter[str]()
    for case, told, wrong in bad_inputs.run(chosen()):
        ends[{0: "accepted", 2: "refused"}.get(told.get("code", -1), "lost")] += 1
        if wrong:
            failed[bad_inputs.name_of(case)] = (told.get("damage"), wrong)
    assert not failed
    assert min(ends["refused"], ends["accepted"]) > CASES / 4, ends  # both kinds are there


ENDED = {
    "status": 0,
    "wall": 1.0,
    "seconds": 1.0,
    "mb": 300.0,
    "stderr": "pixelkin: error: no\n",
    "code": 2,
    "fault": None,
    "left": [],
    "outside": [],
    "ran": False,
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"status": 9, "wall": 40.0}, "no end"),
        ({"status": 11}, "signal 11"),
        ({"mb": 2000.0}, "2000 MB"),
        ({"trace": "KeyError: 3"}, "traceback"),
        ({"code": 1}, "exit code 1"),
        ({"seconds": 31.0}, "31 s"),
        ({"stderr": ""}, "0 lines"),
        ({"stderr": "pixelkin: error: a\npixelkin: error: b"}, "2 lines"),
        ({"stderr": "pixelkin: error: \x1b[2J"}, "control"),
        ({"stderr": "pixelkin: error: MemoryError()"}, "memory"),
        ({"left": ["out.npz"]}, "left"),
        ({"outside": ["evil"]}, "outside"),
        ({"ran": True}, "outside"),
        ({"code": 0, "fault": "no labels"}, "exit 0, and no labels"),
    ],
)
def test_every_fault_is_seen(change: dict[str, Any], words: str) -> None:
    sample = next(s for s in bad_samples.samples() if s.name == "coco.masks")
    case = {"sample": sample.name, "seed": 1}
    assert not bad_inputs.faults(case, ENDED, sample)
    assert any(words in wrong for wrong in bad_inputs.faults(case, {**ENDED, **change}, sample))


def test_what_must_be_refused_is_not_accepted() -> None:
    one = next(h for h in bad_hostile.cases() if h.refused)
    told = {**ENDED, "code": 0}
    assert "not refused" in bad_inputs.faults({"sample": one.name, "seed": 0}, told, one)


def test_cases_are_the_same_for_a_seed() -> None:
    assert bad_inputs.plan(1500, 3) == bad_inputs.plan(1500, 3)
    assert bad_inputs.plan(1500, 3) != bad_inputs.plan(1500, 4)
    names = [bad_inputs.name_of(case) for case in bad_inputs.plan(2400, 1)]
    assert len(names) == len(set(names)) == 2400
