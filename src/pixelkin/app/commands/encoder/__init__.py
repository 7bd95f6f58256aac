"""pixelkin encoder: weights of others made into encoders, and encoders into ONNX files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pixelkin.app.arguments import call
from pixelkin.app.commands.encoder import actions
from pixelkin.types import InputError

USAGE = """usage: pixelkin encoder COMMAND [options]

Weights of others as encoders, and encoders as ONNX files.

commands:
  import     make an encoder of a checkpoint, or of a model in a folder of Hugging Face's
  whiten     give an encoder a last layer that whitens its features
  export     write an encoder as an ONNX file
  show       say what an encoder is, and check its weights

example:
  pixelkin encoder import crw.pth --out encoders/crw
  pixelkin encoder import ~/models/dinov2-small --out encoders/dinov2
  pixelkin propagate video.mp4 --labels first_frame.png --out out --weights encoders/crw

`pixelkin encoder COMMAND --help` shows a command's options.
"""

COMMANDS: dict[str, tuple[Callable[..., Any], str]] = {
    "import": (actions.import_, actions.IMPORT),
    "whiten": (actions.whiten, actions.WHITEN),
    "export": (actions.export, actions.EXPORT),
    "show": (actions.show, actions.SHOW),
}


def run(arguments: Sequence[str]) -> int:
    """Run the command on its arguments and return its exit code."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE, end="")
        return 0 if arguments else 2
    name, *rest = arguments
    if name not in COMMANDS:
        raise InputError(f"no command 'encoder {name}': there are {', '.join(COMMANDS)}")
    command, description = COMMANDS[name]
    call(command, f"encoder {name}", rest, description)
    return 0
