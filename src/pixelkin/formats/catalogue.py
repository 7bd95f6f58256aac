"""The formats of labels: the only list of them.

A format is a module with `sniff(path) -> bool`, `load(path, video) -> Annotations` and, where it
can be written, `save(path, writing)`. It imports types, ops, files, pixels and other formats,
nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pixelkin.formats import (
    badja,
    burst,
    coco,
    coco_reading,
    cvat,
    cvat_reading,
    dlc,
    dlc_h5,
    frame_json,
    jhmdb_mat,
    label_studio,
    label_studio_reading,
    labelme,
    mask_png,
    npz,
    png_tree,
    points_json,
    results_folder,
    sleap,
    tapvid,
    yolo,
    ytvis,
)
from pixelkin.formats.frame_names import frame_of
from pixelkin.formats.hdf5 import holds
from pixelkin.formats.writing import Shapes, Writing
from pixelkin.types import Annotations, InputError, VideoInfo
from pixelkin.video.images import load_image

FRAME_LOSES = (
    "categories", "both", "bodies", "skeleton", "origin", "stale", "confidence", "occluded", "gone",
    "frame",
)  # fmt: skip
POINTS_LOSE = ("masks", "colours", *FRAME_LOSES)
MASK_LOSES = ("points", "names", "parts", "unseen", *FRAME_LOSES)


@dataclass(frozen=True)
class Format:
    """One format of labels.

    Attributes:
        name: What it is called on the command line.
        about: What a person would call it.
        suffix: Of the files that are written; "" for a folder.
        sniff: Whether a file or folder looks like it.
        load: Reads it, for the video that it belongs to.
        save: Writes it; None where it can be read only.
        probe: What it says of its video; None where that is nothing.
        loses: Which of `losses.FEATURES` it does not keep.
        shapes: What masks can be written as; the first by default.
        one_frame: Whether it holds the labels of one frame.
        folder: Whether it is a folder.
        by_suffix: Whether a file's suffix alone may ask for it.
        images: Whether it refers to the images of frames.
        last: Name of the file of a folder that makes it one of this format.
    """

    name: str
    about: str
    suffix: str
    sniff: Callable[[Path], bool]
    load: Callable[[Path, VideoInfo], Annotations]
    save: Callable[[Path, Writing], None] | None = None
    probe: Callable[[Path], VideoInfo | None] | None = None
    loses: tuple[str, ...] = ()
    shapes: tuple[Shapes, ...] = ("masks",)
    one_frame: bool = False
    folder: bool = False
    by_suffix: bool = True
    images: bool = False
    last: str | None = None

    def looks_like(self, path: Path) -> bool:
        """Whether a file or folder that exists is of this format."""
        return path.is_dir() == self.folder and self.sniff(path)


def _only(save: Callable[[Path, Annotations], None]) -> Callable[[Path, Writing], None]:
    """A writer of one frame's labels as a writer like the others."""

    def written(path: Path, writing: Writing) -> None:
        if (count := len(writing.numbers)) != 1:
            raise InputError(
                f"{writing.title} holds one frame, and {count} are labelled: choose one, as by "
                "convert --frames 7:8, or another format"
            )
        writing.check(path)
        for frame in writing.frames():  # which notes what they have
            if not _names(path, frame.number, writing.video):
                writing.lose("frame", frame.number)
            listed = {o.id for one in (frame.maps, frame.points) if one for o in one.objects}
            for o in writing.objects:
                if not o.is_map and o.id not in listed:
                    writing.drop("unplaced", o.id)
        save(path, writing.annotations)

    return written


def _names(path: Path, number: int, video: VideoInfo) -> bool:
    """Whether the name of a file says which frame it is of."""
    try:
        return (frame_of(path, video) or 0) == number
    except InputError:
        return False


def _is_image(path: Path) -> bool:
    """Whether the file is an image; Pillow takes HDF5 for one."""
    return not holds(path) and mask_png.sniff(path)


def _are_masks(path: Path) -> bool:
    """Whether the folder has PNG files, and no LabelMe files that these are the images of."""
    return png_tree.sniff_plain(path) and not labelme.sniff(path)


def _image_info(path: Path) -> VideoInfo:
    """The frame that a mask tells of."""
    image = load_image(path)
    return VideoInfo(str(path), image.width, image.height)


