"""The process that computes: it follows a session, and may die without harm to it or to the page.

    python -m pixelkin.app.server.worker SESSION [DEVICE]

Reads orders on standard input, a line of JSON each, and tells what comes of them on standard
output in the same way. It ends with its input: so it never outlives who started it. The order
"stop" ends the job between two frames, "near" says which frame somebody looks at: the process makes
ready for a job there, while it has none.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Any, TextIO, cast

from pixelkin.annotation.model import Progress
from pixelkin.annotation.session import Session
from pixelkin.files import atomic_write
from pixelkin.formats.catalogue import FORMATS
from pixelkin.types import InputError

EVERY = 0.1  # seconds between two lines about progress
REST = 0.4  # seconds for which somebody looks at a frame before anything is made ready there

Order = dict[str, Any]


class Worker:
    """Does jobs about one session, one after the other.

    Args:
        session: Open to look at.
        out: Where it tells.
    """

    def __init__(self, session: Session, out: TextIO) -> None:
        self._session, self._out = session, out
        self.stop = Event()

    def do(self, order: Order) -> None:
        """One job; what goes wrong in it is told."""
        try:
            do = {"propagate": self._propagate, "export": self._export}[order["kind"]]
            result = do(order)
            self._tell(state="stopped" if self.stop.is_set() else "done", **result)
        except InputError as error:
            self._tell(state="failed", error=str(error))
        except Exception as error:
            self._tell(state="failed", error=f"{type(error).__name__}: {error}")

    def ready(self, near: int) -> Iterator[int]:
        """Make ready for a job near a frame, a little at each step."""
        try:
            yield from self._session.prepare(near)
        except Exception:  # whatever is wrong, the job says so
            return

    def _propagate(self, order: Order) -> Order:
        frames = None
        if order.get("first") is not None:
            frames = range(order["first"], order["last"] + 1)
        told, fresh = 0.0, set[int]()
        done = total = 0
        run = cast(
            "Generator[Progress]", self._session.propagate(near=order["near"], frames=frames)
        )
        with closing(run) as steps:
            for step in steps:
                fresh.add(step.frame)
                done, total = step.done, step.total
                if time.monotonic() > told + EVERY:
                    self._tell(done=done, total=total, frames=sorted(fresh))
                    told = time.monotonic()
                    fresh.clear()
                if self.stop.is_set():
                    break
        return {"done": done, "total": total, "frames": sorted(fresh)}

    def _export(self, order: Order) -> Order:
        format = next((f for f in FORMATS if f.name == order["format"]), None)
        if format is None or format.save is None:
            raise InputError(f"no format {order['format']!r} that can be written")
        folder = Path(self._session.folder) / "exports"
        folder.mkdir(exist_ok=True)
        path = folder / f"{order['stem']}-{format.name}{format.suffix}"
        if format.folder:
            shutil.rmtree(path, ignore_errors=True)  # of one that was killed
        lost = self._session.export(path, format.name, overwrite=True)
        if format.folder:
            whole = path.with_name(f"{path.name}.zip")
            with atomic_write(whole) as temporary:
                shutil.make_archive(str(temporary.with_suffix("")), "zip", path)
            shutil.rmtree(path)
            path = whole
        return {"name": path.name, "lost": list(lost)}

    def _tell(self, **what: Any) -> None:
        self._out.write(json.dumps(what) + "\n")
        self._out.flush()


def _orders(worker: Worker) -> SimpleQueue[Order]:
    """Orders as they come; a thread reads them, as "stop" is heard during a job."""
    queue: SimpleQueue[Order] = SimpleQueue()

    def read() -> None:
        for line in sys.stdin:
            order = json.loads(line)
            if order["kind"] == "stop":
                worker.stop.set()
                continue
            if order["kind"] != "near":
                worker.stop.clear()
            queue.put(order)
        os._exit(0)  # who gives orders is gone: what is committed is kept

    Thread(target=read, daemon=True).start()
    return queue


def work(worker: Worker, orders: SimpleQueue[Order]) -> None:
    """Do jobs as they are ordered, and make ready for the next one meanwhile; has no end."""
    near: int | None = None
    ready: Iterator[int] = iter(())
    wait: float | None = None
    while True:
        try:
            order = orders.get(timeout=wait)
        except Empty:
            if near is not None:
                ready, near = worker.ready(near), None
            wait = None if next(ready, None) is None else 0
            continue
        if order["kind"] == "near":
            near, wait = order["frame"], REST
        else:
            worker.do(order)


def main() -> None:
    """Run the process."""
    out, sys.stdout = sys.stdout, sys.stderr  # libraries print
    folder, device = (*sys.argv[1:], None)[:2]
    with Session.open(str(folder), edit=False, device=device) as session:
        worker = Worker(session, out)
        work(worker, _orders(worker))


if __name__ == "__main__":
    main()
