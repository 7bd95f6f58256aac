"""A whole video into a folder, resumable."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch

from pixelkin.background import BackgroundWriter
from pixelkin.models.encoder import Encoder, load_encoder
from pixelkin.ops.devices import described
from pixelkin.propagation.confidence import meaning
from pixelkin.propagation.encoding import fitted
from pixelkin.propagation.overlay import draw_stored, drawing
from pixelkin.propagation.passes import Keyframes, Relay, checked
from pixelkin.propagation.plan import plan
from pixelkin.propagation.protocol import Protocol
from pixelkin.propagation.results import OVERLAY, ResultsFolder, fingerprint, frame_stamps
from pixelkin.types import InputError
from pixelkin.video.reader import VideoReader, open_video

STATE_EVERY = 10


@dataclass(frozen=True)
class Run:
    """What `propagate_to_folder` did.

    Attributes:
        folder: Where the results are.
        frames: Number of frames of the video.
        resumed: How many of them an earlier, interrupted run had done.
        lowest: (frame number, confidence) of the frame that most asks for a look; points that no
            keyframe has do not count.
        cuts: Frames with which a new shot was found to begin; see `propagate`.
        meaning: What confidence is here; see `confidence.meaning`.
        device: What computed, in words.
    """

    folder: Path
    frames: int
    resumed: int
    lowest: tuple[int, float]
    cuts: tuple[int, ...] = ()
    meaning: str = ""
    device: str = "cpu"


def propagate_to_folder(
    video: str | Path | VideoReader,
    labels: Keyframes,
    out: str | Path,
    *,
    encoder: Encoder | str | Path = "default",
    protocol: Protocol | str = "davis",
    device: str | torch.device = "auto",
    overwrite: bool = False,
    reuse: bool = False,
    replace: bool = False,
    over_cuts: bool = False,
    overlay: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Run:
    """Carry labels through a video and write the results.

    `out` receives run.json (video and settings) and, for each frame, masks/NAME.png (masks and
    parts) and frames/NAME.json (confidence; coordinates of keypoints and points), each written
    atomically. Called again after an interruption it goes on where it was.

    Args:
        video: A file, a folder of frames or a glob pattern.
        labels: As in `propagate`.
        out: Folder for the results.
        encoder: An `Encoder`, or what `load_encoder` takes.
        protocol: A `Protocol`, or the name of one.
        device: As in `Propagator`. It is kept in run.json and decides nothing: a run goes on on
            another device, whose results differ in near-ties alone, and of
            `Protocol.fast` by what features are computed in.
        overwrite: Whether results that are there already may be replaced.
        reuse: Whether a finished run of the same video, labels and settings is taken as it is
            rather than refused.
        replace: As in `propagate`.
        over_cuts: As in `propagate`.
        overlay: Whether overlay.mp4 is drawn as well: while it is computed, or, of a run that goes
            on, or whose first keyframe is not frame 0, afterwards. One that is there is kept.
        progress: Called with (frames done, frames in all); those drawn afterwards count again.

    Raises:
        InputError: If `out` holds other results, or as `propagate`.
    """
    reader = open_video(video)
    encoder = load_encoder(encoder, device=device)
    protocol = fitted(Protocol.named(protocol), encoder)
    keyframes = checked(labels, reader, protocol)
    passes = plan(len(reader), keyframes, replace=replace)
    settings = fingerprint(reader, encoder, protocol) | ({"over_cuts": True} if over_cuts else {})
    with ResultsFolder(Path(out)) as folder:
        resumed = len(reader)
        there = folder.open(
            reader.info,
            settings,
            passes,
            stamps=frame_stamps(reader),
            device=described(encoder.device),
            overwrite=overwrite,
            reuse=reuse,
        )
        later = overlay and there and not (folder.folder / OVERLAY).exists()
        finished = len(reader)

        def tell(drawn: int = 0) -> None:
            if progress is not None:
                progress(finished + drawn, len(reader) * (2 if later else 1))

        if not there:
            starts = [folder.done(part) for part in passes]
            resumed = sum(len(p.results(n)) for p, (n, _) in zip(passes, starts, strict=True))
            relay = Relay(reader, keyframes, encoder, protocol, over_cuts=over_cuts)
            finished = resumed
            later = overlay and (resumed > 0 or passes[0].keyframe != 0)
            with ExitStack() as stack:
                draw = None
                if overlay and not later:
                    draw = stack.enter_context(drawing(reader, folder))
                write = stack.enter_context(BackgroundWriter())
                for part, (done, state) in zip(passes, starts, strict=True):
                    if done == part.frames and not state:
                        continue  # finished before
                    now = computed = done
                    try:
                        for computed, prediction in relay.run(part, done, state, tell):
                            write(folder.write, prediction)
                            now = computed
                            if draw is not None:
                                write(draw, prediction)
                            if now % STATE_EVERY == 0:
                                write.wait()  # a state must not know of frames that are not written
                                folder.save_state(part, now, relay.state())
                            finished += 1
                            tell()
                    except InputError:  # a frame is broken: what was done before it is kept
                        write.wait()
                        if computed == now > done:
                            folder.save_state(part, now, relay.state())
                        raise
                    write.wait()
                    folder.finish_pass(part, relay.cuts)
            folder.finish()
        if later:
            draw_stored(reader, folder, tell)
        lowest = folder.lowest_confidence(reader)
        said = meaning(protocol, passes[0].kind)
        where = described(encoder.device)
        return Run(Path(out), len(reader), resumed, lowest, folder.cuts, said, where)
