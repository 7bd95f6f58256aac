"""JHMDB, body joints: read the official folders, score PCK.

    videos = load_split("JHMDB", split=1)
    score = score_records(videos, Store(Path("out")))   # of a run of the pipeline

15 joints are given in frame 0, also where they lie outside the frame; see `keypoints` for how they
are counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from pixelkin.evaluation.benchmark import Benchmark, Store
from pixelkin.evaluation.folders import choose, files, find, read_lines
from pixelkin.evaluation.keypoints import KeypointScore, score_joints
from pixelkin.evaluation.videos import Video
from pixelkin.formats.jhmdb_mat import JOINTS, load_joints, load_puppet
from pixelkin.types import InputError, Labels

TEST = "2"  # how the lists mark a test clip; 1 is training


@dataclass(frozen=True, eq=False)
class JhmdbVideo(Video):
    """One JHMDB clip.

    Attributes:
        name: "<action>/<clip>".
        names: File stem of each frame, from "00001" on.
        frames: Path of each frame.
        joints: T x 15 x 2 (x, y) pixels from 0; joints may lie outside the frame.
        puppet_file: puppet_mask.mat, the person's mask in each frame, where it is there.
        joints_file: Where the joints come from.
    """

    joints: NDArray[np.float32]
    puppet_file: Path | None
    joints_file: Path | None = None

    def given(self, index: int) -> Labels | None:
        """The joints of frame 0."""
        return self.truth(0) if index == 0 else None

    @property
    def given_files(self) -> tuple[Path, ...]:
        """The file of the joints."""
        return () if self.joints_file is None else (self.joints_file,)

    def truth(self, index: int) -> Labels:
        """The joints of a frame."""
        return Labels.from_points(self.joints[index], self.size, names=JOINTS)

    def region(self, index: int) -> Labels | None:
        """The person's mask in a frame, where there is one; nothing is scored with it."""
        if self.puppet is None or index >= len(self.puppet):
            return None
        return Labels.from_mask(self.puppet[index])

    @cached_property
    def puppet(self) -> NDArray[np.bool_] | None:
        """The person's masks, T x H x W; None where there are none."""
        return None if self.puppet_file is None else load_puppet(self.puppet_file)


def load_split(
    root: str | Path, split: int = 1, sequences: Iterable[str] | None = None
) -> list[JhmdbVideo]:
    """The test clips of a split, checked to be complete.

    The layout is splits/<action>_test_split<split>.txt (a clip and 1 or 2 in each line; 2 = test),
    joint_positions/<action>/<clip>/joint_positions.mat, Rename_Images/<action>/<clip>/*.png and,
    not necessarily, puppet_mask/<action>/<clip>/puppet_mask.mat. Split 1 has 268 test clips.

    Args:
        root: The data set's folder.
        split: 1, 2 or 3.
        sequences: Names ("<action>/<clip>") to choose, in this order; None for all.

    Raises:
        InputError: If a folder, a list, a clip or a frame is not there.
    """
    root = Path(root)
    if not 1 <= split <= 3:
        raise InputError(f"no JHMDB split {split}: there are 1, 2 and 3")
    ending = f"_test_split{split}.txt"
    lists = sorted(find(root, "splits", "JHMDB").glob(f"*{ending}"))
    if not lists:
        raise InputError(f"{root / 'splits'}: looked for <action>{ending}, found none")
    for folder in ("joint_positions", "Rename_Images"):
        find(root, folder, "JHMDB")
    listed = [
        f"{path.name.removesuffix(ending)}/{name.removesuffix('.avi')}"
        for path in lists
        for name, use in (line.rsplit(maxsplit=1) for line in read_lines(path) if " " in line)
        if use == TEST
    ]
    return [_find_video(root, name) for name in choose(sequences, listed, f"JHMDB split {split}")]


def score_records(videos: Iterable[JhmdbVideo], store: Store) -> KeypointScore:
    """PCK of stored predictions.

    Args:
        videos: See `load_split`.
        store: Holds a record of each.
    """
    videos = list(videos)
    return score_joints(
        {video.name: video.joints for video in videos},
        {video.name: store.points(video) for video in videos},
        JOINTS,
    )


@dataclass(frozen=True, kw_only=True)
class Jhmdb(Benchmark[JhmdbVideo]):
    """JHMDB."""

    ABOUT: ClassVar[str] = """
JHMDB: carry 15 body joints from each clip's first frame through it (n = 7, k = 5, 320 x 320) and
score PCK: a joint is right at most alpha * 0.6 * the diagonal of the box around the person's joints
away. Two ways: as the published script counts (lost joints left out), and strictly (lost = wrong).

ROOT holds the folders of the archives at jhmdb.is.tue.mpg.de, unpacked (puppet_mask is optional and
only shown in --videos):
  splits/ACTION_test_split1.txt
  Rename_Images/ACTION/CLIP/*.png
  joint_positions/ACTION/CLIP/joint_positions.mat
  puppet_mask/ACTION/CLIP/puppet_mask.mat

--sequences are named ACTION/CLIP. OUT receives records/ACTION/CLIP.json (joints by frame),
result.json and table.md.

Example:
  pixelkin evaluate jhmdb --root JHMDB --out out/jhmdb --videos
"""
    NAME: ClassVar[str] = "jhmdb"
    PROTOCOL: ClassVar[str] = "jhmdb"
    TAKES_MAPS: ClassVar[bool] = False

    split: Literal[1, 2, 3] = 1
    """Whose test clips are scored."""

    def load(self, *, frames: bool = True) -> list[JhmdbVideo]:  # noqa: ARG002
        """The test clips of the split; their frames are always needed, to check them."""
        return load_split(self.root, self.split, self.sequences)

    def title(self, videos: Sequence[JhmdbVideo]) -> str:
        """Split, and how many clips."""
        return f"JHMDB split {self.split}, {len(videos)} clips"

    def score(
        self,
        videos: Sequence[JhmdbVideo],
        store: Store,
        *,
        resize: bool = False,  # noqa: ARG002
        progress: Callable[[int, int], None] | None = None,
    ) -> KeypointScore:
        """PCK."""
        score = score_records(videos, store)
        if progress is not None:
            progress(len(videos), len(videos))
        return score


def _find_video(root: Path, name: str) -> JhmdbVideo:
    """A clip; frames beyond the annotated ones, which some clips have, are left out."""
    joints_file = root / "joint_positions" / name / "joint_positions.mat"
    joints = load_joints(joints_file)
    folder = root / "Rename_Images" / name
    images = files(folder, "png")[: len(joints)]
    if len(images) < len(joints):
        raise InputError(f"{folder}: {len(images)} frames, but joints of {len(joints)}")
    puppet = root / "puppet_mask" / name / "puppet_mask.mat"
    names = tuple(p.stem for p in images)
    return JhmdbVideo(
        name, names, images, joints, puppet if puppet.is_file() else None, joints_file
    )
