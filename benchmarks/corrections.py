"""What a second label gives, and a third: at the frames that the program itself suggests.

    python benchmarks/corrections.py DAVIS2016 [--short-side 240] [--every 2] [--labels 4]
        [--only NAME ...] [--json FILE]
    python benchmarks/corrections.py --points VIDEO TRUTH [--points ...] [--labels 3]

A session for each sequence of DAVIS-2016 (val). Frame 0 is labelled with the truth, then the last
one, which is taken back, then, one after the other, the frame that the session suggests first. J&F
in percent with 1, 2, ... labels, and with the first and the last frame, over the frames that are
never labelled. What FILE holds is not measured again. Of the frames whose J&F is below 50 % with
one label: how many of those that are suggested first are among them, and how many are by chance. Of
points, PCK@0.2 of the annotated frames that are never labelled, lost points wrong; the frame that
is labelled next is the annotated one that is nearest to the suggested one.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import arguments, show, write_json
from numpy.typing import NDArray

from pixelkin.annotation.session import Session
from pixelkin.evaluation.davis import DavisVideo, load_split
from pixelkin.evaluation.metrics import boundary_f, pck, region_similarity
from pixelkin.formats.registry import load_annotations
from pixelkin.propagation.protocol import Protocol

BAD = 0.5
LOOKS = 5


def corrected(
    video: DavisVideo, folder: Path, protocol: Protocol, labels: int, every: int
) -> dict[str, Any]:
    """J&F by number of labels and with first and last, frames labelled, hits of suggestions."""
    chosen = range(0, len(video.names), every)
    truth = [video.annotation(i) > 0 for i in chosen]
    (folder / "frames").mkdir(parents=True)
    for i in chosen:
        path = video.frames[i].resolve()
        (folder / "frames" / path.name).symlink_to(path)
    rounds: list[np.ndarray] = []
    hits = chance = float("nan")

    def scores() -> np.ndarray:
        for _ in session.propagate():
            pass
        return np.array([_score(session, t, mask) for t, mask in enumerate(truth)])

    with Session.create(
        folder / "session", folder / "frames", protocols={"mask": protocol}
    ) as session:
        one = session.add_object(video.name)
        session.label(0, one, truth[0])
        both = np.full(len(truth), np.nan)
        last = max(t for t, mask in enumerate(truth) if mask.any())
        while True:
            rounds.append(scores())
            if len(rounds) == 1:
                session.label(last, one, truth[last], source="corrected")
                both = scores()
                session.undo()
                scores()
            found = [c.frame for c in session.suggest(max(LOOKS, labels))]
            if len(rounds) == 1 and (bad := rounds[0] < BAD).any() and found:
                hits, chance = bad[found[:LOOKS]].mean(), bad.mean()
            if len(rounds) == labels:
                break
            worst = next(frame for frame in found if truth[frame].any())
            session.label(worst, one, truth[worst], source="corrected")
        known = session.labels(one)
    others = [t for t in range(1, len(truth)) if t not in {*known, last}]
    return {
        "J&F": [100 * float(r[others].mean()) for r in rounds],
        "first and last": 100 * float(both[others].mean()),
        "labels": [t * every for t in known],
        "hits": hits,
        "chance": chance,
    }


def corrected_points(
    video: Path, truth: Path, folder: Path, labels: int
) -> tuple[list[float], list[int]]:
    """PCK@0.2 by number of labelled frames, and which these are."""
    with Session.create(folder, video) as session:
        annotations = load_annotations(truth, session.video.info)
        known = {number: one.as_points() for number, one in annotations}
        for o in known[min(known)].objects:
            session.add_object(o.name, kind="keypoint", id=o.id + 1)
        given, rounds = [min(known)], []
        while True:
            for o, place in zip(known[given[-1]].objects, known[given[-1]].points, strict=True):
                if np.isfinite(place).all():
                    session.label(given[-1], o.id + 1, place)
            for _ in session.propagate():
                pass
            rounds.append({n: _shown_points(session, n, len(known[n].points)) for n in known})
            if len(rounds) == labels:
                break
            worst = session.suggest(1)[0].frame
            given.append(min(known.keys() - set(given), key=lambda n: abs(n - worst)))
    frames = [min(known), *sorted(known.keys() - set(given))]  # the first is not counted
    right = np.stack([known[n].points for n in frames])
    found = (np.stack([one[n] for n in frames]) for one in rounds)
    return [float(pck([right], [f], (0.2,), strict=True).mean[0]) for f in found], given


def _shown_points(session: Session, frame: int, count: int) -> NDArray[np.float32]:
    """count x 2; NaN where a frame shows nothing of a point. Object k is point k - 1."""
    places = np.full((count, 2), np.nan, np.float32)
    for labels in session[frame].labels:
        places[np.array(labels.objects.ids) - 1] = labels.as_points().points
    return places


def _score(session: Session, frame: int, truth: np.ndarray) -> float:
    shown = session[frame].labels
    mask = shown[0].as_map().ids == 1 if shown else np.zeros_like(truth)
    return float(region_similarity(truth, mask) + boundary_f(truth, mask)) / 2


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("davis", type=Path, nargs="?")
    parser.add_argument("--points", type=Path, nargs=2, action="append", default=[])
    parser.add_argument("--short-side", type=int)
    parser.add_argument("--every", type=int, default=1, help="second, third, ... frame only")
    parser.add_argument("--only", nargs="+", default=[], help="sequences")
    parser.add_argument("--labels", type=int, default=4)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    protocol = replace(Protocol.named("davis"), short_side=options.short_side)
    heads = ["labelled frames", *map(str, range(1, options.labels + 1)), "which"]
    if options.points:
        rows = []
        with tempfile.TemporaryDirectory() as name:
            for k, (video, truth) in enumerate(options.points):
                scores, known = corrected_points(video, truth, Path(name) / str(k), options.labels)
                rows.append([video.name, *scores, ", ".join(map(str, known))])
        show("PCK@0.2 of the frames that were never labelled", heads, rows)
    if options.davis is None:
        return
    begun = options.json is not None and options.json.is_file()
    found: dict[str, Any] = json.loads(options.json.read_text()) if begun else {}
    found.pop("machine", None)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for video in load_split(options.davis, 2016, "val"):
            if options.only and video.name not in options.only:
                continue
            if video.name not in found:
                folder = Path(name) / video.name
                found[video.name] = corrected(
                    video, folder, protocol, options.labels, options.every
                )
                write_json(options.json, found)
            one = found[video.name]
            rows.append([video.name, *_figures(one), ", ".join(map(str, one["labels"]))])
            print(video.name, *(f"{score:.1f}" for score in _figures(one)), flush=True)
    means = np.mean([_figures(one) for one in found.values()], axis=0).tolist()
    shares = [float(np.nanmean([f[key] for f in found.values()])) for key in ("hits", "chance")]
    heads.insert(-1, "first and last")
    show("J&F of the frames that were never labelled", heads, [*rows, ["mean", *means, ""]])
    print(
        f"bad frames among the first {LOOKS} suggested: {shares[0]:.0%}; by chance {shares[1]:.0%}"
    )


def _figures(one: dict[str, Any]) -> list[float]:
    return [*one["J&F"], one["first and last"]]


if __name__ == "__main__":
    main()
