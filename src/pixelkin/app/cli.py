"""The command line: finds the command, runs it, turns bad input into one line and exit code 2.

Only the chosen command's module is imported, so that help answers at once.
"""

from __future__ import annotations

import importlib
import io
import sys
from collections.abc import Sequence

# Command: (module with a function `run`, one line for the help).
COMMANDS = {
    "demo": ("demo", "carry labels through a synthetic video and score the result"),
    "propagate": ("propagate", "carry labels of one frame (or more) through a video"),
    "app": ("app", "label, propagate, check, correct and export in a browser"),
    "session": ("session", "label, carry on, correct and export, step by step"),
    "convert": ("convert", "labels of a video from one format into another"),
    "tune": ("tune", "tune an encoder to the very video, without labels, in a minute"),
    "compare": ("compare", "which weights are better on this video, from one labelled frame"),
    "encoder": ("encoder", "make encoders of weights of others, and ONNX files of encoders"),
    "train": ("train", "learn an encoder from unlabelled videos"),
    "data": ("data", "pack videos' frames into one small file to train from"),
    "evaluate": (
        "evaluate",
        "run or score a benchmark (davis, youtube_vos, vip, jhmdb), or keypoints",
    ),
    "experiment": ("experiment", "compare trainings: tables, plots and reports"),
    "doctor": ("doctor", "show what is installed, what is missing, and the machine"),
}

LONGEST = 900  # characters of what is wrong; names in files may be of any length
RESUMABLE = ("propagate", "session", "tune", "train", "experiment")

USAGE = """usage: pixelkin COMMAND [options]

Carry labels of one video frame through the whole video.

commands:
{commands}

example:
  pixelkin propagate video.mp4 --labels first_frame.png --out out/video --overlay

`pixelkin COMMAND --help` shows a command's options; `pixelkin --version` the version.
"""


def usage() -> str:
    """The help of the program itself."""
    lines = (f"  {name:<11}{summary}" for name, (_, summary) in COMMANDS.items())
    return USAGE.format(commands="\n".join(lines))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code.

    0 on success, 2 on bad input with one line on standard error, 130 when interrupted.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):  # names of files are of any bytes
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(usage(), end="")
        return 0 if arguments else 2
    if arguments[0] in ("-V", "--version"):
        from pixelkin import __version__

        print(f"pixelkin {__version__}")
        return 0
    name, *rest = arguments
    if name not in COMMANDS:
        return _fail(f"no command {name!r}: there are {', '.join(COMMANDS)}")
    from pixelkin.app.console import drop_bad_size
    from pixelkin.types import InputError

    try:
        drop_bad_size()
        module = importlib.import_module(f"pixelkin.app.commands.{COMMANDS[name][0]}")
        return int(module.run(rest) or 0)
    except InputError as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        resumes = name in RESUMABLE or (name == "evaluate" and "--out" in rest)
        hint = "; the same command goes on where it was" if resumes else ""
        print(f"\npixelkin: interrupted{hint}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 1
    except RecursionError:
        return _fail("the input is nested too deeply")
    except MemoryError as error:
        return _fail(f"there is not enough memory for this input ({error or 'MemoryError'})")
    except OSError as error:  # no space left, no permission, a name that is too long
        where = "" if error.filename is None else f"{error.filename}: "
        return _fail(f"{where}{error.strerror or error}")


def _fail(message: str) -> int:
    line = "".join(c if c.isprintable() else "\ufffd" for c in " ".join(message.split()))
    if len(line) > LONGEST:
        line = f"{line[: LONGEST // 2]} ... {line[-LONGEST // 2 :]}"
    print(f"pixelkin: error: {line}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
