"""Runs cases, each in a process of its own that is forked from one with everything imported.

Reads a case a line, as JSON, and answers each with a line: how the process ended, what it printed,
how long it took and how much memory it had.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

import bad_hostile
import bad_samples
from bad_damage import damage

import pixelkin.annotation.session
import pixelkin.app.commands.convert
import pixelkin.app.commands.propagate
import pixelkin.app.commands.session
import pixelkin.app.commands.train
import pixelkin.evaluation.davis
import pixelkin.evaluation.jhmdb
import pixelkin.evaluation.vip
import pixelkin.evaluation.youtube_vos  # noqa: F401
from pixelkin.app import cli

SECONDS, MEGABYTES = 30, 1500
SAMPLES = {s.name: s for s in bad_samples.samples()}
HOSTILE = {h.name: h for h in bad_hostile.cases()}


def run_program(arguments: list[str]) -> int:
    if arguments[0] != "jobs":
        return cli.main(arguments)
    from pixelkin.app.batch.jobs import read_jobs

    try:
        read_jobs(Path(arguments[1]))
    except ValueError as error:
        print(f"pixelkin: error: {error}", file=sys.stderr)
        return 2
    return 0


def prepare(case: dict[str, object], material: Path, folder: Path) -> tuple[list[str], str]:
    """Make the damaged input in `folder`; the command, and what was done."""
    name = str(case["sample"])
    if name in HOSTILE:
        one = HOSTILE[name]
        one.make(folder)
        return list(one.command), "hostile"
    sample = SAMPLES[name]
    if sample.fresh:
        sample.make(folder)
    else:
        shutil.copytree(
            material / name.replace("/", "_").replace("*", "x"), folder, dirs_exist_ok=True
        )
    if case["seed"] is None:
        return list(sample.command), "nothing"
    rng = random.Random(f"{name} {case['seed']}")
    found = sorted(p for pattern in sample.files for p in folder.glob(pattern) if p.is_file())
    path = rng.choice(found)
    command = list(sample.command)
    if command[0] == "convert" and "--from" in command and rng.random() < 0.5:
        command = command[: command.index("--from")]  # it is found out
    return command, f"{path.relative_to(folder)}: {damage(path, rng)}"


def in_child(case: dict[str, object], material: Path, folder: Path, answer: Path) -> None:
    """What the forked process does; never returns."""
    os.setsid()
    os.chdir(folder)
    told: dict[str, object] = {"fault": None}
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    try:
        command, told["damage"] = prepare(case, material, folder)
        sys.stdout.flush()
        for number, name in ((1, "stdout"), (2, "stderr")):
            file = os.open(folder.parent / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(file, number)
        held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        limit = held + 2 * MEGABYTES * 2**20
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**30, 2**30))
        began = time.monotonic()
        told["code"] = run_program(command)
        told["seconds"] = time.monotonic() - began
        one = HOSTILE.get(str(case["sample"])) or SAMPLES[str(case["sample"])]
        if told["code"] == 0:
            told["fault"] = one.check(folder)
    except BaseException:
        told["trace"] = traceback.format_exc()
    answer.write_text(json.dumps(told))
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(0)


def run_case(case: dict[str, object], material: Path, place: Path) -> dict[str, object]:
    """Fork, wait, and judge what can be judged from outside."""
    folder, answer = place / "case", place / "answer.json"
    shutil.rmtree(place, ignore_errors=True)
    folder.mkdir(parents=True)
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        in_child(case, material, folder, answer)
    ended, status, usage = 0, 0, None
    while not ended:
        ended, status, usage = os.wait4(child, os.WNOHANG)
        if not ended:
            if time.monotonic() - began > float(str(case.get("seconds", SECONDS + 5))):
                os.kill(child, signal.SIGKILL)
                ended, status, usage = os.wait4(child, 0)
                break
            time.sleep(0.003)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # what it has left behind
    told: dict[str, object] = json.loads(answer.read_text()) if answer.exists() else {}
    told |= {"status": status, "wall": time.monotonic() - began, "mb": usage.ru_maxrss / 1024}
    for name in ("stdout", "stderr"):
        file = place / name
        told[name] = file.read_bytes()[-20_000:].decode("utf-8", "replace") if file.exists() else ""
    told["left"] = [str(p.relative_to(folder)) for p in folder.glob("out*")]
    told["outside"] = [
        p.name for p in place.iterdir() if p.name not in ("case", "answer.json", "stdout", "stderr")
    ]
    told["ran"] = bool(list(folder.glob("ran*")))
    return told


def main() -> None:
    material = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as place:
        for line in sys.stdin:
            told = run_case(json.loads(line), material, Path(place) / "place")
            print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
