"""Names of devices, what is said where there is none, and what holds while one computes."""

from __future__ import annotations

import pytest
import torch

from pixelkin.ops.devices import computing, described, find_device
from pixelkin.types import InputError

CUDA = torch.device("cuda", 0)


def pretend(monkeypatch: pytest.MonkeyPatch, *, gpus: int = 0, mps: bool = False) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "NVIDIA H100")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    ("gpus", "mps", "found"), [(0, False, "cpu"), (2, False, "cuda:0"), (0, True, "mps:0")]
)
def test_auto_is_the_gpu_that_there_is(
    gpus: int, mps: bool, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, gpus=gpus, mps=mps)
    assert find_device() == find_device("auto") == torch.device(found)
    assert find_device("cpu") == torch.device("cpu")


def test_one_of_several_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, gpus=2)
    assert find_device("cuda:1") == find_device(torch.device("cuda", 1)) == torch.device("cuda", 1)
    with pytest.raises(InputError, match=r"'cuda:2': torch .* finds 2 of them here"):
        find_device("cuda:2")


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "mps"])
def test_none_is_there(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch)
    with pytest.raises(InputError, match=rf"{name}.*finds none here: take cpu"):
        find_device(name)


@pytest.mark.parametrize("name", ["", "tpu", "meta", "gpu", "cuda:x", "xla"])
def test_no_name_of_a_device(name: str) -> None:
    with pytest.raises(InputError, match="must be auto, cpu, cuda or mps"):
        find_device(name)


def test_devices_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, gpus=1)
    assert described(CUDA) == "cuda (NVIDIA H100)"
    assert described(torch.device("cpu")) == "cpu"
    assert described(torch.device("mps", 0)) == "mps"


def precision() -> tuple[object, ...]:
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    if hasattr(cudnn, "conv"):
        return matmul.fp32_precision, cudnn.conv.fp32_precision
    return matmul.allow_tf32, cudnn.allow_tf32


def test_no_tf32_while_any_computes() -> None:
    before = precision()
    full = ("ieee", "ieee") if hasattr(torch.backends.cudnn, "conv") else (False, False)
    assert before != full
    with computing(torch.device("cpu")):
        assert precision() == before
    with computing(CUDA):
        with computing(CUDA):
            assert precision() == full
        assert precision() == full
    assert precision() == before
    assert torch.backends.cudnn.allow_tf32  # as it was, read in the old way


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
        RuntimeError("MPS backend out of memory (MPS allocated: 5.00 GB)"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"),
    ],
)
def test_too_little_memory_is_said_in_one_line(error: RuntimeError) -> None:
    before = precision()
    wanted = r"cuda is too small.*--short-side.*--device cpu"
    with pytest.raises(InputError, match=wanted) as said, computing(CUDA):
        raise error
    assert "\n" not in str(said.value)
    assert precision() == before


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(RuntimeError, match="of two sizes"), computing(CUDA):
        raise RuntimeError("of two sizes")
