"""pixelkin app: label, propagate, check, correct and export a video in a browser."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from threading import Timer
from typing import Annotated, Any

import tyro

from pixelkin.app.arguments import call
from pixelkin.app.console import say
from pixelkin.app.options import Device, Runtime
from pixelkin.types import InputError

DESCRIPTION = """
Label a video in the browser: paint an object once, propagate, check what is doubtful, correct,
export.

VIDEO is a video file or a folder of frames; what you do is kept at once in a session beside it,
VIDEO.pixelkin. Without either, the page lets you choose one below the folder you are in.

Example:
  pixelkin app dog.mp4
"""

LOCAL = ("127.0.0.1", "localhost", "::1")
PORT = 8765
TRIES = 20


def app(
    source: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="[VIDEO|SESSION]")] = "",
    /,
    port: int | None = None,
    host: str = "127.0.0.1",
    browser: bool = True,
    root: Path = Path(),
    weights: str = "default",
    runtime: Runtime = "torch",
    cache_size: float = 2.0,
    threads: int | None = None,
    device: Device | None = None,
) -> None:
    """Open the page.

    Args:
        source: What to open.
        port: Of the address; a free one from 8765 on by default.
        host: Where to listen; other machines need the token that is printed.
        browser: --no-browser only prints the address.
        root: The page lists and opens nothing outside of this folder.
        weights: Encoder of new sessions: default, an encoder's folder, or F.onnx.
        runtime: What computes their features: torch, or onnx (onnxruntime, pixelkin[onnx]).
        cache_size: GiB of frames that are kept beside a session.
        threads: CPU threads of the process that computes.
        device: What it computes on: cpu, cuda or mps; auto takes a GPU where there is one. By
            default what the session was made with: auto for new ones.
    """
    from pixelkin.app.options import check_threads

    check_threads(threads)
    if not 0.01 <= cache_size <= 1000:
        raise InputError(f"--cache-size {cache_size:g}: must be from 0.01 to 1000 GiB")
    if port is not None and not 0 <= port <= 65535:
        raise InputError(f"--port {port}: must be from 0 to 65535")
    if not root.is_dir():
        raise InputError(f"--root {root} is no folder")
    missing = [name for name in ("fastapi", "uvicorn") if not importlib.util.find_spec(name)]
    if missing:
        raise InputError(f"the page needs {' and '.join(missing)}: pip install 'pixelkin[app]'")
    if threads is not None:
        os.environ["OMP_NUM_THREADS"] = str(threads)

    from pixelkin.app.opening import open_and_tell
    from pixelkin.app.server.main import create_app, serve
    from pixelkin.app.server.places import Desk, is_session
    from pixelkin.app.server.security import hosts_of, new_token
    from pixelkin.ops.devices import find_device

    if device is not None:
        find_device(device)
    bound = _bound(host, port)
    number = bound.getsockname()[1]
    token = None if host in LOCAL else new_token()
    size = round(cache_size * 2**30)
    desk = Desk(root, weights=weights, runtime=runtime, device=device, cache_bytes=size)
    try:
        if source:
            if not is_session(Path(source).expanduser()):
                open_and_tell(source)
            desk.open(Path(source).expanduser())
        named = f"[{host}]" if ":" in host else host
        address = f"http://{named}:{number}/" + (f"?token={token}" if token else "")
        say(f"{address}  (Ctrl-C ends it; all that you do is kept at once)")
        if browser:
            Timer(0.3, _show, [address]).start()
        signal.signal(signal.SIGTERM, _end)
        serve(create_app(desk, hosts_of(host, number), token), desk, bound)
    except KeyboardInterrupt:
        say("\nended; the same command goes on where you were")
    finally:
        desk.close()
        bound.close()


def _bound(host: str, port: int | None) -> Any:
    """A socket at the port, or at the first free one of the usual."""
    from pixelkin.app.server.main import bind

    if port is not None:
        return bind(host, port)
    for number in range(PORT, PORT + TRIES):
        try:
            return bind(host, number)
        except InputError:
            continue
    return bind(host, 0)


def _show(address: str) -> None:
    try:
        found = webbrowser.open(address)
    except webbrowser.Error:
        found = False
    if not found:
        say("no browser was found: open the address yourself")


def _end(*_: object) -> None:
    raise KeyboardInterrupt


def run(arguments: Sequence[str]) -> None:
    """Run the command on its arguments."""
    sys.stdout.reconfigure(line_buffering=True) if hasattr(sys.stdout, "reconfigure") else None
    call(app, "app", arguments, DESCRIPTION)
