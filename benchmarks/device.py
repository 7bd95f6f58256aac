"""Label propagation on a GPU against the processor beside it: seconds, memory, near-ties.

    python benchmarks/device.py [--device cuda] [--threads 2] [--frames 26] [--json FILE]

For each protocol and size, on the GPU and on the CPU with so many threads: wall-clock seconds a
frame of the encoder, of the search and mixing of labels, of decoding, and of all of
`pixelkin.propagate` with its frames in memory; peak memory of the GPU; and how many pixels (points)
of both agree. Then the encoder by memory format and by how cuDNN chooses (`--cases formats`
alone: a minute), how the search depends on the size of its tiles, how far its similarities are
from those of a dense form in float64, and what the GPU does in a frame. The video is made up; PyAV
is not needed. A part that fails is reported, and the others go on; figures are printed, and
written, as they come.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
import torch.nn.functional as F
from common import machine
from layouts import formats
from numpy.typing import NDArray
from steady import stripes

from pixelkin.data.synthetic import SyntheticScene
from pixelkin.models.encoder import load_encoder
from pixelkin.ops import tiles
from pixelkin.ops.affinity import dense_topk, tiled, windowed_topk
from pixelkin.ops.devices import computing, described, find_device
from pixelkin.propagation import Protocol
from pixelkin.propagation.passes import propagate
from pixelkin.propagation.propagator import Propagator
from pixelkin.types import Labels, Prediction, VideoInfo
from pixelkin.video.reader import VideoReader

STEADY = 22  # frame from which on all references of the DAVIS protocol are there
LONG = 150  # frames of `propagate` on a GPU
SIDES = (8, 12, 16, 24, 32, 48, 64)
Frame = NDArray[np.uint8]


@dataclass(frozen=True)
class Case:
    """A protocol on a video of a size."""

    protocol: str
    height: int
    width: int
    points: bool = False
    fast: bool = False

    @property
    def name(self) -> str:
        """In the table."""
        kind = ", points" if self.points else ""
        return f"{self.protocol}{', fast' * self.fast}{kind}, {self.height}x{self.width}"

    def chosen(self) -> Protocol:
        """The protocol."""
        return replace(Protocol.named(self.protocol), fast=self.fast)


CASES = (
    Case("davis", 480, 854),
    Case("davis", 1080, 1920),
    Case("davis", 480, 854, fast=True),
    Case("youtube_vos", 480, 854),
    Case("youtube_vos_centred", 480, 854),
    Case("jhmdb", 240, 320, points=True),
    Case("vip", 480, 854),
)


class Held:
    """Frames in memory, there and back again as often as asked for, as a reader wants them."""

    def __init__(self, frames: Sequence[Frame], count: int) -> None:
        self._frames, self._count = frames, count

    @property
    def paths(self) -> tuple[Path, ...]:
        """There are no files."""
        return ()

    def __len__(self) -> int:
        return self._count

    def read(self, wanted: range) -> Iterator[Frame]:
        """Some of them."""
        last = max(1, len(self._frames) - 1)
        for number in wanted:
            yield self._frames[last - abs(number % (2 * last) - last)]


class Video:
    """A made-up video of a case, rendered once."""

    def __init__(self, case: Case, count: int) -> None:
        scene = SyntheticScene(size=(case.height, case.width), frames=count)
        self.frames = [scene[t].image for t in range(count)]
        first = scene[0]
        self.labels: Labels = first.keypoint_labels if case.points else first.mask_labels

    def reader(self, count: int) -> VideoReader:
        """It, going on for so many frames."""
        height, width = self.frames[0].shape[:2]
        return VideoReader(Held(self.frames, count), VideoInfo("held", width, height, count))


def synchronize(device: torch.device) -> None:
    """Wait until all is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds(step: Callable[[], object], device: torch.device, runs: int, warm: int = 2) -> float:
    """Median wall-clock seconds of a call."""
    taken = []
    for run in range(warm + runs):
        synchronize(device)
        began = time.perf_counter()
        step()
        synchronize(device)
        if run >= warm:
            taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def parts(case: Case, video: Video, device: torch.device, runs: int) -> dict[str, float]:
    """Seconds a frame of each part in the steady state."""
    propagator = Propagator("default", case.chosen(), device=device)
    features = [propagator.features(frame) for frame in video.frames]
    propagator.votes(features[0], video.labels)
    for one in features[1:]:
        soft = propagator.votes(one)
    return {
        "encoder": seconds(lambda: propagator.features(video.frames[-1]), device, runs),
        "search": seconds(lambda: propagator.votes(features[-1]), device, runs),
        "decode": seconds(lambda: propagator.decode(soft), device, runs),
    }


