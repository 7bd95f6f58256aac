"""A session: a video, its objects, what people said of them, and what follows.

    DIR/session.db     all of it, one SQLite file
    DIR/session.lock   held by the one who may edit
    DIR/run.lock       held by the one who computes

Everybody may look at a session at any time, one process edits it, one (the same or another)
computes. What people did is never overwritten by what was computed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path

from pixelkin import __version__
from pixelkin.annotation import suggest as suggestions
from pixelkin.annotation import upkeep
from pixelkin.annotation.compute import Passes
from pixelkin.annotation.features import FEATURE_BYTES, Features
from pixelkin.annotation.footage import Footage
from pixelkin.annotation.layers import DEFAULTS, layers_of
from pixelkin.annotation.looking import Looker
from pixelkin.annotation.matching import renumbered, same_objects
from pixelkin.annotation.model import Check, Progress
from pixelkin.annotation.run import Run
from pixelkin.annotation.show import Display
from pixelkin.annotation.store import EDITING, FILE, RUNNING, Store, now
from pixelkin.formats.registry import load_annotations, save_annotations
from pixelkin.formats.selecting import Kept, taken, watched
from pixelkin.formats.writing import Shapes
from pixelkin.locks import Lock
from pixelkin.models.encoder import NAMED, Runtime, describe_encoder, load_encoder
from pixelkin.propagation.encoding import fitted
from pixelkin.propagation.protocol import Protocol
from pixelkin.run_folder import check_empty
from pixelkin.types import Annotations, InputError, LabelKind, Object

APART_SECONDS = 0.5  # over which frames that ask for a look are close; less in very short videos


class Session(Looker):
    """An annotation session; make one with `create`, or `open` one.

    Example:
        >>> session = Session.create("dog.pixelkin", "video.mp4", encoder="lab")
        >>> session.label(0, pixelkin.read_mask("first_frame.png"))
        >>> for progress in session.propagate():
        ...     pass
        >>> session[3].confidence[1] > 0.2
        True
        >>> session.close()
    """

    def __init__(self, folder: Path, store: Store, *, edit: bool) -> None:
        self._lock = Lock(folder / EDITING)
        if edit:
            try:
                self._lock.acquire()
            except InputError:  # somebody else edits it: this one looks on
                edit = False
        super().__init__(folder, store, read_only=not edit)

    @classmethod
    def create(
        cls,
        folder: str | Path,
        video: str | Path,
        *,
        encoder: str | Path = "default",
        protocols: Mapping[LabelKind, Protocol | str] | None = None,
        runtime: Runtime = "torch",
    ) -> Session:
        """Begin a session in a new or empty folder.

        Args:
            folder: Made if missing.
            video: A video file, a folder of frames or a glob pattern.
            encoder: What `load_encoder` takes.
            protocols: How labels of a kind are carried, instead of the defaults: davis for masks,
                vip for parts, jhmdb at a short side of at most 320 for keypoints and points.
            runtime: As in `load_encoder`; the session keeps to it.

        Raises:
            InputError: If the folder holds something, or the video or the encoder cannot be read.
        """
        folder = Path(folder)
        if (folder / FILE).exists():
            raise InputError(f"{folder} holds a session already: open it, or choose another folder")
        check_empty(folder, (EDITING, RUNNING))
        footage = Footage.of(video)
        chosen = {**DEFAULTS, **{k: Protocol.named(p) for k, p in (protocols or {}).items()}}
        network = load_encoder(encoder, runtime)
        chosen = {kind: fitted(protocol, network) for kind, protocol in chosen.items()}
        for kind in chosen:
            layers_of([Object(1, kind)], footage.info.size, chosen)
        described = describe_encoder(network)
        folder.mkdir(parents=True, exist_ok=True)
        store = Store(folder, create=True)
        name = str(encoder) if str(encoder) in NAMED else str(Path(encoder).absolute())
        facts = {
            "video": footage.to_json(),
            "encoder": json.dumps(
                {"name": name, "digest": json.dumps(described), "runtime": runtime}
            ),
            "protocols": json.dumps({kind: asdict(p) for kind, p in chosen.items()}),
            "made": json.dumps({"pixelkin": __version__, "time": now()}),
        }
        with store.transaction(durable=True):
            for key, value in facts.items():
                store.set_meta(key, value)
        return cls(folder, store, edit=True)

    @classmethod
    def open(
        cls,
        folder: str | Path,
        *,
        edit: bool = True,
        progress: Callable[[int, int], None] = lambda *_: None,
    ) -> Session:
        """Open a session; one of an earlier version of pixelkin is brought up to date.

        Args:
            folder: Where it is.
            edit: Whether labels are to be changed; where another process does so already, the
                session is opened to look at (`read_only`).
            progress: Told, while a session is brought up to date, how many frames of passes are
                done, and of how many.

        Raises:
            InputError: If there is no session, or it cannot be read.
        """
        folder, store = Path(folder), Store(Path(folder), progress=progress)
        if store.meta("made") is None:
            store.close()
            raise InputError(f"{folder} was never made wholly: remove it, and make it anew")
        return cls(folder, store, edit=edit)

    def close(self) -> None:
        """Close the session; everything is kept already."""
        self._lock.close()
        self._store.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def propagate(self, *, near: int = 0, frames: range | None = None) -> Iterator[Progress]:
        """Compute what is missing or stale, and nothing else.

        Close the iterator to stop; call again to go on, with the results of a run that was never
        stopped. Labels may be changed meanwhile, here or by another process.

        Args:
            near: Frames near this one are done first.
            frames: Consecutive ones that are wanted, and what leads to them; all if None.

        Raises:
            InputError: If another process computes, or the video or the encoder is not the one
                that the session was made with.
        """
        with Lock(self.folder / RUNNING):
            run = Run(self._store, self.snapshot, self._passes, self._display)
            yield from run.steps(near, frames)
            upkeep.trim(self._store, (inputs for _, _, inputs, _ in self.snapshot().wanted()))

    def prepare(self, near: int = 0) -> Iterator[int]:
        """Make ready for a run near a frame: the encoder, and features of the frames around it.

        Nothing of it is kept in the session. Stop asking to end it.

        Args:
            near: Frame number.

        Yields:
            The number of each frame that is ready, the nearest first.

        Raises:
            InputError: As `propagate`.
        """
        layers = self.snapshot().layers
        for layer in layers or layers_of([Object(1, "mask")], self.size, self.protocols):
            yield from self._features.around(layer, near)

    @cached_property
    def _features(self) -> Features:
        name, digest, runtime = self._store.fact("encoder", _encoder)
        encoder = load_encoder(name, runtime)
        if json.dumps(describe_encoder(encoder)) != digest:
            raise InputError(
                f"the weights {name} are others than those that the session was made "
                "with: put them back, or make a new session"
            )
        return Features(self.video.open(), encoder, FEATURE_BYTES)

    @cached_property
    def _passes(self) -> Passes:
        return Passes(self._store, self._features)

    @cached_property
    def _display(self) -> Display:
        return Display(self._store, self._passes)

    def suggest(self, count: int = 5) -> list[Check]:
        """The frames that ask for a look most, in the order in which to look; see `suggest.py`.

        Raises:
            InputError: If not even one is wanted.
        """
        if count < 1:
            raise InputError(f"{count} frames to look at: ask for one at least")
        fps = self.video.info.fps or 24.0
        apart = max(1, min(round(APART_SECONDS * fps), len(self) // 4))
        return suggestions.suggest(self._store, count, apart, [o.id for o in self.objects])

    def import_(self, labels: str | Path | Annotations, format: str | None = None) -> list[int]:
        """Take over labels of objects, known by name, colour or id; the frames that they label.

        Of labels and results of a model, the labels; results alone become labels.

        Args:
            labels: Annotations, or where they are.
            format: Of the file; None to find out.

        Raises:
            InputError: If they cannot be read, or do not fit the video or the session.
        """
        what = "labels" if isinstance(labels, Annotations) else Path(labels).name
        if not isinstance(labels, Annotations):
            labels = load_annotations(labels, self.video.info, format)
        given = taken(labels, "labels")
        labels = given if given.frames else labels
        with self.edit(f"import {what}"):
            ids = same_objects(labels.objects, self.objects, self._highest)
            for number, one in labels:
                self.label(number, renumbered(one, ids), source="imported")
            for (number, i), detail in sorted(labels.details.items()):
                if detail.state != "present" and detail.origin == "given":
                    self._hide(number, ids[i], detail.state)
            for a, b in labels.objects.skeleton:
                self.connect(ids[a], ids[b])
        return sorted(labels.frames)

    def export(
        self,
        path: str | Path,
        format: str | None = None,
        *,
        images: str | Path | None = None,
        what: Kept = "both",
        shapes: Shapes | None = None,
        simplify: float | None = None,
        scorer: str = "pixelkin",
        overwrite: bool = True,
        progress: Callable[[int, int], None] = lambda *_: None,
    ) -> tuple[str, ...]:
        """Write labels and results of all frames; the format is the one named, or the suffix's.

        Args:
            path: The file, or the folder for formats that are one.
            format: Its name.
            images: A folder for the images of the frames, for formats that refer to them.
            what: "labels" that somebody gave or accepted alone; all as "predictions"; or "both",
                each as what it is.
            shapes: What masks are written as, where the format has a choice.
            simplify: How many pixels the corners that polygons leave out may be from a side.
            scorer: Who labelled, where the format has a place for it (DeepLabCut).
            overwrite: Replace files that are there.
            progress: Told how many frames are done, and of how many.

        Returns:
            What the format does not keep of them, a line each, and what the session alone keeps.

        Raises:
            InputError: If the format cannot be written, or cannot hold them.
        """
        with self._store.reading():  # of one moment, also where labels are edited meanwhile
            annotations = taken(self._accepted() if what == "labels" else self.annotations(), what)
            if not annotations.frames:
                raise InputError(f"{self.folder} has no such labels: nothing is written")
            lost = save_annotations(
                path,
                watched(annotations, progress),
                format,
                video=self.video.info if images is None else self.video.open(),
                images=images,
                shapes=shapes,
                simplify=simplify,
                scorer=scorer,
                overwrite=overwrite,
            )
            return (*lost, *self._own())

    def _accepted(self) -> Annotations:
        """The annotations, with what was accepted as given."""
        found, seen = self.annotations(), set(self.reviewed())
        details = {
            key: replace(detail, origin="given", stale=False) if key[0] in seen else detail
            for key, detail in found.details.items()
        }
        return replace(found, details=details)

    def _own(self) -> tuple[str, ...]:
        """What no format keeps, in a line."""
        known = {
            "reviewed": len(self.reviewed()),
            "flagged": len(self.flagged()),
            "first in a new shot": len(self.cuts),
        }
        said = [f"{words} ({number})" for words, number in known.items() if number]
        return (f"only the session keeps which frames are {', '.join(said)}",) if said else ()

    def faults(self) -> list[str]:
        """What is wrong with the session's file; nothing, if all is well."""
        return upkeep.faults(self._store)

    def vacuum(self) -> None:
        """Drop all votes that no label asks for, and give back their room."""
        with Lock(self.folder / RUNNING):
            wanted = [inputs for _, _, inputs, _ in self.snapshot().wanted()]
            upkeep.trim(self._store, wanted, 0)
            upkeep.vacuum(self._store)

    @property
    def bytes(self) -> int:
        """Size of the session's file."""
        return self._store.bytes

    def relocate(self, video: str | Path) -> None:
        """Say where the video lies by now.

        Raises:
            InputError: If another video is there.
        """
        self._check_editable()
        moved = self.video.moved(video)
        with self._store.transaction(durable=True):
            self._store.set_meta("video", moved.to_json())
        for made in ("_features", "_passes", "_display"):
            self.__dict__.pop(made, None)


def _encoder(text: str) -> tuple[str, str, Runtime]:
    """Name and digest of the weights, and what computes features."""
    known = json.loads(text)
    return str(known["name"]), str(known["digest"]), known.get("runtime", "torch")
