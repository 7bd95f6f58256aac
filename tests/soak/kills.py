"""Commands that are killed at any moment, and at any write: does the same command end as if not?

    python tests/soak/kills.py --trials 60 --signals 10 --seed 0

Each trial: a command is begun in a new folder and killed, up to three times; after each kill no
file under its own name may be half; then the same command is given until it ends. What it leaves
must be, to the bit, what an uninterrupted one left, without a temporary file. Half of the kills
come at a random moment, half at a write (a name that is given, with the file cut off; a file that
is opened, removed, or flushed). The same with SIGINT and SIGTERM. Then two commands in one folder,
or a command and a job of the page.
Needs `os.fork`.
"""

from __future__ import annotations

import argparse
import importlib
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from kill_subjects import SUBJECTS, AppJob, SessionRun, Subject, material
from killed_child import Ended, drawn, forked, run, start

from pixelkin.annotation.store import RUNNING
from pixelkin.locks import LOCK

MOST_KILLS = 3
LOADED = (  # before the forks, as it takes seconds
    "pixelkin.app.commands.propagate", "pixelkin.app.commands.train", "pixelkin.training.loop",
    "pixelkin.app.commands.evaluate", "pixelkin.app.commands.experiment",
    "pixelkin.app.commands.session", "pixelkin.experiments.runner", "pixelkin.evaluation.run",
    "matplotlib.figure", "rich.console", "pixelkin.propagation.overlay",
)  # fmt: skip
LOCKS = (LOCK, RUNNING)
ATTEMPTS = 6  # draws for one kill that comes before the end


@dataclass
class Tally:
    """What came of the trials of one subject."""

    trials: int = 0
    kills: int = 0
    at_write: int = 0
    faults: list[str] = field(default_factory=list)


class Trials:
    """Kills of one subject, against what an uninterrupted run leaves.

    Args:
        subject: What is killed.
        folder: For the folders of its runs.
    """

    def __init__(self, subject: Subject, folder: Path) -> None:
        self.subject, self.folder = subject, folder
        reference = self._new("whole")
        self.whole: Ended = run(lambda: subject.work(reference), reference)
        if self.whole.code:
            raise RuntimeError(f"{subject.name} fails undisturbed: {self.whole.told}")
        self.reference = forked(lambda: subject.outcome(reference))

    def trial(self, rng: random.Random, number: int, kill: int, tally: Tally) -> None:
        """One trial; what goes wrong is added to the tally."""
        out = self._new(f"{signal.Signals(kill).name}-{number}")
        begun, ended = tally.kills, None
        for attempt in range(rng.randint(1, MOST_KILLS if kill == signal.SIGKILL else 1)):
            stop = drawn(rng, self.whole, number + attempt, kill)
            ended = run(lambda: self.subject.work(out), out, stop)
            if ended.code == 0:
                break
            tally.kills += 1
            tally.at_write += stop.after is None
            for fault in self._faults(ended, kill, out):
                tally.faults.append(f"{self.subject.name} {number}, {stop}: {fault}")
        tally.trials += tally.kills > begun
        if ended is None or ended.code:
            ended = run(lambda: self.subject.work(out), out)
        told = [] if ended.code == 0 else [f"ended with {ended.code}: {ended.told}"]
        told += [f"left {name}" for name in self.subject.leftovers(out)]
        told += self._differences(out) if not ended.code else []
        tally.faults += [f"{self.subject.name} {number}: {fault}" for fault in told]

    def _faults(self, ended: Ended, kill: int, out: Path) -> Iterator[str]:
        fine = {signal.SIGKILL: (-9,), signal.SIGINT: (130,), signal.SIGTERM: (-15, 130)}[kill]
        if ended.code not in fine:
            yield f"exit code {ended.code}: {ended.told}"
        if "Traceback" in ended.told:
            yield ended.told
        if out.exists():
            yield from forked(lambda: self.subject.check(out, self.reference))

    def second(self, one: Subject, other: Subject) -> str | None:
        """What is wrong with another one in a folder where one is at work, of the same outcome."""
        out = self._new(f"{one.name}-then-{other.name}".replace(" ", "-"))
        child, log = start(lambda: one.work(out), out)
        while not any(p.name in LOCKS for p in out.rglob("*")):
            time.sleep(0.001)
        time.sleep(0.02)  # between its making and its locking
        working = [child, *one.workers(log.read_text())]
        for process in working:
            os.kill(process, signal.SIGSTOP)
        ended = run(lambda: other.work(out), out)
        for process in working:
            os.kill(process, signal.SIGCONT)
        first = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if "is in use by another" not in (other.refusal(ended.code, ended.told) or ""):
            return f"the second ended with {ended.code}: {ended.told}"
        if first:
            return f"the first ended with {first}: {log.read_text()}"
        return "; ".join(self._differences(out)) or None

    def _new(self, name: str) -> Path:
        out = self.folder / self.subject.name.replace(" ", "-") / name
        out.parent.mkdir(parents=True, exist_ok=True)
        forked(lambda: self.subject.prepare(out))
        return out

    def _differences(self, out: Path) -> list[str]:
        """Which parts of what is there are others than in an uninterrupted run."""
        one, other = self.reference, forked(lambda: self.subject.outcome(out))
        found = [key for key in sorted({*one, *other}) if one.get(key) != other.get(key)]
        names = sorted(set(one.get("names", ())) ^ set(other.get("names", ())))
        return [f"{key} differs{f': {names}' if key == 'names' else ''}" for key in found]


