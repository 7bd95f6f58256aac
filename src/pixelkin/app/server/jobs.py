"""Jobs in processes of their own: started, watched, stopped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Lock, Thread, Timer
from typing import Any

from pixelkin.app.server.events import Hub
from pixelkin.types import InputError

PATIENT = {"OMP_WAIT_POLICY": "PASSIVE"}
"""Threads of a computation that wait for each other by spinning hold up those of a browser beside
them, and are held up by them: on 2 busy cores it is ten times as slow."""
STOPPING = 5.0  # seconds that a job has to stop by itself
ENDED = (
    "the process that computes has ended (of a lack of memory, perhaps); what it had finished is "
    "kept: start again to go on"
)


@dataclass
class Job:
    """One job, and how far it is.

    Attributes:
        id: Its number.
        kind: propagate or export.
        state: running, done, stopped or failed.
        done: Units of work that are done.
        total: Of them in all, as far as is known; 0 while nothing is.
        seconds_left: As far as can be told.
        error: Why it failed, in words.
        result: What it made.
    """

    id: int
    kind: str
    state: str = "running"
    done: int = 0
    total: int = 0
    seconds_left: float | None = None
    error: str | None = None
    result: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As the page has it."""
        return asdict(self)


class Crew:
    """One process, started when it is needed, and again after it died.

    Args:
        folder: The session.
        hub: Who is told.
        again: Called when results are there.
        device: What it computes on; None: what the session was made with.
    """

    def __init__(
        self, folder: Path, hub: Hub, again: Callable[[], None], device: str | None = None
    ) -> None:
        self._folder, self._hub, self._again, self._device = folder, hub, again, device
        self._process: subprocess.Popen[str] | None = None
        self._lock = Lock()
        self._began = 0.0
        self._killed: Job | None = None
        self.job: Job | None = None

    @property
    def pid(self) -> int | None:
        """Of the process, while there is one."""
        process = self._process
        return None if process is None or process.poll() is not None else process.pid

    def start(self, job: Job, order: dict[str, Any]) -> None:
        """Begin a job.

        Raises:
            InputError: If one is running.
        """
        with self._lock:
            if self.job is not None and self.job.state == "running":
                raise InputError(f"another {self.job.kind} is running: wait, or cancel it")
            self.job, self._began = job, time.monotonic()
            self._order({"kind": job.kind, **order})
        self._hub.tell("job", job=job.to_json())

    def prepare(self) -> None:
        """Start the process, so that the first job need not wait for it."""
        with self._lock:
            self._launch()

    def look(self, frame: int) -> None:
        """Say which frame somebody looks at, to a process that may make ready for a job there."""
        with self._lock:
            if self.pid is not None:
                self._order({"kind": "near", "frame": frame})

    def cancel(self) -> None:
        """Ask the job to stop between two frames; end the process where it does not."""
        with self._lock:
            job, process = self.job, self._process
            if job is None or job.state != "running" or process is None:
                return
            self._order({"kind": "stop"})

        def end() -> None:
            if job.state == "running":
                self._killed = job
                process.kill()

        timer = Timer(STOPPING, end)
        timer.daemon = True
        timer.start()

    def close(self) -> None:
        """End the process; what it has finished is kept."""
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def _order(self, order: dict[str, Any]) -> None:
        process = self._launch()
        if process.stdin is not None:
            try:
                process.stdin.write(json.dumps(order) + "\n")
                process.stdin.flush()
            except OSError:  # it died just now: who watches it says so
                pass

    def _launch(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            command = [sys.executable, "-m", "pixelkin.app.server.worker", str(self._folder)]
            command += [] if self._device is None else [self._device]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
                # Ctrl-C is for the server, which ends this process in its own time.
                start_new_session=True, env=PATIENT | os.environ,
            )  # fmt: skip
            Thread(target=self._watch, args=(self._process,), daemon=True).start()
        return self._process

    def _watch(self, process: subprocess.Popen[str]) -> None:
        """Take in what the process tells, until it ends."""
        for line in process.stdout or ():
            self._heard(json.loads(line))
        process.wait()
        with self._lock:
            job = self.job
            ours = self._process is process
            lost = ours and job is not None and job.state == "running"
        if lost and job is not None:
            job.state = "stopped" if job is self._killed else "failed"
            job.error = None if job is self._killed else ENDED
            self._hub.tell("job", job=job.to_json())
            self._again()

    def _heard(self, told: dict[str, Any]) -> None:
        job = self.job
        if job is None or job.state != "running":
            return
        job.done, job.total = told.pop("done", job.done), told.pop("total", job.total)
        frames = told.pop("frames", [])
        spent = time.monotonic() - self._began
        if job.done and job.total:
            job.seconds_left = round(spent / job.done * (job.total - job.done), 1)
        if frames:
            self._again()
            self._hub.tell("frames", frames=frames)
        state = told.pop("state", None)
        if state is not None:
            job.state, job.error = state, told.pop("error", None)
            job.result, job.seconds_left = told, None
            self._again()
        self._hub.tell("progress" if state is None else "job", job=job.to_json())
