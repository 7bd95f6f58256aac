"""A whole evaluation: predict, score, keep.

    result = evaluate("davis", "DAVIS", "default", year=2016, split="val")
    print(result.score.summary.jf)

Predictions go to files and are scored from these, as anyone's are.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from pixelkin.evaluation.benchmark import Benchmark, Result, Store
from pixelkin.evaluation.pipeline import called, predict_all
from pixelkin.evaluation.qualitative import draw_video
from pixelkin.evaluation.registry import make_benchmark
from pixelkin.evaluation.videos import Video
from pixelkin.files import write_json, write_text
from pixelkin.models.encoder import Encoder, Runtime, load_encoder
from pixelkin.processes import Processes
from pixelkin.propagation.encoding import fitted
from pixelkin.propagation.protocol import Protocol
from pixelkin.types import InputError

Bar = Callable[[str, str], AbstractContextManager[Callable[[int, int], None] | None]]


def evaluate(
    name: str,
    root: str | Path,
    encoder: Encoder | str | Path = "default",
    *,
    protocol: Protocol | str | None = None,
    device: str | torch.device = "auto",
    out: str | Path | None = None,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> Result:
    """Run a benchmark: predict all its videos, and score them.

    Args:
        name: davis, youtube_vos, vip or jhmdb.
        root: The data set's folder.
        encoder: An `Encoder`, or what `load_encoder` takes.
        protocol: Decides the propagation; the benchmark's own if None.
        device: As in `Propagator`; the figures name those that computed.
        out: Keeps predictions, figures and table, and goes on with what is missing; nothing is
            kept if None.
        overwrite: Whether another run's results in `out` may be replaced.
        progress: Called with (frames done, frames in all).
        **options: The benchmark's own, as its command has them: `year=2016`, `split="val"`,
            `every=2`, `sequences=["dog"]` of davis, for example.

    Returns:
        The result; `result.figures` is what the command writes as JSON, `result.score` the score in
        the benchmark's own form.

    Raises:
        InputError: If an option is wrong, the data set is incomplete, or `out` holds another run.

    Example:
        >>> result = evaluate("davis", "DAVIS", "lab", year=2017, split="val")
        >>> result.figures["J&F"] == result.score.summary.jf
        True
    """
    result = run_benchmark(
        make_benchmark(name, root, **options),
        encoder,
        protocol=None if protocol is None else Protocol.named(protocol),
        device=device,
        out=None if out is None else Path(out),
        overwrite=overwrite,
        bar=lambda title, _: nullcontext(progress if title == PREDICTING else None),
    )
    assert result is not None  # there is one process
    return result


PREDICTING = "predicting"


def no_bar(title: str, unit: str) -> AbstractContextManager[None]:  # noqa: ARG001
    """Show no progress."""
    return nullcontext()


def run_benchmark(
    benchmark: Benchmark[Any],
    encoder: Encoder | str | Path,
    *,
    protocol: Protocol | None = None,
    runtime: Runtime = "torch",
    device: str | torch.device = "auto",
    out: Path | None = None,
    overwrite: bool = False,
    draw: bool = False,
    resize: bool = False,
    processes: Processes | None = None,
    bar: Bar = no_bar,
) -> Result | None:
    """Predict what is missing, score it, and keep the figures.

    Args:
        benchmark: What to run.
        encoder: An `Encoder`, or what `load_encoder` takes.
        protocol: Decides the propagation; the benchmark's own if None.
        runtime: As in `load_encoder`.
        device: As in `Propagator`; it decides nothing but near-ties, so predictions that another
            has made are kept.
        out: Folder for predictions, result.json, table.md and what the benchmark adds; nothing is
            kept if None.
        overwrite: Whether another run's results may be replaced.
        draw: Whether videos of truth, prediction and confidence are drawn too.
        resize: Whether predictions of another size than the truth are resampled for the score.
        processes: Those that share the work; a single one if None.
        bar: Gives the progress function of a stage, from its title and its unit.

    Returns:
        The result in the main process, None in the others.

    Raises:
        InputError: If something of the data set is wrong, or `out` holds another run.
    """
    processes = processes or Processes()
    protocol = protocol or Protocol.named(benchmark.PROTOCOL)
    if benchmark.unscored is not None and out is None:
        raise InputError(f"{benchmark.unscored}: --out keeps what it takes")
    videos = benchmark.load()
    weights = str(encoder) if isinstance(encoder, str | Path) else "given"
    network = load_encoder(encoder, runtime, device)
    protocol = fitted(protocol, network)
    with _folder(out, draw, processes.count) as folder, Store(folder) as store:
        processes.agree(store.lock)
        share = f" (1 of {processes.count} processes)" if processes.count > 1 else ""
        with bar(f"{PREDICTING}{share}", "frames") as progress:
            speed = predict_all(
                videos,
                network,
                protocol,
                store,
                settings=benchmark.settings,
                overwrite=overwrite,
                processes=processes,
                draw=draw_video if draw else None,
                progress=progress if processes.is_main else None,
            )
        if not processes.is_main:
            return None
        devices = store.devices(videos)
        title = f"{benchmark.title(videos)}, {_describe(weights, protocol)}"
        title += "" if devices == ["cpu"] else f", on {' and '.join(devices)}"
        by = "onnx" if network.config.network == "onnx" else network.runtime
        title += "" if by == "torch" else f", by {by}"
        figures = {**benchmark.settings, "weights": weights, "protocol": asdict(protocol)}
        figures |= {"devices": devices, "runtime": by}
        if speed.frames:
            rate = speed.seconds / speed.frames
            title += f", {rate:.2f} s a frame"
            figures["seconds_per_frame"] = rate
        result = _score(benchmark, videos, store, title, figures, bar, resize=resize)
        if out is None:
            return result
        again = f"files have changed, so these were predicted again: {called(speed.changed)}"
        return _keep(benchmark, videos, store, result, again if speed.changed else None)


def score_maps(
    benchmark: Benchmark[Any], folder: Path, *, resize: bool = False, bar: Bar = no_bar
) -> Result:
    """Score maps that are there, ours or anyone's.

    Args:
        benchmark: What they are predictions of.
        folder: Holds <sequence>/<frame>.png.
        resize: Resample maps of another size than the truth, by nearest neighbour.
        bar: Gives the progress function, from a title and a unit.

    Raises:
        InputError: If a map is missing or does not fit, or the truth is not at hand.
    """
    videos = benchmark.load(frames=False)
    title = benchmark.title(videos)
    if benchmark.unscored is not None:
        raise InputError(f"{title}: the truth is not at hand, so it cannot be scored here")
    store, settings = Store(folder, folder), benchmark.settings
    return _score(benchmark, videos, store, f"{title}, {folder}", settings, bar, resize=resize)


def _score(
    benchmark: Benchmark[Any],
    videos: Sequence[Video],
    store: Store,
    title: str,
    settings: dict[str, Any],
    bar: Bar,
    *,
    resize: bool = False,
) -> Result:
    if benchmark.unscored is not None:
        return Result(title, settings, None, {})
    with bar("scoring", "sequences") as progress:
        score = benchmark.score(videos, store, resize=resize, progress=progress)
    return Result(title, {**settings, **score.to_json()}, score, benchmark.tables(score))


def _keep(
    benchmark: Benchmark[Any],
    videos: Sequence[Video],
    store: Store,
    result: Result,
    said: str | None,
) -> Result:
    """Write the files of a result into the folder of the run; `said` goes before its note."""
    write_json(store.file("result.json"), result.figures)
    if result.score is not None:
        write_text(store.file("table.md"), result.markdown())
    for name, text in result.tables.items():
        write_text(store.file(name), text)
    notes = [note for note in (said, benchmark.submit(videos, store)) if note is not None]
    store.finish()
    return replace(result, note="\n".join(notes) or None)


def _describe(weights: str, protocol: Protocol) -> str:
    """How it was predicted, in the words of the command."""
    named = Protocol.named(protocol.name)
    text = f"weights {weights}, protocol {protocol.name}"
    text += f", stride {protocol.stride}" if protocol.stride != 8 else ""
    other = protocol.short_side != named.short_side
    text += f", short side {protocol.short_side}" if other else ""
    return text + (", fast" if protocol.fast else "")


@contextmanager
def _folder(out: Path | None, draw: bool, processes: int) -> Iterator[Path]:
    """The folder of the run: that of `out`, or one that is removed in the end."""
    if out is not None:
        yield out
        return
    if draw or processes > 1:
        what = "--videos" if draw else f"{processes} processes"
        raise InputError(f"{what} need --out, a folder to write to")
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "run"
