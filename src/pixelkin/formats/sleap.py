"""SLEAP's .slp and analysis .h5, and NWB, by sleap-io (extra `pose`).

A body is a track. What somebody gave are user instances, results predicted ones. An instance of
which a part was given counts as given.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np

from pixelkin.files import atomic_write
from pixelkin.formats.bodies import Body, bodies, point_name, point_names, skeleton
from pixelkin.formats.collecting import NOBODY, Collector, confidence_of
from pixelkin.formats.hdf5 import holds
from pixelkin.formats.isolated import isolated
from pixelkin.formats.listed_frames import check_number, image_path
from pixelkin.formats.writing import Frame, Writing
from pixelkin.types import Annotations, Detail, InputError, Origin, VideoInfo

LOSES = ("masks", "categories", "both", "colours", "loose", "stale", "occluded", "gone")
ANALYSIS_LOSES = (*LOSES, "origin", "empty")
UNNAMED = "track_0"  # what sleap-io calls a body without a track
NWB_LOSES = (*LOSES, "bodies")


def sniff_slp(path: Path) -> bool:
    """Whether the file is SLEAP's."""
    return path.suffix.lower() == ".slp" and holds(path)


def sniff_analysis(path: Path) -> bool:
    """Whether the file is an analysis of SLEAP's."""
    return path.suffix.lower() in (".h5", ".hdf5") and holds(path, b"track_occupancy")


def sniff_nwb(path: Path) -> bool:
    """Whether the file is NWB."""
    return path.suffix.lower() == ".nwb" and holds(path)


@isolated
def load_slp(path: Path, video: VideoInfo) -> Annotations:
    """The instances of every frame of the first video."""
    return _read(_library().load_slp(str(path), open_videos=False), path, video)


@isolated
def load_analysis(path: Path, video: VideoInfo) -> Annotations:
    """The instances of every frame."""
    labels = _library().load_analysis_h5(str(path))
    if [track.name for track in labels.tracks] == [UNNAMED]:
        for frame in labels:
            for instance in frame.instances:
                instance.track = None
        labels.tracks = []
    return _read(labels, path, video)


@isolated
def load_nwb(path: Path, video: VideoInfo) -> Annotations:
    """The instances of every frame."""
    return _read(_library().load_nwb(str(path)), path, video)


def save_slp(path: Path, writing: Writing) -> None:
    """Write SLEAP's own file."""
    writing.check(path)
    sleap = _library()
    labels = _labels(sleap, writing, files="named")
    with atomic_write(path) as temporary:
        sleap.save_slp(labels, str(temporary), verbose=False)


def save_analysis(path: Path, writing: Writing) -> None:
    """Write an analysis, in which what was given is predicted, too."""
    writing.check(path)
    sleap = _library()
    labels = _labels(sleap, writing, files="path")
    writing.keeping("origin")
    for frame in labels:
        for n, instance in enumerate(frame.instances):
            if not hasattr(instance, "score"):
                writing.lose("origin", (frame.frame_idx, n))
    with atomic_write(path) as temporary:
        sleap.save_analysis_h5(labels, str(temporary))


def save_nwb(path: Path, writing: Writing) -> None:
    """Write NWB, which sleap-io can for whole videos in a file alone."""
    writing.check(path)
    if writing.numbers != list(range(writing.length)) or writing.video.names is not None:
        raise InputError("nwb takes a video file of which every frame is labelled, from frame 0 on")
    if not Path(writing.video.path).is_file():
        raise InputError(f"nwb takes a video file, which is not there: {writing.video.path}")
    sleap = _library()
    labels = _labels(sleap, writing, files="opened")
    kinds = {hasattr(instance, "score") for frame in labels for instance in frame.instances}
    if len(kinds) > 1:
        raise InputError("nwb takes what was given, or all as predictions (--as), not both")
    with atomic_write(path) as temporary:
        sleap.save_nwb(labels, str(temporary))
        if _points(sleap.load_nwb(str(temporary))) != _points(labels):
            raise InputError(
                "nwb, as sleap-io writes it, would not give these labels back: it takes points "
                "that are there in every frame, results with a confidence; slp and npz take all"
            )


def _points(labels: Any) -> Counter[tuple[int, str, float, float]]:
    """Frame, name and place of all points that are there."""
    return Counter(
        (int(frame.frame_idx), name, round(float(x), 2), round(float(y), 2))
        for frame in labels
        for one in frame.instances
        for name, (x, y) in zip(one.skeleton.node_names, one.numpy(), strict=True)
        if np.isfinite([x, y]).all()
    )


