"""EdgeTAM with its own encoder, where timm and a torchvision that fits torch are installed."""

import pytest

pytest.importorskip("transformers", reason="transformers is not installed")
try:
    import torchvision  # noqa: F401
except (ImportError, RuntimeError):
    pytest.skip("torchvision is not installed, or does not fit torch", allow_module_level=True)
pytest.importorskip("timm", reason="timm is not installed")

import sam_kit as kit
import torch
from medseg import Image
from medseg.models.sam.families import FAMILIES
from medseg.models.sam.network import network
from medseg.models.sam.pixels import to_bytes, to_input
from medseg.models.sam.spec import Spec
from medseg.models.sam.tracker import SamTracker
from medseg.propagation import Task
from medseg.slices import Stack

EDGETAM, COUNT, SIZE = FAMILIES["edgetam"], 5, 64
FRAMES = kit.pictures(COUNT)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """A network with random weights, as it comes from its folder, and the model it was."""
    folder = tmp_path_factory.mktemp("edgetam")
    model = kit.edgetam(vision=kit.repvit(SIZE), size=SIZE)
    kit.saved(model, folder)
    return network(Spec("edgetam:x", EDGETAM, str(folder)), "cpu"), model


def test_a_folder_gives_the_network_that_was_saved(loaded):
    ours, model = loaded
    own, theirs = ours.module.state_dict(), model.state_dict()
    assert own.keys() == theirs.keys()
    assert all(torch.equal(own[key], theirs[key]) for key in own)


def test_slices_are_encoded_as_transformers_does(loaded):
    ours, model = loaded
    rgb = to_bytes(FRAMES[1], (0, 255))
    with torch.inference_mode():
        theirs = model.get_image_features(to_input(rgb, EDGETAM, SIZE), return_dict=True)
    for a, b in zip(ours.maps(rgb), ours._squares(theirs.fpn_hidden_states), strict=True):
        assert float((a - b).abs().max()) < 1e-5
    other = ours.maps(to_bytes(FRAMES[2], (0, 255)))
    assert float((other[-1] - ours.maps(rgb)[-1]).abs().max()) > 1e-3


def test_an_object_is_followed_and_nothing_is_encoded_twice(loaded, monkeypatch):
    ours, _ = loaded
    ours.forget()
    count, encode = [], ours._encoded
    monkeypatch.setattr(ours, "_encoded", lambda rgb: count.append(1) or encode(rgb))
    tracker = SamTracker(Spec("edgetam:x", EDGETAM, "x"), ours)
    task = Task(Stack(Image(FRAMES, time_axis=True)), {1: kit.disk()}, 0, COUNT - 1, False)
    found = {f.index: f.mask for f in tracker.track(task)}
    assert sorted(found) == [0, 2, 3, 4]
    again = {f.index: f.mask for f in tracker.track(task)}
    assert all((found[n] == again[n]).all() for n in found)
    assert len(count) == COUNT
