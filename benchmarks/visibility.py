"""Which points are called visible: made-up videos, in which it is known.

    python benchmarks/visibility.py [--scenes 4] [--json FILE]

The points of three objects that pass in front of each other are carried through made-up videos by
the protocol of sessions. What is shown of each is led back to the keyframe; for several distances
from the label, how many are called visible: of those that are seen and shown within two cells of
the truth, of those that are seen and shown elsewhere, and of those that are hidden.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from common import arguments, show, write_json

from pixelkin.annotation.layers import DEFAULTS
from pixelkin.data.synthetic import SyntheticScene
from pixelkin.propagation.codec import Sizes
from pixelkin.propagation.propagator import Propagator
from pixelkin.propagation.visibility import MOST_CELLS_BACK, Return

DISTANCES = (1, 1.5, 2, 3, 4, 6)
RIGHT = 2  # cells from the truth


def followed(scene: SyntheticScene, propagator: Propagator) -> Iterator[tuple[str, float]]:
    """What becomes of each point in each frame, and how far from its label it leads back."""
    protocol = propagator.protocol
    cell = np.array(Sizes.of(scene.size, protocol).cell(protocol.stride))
    measure = None
    for frame in scene:
        features = propagator.features(frame.image)
        if measure is None:
            points = frame.keypoint_labels.points
            propagator.step(frame.image, frame.keypoint_labels, features=features)
            measure = Return(features, points, (cell[0], cell[1]))
            continue
        shown = propagator.step(frame.image, features=features).points
        truth, seen = frame.positions.reshape(-1, 2), frame.visible.reshape(-1)
        away = np.linalg.norm((shown - truth) / cell, axis=1)
        for n, back in enumerate(measure(features, shown)):
            if np.isfinite(shown[n]).all():
                right = "right" if away[n] < RIGHT else "elsewhere"
                yield right if seen[n] else "hidden", float(back)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--scenes", type=int, default=4)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    propagator = Propagator("default", DEFAULTS["keypoints"])
    found: dict[str, list[float]] = {"right": [], "elsewhere": [], "hidden": []}
    for seed in range(options.scenes):
        for what, back in followed(SyntheticScene(seed, objects=3), propagator.another()):
            found[what].append(back)
        print(seed, {what: len(values) for what, values in found.items()}, flush=True)
    rows = []
    for most in DISTANCES:
        shares = {what: float(np.mean(np.array(v) <= most)) for what, v in found.items()}
        rows.append([f"{most}{' *' if most == MOST_CELLS_BACK else ''}", *shares.values()])
    heads = ["cells from the label", *(f"{what} ({len(v)})" for what, v in found.items())]
    show("share that is called visible (* in use)", heads, rows)
    write_json(options.json, {**found})


if __name__ == "__main__":
    main()
