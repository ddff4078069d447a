"""Long jobs told line by line, and what happens when a device has no memory left."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar
from weakref import WeakSet

import numpy as np
import phantoms
import pytest
import service_kit as kit
from fake_model import FakeModel
from medseg import InputError, PromptError, Session, errors, find
from medseg.actions import Accept, Add
from medseg.packing import unpack_patch
from medseg.patch import MaskPatch
from medseg.prompts import to_dict
from medseg.propagation import Frame, propagate
from medseg.protocol.messages import JobRequest
from medseg.registry import BUILT_IN
from medseg.service import Service, Settings
from service_kit import Follower, an_image, point

held = kit.held_model


@pytest.fixture(autouse=True)
def _plugin(monkeypatch):
    monkeypatch.syspath_prepend(kit.PLUGIN)


@pytest.fixture
def clock():
    return kit.Clock()


@pytest.fixture
def service(clock):
    with Service(Settings(clock=clock, lease_seconds=60.0)) as made:
        yield made


@pytest.fixture
def backend(service):
    return service.backend("a")


def batch(count, request="r"):
    objects = [{"name": f"n{n}", "prompts": [to_dict(point(n, 1, 1))]} for n in range(count)]
    return JobRequest(request, "batch", objects=objects)


def story(backend, job, after=0):
    return list(backend.job_events(job.job, after))


def patch_of(event, shape=kit.SHAPE):
    return unpack_patch(event.patch, shape)


def test_a_propagation_tells_the_same_as_in_process(backend):
    truth = phantoms.ball((14, 24, 26), radius=6.0)
    image = phantoms.image(truth)
    mine = Follower(backend, image, "geodesic-cut")
    seeds = np.zeros_like(truth)
    seeds[6] = truth[6]
    mine.do(Accept(MaskPatch((0, 0, 0), seeds)))
    expected = seeds.copy()
    frames = list(propagate(image, seeds, [6], axis=0, first=3, last=10))
    for frame in frames:
        frame.patch.apply(expected)
    job = backend.start_job(mine.id, JobRequest("r", "propagate", 0, [6], 3, 10))
    lines = story(backend, job)
    assert [e.number for e in lines] == list(range(1, len(frames) + 2))
    assert [(e.index, e.confidence) for e in lines[:-1]] == [
        (f.index, f.confidence) for f in frames
    ]
    shown = seeds.copy()
    for event in lines[:-1]:
        patch_of(event, truth.shape).apply(shown)
    assert np.array_equal(shown, expected)
    assert (lines[-1].event, lines[-1].fraction) == ("done", 1.0)
    assert np.array_equal(mine.mask, seeds)
    mine.do(Accept(patch_of(lines[-1], truth.shape)))
    assert np.array_equal(mine.mask, expected)
    assert expected.sum() > seeds.sum()


def test_a_propagation_without_seeds_starts_from_every_slice_that_is_not_empty(backend):
    mine = Follower(backend, an_image())
    mine.add(point(1, 1, 2), point(1, 1, 3))
    job = backend.start_job(mine.id, JobRequest("r", "propagate"))
    lines = story(backend, job)
    assert sorted(e.index for e in lines[:-1]) == [0, 1, 4, 5]
    assert "cannot propagate" in lines[-1].notes[0]


def test_a_batch_makes_each_object_on_its_own(backend):
    mine = Follower(backend, an_image())
    mine.add(point(7, 6, 5))
    job = backend.start_job(mine.id, batch(4))
    *objects, end = story(backend, job)
    for n, event in enumerate(objects):
        alone = Session(an_image(), find("painter"))
        alone.add(point(n, 1, 1))
        shown = np.zeros(kit.SHAPE, bool)
        patch_of(event).apply(shown)
        assert np.array_equal(shown, alone.mask)
        assert (event.index, event.name, event.fraction) == (n, f"n{n}", (n + 1) / 4)
    assert mine.mask.sum() == 1
    mine.do(Accept(patch_of(end)))
    assert mine.mask.sum() == 5


def test_one_object_that_fails_does_not_stop_the_others(backend):
    mine = Follower(backend, an_image())
    request = batch(3)
    request.objects[1]["prompts"][0]["position"] = [999, 0, 0]
    lines = story(backend, backend.start_job(mine.id, request))
    assert [e.event for e in lines] == ["frame", "frame", "frame", "done"]
    assert [e.problem is None for e in lines[:3]] == [True, False, True]
    assert lines[1].problem["type"].endswith("prompt")


@pytest.mark.parametrize(
    ("error", "request_"),
    [
        (PromptError, JobRequest("r", "propagate", 0, [5])),
        (PromptError, JobRequest("r", "propagate", 3)),
        (PromptError, JobRequest("r", "propagate", -4)),
        (PromptError, JobRequest("r", "propagate", 0, [1], first=-5)),
        (PromptError, JobRequest("r", "propagate", 0, [1], last=10**30)),
        (PromptError, JobRequest("r", "propagate", 0, [])),
        (InputError, JobRequest("r", "batch")),
        (InputError, JobRequest("r", "batch", objects=[])),
        (InputError, JobRequest("r", "batch", objects=[{"name": 5, "prompts": []}])),
        (PromptError, JobRequest("r", "batch", objects=[{"name": "x"}])),
        (InputError, JobRequest("", "batch", objects=[{"name": "x", "prompts": []}])),
    ],
)
def test_jobs_that_cannot_begin(backend, error, request_):
    mine = Follower(backend, an_image())
    mine.add(point(1, 1, 1))
    with pytest.raises(error):
        backend.start_job(mine.id, request_)
    assert mine.add(point(2, 2, 2)).voxels == 2


def test_a_reader_that_was_cut_off_goes_on_where_it_was(backend, held):
    mine = Follower(backend, an_image(), "held")
    job = backend.start_job(mine.id, batch(4))
    reader = backend.job_events(job.job)
    held.go.release(2)
    first = [next(reader), next(reader)]
    reader.close()
    held.go.release(2)
    rest = story(backend, job, after=2)
    assert [e.number for e in first + rest] == [1, 2, 3, 4, 5]
    assert story(backend, job) == first + rest
    assert story(backend, job, after=-3) == first + rest
    assert story(backend, job, after=5) == []
    assert backend.wait_events(job.job, 5, 0) == []


def test_several_readers_see_the_same(backend, held):
    mine = Follower(backend, an_image(), "held")
    job = backend.start_job(mine.id, batch(5))
    with ThreadPoolExecutor(4) as pool:
        readers = [pool.submit(story, backend, job) for _ in range(4)]
        held.go.release(5)
        stories = [r.result(kit.PATIENCE) for r in readers]
    assert len(stories[0]) == 6
    assert all(s == stories[0] for s in stories)


def test_a_cancelled_job_stops_within_one_piece_and_gives_what_it_has(backend, held):
    mine = Follower(backend, an_image(), "held")
    job = backend.start_job(mine.id, batch(50))
    held.go.release()
    for _ in range(2):
        assert held.arrived.acquire(timeout=kit.PATIENCE)
    backend.cancel_job(job.job)
    held.go.release(50)
    lines = story(backend, job)
    assert [e.event for e in lines] == ["frame", "frame", "cancelled"]
    assert len(held.names) == 2
    assert backend.job(job.job).state == "cancelled"
    mine.do(Accept(patch_of(lines[-1])))
    assert mine.mask.sum() == 2
    assert backend.cancel_job(job.job).state == "cancelled"


def test_a_job_cancelled_before_its_turn_computes_nothing(service, held, monkeypatch):
    computed = []

    def frames(*_, **__):
        computed.append(1)
        yield Frame(0, MaskPatch((0, 0, 0), np.zeros((0, 0, 0), bool)), 1.0, 0.1)

    monkeypatch.setattr("medseg.service.work.propagate", frames)
    backend = service.backend("a")
    mine = Follower(backend, an_image())
    other = Follower(service.backend("b"), an_image(), "held")
    thread = threading.Thread(target=other.add, args=(point(1, 1, 1),))
    thread.start()
    assert held.arrived.acquire(timeout=kit.PATIENCE)
    job = backend.start_job(mine.id, JobRequest("r", "propagate", seeds=[1]))
    while not service.runner._queues["cpu"].waiting:
        threading.Event().wait(0.001)
    backend.cancel_job(job.job)
    held.go.release()
    thread.join(kit.PATIENCE)
    assert [e.event for e in story(backend, job)] == ["cancelled"]
    assert computed == []


def test_a_session_with_a_job_refuses_actions_and_goes_on_afterwards(backend, held):
    mine = Follower(backend, an_image(), "held")
    job = backend.start_job(mine.id, batch(1))
    for refused in (
        lambda: mine.add(point(1, 1, 1)),
        lambda: backend.start_job(mine.id, batch(1, "s")),
    ):
        with pytest.raises(errors.StaleError, match="cancel it"):
            refused()
    held.go.release(2)
    story(backend, job)
    assert mine.add(point(1, 1, 1)).voxels == 1


def test_the_same_request_starts_one_job(backend, service):
    mine = Follower(backend, an_image())
    first = backend.start_job(mine.id, batch(2))
    story(backend, first)
    assert backend.start_job(mine.id, batch(2)).job == first.job
    assert backend.start_job(mine.id, batch(2, "other")).job != first.job
    assert service.counters()["jobs_started_total"] == 2


def test_prompts_of_others_come_between_the_pieces_of_a_job(service, held):
    mine = Follower(service.backend("a"), an_image(modality="job"), "held")
    other = Follower(service.backend("b"), an_image(modality="prompt"), "held")
    job = mine.backend.start_job(mine.id, batch(6))
    assert held.arrived.acquire(timeout=kit.PATIENCE)
    thread = threading.Thread(target=other.add, args=(point(1, 1, 1),))
    thread.start()
    while not service.runner._queues["cpu"].waiting:
        threading.Event().wait(0.001)
    held.go.release(7)
    thread.join(kit.PATIENCE)
    story(mine.backend, job)
    assert held.names[:3] == ["job", "prompt", "job"]


def test_a_running_job_keeps_its_session_and_a_finished_one_is_forgotten(
    backend, service, clock, held
):
    mine = Follower(backend, an_image(), "held")
    job = backend.start_job(mine.id, batch(1))
    assert held.arrived.acquire(timeout=kit.PATIENCE)
    clock.now += 1000
    service.sweep()
    held.go.release()
    assert story(backend, job)[-1].event == "done"
    assert backend.session(mine.id).revision == 0
    clock.now += 61
    service.sweep()
    with pytest.raises(errors.NotFoundError):
        backend.job(job.job)


def test_closing_the_session_cancels_its_job(backend, held):
    mine = Follower(backend, an_image(), "held")
    job = backend.start_job(mine.id, batch(9))
    assert held.arrived.acquire(timeout=kit.PATIENCE)
    backend.close_session(mine.id)
    held.go.release(9)
    assert story(backend, job)[-1].event == "cancelled"


@pytest.mark.parametrize("finish", [True, False])
def test_a_service_that_ends_finishes_its_jobs_or_cancels_them(held, finish):
    service = Service()
    backend = service.backend("a")
    mine = Follower(backend, an_image(), "held")
    job = backend.start_job(mine.id, batch(3))
    assert held.arrived.acquire(timeout=kit.PATIENCE)
    with ThreadPoolExecutor(1) as pool:
        closing = pool.submit(service.close, finish)
        if not finish:
            closing.result(kit.PATIENCE)
        held.go.release(3)
        closing.result(kit.PATIENCE)
    lines = story(backend, job)
    assert (len(lines), lines[-1].event) == ((4, "done") if finish else (2, "cancelled"))


def test_a_grace_that_runs_out_cancels(held):
    service = Service()
    mine = Follower(service.backend("a"), an_image(), "held")
    job = mine.backend.start_job(mine.id, batch(99))
    with ThreadPoolExecutor(1) as pool:
        closing = pool.submit(service.close, True, 0.01)
        while not closing.done():
            held.go.release()
            threading.Event().wait(0.002)
    assert story(mine.backend, job)[-1].event == "cancelled"


def test_a_job_that_breaks_says_so_without_details(backend, monkeypatch, held, caplog):
    mine = Follower(backend, an_image(), "held")

    def breaks(*_):
        raise ValueError("Doe^Jane")

    monkeypatch.setattr(kit.OpenGate, "segment", breaks)
    *_, end = story(backend, backend.start_job(mine.id, batch(2)))
    assert (end.event, end.problem["type"]) == ("failed", "urn:medseg:problem:internal")
    assert "Jane" not in str(end) + caplog.text
    assert backend.session(mine.id).revision == 0


# Out of memory


def small_gpu(**more):
    return Service(Settings(devices=("cuda", "cpu"), **more))


def test_a_device_without_memory_is_left_for_the_cpu_and_the_user_told():
    with small_gpu() as service:
        mine = Follower(service.backend("a"), an_image(), "hungry")
        first, second = mine.add(point(1, 1, 1)), mine.add(point(2, 2, 2))
        assert first.notes == ("'cuda' ran out of memory; this session goes on with the CPU.",)
        assert (second.notes, second.voxels) == ((), 2)
        numbers = service.counters()
        assert (numbers["oom_total"], numbers["cpu_fallbacks_total"]) == (2, 1)


def test_without_the_cpu_it_is_refused_and_nothing_changes():
    with small_gpu(cpu_fallback=False) as service:
        mine = Follower(service.backend("a"), an_image(), "hungry")
        with pytest.raises(errors.MemoryShortError, match="crop it"):
            mine.add(point(1, 1, 1))
        assert mine.backend.session(mine.id).revision == 0


class OutOfMemoryError(RuntimeError):
    """Named as torch names it."""


class Tight(FakeModel):
    """A device on which one image can be open, as long as anybody holds it."""

    error: type[Exception] = OutOfMemoryError
    opened: ClassVar = WeakSet()

    def __init__(self, device):
        super().__init__()
        self.device = device

    def open(self, image):
        if self.device == "cuda" and self.opened:
            raise self.error("CUDA out of memory")
        opened = FakeModel().open(image)
        self.opened.add(opened)
        return opened


@pytest.mark.parametrize("error", [OutOfMemoryError, MemoryError, RuntimeError])
def test_what_idle_sessions_hold_is_dropped_before_anything_else(monkeypatch, error):
    monkeypatch.setitem(BUILT_IN, "tight", f"{__name__}:Tight")
    monkeypatch.setattr(Tight, "error", error)
    monkeypatch.setattr(Tight, "opened", WeakSet())
    with small_gpu() as service:
        mine = [Follower(service.backend("a"), an_image(n), "tight") for n in range(3)]
        for _ in range(2):
            for number, follower in enumerate(mine):
                step = follower.add(point(number, 1, 1))
                assert (step.notes, step.voxels) == ((), 1)
        assert service.counters()["cpu_fallbacks_total"] == 0
        assert service.counters()["oom_total"] == 2 + 2 * 3


def test_other_errors_of_a_model_are_no_lack_of_memory(backend, held, monkeypatch, service):
    mine = Follower(backend, an_image(), "held")

    def breaks(*_):
        raise RuntimeError("something else")

    monkeypatch.setattr(kit.OpenGate, "segment", breaks)
    with pytest.raises(RuntimeError, match="something else"):
        mine.do(Add((point(1, 1, 1),)))
    assert service.counters()["oom_total"] == 0
    assert backend.session(mine.id).revision == 0
