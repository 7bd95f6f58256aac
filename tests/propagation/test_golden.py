"""Outputs of the published code, reproduced."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pixelkin.ops import resample
from pixelkin.propagation import Protocol, propagate_features, references, rules


def load(golden: Path, name: str) -> dict[str, Any]:
    with np.load(golden / name) as arrays:
        return {k: arrays[k] for k in arrays}


def agree(ours: torch.Tensor, theirs: np.ndarray, tolerance: float = 1e-5) -> None:
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=0, atol=tolerance)


def crw_protocol(g: dict[str, Any]) -> Protocol:
    return replace(
        Protocol.named("davis"),
        context=int(g["params"][5]),
        top_k=int(g["params"][6]),
        radius=float(g["radius"]),
        temperature=float(g["temperature"]),
        long_term=tuple(int(m) for m in g["long_mem"]),
        normalize_features=bool(g["l2"]),
    )


CRW = ["c1_square_8x8_n4_k5_r3", "c2_wide_9x14_n3_k10_r4", "c4_davislike_15x27_n20_k10_r12"]
CRW += ["c6_longmem_0_2", "c8_no_l2_k1"]


@pytest.mark.parametrize("name", CRW)
def test_crw(golden: Path, name: str) -> None:
    g = load(golden, f"crw/{name}.npz")
    labels = torch.from_numpy(g["label0"]).permute(2, 0, 1)
    out = propagate_features(torch.from_numpy(g["feats"]).float(), labels, crw_protocol(g))
    agree(out.permute(0, 2, 3, 1), g["pred"])


@pytest.mark.parametrize("name", CRW)
def test_crw_schedule(golden: Path, name: str) -> None:
    g = load(golden, f"crw/{name}.npz")
    protocol = crw_protocol(g)
    for t in range(1, len(g["feats"])):
        ours: list[int] = []
        for r in references(protocol, t):
            ours += [r.frame] * r.multiplicity
        assert sorted(ours) == sorted(g["context_frame_index"][t].tolist())


@pytest.mark.parametrize("name", ["u1_8x12_n7_k5", "u2_vip_14x14_n1_k5", "u4_9x16_n2_k3_temp2"])
def test_uvc(golden: Path, name: str) -> None:
    g = load(golden, f"uvc/{name}.npz")
    protocol = replace(
        Protocol.named("vip"),
        context=int(g["params"][5]),
        top_k=int(g["params"][6]),
        temperature=1 / float(g["temperature_multiplier"]),
    )
    out = propagate_features(torch.from_numpy(g["feats"]), torch.from_numpy(g["label0"]), protocol)
    agree(out[1:], g["soft"])
    h, w = g["feats"].shape[2:]
    for soft, hard in zip(out[1:], g["hard"], strict=True):
        ids = resample.stretch(resample.resize_bilinear(soft, (8 * h, 8 * w))).argmax(0)
        np.testing.assert_array_equal(resample.resize_nearest(ids, hard.shape).numpy(), hard)


@pytest.mark.parametrize("name", ["t1_s8_n7_k5", "t2_s10_n7_k5_L5"])
def test_timecycle(golden: Path, name: str) -> None:
    g = load(golden, f"timecycle/{name}.npz")
    protocol = replace(
        Protocol.named("jhmdb"),
        context=int(g["params"][5]),
        top_k=int(g["params"][6]),
        normalize_features=True,
        temperature=1 / float(g["scale"]),
    )
    order = g["label_order"].tolist()
    full = resample.one_hot(torch.from_numpy(g["label_full"]).long(), order)
    small = resample.resize_bilinear(full, g["feats_relu"].shape[2:])
    agree(small.permute(1, 2, 0), g["label0_small"])
    out = propagate_features(torch.from_numpy(g["feats_relu"]), small, protocol)
    agree(out.permute(0, 2, 3, 1), g["soft_normalised"])
    full_size = g["label_full"].shape
    for soft, hard in zip(out, g["hard_ids"], strict=True):
        up = resample.resize_bilinear(soft, full_size)
        first, second = up.topk(2, dim=0).values
        clear = (first - second > 1e-5).numpy()
        winner = np.array(order)[up.argmax(0).numpy()]
        assert np.array_equal(winner[clear], hard[clear])


@pytest.mark.parametrize("name", ["j1_s10_n7_k5", "j3_s10_n3_k5_offimage"])
def test_jhmdb(golden: Path, name: str) -> None:
    g = load(golden, f"jhmdb/{name}.npz")
    protocol = replace(
        Protocol.named("jhmdb"), context=int(g["params"][5]), top_k=int(g["params"][6])
    )
    size = int(g["params"][2])
    joints = torch.from_numpy(g["joints0"]).T
    heat = resample.heatmaps(joints, (size, size), float(g["sigma"]))
    agree(heat.permute(1, 2, 0), g["heatmaps0"])
    labels = resample.with_background(heat)
    out = propagate_features(torch.from_numpy(g["feats"]), labels, protocol)
    agree(out.permute(0, 2, 3, 1), g["soft_normalised"])
    for i, soft in enumerate(out):
        points = resample.decode_points(soft[1:], protocol.decode_top).nan_to_num(-1.0)
        agree(points.T, g["coords"][:, :, i], 1e-4)


@pytest.mark.parametrize("sigma", ["1.0", "2.0"])
def test_heatmaps(golden: Path, sigma: str) -> None:
    g = load(golden, f"jhmdb/heatmap_sigma{sigma}.npz")
    ours = resample.heatmaps(torch.from_numpy(g["points_xy"]), (10, 12), float(sigma))
    agree(ours, g["heatmaps"])


MAST = ["m1_short_only_16x20_R6", "m2_five_refs_short_30x41_R12", "m3_one_long_20x28_R4"]


@pytest.mark.parametrize("own_offsets", [False, True])
@pytest.mark.parametrize("name", MAST)
def test_mast_step(golden: Path, name: str, own_offsets: bool) -> None:
    g = load(golden, f"mast/{name}.npz")
    labels = torch.stack(
        [
            resample.one_hot(torch.from_numpy(m[0, ::4, ::4]).long(), range(7))
            for m in g["masks_ref"]
        ]
    )
    out = rules.mast(
        torch.from_numpy(g["feat_tar"][0]),
        torch.from_numpy(g["feats_ref"]),
        labels,
        radius=int(g["R"]),
        gaps=[int(g["current_index"]) - int(i) for i in g["ref_index"]],
        own_offsets=own_offsets,
    )
    agree(out, g["out_own_offsets_torch11" if own_offsets else "out_asis_torch11"][0])


def test_mast_sequence(golden: Path) -> None:
    g = load(golden, "mast/s1_ref0_12x15_R6_t22.npz")
    protocol = replace(Protocol.named("youtube_vos"), radius=int(g["R"]))
    for t, wanted in enumerate(g["ref_index"].tolist(), start=1):
        assert [r.frame for r in references(protocol, t)] == [i for i in wanted if i >= 0]
    mask = torch.from_numpy(g["mask0"]).long()
    labels = resample.mask_to_grid(mask, range(7), g["feats"].shape[2:], "subsample", 4)
    size = (mask.shape[0], mask.shape[1])
    out = propagate_features(torch.from_numpy(g["feats"]), labels, protocol, size)
    agree(out[1:], g["soft"])
    for soft, hard in zip(out[1:], g["hard"], strict=True):
        ids = resample.resize_bilinear(soft, size).argmax(0)
        np.testing.assert_array_equal(ids.numpy(), hard)
