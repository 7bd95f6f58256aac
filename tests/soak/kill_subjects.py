"""Work that is killed: commands on small made-up videos, and what they must leave in the end."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from pixelkin.annotation.session import Session
from pixelkin.app.cli import main
from pixelkin.app.server.events import Hub
from pixelkin.app.server.jobs import Crew, Job
from pixelkin.video.reader import open_video

HEIGHT, WIDTH, FRAMES = 48, 80, 14

RECIPE = {
    "steps": 8, "batch": 4, "size": 32, "precision": "float32", "network": {"widths": [8, 8, 8]},
    "data": {"short_side": 48},
    "stages": [{"share": 0.5, "objectives": [{"name": "known_geometry"}]},
               {"share": 0.5, "objectives": [{"name": "random_walk",
                                              "settings": {"gaps": [1, 2], "patches": 3}}]}],
    "run": {"device": "cpu", "workers": 1, "threads": 1, "store": "", "checkpoint_every": 2,
            "batch_norm_frames": 4, "validate_scenes": 0, "report": False, "tensorboard": False},
}  # fmt: skip
SCALE = {
    "about": "As small as can be.", "synthetic": True, "seeds": [0], "points": 1,
    "recipe": {"batch": 4, "size": 32, "precision": "float32", "network": {"widths": [8, 8, 8]},
               "data": {"short_side": 64},
               "run": {"device": "cpu", "workers": 0, "threads": 1, "batch_norm_frames": 4,
                       "tensorboard": False}},
    "phases": [{"steps": 2}, {"steps": 2}],
    "objectives": {"random_walk": {"gaps": [1, 2], "patches": 3},
                   "mined_contrast": {"gaps": [2, 4], "mining": {"negatives": {"floor": 4}}}},
}  # fmt: skip


def material(folder: Path) -> None:
    """Frames, labels, clips and a tree like DAVIS', in a folder which becomes the current one."""
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    rng = np.random.default_rng(0)
    ground = rng.integers(0, 80, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    davis = Path("DAVIS")
    for name in ("frames", "clips", "DAVIS/JPEGImages/480p/square", "DAVIS/ImageSets/2016",
                 "DAVIS/Annotations/480p/square"):  # fmt: skip
        Path(name).mkdir(parents=True, exist_ok=True)
    for t in range(FRAMES):
        image, mask = ground.copy(), np.zeros((HEIGHT, WIDTH), np.uint8)
        image[12:36, 4 + 2 * t : 28 + 2 * t] = (210, 40, 30)
        mask[12:36, 4 + 2 * t : 28 + 2 * t] = 255
        Image.fromarray(image).save(f"frames/{t:05d}.png")
        Image.fromarray(mask).save("mask.png") if t == 0 else None
        if t < 8:
            Image.fromarray(image).save(davis / f"JPEGImages/480p/square/{t:05d}.jpg")
            Image.fromarray(mask).save(davis / f"Annotations/480p/square/{t:05d}.png")
    (davis / "ImageSets/2016/val.txt").write_text("square\n")
    for clip in "ab":
        shutil.copytree("frames", f"clips/{clip}")
    points = [{"name": "corner", "x": 14, "y": 12}, {"name": "middle", "x": 26, "y": 24}]
    content = {"kind": "keypoints", "size": [HEIGHT, WIDTH], "points": points}
    Path("points.json").write_text(json.dumps(content))
    Path("tiny.yaml").write_text(yaml.safe_dump(RECIPE))
    Path("scale.yaml").write_text(yaml.safe_dump(SCALE))


class Subject(ABC):
    """Something that is done in a folder, by a command that may be given again."""

    name = ""

    def prepare(self, out: Path) -> None:
        """Make what must be there before: nothing, unless said."""
        out.parent.mkdir(exist_ok=True)

    @abstractmethod
    def work(self, out: Path) -> int:
        """Do it, or go on with it; the exit code."""

    @abstractmethod
    def outcome(self, out: Path) -> dict[str, Any]:
        """What must be equal to the bit in the end."""

    @abstractmethod
    def check(self, out: Path, whole: Mapping[str, Any]) -> list[str]:
        """What is wrong after a kill: files under their own names that are not as in the end."""

    def refusal(self, code: int, told: str) -> str | None:
        """The one line by which it was refused; None if it was not."""
        lines = [line for line in told.splitlines() if line.startswith("pixelkin: error")]
        return lines[0] if code == 2 and len(lines) == 1 else None

    def workers(self, told: str) -> list[int]:
        """Processes that work for it beside its own, by what it has told."""
        return []

    def leftovers(self, out: Path) -> list[str]:
        """Files that nobody needs when all is done."""
        found = [p for p in out.rglob(".*") if p.is_file() and p.name != ".pixelkin-files"]
        # Others may be writing to a store of frames, from which they go after an hour, or making up
        # the same videos.
        return [str(p) for p in found if "synthetic" not in p.parts]


def content_of(folder: Path) -> dict[str, bytes]:
    """Every file that is not hidden, by its path below the folder."""
    files = (p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


class Command(Subject):
    """A command of the command line, whose files are compared."""

    def __init__(self, name: str, *words: str, but: tuple[str, ...] = ()) -> None:
        self.name, self.words = name, words
        self.but = but  # what holds times or places, or is not reproducible

    def work(self, out: Path) -> int:
        return main([*self.words, "--out", str(out)])

    def outcome(self, out: Path) -> dict[str, Any]:
        found = content_of(out)
        kept = {k: v for k, v in found.items() if not any(k.endswith(b) for b in self.but)}
        return kept | {"names": sorted(name for name in found if not name.endswith(".npy"))}

    def check(self, out: Path, whole: Mapping[str, Any]) -> list[str]:
        faults = []
        for name, content in content_of(out).items():
            if name.endswith(".json"):
                try:
                    json.loads(content)
                except ValueError:
                    faults.append(f"{name} is half a file")
            if name.endswith(".mp4"):
                info = open_video(out / name).info
                faults += [] if info.frames in (8, FRAMES) else [f"{name}: {info.frames} frames"]
            changing = ("run.json", "results.csv", "scores.json", *self.but)  # while it goes on
            if name in whole and not name.endswith(changing) and whole[name] != content:
                faults.append(f"{name} is not whole")
        return faults


class SessionRun(Subject):
    """`pixelkin session run` about a session with two objects and three labels."""

    name = "session run"

    def prepare(self, out: Path) -> None:
        with Session.create(out, "frames", encoder="lab") as session:
            for k, (x, frames) in enumerate([(4, (0, 7)), (50, (3,))], 1):
                session.add_object(id=k)
                for t in frames:
                    mask = np.zeros((HEIGHT, WIDTH), bool)
                    mask[12:36, x + 2 * t : x + 24 + 2 * t] = True
                    session.label(t, k, mask)

    def work(self, out: Path) -> int:
        return main(["session", "run", str(out)])

    def outcome(self, out: Path) -> dict[str, Any]:
        with sqlite3.connect(out / "session.db") as file:
            votes = (
                "SELECT p.object, p.keyframe, p.direction, p.inputs, v.frame, v.content "
                "FROM vote v JOIN pass p ON p.id=v.pass ORDER BY 1, 2, 3, 4, 5"
            )
            shown = file.execute("SELECT * FROM shown ORDER BY object, frame").fetchall()
            return {"shown": shown, "votes": file.execute(votes).fetchall()}

    def check(self, out: Path, whole: Mapping[str, Any]) -> list[str]:
        with Session.open(out, edit=False) as session:
            faults = session.faults()
        found = self.outcome(out)
        more = set(found["votes"]) - set(whole.get("votes", found["votes"]))
        return faults + [f"votes of frame {v[4]} are others" for v in more]

    def leftovers(self, out: Path) -> list[str]:
        known = ("session.db", "session.db-wal", "session.db-shm", "session.lock", "run.lock")
        return [p.name for p in out.iterdir() if p.name not in known]


class AppJob(SessionRun):
    """The same, ordered as the page's server does: in a process beside it."""

    name = "app job"

    def work(self, out: Path) -> int:
        crew, job = Crew(out, Hub(), lambda: None), Job(1, "propagate")
        crew.start(job, {"near": 0})
        print(f"worker {crew.pid}", flush=True)
        while job.state == "running":
            time.sleep(0.01)
        crew.close()
        print(f"{job.state}: {job.error}", flush=True)
        return 0 if job.state == "done" else 1

    def refusal(self, code: int, told: str) -> str | None:
        found = re.fullmatch(r"worker \d+\nfailed: (.+)\n", told)
        return found[1] if code == 1 and found else None

    def workers(self, told: str) -> list[int]:
        return [int(pid) for pid in re.findall(r"^worker (\d+)$", told, re.M)]


SUBJECTS: tuple[Subject, ...] = (
    Command("propagate", "propagate", "frames", "--labels", "mask.png", "--weights", "lab",
            "--overlay", but=("overlay.mp4",)),
    Command("propagate points", "propagate", "frames", "--labels", "#5=points.json",
            "--weights", "lab"),
    SessionRun(),
    Command("train", "train", "tiny.yaml", "--data", "clips",
            but=("metrics.jsonl", "checkpoint.pt")),
    Command("evaluate", "evaluate", "davis", "--root", "DAVIS", "--year", "2016",
            "--weights", "lab", "--videos", but=("square.mp4", "result.json", "table.md")),
    Command("experiment", "experiment", "criteria", "--scale", "scale.yaml",
            but=("metrics.jsonl", "checkpoint.pt", "plot.png", "report.md", "recipe.yaml",
                 "experiment.json", "index.json", ".npy")),
    AppJob(),
)  # fmt: skip
