"""How large a session of a long video at 480p gets, and how quickly it answers then.

    python benchmarks/session_size.py DAVIS2016 [--frames 5000] [--objects 10] [--stretch 16]
        [--sequences 10] [--json FILE]

What a session keeps of a frame depends on what the frame shows, so it is taken from real videos:
the first frames of each sequence of DAVIS-2016 (val), carried from a label in the first of them,
then from one in the last as well. Their rows, as they are, again and again, make a session of a
long video: each object has those of a sequence. One label an object, then two. Seconds of the
process on the CPU.
"""

from __future__ import annotations

import resource
import tempfile
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import arguments, show, write_json
from PIL import Image
from sessions import seconds, timeline

from pixelkin.annotation.deciding import GROUND
from pixelkin.annotation.geometry import columns
from pixelkin.annotation.plan import Source
from pixelkin.annotation.session import Session
from pixelkin.annotation.store import Store
from pixelkin.annotation.votes import goes_on_with, pack_decided, unpack_decided
from pixelkin.app.commands.session.results import status
from pixelkin.evaluation.davis import DavisVideo, load_split

SIZE = 480, 854


@dataclass
class Rows:
    """What is kept of each frame of a short video but its first and last, and of one object.

    Attributes:
        votes: By direction.
        exact: Forwards.
        decided: Its mask and share from the first label alone.
        echoes: By direction.
        shown: By number of labels.
    """

    votes: dict[int, list[bytes]] = field(default_factory=dict)
    exact: list[bytes] = field(default_factory=list)
    decided: list[tuple[str | None, float]] = field(default_factory=list)
    echoes: dict[int, list[float]] = field(default_factory=dict)
    shown: dict[int, list[dict[str, Any]]] = field(default_factory=dict)


def real(video: DavisVideo, folder: Path, stretch: int) -> Rows:
    """Rows of the beginning of a sequence."""
    (folder / "frames").mkdir(parents=True)
    for path in video.frames[:stretch]:
        with Image.open(path) as image:
            image.resize(SIZE[::-1]).save(folder / "frames" / path.name, quality=95)
    found, inner = Rows(), range(1, stretch - 1)
    with Session.create(folder / "session", folder / "frames") as session:
        for labels, (frame, way) in enumerate(((0, 1), (stretch - 1, -1)), start=1):
            ids = (video.annotation(frame) > 0).astype(np.uint8)
            session.label(frame, np.asarray(Image.fromarray(ids).resize(SIZE[::-1], 0), np.int32))
            for _ in session.propagate():
                pass
            store = Store(session.folder)
            (number,) = (
                r["id"] for r in store.rows("SELECT * FROM pass WHERE object=1") if
                r["direction"] == way and r["keyframe"] == frame
            )  # fmt: skip
            query = "SELECT {} FROM {} WHERE pass={} AND frame BETWEEN 1 AND {} ORDER BY frame"
            of = (number, inner[-1])
            found.votes[way] = [
                r["content"] for r in store.rows(query.format("content", "vote", *of))
            ]
            found.echoes[way] = [r["value"] for r in store.rows(query.format("value", "echo", *of))]
            shown = store.rows("SELECT * FROM shown WHERE object=1 ORDER BY frame")
            found.shown[labels] = [dict(row) for row in shown if row["frame"] in inner]
            if labels == 1:
                exact = store.rows(query.format("soft", "recent", *of))
                found.exact = [r["soft"] for r in exact]
                ground = store.value("SELECT id FROM pass WHERE object=?", GROUND)
                rows = store.rows(query.format("content", "vote", ground, inner[-1]))
                found.decided = [unpack_decided(r["content"])[1] for r in rows]
            store.close()
    return found


