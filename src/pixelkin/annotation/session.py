"""A session: a video, its objects, what people said of them, and what follows.

    DIR/session.db     all of it, one SQLite file
    DIR/session.lock   held by the one who may edit
    DIR/run.lock       held by the one who computes

Everybody may look at a session at any time, one process edits it, one (the same or another)
computes. What people did is never overwritten by what was computed.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path

from pixelkin import __version__
from pixelkin.annotation import suggest as suggestions
from pixelkin.annotation import upkeep
from pixelkin.annotation.compute import Passes
from pixelkin.annotation.exchanging import Exchanger
from pixelkin.annotation.features import FEATURE_BYTES, Features
from pixelkin.annotation.footage import Footage
from pixelkin.annotation.history import revise
from pixelkin.annotation.layers import DEFAULTS, layers_of
from pixelkin.annotation.model import Check, Progress
from pixelkin.annotation.run import Run
from pixelkin.annotation.show import Display
from pixelkin.annotation.store import EDITING, FILE, RUNNING, Store, now
from pixelkin.locks import Lock
from pixelkin.models.encoder import NAMED, Encoder, Runtime, describe_encoder, load_encoder
from pixelkin.ops.devices import find_device
from pixelkin.propagation.encoding import fitted
from pixelkin.propagation.protocol import Protocol
from pixelkin.run_folder import check_empty
from pixelkin.types import InputError, LabelKind, Object, frame_number

APART_SECONDS = 0.5  # over which frames that ask for a look are close; less in very short videos


class Session(Exchanger):
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

    def __init__(
        self, folder: Path, store: Store, *, edit: bool, device: str | None = None
    ) -> None:
        self._device = device
        self._made_with = ""  # of the weights that features are made with
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
        device: str = "auto",
        progress: Callable[[int, int], None] | None = None,
    ) -> Session:
        """Begin a session in a new or empty folder.

        Args:
            folder: Made if missing.
            video: A video file, a folder of frames or a glob pattern.
            encoder: A name or a path that `load_encoder` takes.
            protocols: How labels of a kind are carried, instead of the defaults: davis for masks,
                vip for parts, jhmdb at a short side of at most 320 for keypoints and points.
            runtime: As in `load_encoder`; the session keeps to it.
            device: Where features and votes are computed, as in `find_device`, unless `open` says
                so; it decides nothing but near-ties.
            progress: As in `open_video`.

        Raises:
            InputError: If the folder holds something, the video or the encoder cannot be read, or
                there is no such device.
        """
        folder = Path(folder)
        if not isinstance(encoder, str | Path):
            raise InputError("a session opens its encoder again: give its name or its folder")
        if (folder / FILE).exists():
            raise InputError(f"{folder} holds a session already: open it, or choose another folder")
        check_empty(folder, (EDITING, RUNNING))
        footage = Footage.of(video, progress)
        chosen = {**DEFAULTS, **{k: Protocol.named(p) for k, p in (protocols or {}).items()}}
        network = load_encoder(encoder, runtime, None if device == "auto" else device)
        chosen = {kind: fitted(protocol, network) for kind, protocol in chosen.items()}
        for kind in chosen:
            layers_of([Object(1, kind)], footage.info.size, chosen)
        described = _described(encoder, network, runtime, device)
        folder.mkdir(parents=True, exist_ok=True)
        store = Store(folder, create=True)
        facts = {
            "video": footage.to_json(),
            "encoder": described,
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
        device: str | None = None,
        progress: Callable[[int, int], None] = lambda *_: None,
    ) -> Session:
        """Open a session; one of an earlier version of pixelkin is brought up to date.

        Args:
            folder: Where it is.
            edit: Whether labels are to be changed; where another process does so already, the
                session is opened to look at (`read_only`).
            device: Where features and votes are computed, as in `find_device`; None: as `create`
                was told.
            progress: Told, while a session is brought up to date, how many frames of passes are
                done, and of how many.

        Raises:
            InputError: If there is no session, it cannot be read, or there is no such device.
        """
        if device is not None:
            find_device(device)
        folder, store = Path(folder), Store(Path(folder), progress=progress)
        if store.meta("made") is None:
            store.close()
            raise InputError(f"{folder} was never made wholly: remove it, and make it anew")
        return cls(folder, store, edit=edit, device=device)

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
        near = frame_number(near)
        with Lock(self.folder / RUNNING):
            if self._made_with not in ("", self._store.meta("encoder")):
                self._forget()
            where = self._features.device
            run = Run(self._store, self.snapshot, self._passes, self._display, where)
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
            yield from self._features.around(layer, frame_number(near))

    @cached_property
    def _features(self) -> Features:
        name, digest, runtime, device = self._store.fact("encoder", _encoder)
        encoder = load_encoder(name, runtime, self._device or device)
        if json.dumps(describe_encoder(encoder)) != digest:
            words = shlex.join(["pixelkin", "session", "weights", str(self.folder), name])
            raise InputError(
                f"the weights {name} are others than those that the session was made with: put "
                f"them back, or go on with these: {words}"
            )
        self._made_with = self._store.meta("encoder") or ""
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
    def weights(self) -> str:
        """Name or place of the encoder that the session goes by."""
        return self._store.fact("encoder", _encoder)[0]

    def use_weights(self, encoder: str | Path) -> None:
        """Go on with other weights: results stay in sight, stale, until they are computed again.

        Args:
            encoder: As of `create`.

        Raises:
            InputError: If they cannot be read, their cells are of another size than those by which
                labels are carried, or another process computes.
        """
        self._check_editable()
        *_, runtime, device = self._store.fact("encoder", _encoder)
        network = load_encoder(encoder, runtime, self._device or device)
        for protocol in self.protocols.values():
            if (other := fitted(protocol, network).stride) != protocol.stride:
                raise InputError(
                    f"{encoder} has cells of {other} pixels, and this session carries labels by "
                    f"cells of {protocol.stride}: make a new session for these weights"
                )
        with Lock(self.folder / RUNNING), self._store.transaction(durable=True):
            self._store.set_meta("encoder", _described(encoder, network, runtime, device))
            revise(self._store)
        self._forget()

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
        self._forget()

    def _forget(self) -> None:
        """What was made of the video and the weights that were."""
        for made in ("_features", "_passes", "_display"):
            self.__dict__.pop(made, None)


def _described(encoder: str | Path, network: Encoder, runtime: Runtime, device: str) -> str:
    """What `_encoder` reads."""
    name = str(encoder) if str(encoder) in NAMED else str(Path(encoder).absolute())
    digest = json.dumps(describe_encoder(network))
    return json.dumps({"name": name, "digest": digest, "runtime": runtime, "device": device})


def _encoder(text: str) -> tuple[str, str, Runtime, str]:
    """Name and digest of the weights, what computes features, and where."""
    known = json.loads(text)
    runtime, device = known.get("runtime", "torch"), str(known.get("device", "auto"))
    return str(known["name"]), str(known["digest"]), runtime, device
