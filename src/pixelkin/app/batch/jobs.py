"""A list of videos to propagate in: read, checked, and divided among machines."""

from __future__ import annotations

import csv
import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pixelkin.reading import read_json, read_text
from pixelkin.types import InputError

COLUMNS = ("video", "labels", "out", "weights", "protocol")
LABELS = (".png", ".json", ".mat")


@dataclass(frozen=True)
class Job:
    """One video.

    Attributes:
        video: What is propagated through.
        labels: FILE or FRAME=FILE each.
        out: Folder of its results, inside of that of all.
        weights: Encoder, or None for the command's.
        protocol: Or None for the command's.
    """

    video: str
    labels: tuple[str, ...]
    out: str
    weights: str | None = None
    protocol: str | None = None

    def arguments(self, root: Path, options: Sequence[str]) -> list[str]:
        """Of `pixelkin propagate`.

        Args:
            root: Folder of all results.
            options: Those that go for every video.
        """
        return [self.video, "--labels", *self.labels, "--out", str(root / self.out), *options]

    def is_done(self, root: Path) -> bool:
        """Whether its results are complete, and none of its files is newer than they are."""
        mark = root / self.out / "run.json"
        try:
            complete = read_json(mark).get("complete")
            files = (self.video, *(word.partition("=")[2] or word for word in self.labels))
            newest = max(Path(file).stat().st_mtime for file in files)
        except (OSError, ValueError, AttributeError):
            return False
        return bool(complete) and newest <= mark.stat().st_mtime


def read_jobs(path: Path) -> list[Job]:
    """The jobs of a CSV file, or of a folder of videos with labels beside them.

    Args:
        path: A file with a line for each video under the heads video, labels, out and, where
            wanted, weights and protocol; places are relative to it. Or a folder, in which each
            video has NAME.png or NAME.json beside it.

    Raises:
        InputError: If a line is wrong (it says which), or two have one `out`.
    """
    jobs = _beside(path) if path.is_dir() else _of_file(path)
    if not jobs:
        raise InputError(f"{path} lists no video")
    seen: set[str] = set()
    for job in jobs:
        if job.out in seen:
            raise InputError(f"{path}: two videos have the folder {job.out!r} for their results")
        seen.add(job.out)
    return jobs


def _of_file(path: Path) -> list[Job]:
    text = read_text(path, encoding="utf-8-sig")
    lines = csv.DictReader(text.splitlines())
    try:
        heads = tuple(lines.fieldnames or ())
        if missing := [name for name in COLUMNS[:3] if name not in heads]:
            raise InputError(
                f"{path}: no column {missing[0]!r}; the first line names the columns: "
                f"{','.join(COLUMNS[:3])}[,weights,protocol]"
            )
        if unknown := [name for name in heads if name not in COLUMNS]:
            raise InputError(f"{path}: column {unknown[0]!r} is none of {', '.join(COLUMNS)}")
        return [_job(path, number, line) for number, line in enumerate(lines, start=2)]
    except csv.Error as error:
        raise InputError(f"{path}: {error}") from error


def _job(path: Path, number: int, line: Mapping[str, str | None]) -> Job:
    where = f"{path}, line {number}"
    values = {name: (line.get(name) or "").strip() for name in COLUMNS}
    for name in COLUMNS[:3]:
        if not values[name]:
            raise InputError(f"{where}: {name} is empty")
    labels = []
    for word in values["labels"].split():
        before, equals, file = word.partition("=")
        numbered = bool(equals) and re.fullmatch(r"#?\d+", before) is not None
        place = _from(path.parent, file if numbered else word)
        labels.append(f"{before}={place}" if numbered else place)
    out = Path(values["out"])
    if out.is_absolute() or ".." in out.parts:
        raise InputError(f"{where}: out {values['out']!r} must lie inside of --out")
    weights = values["weights"] or None
    if weights and (path.parent / weights).exists():
        weights = _from(path.parent, weights)
    return Job(
        _from(path.parent, values["video"]),
        tuple(labels),
        out.as_posix(),
        weights,
        values["protocol"] or None,
    )


def _from(folder: Path, place: str) -> str:
    return str(Path(os.path.normpath(folder / Path(place).expanduser())).absolute())


def _beside(folder: Path) -> list[Job]:
    """Each file or folder NAME... with labels NAME.png or NAME.json beside it."""
    found = []
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in LABELS or path.name.startswith("."):
            continue
        stem = path.name if path.is_dir() else path.stem
        labels = [folder / f"{stem}{suffix}" for suffix in LABELS]
        own = [str(label.absolute()) for label in labels if os.path.lexists(label)]
        if len(own) > 1:
            raise InputError(f"{path} has several labels beside it: {', '.join(own)}")
        if own:
            found.append(Job(str(path.absolute()), tuple(own), stem))
    return found


def share_of(jobs: Sequence[Job], shard: tuple[int, int]) -> list[Job]:
    """The jobs of one shard: i of n. A video stays in its shard when others are added.

    Args:
        jobs: All of them.
        shard: (i, n), 0 <= i < n.
    """
    number, count = shard

    def place(job: Job) -> int:
        return int.from_bytes(hashlib.sha256(job.out.encode()).digest()[:8]) % count

    return [job for job in jobs if place(job) == number]


def read_shard(text: str | None, environment: Mapping[str, str]) -> tuple[int, int]:
    """(i, n) of "i/n", or else of the job array that this process is in: Slurm's, Kubernetes'.

    Args:
        text: As given, or None.
        environment: Variables of the process. An indexed Kubernetes job tells a process its
            number, but not how many there are: set JOB_COMPLETIONS to that.

    Raises:
        InputError: If it is not i/n with 0 <= i < n, or the array has gaps.
    """
    if text is not None:
        found = re.fullmatch(r"(\d+)/(\d+)", text)
        number, count = (int(found[1]), int(found[2])) if found else (0, 0)
        where = f"--shard {text}"
    elif "SLURM_ARRAY_TASK_ID" in environment:
        values = {
            name: int(environment.get(f"SLURM_ARRAY_TASK_{name}", default))
            for name, default in (("ID", ""), ("COUNT", "1"), ("MIN", "0"), ("STEP", "1"))
        }
        number = (values["ID"] - values["MIN"]) // max(1, values["STEP"])
        count, where = values["COUNT"], "SLURM_ARRAY_TASK_ID"
    elif "JOB_COMPLETION_INDEX" in environment:
        number, where = int(environment["JOB_COMPLETION_INDEX"]), "JOB_COMPLETION_INDEX"
        count = int(environment.get("JOB_COMPLETIONS", "0"))
        if not count:
            raise InputError(
                "JOB_COMPLETION_INDEX is set, and JOB_COMPLETIONS is not: set it to the number of "
                "pods, or give --shard i/n"
            )
    else:
        return 0, 1
    if not 0 <= number < count:
        raise InputError(f"{where}: {number} of {count}; a shard is i/n, from 0/n to (n-1)/n")
    return number, count
