"""The demo: a synthetic video with known truth, labels carried through it, and the score.

    run_demo(Path("demo"))                       # the default encoder, 48 frames, half a minute
    run_demo(Path("demo"), weights="lab")        # colour alone: what needs no training at all

Everything that it needs is made on the spot; nothing is downloaded. It goes through the same doors
as a user: a video file, labels of its first frame, `pixelkin.propagate`, the benchmark's metrics.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pixelkin.app.console import progress_bar
from pixelkin.data.synthetic import SyntheticFrame, SyntheticScene
from pixelkin.evaluation.metrics import boundary_f, region_similarity
from pixelkin.evaluation.scores import JF
from pixelkin.files import write_json
from pixelkin.formats.mask_png import write_mask
from pixelkin.formats.points_json import save_points
from pixelkin.models.encoder import Encoder, Runtime, load_encoder
from pixelkin.ops.devices import described
from pixelkin.propagation.passes import propagate
from pixelkin.propagation.protocol import Protocol
from pixelkin.run_folder import RunFolder, Standing
from pixelkin.types import InputError, Labels
from pixelkin.video.reader import open_video
from pixelkin.video.render import contact_sheet, overlay
from pixelkin.video.writer import VideoWriter, write_image

Ids = NDArray[np.int32]
Points = NDArray[np.float32]

FPS = 15.0
ALPHAS = (0.1, 0.2)
SHEET_COLUMNS = 5
OUTPUTS = (
    "video.mp4",
    "mask.png",
    "keypoints.json",
    "overlay.mp4",
    "contact_sheet.png",
    "scores.json",
)


@dataclass(frozen=True)
class Scores:
    """How well labels of every frame fit the truth; means over objects and frames.

    Attributes:
        j: Region similarity J of the masks, in [0, 1].
        f: Contour accuracy F of the masks, in [0, 1].
        pck: Share of the visible keypoints that are right, in [0, 1], by threshold: wrong by at
            most so much of the larger side of the box around the object's keypoints. Keypoints
            that were given up count as wrong.
        pixel_error: Mean distance of visible keypoints from the truth, in pixels, over those that
            were not given up; None where all were.
        lost: Share of the visible keypoints that were given up, in [0, 1].
    """

    j: float
    f: float
    pck: dict[str, float]
    pixel_error: float | None
    lost: float

    @property
    def jf(self) -> float:
        """J&F: the mean of J and F."""
        return JF(self.j, self.f).jf


@dataclass(frozen=True)
class DemoResult:
    """What `run_demo` made.

    Attributes:
        folder: Where its files are; their names are `OUTPUTS`.
        settings: Encoder, protocol and scene.
        predicted: Scores of the propagated labels.
        static: Scores of the first frame's labels left where they were, for comparison.
    """

    folder: Path
    settings: dict[str, Any]
    predicted: Scores
    static: Scores

    def to_json(self) -> dict[str, Any]:
        """Settings and scores, ready for `json.dumps`."""
        scores = {name: {"jf": s.jf} | asdict(s) for name, s in self._both().items()}
        return {"settings": self.settings, "scores": scores}

    def rows(self) -> list[tuple[str, ...]]:
        """A table of the scores, header first; J, F and PCK in percent."""
        header = ("labels", "J&F", "J", "F", *(f"PCK@{a}" for a in ALPHAS), "error (px)", "lost")
        rows = [header]
        for name, s in self._both().items():
            shares = (s.jf, s.j, s.f, *s.pck.values())
            error = "-" if s.pixel_error is None else f"{s.pixel_error:.1f}"
            rows.append((name, *(f"{100 * v:.1f}" for v in shares), error, f"{100 * s.lost:.1f}"))
        return rows

    def _both(self) -> dict[str, Scores]:
        return {"predicted": self.predicted, "static": self.static}


def run_demo(
    out: str | Path,
    *,
    weights: str = "default",
    protocol: str = "davis",
    runtime: Runtime = "torch",
    device: str = "auto",
    frames: int = 48,
    objects: int = 2,
    size: tuple[int, int] = (240, 432),
    seed: int = 0,
    overwrite: bool = False,
) -> DemoResult:
    """Make a synthetic video, carry masks and keypoints of frame 0 through it, and score them.

    `out` receives video.mp4, its first frame's labels (mask.png, keypoints.json: ready for
    `pixelkin propagate`), overlay.mp4, contact_sheet.png (truth above prediction) and, last of
    all, scores.json. Each file is written atomically.

    Args:
        out: Folder for the results; created if missing.
        weights: What `load_encoder` takes.
        protocol: Name of a protocol, for masks and keypoints alike.
        runtime: As in `load_encoder`.
        device: As in `Propagator`.
        frames: Length of the video; objects first meet after about 24 frames.
        objects: How many objects, 1 to 8.
        size: (height, width) of the video in pixels.
        seed: Another seed is another video.
        overwrite: Whether results that are in `out` already may be replaced.

    Raises:
        InputError: If an argument is out of range, or `out` holds results already.
    """
    folder = Path(out)
    if frames < 2:
        raise InputError(f"{frames = }: the demo needs at least 2 frames, the first one is given")
    if size[0] % 2 or size[1] % 2:
        raise InputError(f"{size = }: height and width of the demo's video must be even")
    scene = SyntheticScene(seed, size, frames, objects)
    encoder, rules = load_encoder(weights, runtime, device), Protocol.named(protocol)
    settings = {
        "weights": weights,
        "protocol": asdict(rules),
        "scene": {"seed": seed, "size": list(size), "frames": frames, "objects": objects},
    }
    with RunFolder(folder, "demo") as own:
        if own.claim(settings, overwrite=overwrite) is Standing.COMPLETE:
            raise InputError(f"{folder} holds a finished demo: --overwrite replaces it")
        own.begin()
        own.remove("scores.json")  # its presence says that all is complete
        files = {name: own.file(name) for name in OUTPUTS}
        predicted, static = _run(scene, files, encoder, rules)
        told = {**settings, "device": described(encoder.device)}
        result = DemoResult(folder, told, predicted, static)
        write_json(files["scores.json"], result.to_json())
        own.finish()
    return result


def _run(
    scene: SyntheticScene, files: Mapping[str, Path], encoder: Encoder, protocol: Protocol
) -> tuple[Scores, Scores]:
    """Write everything but the scores, which are returned: of propagated and of static labels."""
    first = scene[0]
    write_mask(files["mask.png"], first.mask_labels)
    save_points(files["keypoints.json"], first.keypoint_labels)
    with progress_bar("rendering") as progress:
        _write_video(scene, files["video.mp4"], progress)
    with progress_bar("propagating") as progress:
        return _propagate_and_score(scene, files, encoder, protocol, progress)


class Tally:
    """Collects the scores of labels against the truth, frame by frame; keeps numbers only."""

    def __init__(self) -> None:
        self.j: list[NDArray[np.float64]] = []
        self.f: list[NDArray[np.float64]] = []
        self.distance: list[NDArray[np.float64]] = []
        self.relative: list[NDArray[np.float64]] = []

    def add(self, truth: SyntheticFrame, ids: Ids, points: Points) -> None:
        """Score one frame: its map of ids, and its keypoints, object after object."""
        objects = np.arange(1, len(truth.positions) + 1)[:, None, None]
        self.j.append(region_similarity(truth.ids == objects, ids == objects))
        self.f.append(boundary_f(truth.ids == objects, ids == objects))
        found = points.reshape(truth.positions.shape).astype(np.float64)
        distance = np.linalg.norm(found - truth.positions, axis=2)
        distance[np.isnan(distance)] = np.inf
        box = np.ptp(truth.positions, axis=1).max(axis=1, keepdims=True)
        self.distance.append(distance[truth.visible])
        self.relative.append((distance / box)[truth.visible])

    def scores(self) -> Scores:
        """Means over all that was added."""
        distance, relative = np.concatenate(self.distance), np.concatenate(self.relative)
        found = np.isfinite(distance)
        return Scores(
            j=float(np.mean(self.j)),
            f=float(np.mean(self.f)),
            pck={str(a): float((relative <= a).mean()) for a in ALPHAS},
            pixel_error=float(distance[found].mean()) if found.any() else None,
            lost=float(1 - found.mean()),
        )


def _propagate_and_score(
    scene: SyntheticScene,
    files: Mapping[str, Path],
    encoder: Encoder,
    protocol: Protocol,
    progress: Callable[[int, int], None],
) -> tuple[Scores, Scores]:
    """Write the overlay and the contact sheet; scores of the propagated and of static labels."""
    video, first = open_video(files["video.mp4"]), scene[0]
    given = first.mask_labels, first.keypoint_labels
    masks, points = (propagate(video, g, encoder=encoder, protocol=protocol) for g in given)
    shown = set(np.linspace(0, len(scene) - 1, SHEET_COLUMNS).round().astype(int).tolist())
    sheet: dict[str, list[NDArray[np.uint8]]] = {"truth": [], "predicted": []}
    predicted, static = Tally(), Tally()

    def draw(frame: NDArray[np.uint8], mask: Labels, keypoints: Labels) -> NDArray[np.uint8]:
        return overlay(overlay(frame, mask, alpha=0.4), keypoints)

    with VideoWriter(files["overlay.mp4"], FPS, scene.size) as writer:
        steps = zip(scene, video.frames(), masks, points, strict=True)
        for truth, frame, mask, keypoints in steps:
            picture = draw(frame, mask.labels, keypoints.labels)
            writer.write(picture)
            if truth.index > 0:  # frame 0 is given
                predicted.add(truth, mask.ids, keypoints.points)
                static.add(truth, first.ids, given[1].points)
            if truth.index in shown:
                sheet["truth"].append(draw(frame, truth.mask_labels, truth.keypoint_labels))
                sheet["predicted"].append(picture)
            progress(truth.index + 1, len(scene))
    titles = [f"{row}, frame {t}" for row in sheet for t in sorted(shown)]
    pictures = [picture for row in sheet.values() for picture in row]
    write_image(files["contact_sheet.png"], contact_sheet(pictures, titles, len(shown)))
    return predicted.scores(), static.scores()


def _write_video(scene: SyntheticScene, path: Path, progress: Callable[[int, int], None]) -> None:

    with VideoWriter(path, FPS, scene.size) as writer:
        for frame in scene:
            writer.write(frame.image)
            progress(frame.index + 1, len(scene))
