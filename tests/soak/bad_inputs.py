"""Damaged, absurd and hostile inputs by the thousand, each read in a process of its own.

    python tests/soak/bad_inputs.py                      2,400 cases, a quarter of an hour
    python tests/soak/bad_inputs.py --seed 7 --cases 500 --only session
    python tests/soak/bad_inputs.py --case 'coco.masks#17'

A case fails where pixelkin prints a traceback or more than a line of what is wrong, takes over 30 s
or 1.5 GB, is killed, writes outside of its folder, runs what was in a file, leaves results of what
it refused, or says that all is well of a result that is empty or wrong. What fails is named, with
the command to see it alone; the end is a table by reader.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SECONDS, MEGABYTES = 30, 1500
OUT_OF_MEMORY = (
    "MemoryError",
    "Unable to allocate",
    "DefaultCPUAllocator",
    "can't allocate memory",
)


def plan(cases: int, seed: int, only: str = "") -> list[dict[str, Any]]:
    """Every hostile input, every sound sample, and damaged samples in turn up to `cases`."""
    import bad_hostile
    import bad_samples

    samples = [s for s in bad_samples.samples() if only in s.name]
    found: list[dict[str, Any]] = [{"sample": s.name, "seed": None} for s in samples]
    found += [{"sample": h.name, "seed": 0} for h in bad_hostile.cases() if only in h.name]
    turns = [s.name for s in samples for _ in range(1 if s.slow else 2)]
    number = 0
    while turns and len(found) < cases:
        found.append(
            {"sample": turns[number % len(turns)], "seed": seed * 100_000 + number // len(turns)}
        )
        number += 1
    twice: Counter[tuple[str, int | None]] = Counter()
    for case in found:  # one that has its turn twice is another case
        key = case["sample"], case["seed"]
        twice[key] += 1
        if twice[key] > 1:
            case["seed"] += 50_000
    return found


def make_material(folder: Path, names: set[str]) -> dict[str, Any]:
    """Write the sound samples that are needed."""
    import bad_hostile
    import bad_samples

    known: dict[str, Any] = {s.name: s for s in bad_samples.samples()}
    for name in names & {s.name for s in bad_samples.samples() if not s.fresh}:
        place = folder / name.replace("/", "_").replace("*", "x")
        place.mkdir(parents=True)
        known[name].make(place)
    return known | {h.name: h for h in bad_hostile.cases()}


def faults(case: dict[str, Any], told: dict[str, Any], one: Any) -> list[str]:
    """What is wrong with how a case ended."""
    said = told["stderr"]
    errors = [line for line in said.splitlines() if line.startswith("pixelkin: error:")]
    wrong = []
    if told["status"]:
        hung = told["status"] == 9 and told["wall"] > case.get("seconds", SECONDS)
        wrong.append("no end" if hung else f"killed by signal {told['status'] & 127}")
    elif "trace" in told:
        wrong.append("traceback: " + told["trace"].strip().splitlines()[-1][:200])
    elif told["code"] not in (0, 2):
        wrong.append(f"exit code {told['code']}")
    if told.get("seconds", 0) > SECONDS and not wrong:
        wrong.append(f"{told['seconds']:.0f} s")
    if told["mb"] > MEGABYTES:
        wrong.append(f"{told['mb']:.0f} MB")
    if "Traceback" in said:
        wrong.append("a traceback is printed")
    if told.get("code") == 2:
        wrong += refusal_faults(errors, told, one)
    if told.get("code") == 0:
        if case["seed"] is not None and getattr(one, "refused", False):
            wrong.append("not refused")
        if told["fault"]:
            wrong.append(f"exit 0, and {told['fault']}")
    if told.get("code") == 2 and case["seed"] is None:
        wrong.append(f"a sound sample is refused: {errors}")
    if told["outside"] or told["ran"]:
        wrong.append(f"wrote outside: {told['outside']}, ran: {told['ran']}")
    return wrong


def refusal_faults(errors: list[str], told: dict[str, Any], one: Any) -> list[str]:
    """What is wrong with how something was refused."""
    wrong = []
    if len(errors) != 1:
        wrong.append(f"{len(errors)} lines of what is wrong")
    for line in errors:
        if any(words in line for words in OUT_OF_MEMORY):
            wrong.append(f"wanted too much memory: {line[:200]}")
        if not line.isprintable():
            wrong.append("the line holds control characters")
        if len(line) > 1000:
            wrong.append(f"the line has {len(line)} characters")
    if left := set(told["left"]) & set(one.results):
        wrong.append(f"left {sorted(left)}")
    return wrong


class Children:
    """The process that runs the cases; a new one where it has died."""

    def __init__(self, material: Path) -> None:
        self.material = material
        self.process: subprocess.Popen[str] | None = None

    def ask(self, case: dict[str, Any]) -> dict[str, Any]:
        if self.process is None or self.process.poll() is not None:
            command = [sys.executable, str(HERE / "bad_child.py"), str(self.material)]
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(case) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the process that runs cases died at {case}")
        found: dict[str, Any] = json.loads(line)
        return found

    def close(self) -> None:
        if self.process is not None and self.process.stdin:
            self.process.stdin.close()
            self.process.wait()


def run(cases: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], dict[str, Any], list[str]]]:
    """Each case, how it ended, and what is wrong with that."""
    with tempfile.TemporaryDirectory() as folder:
        known = make_material(Path(folder), {case["sample"] for case in cases})
        children = Children(Path(folder))
        try:
            for case in cases:
                told = children.ask(case)
                yield case, told, faults(case, told, known[case["sample"]])
        finally:
            children.close()


def name_of(case: dict[str, Any]) -> str:
    return f"{case['sample']}#{'sound' if case['seed'] is None else case['seed']}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cases", type=int, default=2400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="samples whose names have this in them")
    parser.add_argument("--case", help="a case that was named")
    parser.add_argument(
        "--seconds", type=float, default=SECONDS + 5, help="after which one is killed"
    )
    parser.add_argument("--log", type=Path, help="a file for a line of each case")
    options = parser.parse_args()
    if options.case:
        sample, _, seed = options.case.rpartition("#")
        cases = [{"sample": sample, "seed": None if seed == "sound" else int(seed)}]
    else:
        cases = plan(options.cases, options.seed, options.only)
    for case in cases:
        case["seconds"] = options.seconds
    began, ends, failed = time.monotonic(), Counter[tuple[str, str]](), 0
    log = options.log.open("w") if options.log else None
    for number, (case, told, wrong) in enumerate(run(cases), start=1):
        end = "fault" if wrong else {0: "accepted", 2: "refused"}[told["code"]]
        ends[re.split(r"[. ]", case["sample"])[0], end] += 1
        failed += bool(wrong)
        if wrong:
            print(f"\r{name_of(case)} ({told.get('damage')}): {'; '.join(wrong)}", flush=True)
        if options.case:
            print(told["stderr"], told.get("trace", ""), sep="\n")
        if log:
            record = {k: told.get(k) for k in ("damage", "code", "wall", "mb")}
            print(
                json.dumps(
                    {
                        "case": name_of(case),
                        "wrong": wrong,
                        **record,
                        "said": told["stderr"][-600:],
                        "trace": told.get("trace"),
                    }
                ),
                file=log,
                flush=True,
            )
        if sys.stderr.isatty():
            print(f"\r{number}/{len(cases)}, {failed} faults", end="", file=sys.stderr)
    print(f"{'reader':<14}{'refused':>9}{'accepted':>9}{'faults':>9}")
    for reader in dict.fromkeys(name for name, _ in ends):
        print(
            f"{reader:<14}"
            + "".join(f"{ends[reader, e]:>9}" for e in ("refused", "accepted", "fault"))
        )
    print(
        f"{len(cases)} cases, seed {options.seed}: {failed} faults, "
        f"{time.monotonic() - began:.0f} s"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