def soak(
    subjects: Sequence[Subject], trials: int, signals: int, seed: int, folder: Path
) -> dict[str, Tally]:
    """Trials of each subject in turn; the tallies by what was done."""
    rng = random.Random(seed)
    forked(lambda: material(folder))
    os.chdir(folder)
    for name in LOADED:
        importlib.import_module(name)
    tallies: dict[str, Tally] = {}
    shown: set[str] = set()
    kinds = {signal.SIGKILL: trials, signal.SIGINT: signals, signal.SIGTERM: signals}
    signalled = [subject for subject in subjects if not isinstance(subject, AppJob)]
    for place, subject in enumerate(subjects):
        prepared = Trials(subject, folder)
        for kill, count in kinds.items():
            tally = tallies.setdefault(f"{subject.name}, {signal.Signals(kill).name}", Tally())
            if isinstance(subject, AppJob) and kill != signal.SIGKILL:
                continue  # its process hears of Ctrl-C from the server, as the tests of app do
            sharing = len(subjects) if kill == signal.SIGKILL else max(1, len(signalled))
            share = range(place, count, sharing)
            for _ in share:
                for _attempt in range(ATTEMPTS):
                    before = tally.trials
                    prepared.trial(rng, rng.randrange(10**6), kill, tally)
                    if tally.trials > before:
                        break
        for one, other in pairs(subject):
            fault = prepared.second(one, other)
            second = tallies.setdefault(f"{one.name} before {other.name}", Tally(1))
            second.faults += [fault] if fault else []
        for what in [what for what in tallies if what not in shown]:
            show(what, tallies[what])
        shown = set(tallies)
    return tallies


def pairs(subject: Subject) -> list[tuple[Subject, Subject]]:
    """What is tried at once in one folder: a job of the page also with a command of its session."""
    if isinstance(subject, AppJob):
        return []
    alike = [s for s in SUBJECTS if isinstance(s, SessionRun)]
    return list(product(alike, alike)) if subject in alike else [(subject, subject)]


def show(what: str, tally: Tally) -> None:
    """Say what came of some trials."""
    kills = f"{tally.kills:4} kills ({tally.at_write} at writes)"
    print(f"{what:42} {tally.trials:3} trials {kills}", flush=True)
    for fault in tally.faults:
        print(f"    {fault}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=60, help="of SIGKILL")
    parser.add_argument("--signals", type=int, default=10, help="of SIGINT, and of SIGTERM")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=[], help="of what: propagate, train, ...")
    options = parser.parse_args()
    subjects = [s for s in SUBJECTS if not options.only or s.name in options.only]
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        found = soak(subjects, options.trials, options.signals, options.seed, Path(folder))
    faults = sum(len(t.faults) for t in found.values())
    print(f"{sum(t.kills for t in found.values())} kills, {faults} faults")
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