def _library() -> ModuleType:
    try:
        import sleap_io
    except ImportError as error:
        raise InputError(
            f"SLEAP's formats and NWB need the extra pose, pip install 'pixelkin[pose]' ({error})"
        ) from error
    found: ModuleType = sleap_io
    return found


def _labels(sleap: Any, writing: Writing, *, files: Literal["named", "path", "opened"]) -> Any:
    every = bodies(writing.objects)
    names = point_names(every)
    lines = skeleton(writing.objects, every)
    nodes = sleap.Skeleton(list(names), edges=lines, name=NOBODY)  # NWB needs a name
    video = _video(sleap, writing, files=files)
    tracks = [None if body.name is None else sleap.Track(body.name) for body in every]
    frames = []
    for frame in writing.frames():
        found = [
            _instance(sleap, writing, frame, body, names, nodes, track)
            for body, track in zip(every, tracks, strict=True)
        ]
        there = [instance for instance in found if instance is not None]
        frames.append(sleap.LabeledFrame(video=video, frame_idx=frame.number, instances=there))
    known = [track for track in tracks if track is not None]
    return sleap.Labels(frames, videos=[video], skeletons=[nodes], tracks=known)


def _video(sleap: Any, writing: Writing, *, files: str) -> Any:
    """The video: opened, else by its path, or by its images where they are to be named."""
    info = writing.video
    path = info.path or "video.mp4"
    if files == "opened":
        return sleap.Video(filename=path)
    told: dict[str, Any] = {"shape": (writing.length, info.height, info.width, 3)}
    named: str | list[str] = path
    if files == "named" and info.names is not None:
        named = [image_path(Path(path), name).as_posix() for name in info.names]
        told |= {"type": "ImageVideo", "filename": named[0], "filenames": named, "grayscale": False}
    return sleap.Video(filename=named, open_backend=False, backend_metadata=told)


def _instance(
    sleap: Any,
    writing: Writing,
    frame: Frame,
    body: Body,
    names: tuple[str, ...],
    nodes: Any,
    track: Any,
) -> Any:
    """A body in a frame; None where it has no labels."""
    places = frame.places()
    own = {point_name(body, n): o for n, o in enumerate(body.points) if o.id in places}
    if not own:
        return None
    there = np.array([places[own[n].id] if n in own else (np.nan, np.nan) for n in names])
    details = [writing.detail(frame.number, own[n]) if n in own else None for n in names]
    if all(d is None or d.origin == "propagated" for d in details):
        scores = np.array(
            [np.nan if d is None or d.confidence is None else d.confidence for d in details]
        )
        mean = float(np.nanmean(scores)) if np.isfinite(scores).any() else 0.0
        return sleap.PredictedInstance.from_numpy(
            there, skeleton=nodes, point_scores=scores, score=mean, track=track
        )
    for o in own.values():  # of a user instance all points are a user's
        detail = writing.detail(frame.number, o)
        if np.isfinite(places[o.id]).all():
            if detail.origin == "propagated":
                writing.drop("origin", (frame.number, o.id))
            if detail.confidence is not None:
                writing.drop("confidence", (frame.number, o.id))
    return sleap.Instance.from_numpy(there, skeleton=nodes, track=track)


def _read(labels: Any, path: Path, video: VideoInfo) -> Annotations:
    found = Collector(video, path)
    lines = [(a.name, b.name) for s in labels.skeletons for a, b in s.edges]
    nodes = [node for s in labels.skeletons for node in s.node_names]
    for track in labels.tracks:
        found.body(track.name, nodes, name=track.name, lines=lines)
    first = labels.videos[0] if labels.videos else None
    for frame in labels:
        if frame.video is not first:
            found.note("SLEAP: videos beside the first one are left out")
            continue
        number = check_number(int(frame.frame_idx), video, path)
        for n, instance in enumerate(_chosen(frame.instances)):
            named = instance.track is not None
            key: Hashable = instance.track.name if named else n
            found.body(key, nodes, name=instance.track.name if named else None, lines=lines)
            result = hasattr(instance, "score")
            origin: Origin = "propagated" if result else "given"
            scores = instance.points["score"].tolist() if result else [None] * len(nodes)
            for name, xy, score in zip(
                instance.skeleton.node_names, instance.numpy().tolist(), scores, strict=True
            ):
                there = np.isfinite(xy).all()
                detail = Detail("present" if there else "absent", confidence_of(score), origin)
                found.point(number, key, name, xy if there else None, detail)
    return found.annotations()


def _chosen(instances: list[Any]) -> list[Any]:
    """What somebody gave, and predictions of tracks of which nothing was given."""
    given = {i.track for i in instances if not hasattr(i, "score")}
    return [
        i for i in instances if not hasattr(i, "score") or i.track not in given or i.track is None
    ]
