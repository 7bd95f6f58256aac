"""Masks of a frame as `supervision.Detections`, by the package supervision, if it is there."""

from __future__ import annotations

from typing import Any

import numpy as np

from pixelkin.formats.losses import label_of
from pixelkin.types import InputError, Labels, MaskLabels, Objects, Prediction


def to_supervision(found: Prediction | Labels, objects: Objects | None = None) -> Any:
    """The masks of one frame for the tools of supervision.

    Args:
        found: A frame as propagated, or labels of masks, whose confidence is 1.
        objects: All objects of the video, so that classes have the same numbers in every frame;
            None for those that the labels tell of, which are all of them in a propagated frame.

    Returns:
        `supervision.Detections` of the N objects that the frame shows: `mask` N x H x W, `xyxy`
        N x 4 as supervision takes it from the masks, `confidence`, `tracker_id` the objects' ids,
        `class_id` a number from 0 for each category (else name), `data["class_name"]` that word.

    Raises:
        InputError: If supervision is not installed, or the labels are points.
    """
    labels = found.labels if isinstance(found, Prediction) else found
    if not isinstance(labels, MaskLabels):
        raise InputError(f"supervision.Detections hold masks, these labels are {labels.kind}")
    try:
        import supervision
    except ImportError as error:
        raise InputError("to_supervision needs supervision: pip install supervision") from error
    ids = labels.present
    masks = np.asarray(ids)[:, None, None] == labels.ids
    every = labels.objects if objects is None else objects
    classes = {name: n for n, name in enumerate(dict.fromkeys(label_of(o) for o in every))}
    names = [label_of(every[i]) for i in ids]
    confidence = np.ones(len(ids), np.float32)
    if isinstance(found, Prediction):
        confidence = found.confidence[[labels.objects.ids.index(i) for i in ids]]
    return supervision.Detections(
        xyxy=supervision.mask_to_xyxy(masks).astype(np.float32).reshape(-1, 4),
        mask=masks,
        confidence=confidence,
        class_id=np.array([classes[name] for name in names], dtype=int),
        tracker_id=np.array(ids, dtype=int),
        data={"class_name": np.array(names, dtype=str)},
    )