def _points_info(path: Path) -> VideoInfo:
    """The frame that a file of points tells of."""
    height, width = points_json.load_points(path).size
    return VideoInfo(str(path), width, height)


FORMATS = (
    Format("points_json", "points of one frame", ".json", points_json.sniff, points_json.load,
           _only(points_json.save), _points_info, POINTS_LOSE, one_frame=True),
    Format("frame_json", "result of one frame", ".json", frame_json.sniff, frame_json.load),
    Format("badja", "BADJA's joints of a video", ".json", badja.sniff, badja.load,
           loses=("masks",)),
    Format("jhmdb_mat", "JHMDB's joints of a video", ".mat", jhmdb_mat.sniff,
           jhmdb_mat.load, loses=("masks",)),
    Format("mask_png", "mask of one frame", ".png", _is_image, mask_png.load,
           _only(mask_png.save), _image_info, MASK_LOSES, one_frame=True),
    Format("results", "folder of pixelkin propagate", "", results_folder.sniff,
           results_folder.load, probe=results_folder.probe, folder=True),
    Format("png", "folder of masks", "", _are_masks, png_tree.load,
           png_tree.save_plain, png_tree.probe, png_tree.PLAIN_LOSES, folder=True),
    Format("davis", "DAVIS's tree", "", png_tree.sniff_davis, png_tree.load,
           png_tree.save_davis, png_tree.probe, png_tree.LOSES, folder=True, last=png_tree.META),
    Format("youtube_vos", "YouTube-VOS's and MOSE's tree", "", png_tree.sniff_youtube_vos,
           png_tree.load, png_tree.save_youtube_vos, png_tree.probe, png_tree.LOSES, folder=True,
           last=png_tree.META),
    Format("npz", "arrays of a video", ".npz", npz.sniff, npz.load, npz.save, npz.probe),
    Format("coco", "COCO", ".json", coco_reading.sniff, coco_reading.load, coco.save,
           coco_reading.probe, coco.LOSES,
           ("masks", "polygons"), images=True),
    Format("ytvis", "YouTube-VIS", ".json", ytvis.sniff, ytvis.load, ytvis.save, ytvis.probe,
           ytvis.LOSES),
    Format("burst", "BURST", ".json", burst.sniff, burst.load, burst.save, burst.probe,
           burst.LOSES),
    Format("cvat", "CVAT's XML", ".xml", cvat_reading.sniff, cvat_reading.load, cvat.save,
           cvat_reading.probe, cvat.LOSES, ("masks", "polygons", "boxes"), images=True),
    Format("label_studio", "Label Studio's tasks", ".json", label_studio_reading.sniff,
           label_studio_reading.load, label_studio.save, label_studio_reading.probe,
           label_studio.LOSES, ("masks", "polygons", "boxes"), images=True),
    Format("labelme", "LabelMe's folder", "", labelme.sniff, labelme.load, labelme.save,
           labelme.probe, labelme.LOSES, folder=True, images=True),
    Format("yolo", "YOLO's folder", "", yolo.sniff, yolo.load, yolo.save, yolo.probe,
           yolo.LOSES, ("polygons",), folder=True, images=True, last=yolo.DATA),
    Format("dlc_csv", "DeepLabCut's CSV", ".csv", dlc.sniff, dlc.load, dlc.save, dlc.probe,
           dlc.LOSES, images=True),
    Format("dlc_h5", "DeepLabCut's H5", ".h5", dlc_h5.sniff, dlc_h5.load, dlc_h5.save,
           loses=dlc.LOSES, images=True),
    Format("slp", "SLEAP's labels", ".slp", sleap.sniff_slp, sleap.load_slp, sleap.save_slp,
           loses=sleap.LOSES),
    Format("sleap_h5", "SLEAP's analysis", ".h5", sleap.sniff_analysis, sleap.load_analysis,
           sleap.save_analysis, loses=sleap.ANALYSIS_LOSES),
    Format("nwb", "NWB", ".nwb", sleap.sniff_nwb, sleap.load_nwb, sleap.save_nwb,
           loses=sleap.NWB_LOSES),
    Format("tapvid", "TAP-Vid's arrays", ".npz", tapvid.sniff, tapvid.load, tapvid.save,
           tapvid.probe, tapvid.LOSES, by_suffix=False),
)  # fmt: skip
