"""Checkpoints of others: what of them is used, against plain forms of their networks."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import checkpoints
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from checkpoints import FORMS, WIDTHS, State, resnet
from safetensors.torch import save_file
from torch import Tensor

from pixelkin.models.checkpoint import import_checkpoint
from pixelkin.models.encoder import load_encoder, save_encoder
from pixelkin.types import InputError

FRAME = np.random.default_rng(0).integers(0, 255, (48, 72, 3), dtype=np.uint8)
MEAN, STD = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


def plain_resnet(x: Tensor, state: State, stages: int, padding: str) -> Tensor:
    """A ResNet as the papers describe it, layer3 and layer4 without a stride, of its weights."""

    def conv(x: Tensor, name: str, stride: int = 1) -> Tensor:
        weight = state[f"{name}.weight"]
        margin = (weight.shape[-1] // 2,) * 4
        if any(margin):
            x = F.pad(x, margin) if padding == "zeros" else F.pad(x, margin, mode=padding)
        return F.conv2d(x, weight, stride=stride)

    def norm(x: Tensor, name: str) -> Tensor:
        parts = (state[f"{name}.{k}"] for k in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(x, *parts)

    x = F.max_pool2d(F.relu(norm(conv(x, "conv1", 2), "bn1")), 3, 2, 1)
    for stage in range(1, stages + 1):
        block = 0
        while (name := f"layer{stage}.{block}") + ".conv1.weight" in state:
            stride = 2 if stage == 2 and block == 0 else 1
            deep = f"{name}.conv3.weight" in state
            y = F.relu(norm(conv(x, f"{name}.conv1", 1 if deep else stride), f"{name}.bn1"))
            y = norm(conv(y, f"{name}.conv2", stride if deep else 1), f"{name}.bn2")
            if deep:
                y = norm(conv(F.relu(y), f"{name}.conv3"), f"{name}.bn3")
            if f"{name}.downsample.0.weight" in state:
                x = norm(conv(x, f"{name}.downsample.0", stride), f"{name}.downsample.1")
            x, block = F.relu(x + y), block + 1
    return x


def expected(family: str, state: State, stages: int) -> Tensor:
    rgb = torch.from_numpy(FRAME).permute(2, 0, 1)[None].float() / 255
    if family == "uvc":
        from pixelkin.ops.colour import rgb_to_lab

        x = ((rgb_to_lab(rgb)[:, :1] * 2.55 - 128) / 128).repeat(1, 3, 1, 1)
    else:
        x = (rgb - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    features = plain_resnet(x, state, stages, "reflect" if family == "crw" else "zeros")
    return F.normalize(features, dim=1)[0] / 0.07**0.5


@pytest.mark.parametrize("stages", [3, 4])
@pytest.mark.parametrize("family", FORMS)
def test_each_family_gives_the_features_of_its_weights(
    family: str, stages: int, tmp_path: Path
) -> None:
    network, form = FORMS[family]
    state = resnet(network)
    torch.save(form(state), tmp_path / "c.pth")
    done = import_checkpoint(tmp_path / "c.pth", stages=stages)
    assert done.family == family and done.encoder.config.network == network
    torch.testing.assert_close(
        done.encoder.encode(FRAME), expected(family, state, stages), atol=2e-4, rtol=1e-3
    )
    save_encoder(done.encoder, tmp_path / "e")
    again = load_encoder(tmp_path / "e")
    assert torch.equal(again.encode(FRAME), done.encoder.encode(FRAME))
    folded = again.for_inference(8).encode(FRAME)
    torch.testing.assert_close(folded, again.encode(FRAME), atol=2e-4, rtol=1e-3)


def test_the_report_says_what_became_of_each_name(tmp_path: Path) -> None:
    state = resnet("resnet18")
    torch.save(checkpoints.crw(state), tmp_path / "crw.pth")
    done = import_checkpoint(tmp_path / "crw.pth")
    kept = {k for k in state if not k.startswith("layer4") and "num_batches" not in k}
    assert len(done.used) == len(kept)
    assert done.renamed["encoder.model.layer1.0.conv2.1.weight"] == "layer1.0.conv2.weight"
    assert set(done.renamed.values()) == kept
    assert "selfsim_fc.0.weight" in done.ignored
    assert "encoder.model.layer4.0.conv1.1.weight" in done.ignored
    assert not done.missing


def test_safetensors_and_unknown_prefixes_are_read(tmp_path: Path) -> None:
    save_file(checkpoints.prefixed(resnet(), "student.body."), tmp_path / "a.safetensors")
    done = import_checkpoint(tmp_path / "a.safetensors")
    assert done.family == "torchvision" and "student.body.conv1.weight" in done.renamed


def test_what_lacks_a_part_is_refused_and_batch_norms_are_neutral(tmp_path: Path) -> None:
    state, file = resnet(), tmp_path / "c.pth"
    torch.save({k: v for k, v in state.items() if not k.startswith("layer3.1")}, file)
    with pytest.raises(InputError, match=r"a ResNet of 2-2-1-2 blocks is none of"):
        import_checkpoint(file)
    torch.save({k: v for k, v in state.items() if k != "layer3.1.conv2.weight"}, file)
    with pytest.raises(InputError, match=r"74 of 75 weights .* layer3\.1\.conv2\.weight is not"):
        import_checkpoint(file)
    torch.save({k: v for k, v in state.items() if k != "layer2.0.conv1.weight"}, file)
    with pytest.raises(InputError, match=r"layer2\.0\.conv1\.weight is missing"):
        import_checkpoint(file)
    torch.save(state | {"layer2.0.conv1.weight": torch.tensor(1.0)}, file)
    with pytest.raises(InputError, match=r"layer2\.0\.conv1\.weight is no convolution's"):
        import_checkpoint(file)
    torch.save({k: v for k, v in state.items() if "running_mean" not in k}, file)
    with pytest.raises(InputError, match=r"60 of 75 weights"):
        import_checkpoint(file)
    torch.save({k: v for k, v in state.items() if k != "bn1.running_mean"}, file)
    done = import_checkpoint(file)
    assert done.missing == ("bn1.running_mean",)
    assert not done.encoder.net.bn1.running_mean.any()
    torch.save({k: v for k, v in state.items() if not k.startswith("layer4")}, file)
    with pytest.raises(InputError, match="no layer4: --stages 3"):
        import_checkpoint(file, stages=4)
    assert import_checkpoint(file).encoder.config.widths == WIDTHS[:3]


def test_shapes_and_values_are_checked(tmp_path: Path) -> None:
    state, file = resnet(), tmp_path / "c.pth"
    torch.save(state | {"layer2.0.conv2.weight": torch.rand(8, 8, 1, 1)}, file)
    with pytest.raises(InputError, match=r"layer2\.0\.conv2\.weight is 8x8x1x1, and .* 8x8x3x3"):
        import_checkpoint(file)
    for value, what in ((float("nan"), "not a number"), (float("inf"), "infinite"), (0, "zeros")):
        wrong = torch.full_like(state["layer2.0.conv2.weight"], value)
        torch.save(state | {"layer2.0.conv2.weight": wrong}, file)
        with pytest.raises(InputError, match=rf"layer2\.0\.conv2\.weight .*{what}"):
            import_checkpoint(file)


class Payload:
    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (f"touch {self.file}",)


def test_no_code_of_a_checkpoint_is_run(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    torch.save(checkpoints.torchvision(resnet()) | {"x": Payload(ran)}, tmp_path / "bad.pth")
    with pytest.raises(InputError, match=r"more than weights .*system"):
        import_checkpoint(tmp_path / "bad.pth")
    assert not ran.exists()
    torch.load(tmp_path / "bad.pth", weights_only=False)  # it would
    assert ran.exists()


def test_settings_beside_the_weights_do_no_harm(tmp_path: Path) -> None:
    settings = argparse.Namespace(lr=0.1)
    torch.save(checkpoints.crw(resnet()) | {"args": settings}, tmp_path / "c.pth")
    assert import_checkpoint(tmp_path / "c.pth").family == "crw"


def test_what_is_no_checkpoint_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "c.pth"
    with pytest.raises(InputError, match="no such checkpoint"):
        import_checkpoint(file)
    file.write_bytes(b"not a checkpoint")
    with pytest.raises(InputError, match=r"c\.pth (is no checkpoint|holds more)"):
        import_checkpoint(file)
    torch.save([1, 2], file)
    with pytest.raises(InputError, match="holds a list"):
        import_checkpoint(file)
    torch.save({"a": torch.rand(2)}, file)
    with pytest.raises(InputError, match=r"no conv1\.weight .* begin with a"):
        import_checkpoint(file)
    torch.save({"blocks.0.attn.qkv.weight": torch.rand(2)}, file)
    with pytest.raises(InputError, match=r"vision transformer: .*folder"):
        import_checkpoint(file)
    with pytest.raises(InputError, match="no family 'ccrw'"):
        import_checkpoint(file, "ccrw")
    torch.save(resnet(), file)
    with pytest.raises(InputError, match=r"no conv1\.weight by the rules of moco"):
        import_checkpoint(file, "moco")