def whole(
    case: Case, video: Video, device: torch.device, count: int
) -> tuple[float, list[Prediction]]:
    """Seconds a frame of `propagate` in the steady state, and its first predictions."""
    found: list[Prediction] = []
    ended = []
    run = propagate(
        video.reader(count), video.labels, protocol=case.chosen(), device=device, over_cuts=True
    )
    for prediction in run:
        ended.append(time.perf_counter())
        if len(found) < len(video.frames):
            found.append(prediction)
    return (ended[-1] - ended[STEADY]) / (len(ended) - 1 - STEADY), found


def agreement(case: Case, one: Sequence[Prediction], other: Sequence[Prediction]) -> dict[str, Any]:
    """How far predictions of two devices agree, frame 0 left out."""
    if case.points:
        apart = [
            float(np.nanmax(np.hypot(*(a.points - b.points).T)))
            for a, b in zip(one[1:], other[1:], strict=True)
        ]
        return {"pixels_apart_most": max(apart), "pixels_apart_median": statistics.median(apart)}
    equal = [float((a.ids == b.ids).mean()) for a, b in zip(one[1:], other[1:], strict=True)]
    overlap = [
        float(((a.ids == i) & (b.ids == i)).sum() / max(1, ((a.ids == i) | (b.ids == i)).sum()))
        for a, b in zip(one[1:], other[1:], strict=True)
        for i in a.objects
    ]
    confidence = max(
        float(np.abs(a.confidence - b.confidence).max())
        for a, b in zip(one[1:], other[1:], strict=True)
    )
    return {
        "equal_pixels": statistics.mean(equal),
        "equal_pixels_least": min(equal),
        "equal_frames": statistics.mean(e == 1 for e in equal),
        "different_pixels_first": round((1 - equal[0]) * one[0].ids.size),
        "J_least": min(overlap),
        "confidence_apart_most": confidence,
    }


def compared(case: Case, options: argparse.Namespace, device: torch.device) -> dict[str, Any]:
    """One case on both."""
    video = Video(case, options.frames)
    found: dict[str, Any] = {}
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    found["device"] = parts(case, video, device, options.runs)
    whole(case, video, device, STEADY + 3)  # libraries choose and load what they need
    long = LONG if device.type == "cuda" else options.frames
    found["device"]["propagate"], there = whole(case, video, device, long)
    if device.type == "cuda":
        found["device"]["peak_gib"] = torch.cuda.max_memory_allocated(device) / 2**30
    print(f"  on the device: {rounded(found['device'])}", flush=True)
    if options.alone:
        return found
    cpu = torch.device("cpu")
    found["cpu"] = parts(case, video, cpu, 3) if case.protocol == "davis" else {}
    found["cpu"]["propagate"], here = whole(case, video, cpu, options.frames)
    found["times_faster"] = {key: found["cpu"][key] / found["device"][key] for key in found["cpu"]}
    found["agreement"] = agreement(case, there, here)
    return found


def rounded(found: Any) -> Any:
    """Figures with four significant digits."""
    if isinstance(found, dict):
        return {key: rounded(value) for key, value in found.items()}
    return float(f"{found:.4g}") if isinstance(found, float) else found


def sides(size: tuple[int, int], device: torch.device, runs: int) -> dict[str, Any]:
    """Seconds and peak GiB of the search in the DAVIS protocol by the side of its tiles."""
    propagator = Propagator("default", "davis", device=device)
    scene = SyntheticScene(size=size, frames=2)
    features = [propagator.features(scene[t].image) for t in range(2)]
    propagator.votes(features[0], stripes(*size, 2))
    for t in range(1, STEADY + 1):
        propagator.votes(features[t % 2])
    found: dict[str, Any] = {}
    for side in SIDES:
        with (
            mock.patch.object(tiles, "FAR_TILE", side),
            mock.patch.object(tiled, "FAR_BLOCK", 2**28),
        ):
            if device.type == "cuda":
                torch.cuda.reset_peak_memory_stats(device)
            found[str(side)] = {
                "seconds": seconds(lambda: propagator.votes(features[0]), device, runs)
            }
            if device.type == "cuda":
                found[str(side)]["gib"] = torch.cuda.max_memory_allocated(device) / 2**30
        print(f"  tiles of {side}: {rounded(found[str(side)])}", flush=True)
    return found


