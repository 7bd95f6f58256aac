"""What `pixelkin encoder` does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from pixelkin.app.console import progress_bar, say
from pixelkin.types import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pixelkin.models.encoder import Encoder

MOST = 8  # names on the terminal
IMPORT = """
Make an encoder of weights of others, for --weights.

FROM is a checkpoint of a ResNet-18, 34 or 50 (.safetensors, .pth) or a folder as Hugging Face has
it, of DINOv2 (with registers or not), DINOv3 (ViT or ConvNeXt) or ViT. Nothing is downloaded, and
no code in these files is run. Of a checkpoint it is said which names are used, renamed, ignored
and missing; with fewer than 95 % of what the network needs it is refused.

A vision transformer sees frames enlarged so that each of its cells covers --stride pixels: with a
patch of 14 and a stride of 8 by 1.75, which takes several times as long as --stride 14. The radius
and context of protocols are in cells and frames: at a stride of 14, davis' radius of 12 is 168
pixels, not 96.

Example:
  pixelkin encoder import crw.pth --out encoders/crw
  pixelkin encoder import ~/models/dinov2-small --out encoders/dinov2 --stride 14
"""
WHITEN = """
Give an encoder a last layer that whitens its features: no training, and no labels.

A few directions of features carry most of their length, and tell little: the others get more
weight. Networks as recipes/sizes.yaml leaves them then follow keypoints and labels of small frames
better; the weights in the package were made so. What is measured, on frames of VIDEOS, is the
features' second moment; take such as the encoder will see.

Example:
  pixelkin encoder whiten runs/mine/encoder ~/videos --out encoders/mine
"""
EXPORT = """
Write an encoder as an ONNX file: RGB in [0, 1] (1 x 3 x H x W, of any size) to features.

The file is tried against PyTorch on frames of several sizes, and refused if it differs. It is an
encoder, too: --weights F.onnx. Needs onnx, onnxscript and onnxruntime: pip install
'pixelkin[onnx]'.

Example:
  pixelkin encoder export default --onnx encoder.onnx
  pixelkin propagate video.mp4 --labels first_frame.png --out out --weights encoder.onnx
"""
SHOW = """
Say what an encoder is: network, stride, channels, parameters. Its weights are checked.

Example:
  pixelkin encoder show default
