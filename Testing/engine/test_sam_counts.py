"""What SAM 2 is spared: slices encoded once for all, and runs that go on where they were."""

import pytest

pytest.importorskip("transformers", reason="transformers is not installed")

import json

import numpy as np
import sam_kit as kit
import SimpleITK as sitk
from medseg import Image, ModelError, Point
from medseg.cli import STOPPED, main
from medseg.io import read_labels
from medseg.io.found import FoundFile
from medseg.memory import RECENT
from medseg.models.sam.families import FAMILIES
from medseg.models.sam.model import OpenSam
from medseg.models.sam.network import Network
from medseg.models.sam.pixels import to_bytes
from medseg.models.sam.spec import Spec, with_memory
from medseg.models.sam.tracker import SamTracker
from medseg.models.sam.video import Steps
from medseg.propagation import Task, find_tracker, propagate, together
from medseg.slices import Stack

COUNT, SEED = 24, 4
FRAMES = kit.pictures(COUNT)
IMAGE = Image(FRAMES, time_axis=True)
SAM2 = FAMILIES["sam2"]


@pytest.fixture(scope="module")
def model():
    return kit.sam2()


class Counter:
    """How many slices were encoded, and how many were decoded with memories."""

    def __init__(self, network, monkeypatch):
        self.encoded = self.followed = 0
        encode, follow = network._encoded, Steps.follow

        def encoding(rgb):
            self.encoded += 1
            return encode(rgb)

        def following(*given):
            self.followed += 1
            return follow(*given)

        monkeypatch.setattr(network, "_encoded", encoding)
        monkeypatch.setattr(Steps, "follow", following)


@pytest.fixture
def network(model):
    return Network(model, "0" * 64, SAM2)


@pytest.fixture
def counter(network, monkeypatch):
    return Counter(network, monkeypatch)


def tracker(network, memory="fifo"):
    return SamTracker(Spec("sam2:x", SAM2, "x", memory=memory), network)


def task(known=()):
    known = {found.index: found for found in known}
    return Task(Stack(IMAGE), {SEED: kit.disk()}, 0, COUNT - 1, False, known)


@pytest.mark.parametrize("memory", ["fifo", "confident", "diverse", "sorted"])
@pytest.mark.parametrize("done", [1, 13, 21])
def test_a_run_that_was_cut_off_goes_on_as_if_it_had_not_been(network, monkeypatch, memory, done):
    whole = list(tracker(network, memory).track(task()))
    network.forget()
    counter = Counter(network, monkeypatch)
    again = list(tracker(network, memory).track(task(whole[:done])))
    assert [f.index for f in again] == [f.index for f in whole]
    for a, b in zip(again, whole, strict=True):
        assert (a.mask == b.mask).all()
        assert a.confidence == b.confidence
        assert a.note == b.note
    left = len(whole) - done
    assert counter.followed == left
    looked_back = RECENT if memory in ("fifo", "diverse") else done
    assert left + 1 <= counter.encoded <= left + 1 + min(done, looked_back)


def test_a_finished_run_costs_nothing_but_its_seed(network, counter):
    whole = list(tracker(network).track(task()))
    network.forget()
    counter.encoded = counter.followed = 0
    assert len(list(tracker(network).track(task(whole)))) == len(whole)
    assert (counter.encoded, counter.followed) == (1, 0)


@pytest.mark.parametrize("memory", ["fifo", "confident", "sorted"])
def test_with_room_for_one_slice_each_is_still_encoded_once(network, counter, memory):
    network.cache._memory, network.cache._disk = 1, 0
    found = list(tracker(network, memory).track(task()))
    assert len(found) == COUNT - 1
    assert counter.encoded == COUNT


def objects():
    """Masks ``(K, J, I)`` of three objects and their seed slices, the same one and others."""
    found = []
    for seed, centre in ((4, (18, 20)), (4, (30, 30)), (9, (12, 34))):
        mask = np.zeros(FRAMES.shape, bool)
        mask[seed] = kit.disk(centre=centre, radius=5)
        found.append((mask, seed))
    return found


def test_several_objects_are_encoded_once_and_come_out_as_alone(network, counter):
    network.maps(to_bytes(FRAMES[0], (0, 255)))
    network.cache._memory, network.cache._disk = 12 * network.cache.entry_bytes, 0
    counter.encoded = 0
    runs = [propagate(IMAGE, m, [s], model=tracker(network)) for m, s in objects()]
    found = list(together(runs))
    assert counter.followed == 3 * (COUNT - 1)
    assert counter.encoded <= COUNT + 5  # the third one goes back from 9 to 4 when half is gone
    for number, (mask, seed) in enumerate(objects()):
        alone = list(propagate(IMAGE, mask, [seed], model=tracker(network)))
        mine = [frame for n, frame in found if n == number]
        assert [f.index for f in mine] == [f.index for f in alone]
        assert all(
            (a.patch.voxels == b.patch.voxels).all() for a, b in zip(mine, alone, strict=True)
        )


