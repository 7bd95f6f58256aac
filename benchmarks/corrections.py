"""What a second label gives, and a third: at the frames that the program itself suggests.

    python benchmarks/corrections.py DAVIS2016 [--short-side 240] [--labels 4] [--json FILE]

A session for each sequence of DAVIS-2016 (val). Frame 0 is labelled with the truth, then, one after
the other, the frame that the session suggests first. J&F in percent with 1, 2, ... labels, over the
frames that are never labelled. Of the frames whose J&F is below 50 % with one label: how many of
those that are suggested first are among them, and how many are by chance.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from common import arguments, show, write_json

from pixelkin.annotation.session import Session
from pixelkin.evaluation.davis import DavisVideo, load_split
from pixelkin.evaluation.metrics import boundary_f, region_similarity
from pixelkin.propagation.protocol import Protocol

BAD = 0.5
LOOKS = 5


def corrected(
    video: DavisVideo, folder: Path, protocol: Protocol, labels: int
) -> tuple[list[float], list[int], float, float]:
    """J&F by number of labels, the frames labelled, hits of the suggestions and by chance."""
    truth = [video.annotation(i) > 0 for i in range(len(video.names))]
    rounds: list[np.ndarray] = []
    hits = chance = float("nan")
    with Session.create(folder, video.frames[0].parent, protocols={"mask": protocol}) as session:
        one = session.add_object(video.name)
        session.label(0, one, truth[0])
        while True:
            for _ in session.propagate():
                pass
            rounds.append(np.array([_score(session, t, mask) for t, mask in enumerate(truth)]))
            found = [c.frame for c in session.suggest(max(LOOKS, labels))]
            if len(rounds) == 1 and (bad := rounds[0] < BAD).any() and found:
                hits, chance = bad[found[:LOOKS]].mean(), bad.mean()
            if len(rounds) == labels:
                break
            worst = next(frame for frame in found if truth[frame].any())
            session.label(worst, one, truth[worst], source="corrected")
        known = session.labels(one)
    others = [t for t in range(1, len(truth)) if t not in known]
    return [100 * float(r[others].mean()) for r in rounds], known, hits, chance


def _score(session: Session, frame: int, truth: np.ndarray) -> float:
    shown = session[frame].labels
    mask = shown[0].as_map().ids == 1 if shown else np.zeros_like(truth)
    return float(region_similarity(truth, mask) + boundary_f(truth, mask)) / 2


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("davis", type=Path)
    parser.add_argument("--short-side", type=int)
    parser.add_argument("--labels", type=int, default=4)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    protocol = replace(Protocol.named("davis"), short_side=options.short_side)
    rows, found = [], {}
    with tempfile.TemporaryDirectory() as name:
        for video in load_split(options.davis, 2016, "val"):
            scores, known, hits, chance = corrected(
                video, Path(name) / video.name, protocol, options.labels
            )
            found[video.name] = {"J&F": scores, "labels": known, "hits": hits, "chance": chance}
            rows.append([video.name, *scores, ", ".join(map(str, known))])
            print(video.name, *(f"{score:.1f}" for score in scores), known, flush=True)
    means = np.mean([f["J&F"] for f in found.values()], axis=0).tolist()
    shares = [float(np.nanmean([f[key] for f in found.values()])) for key in ("hits", "chance")]
    rows += [["mean", *means, ""]]
    heads = ["J&F with so many labels", *map(str, range(1, options.labels + 1)), "frames labelled"]
    show("J&F of the frames that were never labelled", heads, rows)
    print(
        f"bad frames among the first {LOOKS} suggested: {shares[0]:.0%}; by chance {shares[1]:.0%}"
    )
    write_json(options.json, found)


if __name__ == "__main__":
    main()