"""
Named = Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="ENCODER")]


def import_(
    source: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="FROM")],
    /,
    out: Path,
    family: str = "auto",
    stages: Literal[3, 4] = 3,
    padding: Literal["zeros", "reflect", "replicate"] | None = None,
    stride: int = 8,
    link: bool = False,
    overwrite: bool = False,
) -> None:
    """Make an encoder of weights of others.

    Args:
        source: Checkpoint, or folder of Hugging Face's; comes before the options.
        out: Folder for the encoder.
        family: Whose names a checkpoint has: crw, moco, timecycle, uvc, vfs, dino, torchvision (and
            timm); auto finds out.
        stages: Of a checkpoint, the last stage of the ResNet that is kept: 3 (conv4) or 4 (conv5).
        padding: Of a checkpoint, how borders are padded; as its family does by default.
        stride: Pixels of the frame that a cell covers; of ResNets 8 or 4.
        link: Refer to the files of a folder rather than copy them.
        overwrite: Replace an encoder that is there.
    """
    from pixelkin.models.checkpoint import import_checkpoint
    from pixelkin.models.encoder import save_encoder
    from pixelkin.models.importing import import_folder

    if not source.exists():
        raise InputError(f"no such file or folder: {source}")
    _check_out(out, overwrite=overwrite)
    if source.is_dir():
        if family != "auto":
            raise InputError("--family is of checkpoints; a folder says itself what it is")
        encoder = import_folder(source, out, stride=stride, link=link)
        say(f"{out}: {_described(encoder)}")
        return
    done = import_checkpoint(source, family, stages=stages, padding=padding, stride=stride)
    save_encoder(done.encoder, out)
    say(f"read by the rules of {done.family}:")
    _list("used", done.used)
    _list("renamed", [f"{old} -> {new}" for old, new in done.renamed.items()])
    _list("ignored", done.ignored)
    _list("missing", done.missing, " (batch norms without them are neutral)")
    say(f"{out}: {_described(done.encoder)}")


def _check_out(out: Path, *, overwrite: bool) -> None:
    if out.exists() and any(out.iterdir() if out.is_dir() else [out]):
        if not (out / "config.json").is_file():
            raise InputError(f"{out} is there and no encoder, so it is not replaced")
        if not overwrite:
            raise InputError(f"{out} holds an encoder: --overwrite replaces it")


def _list(what: str, names: Sequence[str], more: str = "") -> None:
    shown = ", ".join(names[:MOST])
    rest = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    say(f"  {what} {len(names)}{f': {shown}{rest}' if names else ''}{more if names else ''}")


def _described(encoder: Encoder) -> str:
    """Network, grid and size in one line."""
    from pixelkin.models.config import OtherConfig

    config = encoder.config
    parts = [config.network, f"stride {encoder.stride}", f"{encoder.channels} channels"]
    if isinstance(config, OtherConfig):
        parts[0] = config.family or config.network
        parts.append(f"patch {config.patch} (input_scale {config.input_scale:g})")
        if config.network == "transformers":
            parts.append(f"licence: {config.licence or 'none found in the folder'}")
    if powers := config.meta.get("whitened"):
        parts.append("whitened to a power of " + " and ".join(f"{p:g}" for p in powers))
    elif config.head is not None:
        parts.append("with a head")
    count = sum(p.numel() for p in encoder.parameters())
    return ", ".join(parts + ([f"{count / 1e6:.1f} million parameters"] if count else []))


def whiten(
    encoder: Named,
    videos: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="VIDEOS ...")],
    /,
    out: Path,
    power: float = 0.5,
    frames: int = 150,
    overwrite: bool = False,
) -> None:
    """Give an encoder a last layer that whitens its features.

    Args:
        encoder: default, random, or an encoder's folder; comes before the options.
        videos: Folders of videos, video files, or packs.
        out: Folder for the encoder.
        power: How far: 0 not at all, 1 in full.
        frames: How many are looked at, of different videos as far as there are enough.
        overwrite: Replace an encoder that is there.
    """
    from pixelkin.checks import check_number
    from pixelkin.data.frames import sample_frames
    from pixelkin.data.index import index_videos
    from pixelkin.files import cache_folder
    from pixelkin.models.encoder import load_encoder, save_encoder
    from pixelkin.models.whitening import check_whitenable, whitened

    if not videos:
        raise InputError("give videos whose frames are looked at: ENCODER VIDEOS... --out OUT")
    check_number("--frames", frames, least=1)
    check_number("--power", power, least=0, most=1)
    _check_out(out, overwrite=overwrite)
    loaded = load_encoder(encoder)
    check_whitenable(loaded)
    with progress_bar("looking at the videos", "videos") as progress:
        sources = index_videos(videos, cache_folder() / "index.json", progress=progress)
    with progress_bar("encoding", "frames") as progress:

        def seen() -> Iterator[NDArray[np.uint8]]:
            for number, frame in enumerate(sample_frames(sources, frames), start=1):
                yield frame
                progress(number, frames)

        done = whitened(loaded, seen(), power)
    save_encoder(done, out)
    say(f"{out}: {_described(done)}")


def export(
    encoder: Named,
    /,
    onnx: Path,
    stride: int | None = None,
    half: bool = False,
    overwrite: bool = False,
) -> None:
    """Write an encoder as an ONNX file.

    Args:
        encoder: default, random, lab, or an encoder's folder; comes before the options.
        onnx: The file.
        stride: Pixels of the frame that a cell covers; the encoder's own by default.
        half: In half precision: half the size, rougher.
        overwrite: Replace a file that is there.
    """
    from pixelkin.files import atomic_write, check_writable
    from pixelkin.models.encoder import load_encoder

    if onnx.suffix != ".onnx":
        raise InputError(f"--onnx {onnx}: the name must end in .onnx")
    check_writable(onnx, overwrite=overwrite)
    loaded = load_encoder(encoder)
    say(f"{encoder}: {_described(loaded)}; exporting, which takes a minute at most")
    done = loaded.to_onnx(stride, half=half)
    with atomic_write(onnx) as temporary:
        temporary.write_bytes(done.data)
    say(
        f"{onnx}: {len(done.data) / 2**20:.1f} MiB; features differ from PyTorch's by "
        f"{done.parity:.1e} of their length at most"
    )


def show(encoder: Named, /) -> None:
    """Say what an encoder is.

    Args:
        encoder: What --weights takes.
    """
    from pixelkin.models.encoder import load_encoder

    say(f"{encoder}: {_described(load_encoder(encoder))}")