def test_a_corrected_slice_goes_on_without_encoding_anything(network, counter):
    mask = np.zeros(FRAMES.shape, bool)
    mask[SEED] = kit.disk()
    for frame in propagate(IMAGE, mask.copy(), [SEED], model=tracker(network)):
        frame.patch.apply(mask)
    assert counter.encoded == COUNT
    corrected = OpenSam(IMAGE, Spec("sam2:x", SAM2, "x"), network)
    mask[12] = corrected.segment([Point([20, 18, 12])], mask)[12]
    mask[12, 20:24, 20:24] = True
    corrected.ahead.wait(60)
    counter.followed = 0
    again = list(propagate(IMAGE, mask, [SEED, 12], first=SEED, model=tracker(network)))
    assert sorted(f.index for f in again) == [n for n in range(SEED + 1, COUNT) if n != 12]
    assert counter.encoded == COUNT
    assert counter.followed == len(again)


def test_steps_of_several_runs_take_turns_until_the_last_has_ended():
    runs = [iter("abc"), iter("x"), iter("")]
    assert list(together(runs)) == [(0, "a"), (1, "x"), (0, "b"), (0, "c")]


def test_a_policy_is_chosen_beside_the_model(tmp_path):
    kit.saved(kit.sam2(), tmp_path)
    name = f"sam2:{tmp_path}?window=0,255&memory=fifo"
    found = find_tracker(name, memory="sorted")
    assert found.rules()["memory"] == "sorted"
    assert found.name == f"sam2:{tmp_path}?window=0,255&memory=sorted"
    with pytest.raises(ModelError, match="'often' is no memory policy"):
        with_memory(name, "often")
    with pytest.raises(ModelError, match="'geodesic-cut' has no memory policies"):
        find_tracker(memory="fifo")


def test_another_candidate_may_be_taken(network):
    here = OpenSam(IMAGE, Spec("sam2:x", SAM2, "x", candidate=3), network)
    click = [Point([20, 18, SEED])]
    masks = [c.mask for c in here.candidates(click)]
    assert (here.segment(click)[SEED] == masks[2]).all()
    assert (masks[2] != masks[0]).any()
    here.ahead.wait(60)


def test_a_command_that_was_stopped_goes_on_without_decoding_again(tmp_path, monkeypatch):
    film = tmp_path / "film"
    film.mkdir()
    for n, frame in enumerate(FRAMES):
        sitk.WriteImage(sitk.GetImageFromArray(frame), str(film / f"{n:02}.png"))
    kit.saved(kit.sam2(), tmp_path / "tiny")
    seeds = []
    for name, centre in (("a", (18, 20)), ("b", (30, 30))):
        path = tmp_path / f"{name}.png"
        sitk.WriteImage(sitk.GetImageFromArray(kit.disk(centre=centre).astype(np.uint8)), str(path))
        seeds += ["--segment", name, "--mask", f"{SEED}={path}"]
    command = ["track", str(film), *seeds, "--model", f"sam2:{tmp_path / 'tiny'}", "--quiet"]
    assert main([*command, "-o", str(tmp_path / "whole.nii")]) == 0

    put, follow, answers, decoded = FoundFile.put, Steps.follow, [], []

    def stopped(self, *answer):
        answers.append(answer)
        if len(answers) > 16:
            raise KeyboardInterrupt
        put(self, *answer)

    monkeypatch.setattr(FoundFile, "put", stopped)
    assert main([*command, "-o", str(tmp_path / "again.nii")]) == STOPPED
    assert not (tmp_path / "again.nii").exists()
    monkeypatch.setattr(FoundFile, "put", put)
    monkeypatch.setattr(Steps, "follow", lambda *given: decoded.append(1) or follow(*given))
    assert main([*command, "-o", str(tmp_path / "again.nii")]) == 0
    assert len(decoded) == 2 * (COUNT - 1) - 14  # two of the answers were the masks given
    whole, again = (read_labels(tmp_path / f"{name}.nii").array for name in ("whole", "again"))
    assert (whole == again).all()
    told = [json.loads((tmp_path / f"{n}.nii.json").read_text()) for n in ("whole", "again")]
    assert told[0] == told[1]
    assert [each["rules"]["memory"] for each in told[0]["objects"]] == ["fifo"] * 2
