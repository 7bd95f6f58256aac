"""What the tools of others make of our masks: recorded once, as none of them is a dependency.

    pip install pycocotools==2.0.11 cvat-sdk==2.80.0        # in an environment of its own
    python tests/golden/formats/record.py coco cvat
    pip install label-studio-sdk==2.1.2                     # in another one
    python tests/golden/formats/record.py brush
    pip install labelme==6.3.1                              # and in a third
    python tests/golden/formats/record.py labelme

Each name given writes a file NAME.json beside this one; masks.json holds the masks, one string a
row.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
POLYGONS = {
    "triangle": ([[1.3, 0.4], [11.8, 3.1], [4.0, 9.7]], [11, 13]),
    "beyond the frame": ([[-2.5, 3.0], [7.2, -1.0], [14.9, 6.6], [6.0, 12.0]], [9, 12]),
    "crossing itself": ([[0, 0], [9, 9], [9, 0], [0, 9]], [10, 10]),
    "on corners": ([[2, 1], [5, 1], [5, 4], [2, 4]], [6, 8]),
}


def masks() -> dict[str, np.ndarray]:
    """The masks, H x W bool by name."""
    content = json.loads((HERE / "masks.json").read_text())
    return {
        name: np.array([[c == "1" for c in row] for row in rows]) for name, rows in content.items()
    }


def coco() -> dict[str, Any]:
    """Strings, areas and boxes of the masks, and strings of rasterised polygons."""
    from pycocotools import mask as tool

    found: dict[str, Any] = {"masks": {}, "polygons": {}}
    for name, mask in masks().items():
        runs = tool.encode(np.asfortranarray(mask.astype(np.uint8)))
        found["masks"][name] = {
            "counts": runs["counts"].decode(),
            "area": int(tool.area(runs)),
            "bbox": tool.toBbox(runs).tolist(),
        }
    for name, (ring, size) in POLYGONS.items():
        runs = tool.frPyObjects([np.ravel(ring).astype(float).tolist()], *size)[0]
        counts = runs["counts"].decode()
        found["polygons"][name] = {"ring": ring, "size": size, "counts": counts}
    return found


def cvat() -> dict[str, list[int]]:
    """Runs of the masks along the rows of their boxes, and left, top, right, bottom, inclusive."""
    from cvat_sdk.masks import encode_mask

    found = {}
    for name, mask in masks().items():
        rows, columns = np.nonzero(mask)
        if len(rows):
            box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            found[name] = [int(number) for number in encode_mask(mask, box)]
    return found


def brush() -> dict[str, list[int]]:
    """Label Studio's bytes of the masks."""
    from label_studio_sdk.converter.brush import mask2rle

    return {name: mask2rle(255 * mask.astype(np.uint8)) for name, mask in masks().items()}


def labelme() -> dict[str, Any]:
    """LabelMe's own form of the part of each mask in its box, and the box."""
    from labelme import utils

    found = {}
    for name, mask in masks().items():
        rows, columns = np.nonzero(mask)
        if len(rows):
            left, top, right, bottom = columns.min(), rows.min(), columns.max(), rows.max()
            cut = mask[top : bottom + 1, left : right + 1].astype(np.uint8)
            points = [[int(left), int(top)], [int(right), int(bottom)]]
            found[name] = {"points": points, "mask": utils.img_arr_to_b64(cut)}
    return found


if __name__ == "__main__":
    for chosen in sys.argv[1:]:
        made = {"coco": coco, "cvat": cvat, "brush": brush, "labelme": labelme}[chosen]()
        (HERE / f"{chosen}.json").write_text(json.dumps(made) + "\n")
