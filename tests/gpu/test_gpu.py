"""On a GPU: what the CPU gives, but for near-ties. PyAV is not needed.

python -m pytest tests/gpu
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image

from pixelkin.annotation.session import Session
from pixelkin.data.synthetic import SyntheticScene
from pixelkin.models.encoder import Encoder, describe_encoder, load_encoder
from pixelkin.ops.affinity import Cells, dense_topk, tiled, windowed_topk
from pixelkin.ops.affinity.cells import bounds_for
from pixelkin.propagation import PROTOCOL_NAMES, Protocol
from pixelkin.propagation.passes import propagate
from pixelkin.propagation.propagator import Propagator
from pixelkin.propagation.run import propagate_to_folder
from pixelkin.types import InputError, Labels, Prediction
from pixelkin.video.reader import open_video

pytestmark = pytest.mark.gpu
SIZE, FRAMES = (128, 184), 18
SCENE = SyntheticScene(size=SIZE, frames=FRAMES)
NEAR = 0.002  # share of pixels, or pixels, in which results may differ


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("video")
    for t in range(FRAMES):
        Image.fromarray(SCENE[t].image).save(folder / f"{t:05d}.png")
    return folder


@pytest.fixture
def cuda() -> Iterator[torch.device]:
    yield torch.device("cuda", 0)
    torch.cuda.empty_cache()


def ids_of(prediction: Prediction) -> NDArray[Any]:
    return prediction.labels.as_map().ids


@pytest.mark.parametrize("k", [1, 10, 2000])
@pytest.mark.parametrize("radius", [None, 0.5, 12.0, 500.0])
@pytest.mark.parametrize("kind", ["noise", "duplicated", "equal", "zero", "some zero"])
def test_the_search_equals_the_dense_form(
    kind: str, radius: float | None, k: int, cuda: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiled, "FAR_BLOCK", 2**19)  # several tiles
    g = torch.Generator().manual_seed(0)
    features = F.normalize(torch.randn(5, 64, 41, 53, generator=g), dim=1)
    if kind == "duplicated":
        features = features[:1].repeat(5, 1, 1, 1)
    elif kind == "equal":
        features = features[:1, :, :1, :1].expand_as(features)
    elif kind == "zero":
        features = torch.zeros_like(features)
    elif kind == "some zero":
        features = features * (torch.rand(5, 1, 41, 53, generator=g) < 0.7)
    restricted = [False, True, True, True]
    expected, _ = dense_topk(features[4].double(), features[:4].double(), k, radius, restricted)
    there = features.to(cuda)
    values, ids = windowed_topk(there[4], there[:4], k, radius, restricted)
    assert values.device == ids.device == cuda
    torch.testing.assert_close(values.cpu().double(), expected, rtol=0, atol=2e-6)
    sources = features[:4].double().flatten(2).transpose(1, 2).flatten(0, 1)[ids.cpu()]
    again = torch.einsum("nkc,cn->nk", sources, features[4].double().flatten(1))
    allowed = expected > -torch.inf
    torch.testing.assert_close(again[allowed], expected[allowed], rtol=0, atol=2e-6)


def test_no_tf32_even_where_the_program_around_has_it(cuda: torch.device) -> None:
    encoder = load_encoder("default").for_inference(8)
    frame = SCENE[0].image
    expected = encoder.encode(frame)
    torch.set_float32_matmul_precision("high")
    try:
        found = encoder.on(cuda).encode(frame)
        propagator = Propagator(load_encoder("default", device=cuda))
        propagator.step(frame, SCENE[0].mask_labels)
        soft = propagator.votes(found)
    finally:
        torch.set_float32_matmul_precision("highest")
    length = float(expected.norm(dim=0).max())
    assert float((found.cpu() - expected).abs().max()) < 1e-4 * length
    here = Propagator(load_encoder("default"))
    here.step(frame, SCENE[0].mask_labels)
    torch.testing.assert_close(soft.cpu(), here.votes(expected), rtol=0, atol=2e-3)


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("name", PROTOCOL_NAMES)
def test_masks_are_those_of_the_cpu(name: str, fast: bool, video: Path, cuda: torch.device) -> None:
    protocol = replace(Protocol.named(name), fast=fast)
    labels = SCENE[0].mask_labels
    there = list(propagate(video, labels, protocol=protocol, device="cuda"))
    here = list(propagate(video, labels, protocol=protocol, device="cpu"))
    differ = [float((ids_of(a) != ids_of(b)).mean()) for a, b in zip(there, here, strict=True)]
    # In bfloat16 the sums of both differ, and what they pick is carried on.
    assert np.mean(differ) < (0.02 if fast else NEAR)
    if not fast:
        for a, b in zip(there, here, strict=True):
            np.testing.assert_allclose(a.confidence, b.confidence, atol=0.02)


@pytest.mark.parametrize("name", ["davis", "jhmdb"])
def test_points_are_those_of_the_cpu(name: str, video: Path, cuda: torch.device) -> None:
    labels = SCENE[0].keypoint_labels
    there = list(propagate(video, labels, protocol=name, device=cuda))
    here = list(propagate(video, labels, protocol=name, device="cpu"))
    apart = [np.abs(a.points - b.points) for a, b in zip(there, here, strict=True)]
    assert float(np.nanmedian(apart)) < 0.01
    for a, b in zip(there, here, strict=True):
        np.testing.assert_array_equal(np.isnan(a.points), np.isnan(b.points))


def test_two_runs_give_the_same(video: Path, cuda: torch.device) -> None:
    first, second = (
        [ids_of(p) for p in propagate(video, SCENE[0].mask_labels, device=cuda)] for _ in range(2)
    )
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def test_auto_takes_the_gpu_and_a_given_encoder_stays(cuda: torch.device) -> None:
    assert Propagator("random").encoder.device == cuda
    assert load_encoder("random").device == torch.device("cpu")
    assert Propagator(load_encoder("random")).encoder.device == torch.device("cpu")
    assert Propagator(load_encoder("random", device="auto")).encoder.device == cuda
    own = Encoder.wrap(torch.nn.Conv2d(3, 5, 16, 16).to(cuda), stride=16)
    assert Propagator(own).encoder.device == own.encode(SCENE[0].image).device == cuda
    assert describe_encoder(load_encoder("random", device=cuda)) == describe_encoder(
        load_encoder("random")
    )


def test_a_run_goes_on_on_another_device(video: Path, tmp_path: Path, cuda: torch.device) -> None:
    labels, out = SCENE[0].mask_labels, tmp_path / "out"

    class Stopped(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done > 12:
            raise Stopped

    with pytest.raises(Stopped):
        propagate_to_folder(video, labels, out, device="cuda", progress=stop)
    done = propagate_to_folder(video, labels, out, device="cpu")
    assert done.resumed >= 10 and done.device == "cpu"
    devices = json.loads((out / "run.json").read_text())["progress"]["devices"]
    assert devices[0].startswith("cuda (") and devices[1:] == ["cpu"]
    whole = propagate_to_folder(video, labels, tmp_path / "whole", device="cpu")
    for name in sorted(path.name for path in (out / "masks").iterdir()):
        one, other = (np.array(Image.open(x / "masks" / name)) for x in (out, whole.folder))
        assert float((one != other).mean()) < NEAR


def test_a_state_is_restored_to_the_bit(cuda: torch.device) -> None:
    labels = SCENE[0].mask_labels
    propagator = Propagator("default", device=cuda)
    for t in range(6):
        propagator.step(SCENE[t].image, labels if t == 0 else None)
    other = propagator.another()
    other.restore(propagator.state(), labels, lambda t: SCENE[t].image)
    np.testing.assert_array_equal(
        ids_of(other.step(SCENE[6].image)), ids_of(propagator.step(SCENE[6].image))
    )


def test_later_objects_and_cuts(cuda: torch.device) -> None:
    shown: list[list[NDArray[Any]]] = []
    first, second = SCENE[0].mask_labels, SCENE[3].mask_labels
    one = Labels.from_mask(np.where(first.ids == 1, 1, 0))
    other = Labels.from_mask(np.where(second.ids == 2, 2, 0))
    for device in ("cuda", "cpu"):
        propagator = Propagator("default", device=device)
        steps = [propagator.step(SCENE[0].image, one)]
        steps += [propagator.step(SCENE[t].image) for t in (1, 2)]
        steps += [propagator.step(SCENE[3].image, other, merge=True)]
        steps += [propagator.step(SCENE[4].image)]
        propagator.end()
        steps += [propagator.step(SCENE[5].image)]
        shown.append([ids_of(p) for p in steps])
    assert all(float((a != b).mean()) < NEAR for a, b in zip(*shown, strict=True))
    assert set(np.unique(shown[0][4])) == {0, 1, 2} and not shown[0][5].any()


def test_several_keyframes_in_one_video(video: Path, cuda: torch.device) -> None:
    ids = SCENE[8].mask_labels.ids
    labels = {0: SCENE[0].mask_labels, 8: Labels.from_mask(np.where(ids == 1, 1, 0))}
    found = [list(propagate(video, labels, device=device)) for device in ("cuda", "cpu")]
    for there, here in zip(*found, strict=True):
        assert float((ids_of(there) != ids_of(here)).mean()) < NEAR


def test_a_session(video: Path, tmp_path: Path, cuda: torch.device) -> None:
    shown = []
    for device in ("cuda", "cpu"):
        with Session.create(tmp_path / device, video, device=device) as session:
            session.label(0, SCENE[0].mask_labels)
            for _ in session.propagate():
                pass
            shown.append([session[t].labels[0].as_map().ids for t in range(FRAMES)])
    for there, here in zip(*shown, strict=True):
        assert float((there != here).mean()) < NEAR
    with Session.open(tmp_path / "cuda", device="cpu") as session:  # nothing is computed again
        assert not list(session.stale())


def test_too_little_memory_is_one_line(cuda: torch.device) -> None:
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(cuda).total_memory
    taken = torch.cuda.memory_reserved(cuda)
    propagator = Propagator("random", device=cuda)
    frame = np.zeros((1080, 1920, 3), np.uint8)
    torch.cuda.set_per_process_memory_fraction((taken + 200 * 2**20) / total, cuda)
    try:
        with pytest.raises(InputError, match=r"memory of the device cuda is too small.*--device"):
            propagator.step(frame, Labels.from_mask(np.ones((1080, 1920), np.int32)))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, cuda)
    small = propagator.another()
    small.step(frame[:96, :96], Labels.from_mask(np.ones((96, 96), np.int32)))


@pytest.mark.parametrize("name", ["random", "lab"])
def test_search_cells_stay_on_the_device(name: str, cuda: torch.device) -> None:
    encoder = load_encoder(name, device=cuda).for_inference(8)
    features = encoder.encode(SCENE[0].image)[None]
    cells = Cells.of(features, bounds_for(features))
    assert {x.device for x in (cells.exact, cells.rows, cells.spread)} == {cuda}


def test_an_open_reader_is_taken_too(video: Path, cuda: torch.device) -> None:
    found = next(propagate(open_video(video), SCENE[0].mask_labels, device=cuda))
    np.testing.assert_array_equal(ids_of(found), SCENE[0].mask_labels.ids)