@torch.inference_mode()
def difference(device: torch.device) -> dict[str, float]:
    """Of the k similarities of each cell to those of a dense form in float64."""
    encoder = load_encoder("default", device=device).for_inference(8)
    scene = SyntheticScene(size=(240, 432), frames=8)
    features = torch.stack([F.normalize(encoder.encode(scene[t].image), dim=0) for t in range(8)])
    query, keys, flags = features[7], features[:7], [False, *[True] * 6]
    torch.backends.cuda.matmul.allow_tf32 = True  # as a program around this may have it
    try:
        with computing(device):
            values, _ = windowed_topk(query, keys, 10, 12, flags)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = False
    expected, _ = dense_topk(query.cpu().double(), keys.cpu().double(), 10, 12, flags)
    return {"largest": float((values.cpu().double() - expected).abs().max())}


def profiled(case: Case, device: torch.device) -> dict[str, Any]:
    """What the GPU does in a frame of the steady state: launches, busy time, longest kernels."""
    from torch.profiler import ProfilerActivity, profile

    video = Video(case, 4)
    propagator = Propagator("default", case.chosen(), device=device)
    for t in range(STEADY + 4):
        propagator.step(video.frames[t % 4], video.labels if t == 0 else None)
    synchronize(device)
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as record:
        for t in range(3):
            propagator.step(video.frames[t])
        synchronize(device)
    events = [e for e in record.key_averages() if e.self_device_time_total > 0]
    events.sort(key=lambda e: -e.self_device_time_total)
    kernels = {
        e.key[:90]: [round(e.self_device_time_total / 3e3, 4), e.count / 3] for e in events[:14]
    }
    return {
        "launches": sum(e.count for e in events) / 3,
        "busy_ms": sum(e.self_device_time_total for e in events) / 3e3,
        "kernels_ms_count": kernels,
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--threads", type=int, default=2, help="of the CPU")
    parser.add_argument("--frames", type=int, default=STEADY + 4, help="that are compared")
    parser.add_argument("--runs", type=int, default=9, help="figures are medians of so many")
    parser.add_argument("--cases", nargs="*", help="parts of the names of those that are wanted")
    parser.add_argument("--alone", action="store_true", help="leave the CPU out")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = find_device(options.device)
    result: dict[str, Any] = {"machine": {**machine(), "device": described(device)}}
    print(json.dumps(result["machine"]), flush=True)

    def attempt(name: str, what: Callable[[], Any]) -> None:
        if options.cases and not any(word in name for word in options.cases):
            return
        print(name, flush=True)
        began = time.perf_counter()
        try:
            result[name] = what()
        except Exception as error:  # the others are to be measured all the same
            traceback.print_exc()
            result[name] = {"error": f"{type(error).__name__}: {error}"[:500]}
        print(f"  {json.dumps(rounded(result[name]))}", flush=True)
        print(f"  ({time.perf_counter() - began:.0f} s)", flush=True)
        if options.json is not None:
            options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")

    for case in CASES:
        attempt(case.name, lambda case=case: compared(case, options, device))  # type: ignore[misc]
        if device.type == "cuda" and case == CASES[0]:
            attempt("kernels of a frame", lambda: profiled(CASES[0], device))
    for size in ((480, 854), (1080, 1920)):
        attempt(
            f"formats, {size[0]}x{size[1]}",
            lambda size=size: formats(  # type: ignore[misc]
                size, device, lambda step: seconds(step, device, options.runs, warm=5)
            ),
        )
        attempt(
            f"tiles, {size[0]}x{size[1]}",
            lambda size=size: sides(size, device, options.runs),  # type: ignore[misc]
        )
    attempt("similarities from dense", lambda: difference(device))


if __name__ == "__main__":
    main()
