"""Videos to look at: truth, prediction and confidence of one sequence, side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from pixelkin.evaluation.benchmark import Store
from pixelkin.evaluation.videos import Video
from pixelkin.types import Colour, Labels, Prediction
from pixelkin.video.images import read_image
from pixelkin.video.render import contact_sheet, overlay
from pixelkin.video.writer import VideoWriter

PANEL = 480  # pixels, width of each of the three pictures


def draw_video(store: Store, video: Video) -> None:
    """Write the video that shows a sequence's stored predictions, atomically.

    Three pictures a frame: the true labels (the plain frame where they are not known), the
    predicted ones, and the predicted ones in colours from red (confidence 0) over yellow to green
    (1), with a bar for each object.
    """
    pictures = _pictures(store, video)
    first = next(pictures)
    with VideoWriter(store.file(f"videos/{video.name}.mp4"), video.fps, first.shape[:2]) as writer:
        writer.write(first)
        for picture in pictures:
            writer.write(picture)


def _pictures(store: Store, video: Video) -> Iterator[NDArray[np.uint8]]:
    record = store.record(video)
    for index in sorted(video.kept):
        frame = read_image(video.frames[index])
        shown = store.prediction(video, index, record)
        known = [labels for labels in (video.region(index), video.truth(index)) if labels]
        truth = reduce(overlay, known, frame)
        sure = overlay(frame, coloured(shown), confidence=shown.confidence)
        panels = [truth, overlay(frame, shown.labels), sure]
        titles = [
            f"{video.names[index]}, {'truth' if known else 'no truth'}: {video.name}",
            "prediction",
            f"confidence, lowest {shown.frame_confidence:.2f}",
        ]
        yield contact_sheet(panels, titles, columns=3, width=PANEL)


def coloured(prediction: Prediction) -> Labels:
    """The labels in colours that show each object's confidence: red, yellow, green."""
    labels = prediction.labels
    pairs = zip(labels.objects, prediction.confidence.tolist(), strict=True)
    table = tuple(replace(o, colour=_traffic_light(value)) for o, value in pairs)
    return replace(labels, objects=replace(labels.objects, table=table))


def _traffic_light(value: float) -> Colour:
    return int(255 * min(1.0, 2 - 2 * value)), int(255 * min(1.0, 2 * value)), 0
