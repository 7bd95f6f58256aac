"""pixelkin data: videos to train from, made ready to be taken elsewhere."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated, Literal

import tyro

from pixelkin.app.arguments import call
from pixelkin.app.console import progress_bar, say
from pixelkin.types import InputError

USAGE = """usage: pixelkin data pack VIDEOS... OUT [options]

Pack the frames of videos into one small file, which `pixelkin train --data OUT` takes as it takes
folders. It is read without PyAV.

example:
  pixelkin data pack my_videos videos.pack --limit-mb 64

`pixelkin data pack --help` shows the options.
"""

DESCRIPTION = """
Pack the frames of videos into one small file, which `pixelkin train --data` takes as it takes
folders, on machines without PyAV, too.

VIDEOS are folders of videos or of folders of frames, searched recursively, or single files. The
first 48 frames of all videos go in first, then the next 48, and so on, until the limit is reached.
What is left out is named in OUT.left_out.txt, and why.

Example:
  pixelkin data pack my_videos videos.pack --limit-mb 64
  pixelkin train recipes/small.yaml --data videos.pack --out runs/mine
"""
NAMED = 5  # of what is left out, on the terminal


def pack(
    paths: Annotated[
        tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="VIDEOS... OUT")
    ],
    /,
    short_side: int = 256,
    limit_mb: float | None = None,
    exclude: Collection[str] = (),
    codec: Literal["avif", "webp"] = "avif",
    quality: int = 50,
    speed: int = 6,
    overwrite: bool = False,
) -> None:
    """Pack videos.

    Args:
        paths: Folders or files of videos, and last the file to write.
        short_side: Larger frames are reduced to this short side, in pixels.
        limit_mb: Size of the file at most, in MiB.
        exclude: Shell patterns of names to leave out, such as "jhmdb*".
        codec: webp is read by any Pillow, and takes five times the room.
        quality: From 0 to 100.
        speed: Of the encoder, from 0 (slowest, smallest) to 10; 8 is ten times as fast as 6.
        overwrite: Replace OUT, and OUT.left_out.txt, if they are there.
    """
    from pixelkin.data.index import index_videos
    from pixelkin.data.packed import is_pack
    from pixelkin.data.packing import write_pack
    from pixelkin.files import cache_folder, check_writable, write_text

    if len(paths) < 2:
        raise InputError("give the videos and then the file to write: VIDEOS... OUT")
    *videos, out = paths
    told = out.with_name(f"{out.name}.left_out.txt")
    if out.is_file() and not is_pack(out):  # the last video, where OUT was forgotten
        raise InputError(f"{out} is there and no pack, so it is not replaced: VIDEOS... OUT")
    check_writable(out, told, overwrite=overwrite)
    with progress_bar("looking at the videos", "videos") as progress:
        index = cache_folder() / "index.json"
        unreadable: dict[str, str] = {}
        sources = index_videos(
            videos,
            index,
            exclude=tuple(exclude),
            progress=progress,
            unreadable=unreadable,
            flawed=True,  # what comes before the flaw goes in
        )
    with progress_bar("packing", "frames") as progress:
        done = write_pack(
            sources,
            out,
            short_side=short_side,
            limit_mb=limit_mb,
            codec=codec,
            quality=quality,
            speed=speed,
            progress=progress,
        )
    say(f"{out}: {done.videos} videos, {done.frames} frames, {done.nbytes / 2**20:.1f} MiB")
    lines = [f"{name}: {why}" for name, why in sorted((unreadable | done.left_out).items())]
    if lines:
        write_text(told, "\n".join(lines) + "\n")
        say(f"left out, of {len(lines)} videos:")
        for line in lines[:NAMED]:
            say(f"  {line}")
        if len(lines) > NAMED:
            say(f"  and of {len(lines) - NAMED} more: {told}")
    else:
        told.unlink(missing_ok=True)  # that of the pack that was replaced


def run(arguments: Sequence[str]) -> int:
    """Run the command on its arguments and return its exit code."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE, end="")
        return 0 if arguments else 2
    name, *rest = arguments
    if name != "pack":
        raise InputError(f"no command 'data {name}': there is pack")
    call(pack, "data pack", rest, DESCRIPTION)
    return 0
