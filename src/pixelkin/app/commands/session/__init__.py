"""pixelkin session: label, carry on, correct and export a video, step by step."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Callable, Sequence
from typing import Any

from pixelkin.app.arguments import call
from pixelkin.app.commands.session import editing, marking, results
from pixelkin.types import InputError

USAGE = """usage: pixelkin session COMMAND DIR [options]

Label a video, carry the labels on, correct what is wrong and export the result. DIR holds the
session; whatever is done is kept at once, and a correction computes only what depends on it.

commands:
  new        begin a session about a video
  add        add labels of further frames, or corrections
  run        compute what is missing
  status     objects, labels, what is stale, reviewed or contested
  suggest    the frames that ask for a look most
  accept     say that frames are right as they are: 5, or 0:20
  reopen     take that back: frames take new results again
  absent     say that an object is gone, from a frame on until its next label
  occluded   say that an object is there in frames, but hidden
  unlabel    take back what was said of an object in frames
  flag       mark frames for a later look
  cut        say whether a new shot begins with a frame
  undo       take back the last edit
  redo       do it again
  export     write labels and results
  weights    go on with other weights
  relocate   say where the video lies by now
  check      look whether the session's file is sound

example:
  pixelkin session new dog.pixelkin video.mp4 --labels first_frame.png
  pixelkin session run dog.pixelkin
  pixelkin session export dog.pixelkin dog.npz

`pixelkin session COMMAND --help` shows a command's options.
"""

COMMANDS: dict[str, tuple[Callable[..., Any], str]] = {
    "new": (editing.new, "video.mp4 --labels first_frame.png"),
    "add": (editing.add, "40=corrected.png"),
    "run": (results.compute, ""),
    "status": (results.status, ""),
    "suggest": (results.suggest, "-k 10"),
    "accept": (marking.accept, "0:20"),
    "reopen": (marking.reopen, "12"),
    "absent": (marking.absent, "40 ball"),
    "occluded": (marking.occluded, "22:30 ball"),
    "unlabel": (marking.unlabel, "22:30 ball"),
    "flag": (marking.flag, '7 --note "the ear?"'),
    "cut": (editing.cut, "120 --no-cut"),
    "undo": (editing.undo, ""),
    "redo": (editing.redo, ""),
    "export": (results.export, "dog.npz"),
    "weights": (editing.weights, "dog.pixelkin-tuned"),
    "relocate": (editing.relocate, "elsewhere/video.mp4"),
    "check": (results.check, "--vacuum"),
}
"""By name: the command, and what its example says after the session."""


def run(arguments: Sequence[str]) -> int:
    """Run the command on its arguments and return its exit code."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE, end="")
        return 0 if arguments else 2
    name, *rest = arguments
    if name not in COMMANDS:
        raise InputError(f"no command 'session {name}': there are {', '.join(COMMANDS)}")
    command, words = COMMANDS[name]
    about = (command.__doc__ or "").split("\n\n")[0]
    example = f"  pixelkin session {name} dog.pixelkin {words}".rstrip()
    try:
        call(command, f"session {name}", rest, f"{about}\n\nExample:\n{example}")
    except (zlib.error, json.JSONDecodeError, sqlite3.Error) as error:  # of what is kept in it
        raise InputError(f"the session's file is damaged: {error}") from error
    return 0
