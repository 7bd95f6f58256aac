"""Labels that come into a session, and what leaves it, in the formats of others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from pixelkin.annotation.looking import Looker
from pixelkin.annotation.matching import renumbered, same_objects
from pixelkin.formats.registry import load_annotations, save_annotations
from pixelkin.formats.selecting import Kept, taken, watched
from pixelkin.formats.writing import Shapes
from pixelkin.types import Annotations, InputError


class Exchanger(Looker):
    """A session that labels are read into and written from; part of `Session`."""

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