def write(session: Session, sources: list[Rows], labels: int) -> None:
    """Rows of all objects in all frames, as if all had been computed."""
    frames, snapshot = len(session), session.snapshot()
    store = Store(session.folder)
    wanted = list(snapshot.wanted())
    needed = goes_on_with(snapshot.layers[0].protocol, frames)
    with store.transaction(durable=False):
        for i, source, inputs, count in wanted:
            number = store.write(
                "INSERT INTO pass(object, keyframe, direction, inputs, done) VALUES(?,?,?,?,?)",
                i, *source, inputs, count,
            )  # fmt: skip
            for n in range(count):
                frame = source.keyframe + n * source.direction
                content = _content(sources, i, source, frame)
                store.write("INSERT INTO vote VALUES(?,?,?)", number, frame, content)
                own = sources[(i - 1) % len(sources)]
                if n in needed:
                    exact = own.exact[n % len(own.exact)]
                    store.write("INSERT INTO recent VALUES(?,?,?)", number, frame, exact)
                if i != GROUND:
                    value = own.echoes[source.direction][n % len(own.exact)]
                    store.write("INSERT INTO echo VALUES(?,?,?)", number, frame, value)
        for segment in snapshot.segments:
            for frame in segment.frames:
                for i, piece in segment.pieces.items():
                    rows = sources[(i - 1) % len(sources)].shown[labels]
                    row = rows[frame % len(rows)] | {"inputs": segment.key}
                    if piece.label:
                        place = snapshot.labels[i][frame].place
                        row |= columns(place) | {"confidence": 1.0}
                    store.put(
                        "shown", {"object": i, "frame": frame}, row | {"frame": frame, "object": i}
                    )
    store.close()


def _content(sources: list[Rows], i: int, source: Source, frame: int) -> bytes:
    if i != GROUND:
        own = sources[(i - 1) % len(sources)].votes[source.direction]
        return own[frame % len(own)]
    every = (one.decided[frame % len(one.decided)] for one in sources)
    return pack_decided(dict(enumerate(every, start=1)))


def measure(root: Path, sources: list[Rows], frames: int, labels: int) -> dict[str, float]:
    """Figures of a long session, by what they are of."""
    (root / "video").mkdir(exist_ok=True)
    image = root / "frame.png"
    Image.new("RGB", SIZE[::-1]).save(image)
    for frame in range(frames):
        path = root / "video" / f"{frame:05d}.png"
        if not path.exists():
            path.symlink_to(image)
    folder = root / f"of {labels}"
    with Session.create(folder, root / "video") as session:
        high = SIZE[0] // len(sources)
        ids = np.repeat(np.arange(1, len(sources) + 1, dtype=np.int32), high)
        ids = np.pad(ids, (0, SIZE[0] - len(ids)))
        strips = np.zeros(SIZE, np.int32)
        strips[:, 200:400] = ids[:, None]
        for frame in (0, frames - 1)[:labels]:
            session.label(frame, strips)
        write(session, sources, labels)
    with Session.open(folder) as session, redirect_stdout(StringIO()):
        found = {
            "file, MB": session.bytes / 1e6,
            "bytes a frame and object": session.bytes / frames / len(sources),
            "opened and asked for the first time, s": seconds(session.stale, times=1),
            "frames that are stale": float(len(session.stale())),
            "status, s": seconds(lambda: status(folder)),
            "timeline of one object, s": seconds(lambda: timeline(folder, 1)),
            "timeline of all objects, s": seconds(lambda: timeline(folder)),
            "suggest, s": seconds(lambda: session.suggest(10)),
            "one frame, s": seconds(lambda: session[frames // 2]),
        }
    found["memory so far, MiB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("davis", type=Path)
    parser.add_argument("--frames", type=int, default=5000)
    parser.add_argument("--objects", type=int, default=10)
    parser.add_argument("--sequences", type=int, default=10, help="how many of them")
    parser.add_argument("--stretch", type=int, default=16, help="frames of each sequence")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as name:
        root, real_rows = Path(name), []
        for video in load_split(options.davis, 2016, "val")[
            : min(options.sequences, options.objects)
        ]:
            real_rows.append(real(video, root / video.name, options.stretch))
            sizes = [np.mean([len(x) for x in real_rows[-1].votes[way]]) for way in (1, -1)]
            print(video.name, *(f"{size:.0f}" for size in sizes), "bytes of votes", flush=True)
        sources = [real_rows[k % len(real_rows)] for k in range(options.objects)]
        found = {n: measure(root, sources, options.frames, n) for n in (1, 2)}
    rows = [[what, *(round(found[n][what], 4) for n in found)] for what in found[1]]
    heads = ["", "one label an object", "two labels"]
    show(f"{options.frames} frames of 480p, {options.objects} objects", heads, rows)
    write_json(options.json, {str(n): one for n, one in found.items()})


if __name__ == "__main__":
    main()
