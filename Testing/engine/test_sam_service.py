"""SAM 2 behind the service: sessions, jobs, and who may name a path."""

import pytest

pytest.importorskip("transformers", reason="transformers is not installed")

import numpy as np
import sam_kit
import service_kit as kit
from medseg import Box, Image, ModelError, find
from medseg.actions import Accept
from medseg.packing import unpack_patch
from medseg.patch import MaskPatch
from medseg.protocol.messages import JobRequest
from medseg.record import model_info
from medseg.server.menu import Menu
from medseg.service import Service, Settings
from medseg.story import Story


@pytest.fixture
def name(tmp_path):
    sam_kit.saved(sam_kit.sam2(), tmp_path)
    return f"sam2:{tmp_path}?memory=sorted"


@pytest.fixture
def backend():
    with Service(Settings(devices=("cpu",))) as service:
        yield service.backend("a")


def test_a_session_propagates_with_its_own_model_and_tells_how(backend, name):
    mine = kit.Follower(backend, Image(sam_kit.pictures(8)), name)
    mine.add(Box([20, 18, 3], [18, 18, 0]))
    assert mine.mask.any((1, 2)).sum() <= 1
    seed = np.zeros((8, 40, 48), bool)
    seed[3] = sam_kit.disk()
    mine.do(Accept(MaskPatch((0, 0, 0), seed)))
    job = backend.start_job(mine.id, JobRequest("r", "propagate", 0, [3]))
    *frames, end = list(backend.job_events(job.job, 0))
    assert sorted(f.index for f in frames) == [0, 1, 2, 4, 5, 6, 7]
    assert end.event == "done"
    assert "from slice 3 along k, in both directions, with memory 'sorted'" in end.notes[-1]
    assert "Made by SAM 2 (weights " in end.notes[-1]
    told = Story.from_dict(end.story)
    assert (told.along, told.seeds, told.first, told.last) == ("k", (3,), 0, 7)
    assert told.tracker == f"sam2:{name.rpartition('/')[2]}"
    assert (told.rules["memory"], told.rules["direction"]) == ("sorted", "both")
    assert told.confidence == {f.index: round(f.confidence, 3) for f in frames}
    after = seed.copy()
    unpack_patch(end.patch, after.shape).apply(after)
    assert after.any((1, 2)).sum() > 1


def test_a_job_may_choose_another_policy(backend, name):
    mine = kit.Follower(backend, Image(sam_kit.pictures(4)), name)
    seed = np.zeros((4, 40, 48), bool)
    seed[1] = sam_kit.disk()
    mine.do(Accept(MaskPatch((0, 0, 0), seed)))
    job = backend.start_job(mine.id, JobRequest("r", "propagate", 0, [1], memory="diverse"))
    *_, end = list(backend.job_events(job.job, 0))
    assert Story.from_dict(end.story).rules["memory"] == "diverse"
    with pytest.raises(ModelError, match="no memory policy"):
        backend.start_job(mine.id, JobRequest("s", "propagate", 0, [1], memory="often"))


def test_the_cost_of_a_prompt_is_told_before(backend, name):
    mine = kit.Follower(backend, Image(sam_kit.pictures(8)), name)
    assert mine.info.model.weights_hash
    opening, prompt, memory = find(name).estimate((8, 40, 48))
    assert opening == 0
    assert prompt > 0
    assert memory > 1_000_000


def test_a_record_says_options_and_hash_but_no_folder(name):
    model = find(name)
    told = model_info(model)
    assert told["name"] == f"sam2:{name.rpartition('/')[2]}"
    assert told["weights_hash"] == model.weights_hash


def test_a_broken_checkpoint_is_told_when_the_session_opens(backend, tmp_path):
    sam_kit.saved(sam_kit.sam2(), tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"\0" * 50)
    with pytest.raises(ModelError, match="damaged or cut off"):
        kit.Follower(backend, Image(sam_kit.pictures(2)), f"sam2:{tmp_path}")


def test_a_server_takes_no_paths(name):
    with pytest.raises(ModelError, match="This server takes no paths"):
        Menu().order(name)
    assert Menu().order("sam2") == "sam2"
