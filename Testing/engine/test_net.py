"""The network: numpy and torch agree, any grid size, and broken weights files are named."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from medseg.errors import ModelError
from medseg.models.embedded import net, net_file, net_numpy
from medseg.models.embedded.maps import CHANNELS

INFO = {"channels": " ".join(CHANNELS), "steps": "7"}
SIZES = [(16, 16, 16), (9, 14, 11), (1, 13, 20), (2, 3, 1), (1, 1, 1)]


def weights(seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        name: rng.normal(scale=0.3 / np.sqrt(np.prod(shape[1:])), size=shape).astype(np.float32)
        for name, shape in net.shapes().items()
    }


def stack(size: tuple[int, int, int]) -> np.ndarray:
    rng = np.random.default_rng(1)
    return rng.normal(size=(len(CHANNELS), *size)).astype(np.float32)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "weights.safetensors"
    net_file.write(path, weights(), INFO)
    return path


@pytest.fixture(scope="module")
def training() -> ModuleType:
    """`Resources/training/train.py`."""
    pytest.importorskip("torch")
    folder = str(Path(__file__).parents[2] / "Resources" / "training")
    sys.path.insert(0, folder)
    try:
        return importlib.import_module("train")
    finally:
        sys.path.remove(folder)


# --- the two forward passes -------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
def test_numpy_gives_what_torch_gives(size: tuple[int, int, int]) -> None:
    torch = pytest.importorskip("torch")
    net_torch = importlib.import_module("medseg.models.embedded.net_torch")
    ours = net.forward(net_numpy, weights(), stack(size))
    tensors = {name: torch.from_numpy(w) for name, w in weights().items()}
    theirs = net.forward(net_torch, tensors, torch.from_numpy(stack(size))).numpy()
    assert ours.shape == (1, *size)
    assert np.abs(ours - theirs).max() < 1e-3


@pytest.mark.parametrize("size", SIZES)
def test_the_training_convolution_is_a_convolution(
    training: ModuleType, size: tuple[int, int, int]
) -> None:
    import torch

    x = torch.randn(3, *size, requires_grad=True)
    weight, bias = torch.randn(5, 3, 3, 3, 3, requires_grad=True), torch.randn(5)
    found = []
    for conv in (training.quick.conv, torch.nn.functional.conv3d):
        out = conv(x, weight, bias) if conv is training.quick.conv else conv(x, weight, bias, 1, 1)
        found.append((out, *torch.autograd.grad(out.square().sum(), (x, weight))))
    for a, b in zip(*found, strict=True):
        assert torch.allclose(a, b, rtol=1e-3, atol=1e-2)


def test_slabs_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = net.forward(net_numpy, weights(), stack((12, 12, 12)))
    monkeypatch.setattr(net_numpy, "SLAB", 1)
    assert np.allclose(net.forward(net_numpy, weights(), stack((12, 12, 12))), whole, atol=1e-5)


def test_the_same_channels_give_the_same_logit(written: Path) -> None:
    first, second = (net.Network.load(written).logit(stack((7, 8, 9))) for _ in range(2))
    assert first.dtype == np.float32
    assert first.shape == (7, 8, 9)
    assert np.array_equal(first, second)


def test_extreme_channels_overflow_nowhere(written: Path) -> None:
    assert np.isfinite(net.Network.load(written).logit(1e4 * stack((4, 4, 4)))).all()


# --- weights files ----------------------------------------------------------------------------


def test_weights_come_back_in_half_precision(written: Path) -> None:
    arrays, info, sha256 = net_file.read(written)
    assert info == INFO
    assert len(sha256) == 64
    assert all(np.array_equal(arrays[n], w.astype(np.float16)) for n, w in weights().items())


def test_others_read_what_we_write(written: Path) -> None:
    safetensors = pytest.importorskip("safetensors.numpy")
    theirs, ours = safetensors.load_file(written), net_file.read(written)[0]
    assert theirs.keys() == ours.keys()
    assert all(np.array_equal(theirs[name], ours[name]) for name in ours)


def test_we_read_what_others_write(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.numpy")
    safetensors.save_file(weights(), tmp_path / "theirs", metadata=INFO)
    arrays, info, _ = net_file.read(tmp_path / "theirs")
    assert info == INFO
    assert all(np.array_equal(arrays[name], w) for name, w in weights().items())


@pytest.mark.parametrize(
    "spoil",
    [
        lambda raw: b"",
        lambda raw: raw[:5],
        lambda raw: raw[:100],
        lambda raw: raw[:-2],
        lambda raw: raw + b"more",
        lambda raw: b"\x89PNG\r\n\x1a\n" + raw,
        lambda raw: b"\xff" * 8 + raw[8:],
        lambda raw: raw.replace(b'"F16"', b'"I64"'),
        lambda raw: (2).to_bytes(8, "little") + b"[]",
    ],
    ids=[
        "empty",
        "start",
        "header",
        "cut",
        "longer",
        "foreign",
        "huge-header",
        "other-type",
        "no-object",
    ],
)
def test_a_broken_file_gives_one_sentence(written: Path, spoil) -> None:
    written.write_bytes(spoil(written.read_bytes()))
    with pytest.raises(ModelError, match=r"^The weights .* are broken .*; restore the file\.$"):
        net.Network.load(written)


def test_an_absent_file_gives_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"Cannot read the weights .*No such file"):
        net.Network.load(tmp_path / "none.safetensors")


def test_weights_for_other_channels_are_refused(tmp_path: Path) -> None:
    net_file.write(tmp_path / "w", weights(), INFO | {"channels": "grey prior"})
    with pytest.raises(ModelError, match="made for other input channels"):
        net.Network.load(tmp_path / "w")


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    less = weights()
    less.pop("head2.bias")
    net_file.write(tmp_path / "w", less, INFO)
    with pytest.raises(ModelError, match="belong to another network"):
        net.Network.load(tmp_path / "w")


def test_the_weights_in_the_repository_load() -> None:
    path = Path(net.__file__).with_name("synthnet.safetensors")
    assert path.stat().st_size <= 20e6
    network = net.Network.load(path)
    assert int(network.info["steps"]) > 0
    assert np.isfinite(network.logit(stack((5, 6, 7)))).all()


# --- training ---------------------------------------------------------------------------------


def test_a_resumed_training_goes_on_as_if_never_stopped(
    training: ModuleType, tmp_path: Path
) -> None:
    import torch

    start = training.State.start(seed=3)
    predict = training.predictor(start.average)
    examples = list(training.rollouts(5, 0.2, predict))[:2]
    assert examples
    batch = [training.turned(e, np.random.default_rng(0), "cpu") for e in examples]
    assert np.isfinite(training.learn(start, batch, 1e-3))
    start.save(tmp_path / "checkpoint.pt")
    resumed = training.State.load(tmp_path / "checkpoint.pt")
    losses = [training.learn(state, batch, 1e-3) for state in (start, resumed)]
    assert losses[0] == losses[1]
    assert resumed.steps == 2
    for name in start.weights:
        assert torch.equal(start.weights[name], resumed.weights[name])
        assert torch.equal(start.average[name], resumed.average[name])
