"""The service: the same voxels as in process, each user alone, leases, replies that are kept."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import phantoms
import pytest
import service_kit as kit
from medseg import InputError, ModelError, PromptError, Session, errors, find
from medseg.actions import Accept, Add, Redo, Remove, Reset, SetMask, Undo
from medseg.client.session import RemoteSession
from medseg.patch import MaskPatch
from medseg.protocol.messages import (
    ActionRequest,
    EstimateRequest,
    JobRequest,
    SessionRequest,
    decode,
    encode,
)
from medseg.protocol.mirror import Mirror
from medseg.registry import BUILT_IN
from medseg.service import Service, Settings
from service_kit import Follower, an_image, point
from session_contract import SessionContract

held = kit.held_model


@pytest.fixture(autouse=True)
def _plugin(monkeypatch):
    monkeypatch.syspath_prepend(kit.PLUGIN)


@pytest.fixture
def clock():
    return kit.Clock()


@pytest.fixture
def service(clock):
    with Service(Settings(clock=clock, lease_seconds=60.0, sweep_seconds=0.01)) as made:
        yield made


@pytest.fixture
def backend(service):
    return service.backend("a")


class TestSessionOfTheService(SessionContract):
    @pytest.fixture
    def make(self, backend):
        return lambda image, model: RemoteSession(backend, image, model)


@pytest.mark.parametrize("uploaded", [False, True])
def test_the_same_voxels_as_in_process(backend, uploaded):
    truth = phantoms.ball((24, 26, 28), radius=7.0)
    image = phantoms.image(truth)
    if uploaded:
        kit.upload(backend, image, 20_000)
    here, there = Session(image, find()), Follower(backend, image, "default")
    middle = phantoms.middle(truth)
    steps = [
        Add((phantoms.at(image, middle),)),
        Add((phantoms.at(image, (2, 3, 4), False), phantoms.at(image, middle + 3))),
        Remove(1),
        Undo(),
        Undo(),
        Redo(),
        Accept(MaskPatch((1, 2, 3), np.ones((2, 2, 2), bool))),
        Accept(MaskPatch((20, 1, 1), np.ones((3, 3, 3), bool))),
        Add((phantoms.at(image, middle - 4),)),
        SetMask(truth),
        Add((phantoms.at(image, (20, 20, 20), False),)),
        Reset(),
        Undo(),
    ]
    sizes = set()
    for action in steps:
        step = there.do(action)
        assert step.voxels == here.do(action).voxels
        assert np.array_equal(there.mask, here.mask)
        sizes.add(step.voxels)
    assert len(sizes) > 4


def test_a_second_session_on_an_image_sends_nothing(backend):
    image = an_image()
    name = kit.upload(backend, image)
    assert backend.put_image(image) == name
    assert backend.image_status(name).ready
    Follower(backend, image).add(point(1, 1, 1))
    Follower(backend, image).add(point(1, 1, 1))


def test_sessions_on_the_same_image_share_what_the_model_has_open(backend, monkeypatch):
    import medseg_test_models as models

    opened, plain = [], models.Painter.open
    monkeypatch.setattr(
        models.Painter, "open", lambda self, image: opened.append(1) or plain(self, image)
    )
    first, second = (Follower(backend, an_image(), "painter") for _ in range(2))
    assert len(opened) == 1
    first.add(point(1, 1, 1))
    other = second.add(point(4, 4, 4))
    assert not np.array_equal(first.mask, second.mask)
    backend.close_session(first.info.session)
    assert second.add(point(1, 1, 1)).voxels > other.voxels
    assert len(opened) == 1
    backend.close_session(second.info.session)
    Follower(backend, an_image(), "painter")
    assert len(opened) == 2


def test_a_session_is_put_back_without_running_the_model(service):
    first = Follower(service.backend("a"), an_image())
    for n in range(3):
        first.add(point(n, n, n))
    first.do(Undo())
    with Service() as restarted:
        again = Follower(restarted.backend("a"), an_image(), mirror=first.mirror)
        assert again.info.revision == 0
        assert (again.info.can_undo, again.info.can_redo) == (True, True)
        assert again.info.voxels == first.mask.sum() == 2
        assert len(again.info.prompts) == 2
        assert again.do(Redo()).voxels == 3
        assert again.do(Undo()).voxels == again.do(Undo()).voxels + 1


def calls(backend, session, image, job):
    """Every call that names something of a user."""
    act = ActionRequest("r", 0, "reset")
    return [
        lambda: backend.image_status(image),
        lambda: backend.put_chunk(image, 0, b""),
        lambda: backend.open_session(SessionRequest(image, "painter")),
        lambda: backend.session(session),
        lambda: backend.act(session, act),
        lambda: backend.close_session(session),
        lambda: backend.start_job(session, JobRequest("r", "batch", objects=[])),
        lambda: backend.job(job),
        lambda: backend.job_events(job),
        lambda: backend.cancel_job(job),
    ]


def sentences(backend, *names):
    said = []
    for call in calls(backend, *names):
        with pytest.raises(errors.NotFoundError) as caught:
            call()
        said.append(str(caught.value))
    return said


def test_what_belongs_to_another_user_looks_as_if_it_were_not_there(service):
    mine = Follower(service.backend("a"), an_image())
    mine.add(point(1, 1, 1))
    batch = [{"name": "x", "prompts": [{"kind": "point", "position": [0, 0, 0]}]}]
    job = mine.backend.start_job(mine.id, JobRequest("j", "batch", objects=batch))
    list(mine.backend.job_events(job.job))
    other = service.backend("b")
    theirs = sentences(other, mine.id, mine.info.image, job.job)
    assert theirs == sentences(other, "no such", "0" * 64, "no such")
    assert mine.add(point(2, 2, 2)).voxels == 2


def test_names_cannot_be_guessed(backend):
    names = {Follower(backend, an_image()).id for _ in range(10)}
    assert len(names) == 10
    assert min(map(len, names)) >= 22


def test_a_lease_ends_and_its_owner_is_told(service, clock):
    mine = Follower(service.backend("a"), an_image())
    clock.now += 59
    mine.add(point(1, 1, 1))
    clock.now += 59
    assert mine.backend.session(mine.id).voxels == 1
    clock.now += 61
    with pytest.raises(errors.ExpiredError, match="open it again"):
        mine.add(point(2, 2, 2))
    with pytest.raises(errors.NotFoundError):
        service.backend("b").session(mine.id)
    again = Follower(mine.backend, an_image(), mirror=mine.mirror)
    assert again.add(point(2, 2, 2)).voxels == 2


def test_idle_sessions_and_images_go_by_themselves(service, clock):
    Follower(service.backend("a"), an_image())
    assert (service.counters()["sessions"], service.counters()["images"]) == (1, 1)
    for _ in range(2):
        clock.now += 61
        service.sweep()
    counters = service.counters()
    assert (counters["sessions"], counters["images"], counters["expired_total"]) == (0, 0, 1)


def test_a_jump_of_the_wall_clock_ends_no_lease(monkeypatch):
    with Service(Settings(lease_seconds=60.0)) as service:
        mine = Follower(service.backend("a"), an_image())
        for jump in (1e7, -1e7):
            monkeypatch.setattr("time.time", lambda jump=jump: 1.7e9 + jump)
            service.sweep()
            mine.add(point(1, 1, 1))
        assert service.counters()["expired_total"] == 0


def test_a_closed_session_is_gone(backend, service):
    mine = Follower(backend, an_image())
    backend.close_session(mine.id)
    with pytest.raises(errors.NotFoundError):
        mine.add(point(1, 1, 1))
    assert service.counters()["sessions"] == 0


def test_the_same_request_acts_once(backend):
    mine = Follower(backend, an_image())
    request = mine.mirror.action_request(Add((point(1, 1, 1),)), "one")
    first = backend.act(mine.id, request)
    assert backend.act(mine.id, request) == first
    assert backend.session(mine.id).revision == 1
    mine.mirror.accept(Add((point(1, 1, 1),)), first)
    for n in range(64):
        mine.add(point(n % 8, 0, 0))
    with pytest.raises(errors.StaleError):  # it is not remembered for ever
        backend.act(mine.id, request)


def test_the_same_request_twice_at_a_time_acts_once(backend, held):
    mine = Follower(backend, an_image(), "held")
    request = mine.mirror.action_request(Add((point(1, 1, 1),)), "one")
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(backend.act, mine.id, request) for _ in range(2)]
        held.go.release()
        replies = [b.result(kit.PATIENCE) for b in both]
    assert replies[0] == replies[1]
    assert len(held.names) == 1


def test_another_revision_is_stale(backend):
    mine = Follower(backend, an_image())
    mine.add(point(1, 1, 1))
    request = mine.mirror.action_request(Reset())
    for revision in (0, 2, -1):
        with pytest.raises(errors.StaleError, match="open it again"):
            backend.act(mine.id, replace(request, revision=revision))
    assert backend.session(mine.id).voxels == 1


@pytest.mark.parametrize(
    ("error", "fields"),
    [
        (PromptError, {"action": "add"}),
        (PromptError, {"action": "add", "prompts": [{"kind": "cube"}]}),
        (PromptError, {"action": "add", "prompts": [{"kind": "point", "position": "abc"}]}),
        (PromptError, {"action": "add", "prompts": [{"kind": "point", "position": [999, 0, 0]}]}),
        (PromptError, {"action": "remove", "index": 7}),
        (PromptError, {"action": "redo"}),
        (InputError, {"action": "set_mask", "mask": {"shape": [1, 1, 1]}}),
        (InputError, {"action": "accept", "patch": {"start": [0, 0, 99], "size": [1, 1, 1]}}),
        (InputError, {"request": "", "action": "reset"}),
        (InputError, {"request": "x" * 101, "action": "reset"}),
    ],
)
def test_an_action_that_fails_changes_nothing(backend, error, fields):
    mine = Follower(backend, an_image())
    mine.add(point(1, 1, 1))
    before = backend.session(mine.id)
    with pytest.raises(error):
        backend.act(mine.id, decode(ActionRequest, {"request": "r", "revision": 1, **fields}))
    assert backend.session(mine.id) == before
    assert mine.add(point(2, 2, 2)).voxels == 2


def test_a_history_that_does_not_fit_opens_nothing(service):
    backend = service.backend("a")
    name = backend.put_image(an_image())
    with pytest.raises(InputError):
        backend.open_session(SessionRequest(name, "painter", history={"states": []}))
    with pytest.raises(ModelError, match="choose"):
        backend.open_session(SessionRequest(name, "no such"))
    with pytest.raises(ModelError, match="choose"):
        backend.open_session(SessionRequest(name, "painter", "toaster"))
    assert service.counters()["sessions"] == 0


def test_undo_takes_bounded_memory_and_the_mask_is_never_lost(clock):
    size = int(np.prod(kit.SHAPE))
    with Service(Settings(clock=clock, history_bytes=7 * size)) as service:
        backend = service.backend("a")
        mine = Follower(backend, an_image())
        for n in range(12):
            mine.do(SetMask(np.full(kit.SHAPE, n % 2 == 0)))
        undone = 0
        while backend.session(mine.id).can_undo:
            mine.do(Undo())
            undone += 1
        assert 5 <= undone <= 6
        assert mine.mirror.history.done
        for _ in range(undone):
            mine.do(Redo())
        mine.do(Undo())
        again = Follower(backend, an_image(), mirror=mine.mirror)
        assert again.info.voxels == mine.mask.sum() == size
        assert again.do(Redo()).voxels == 0
        assert [again.do(Undo()).voxels, again.do(Undo()).voxels] == [size, 0]
        again.add(point(1, 1, 1))


def test_a_history_that_bursts_is_refused_before_it_is_unpacked(clock, monkeypatch):
    with Service(Settings(clock=clock, history_bytes=10_000)) as service:
        backend = service.backend("a")
        mine = Follower(backend, an_image())
        mine.add(point(1, 1, 1))
        mine.do(Undo())
        stored = mine.mirror.history.to_dict()
        undone = stored["states"][0]
        undone["patch"]["size"] = [1000, 1000, 1000]
        monkeypatch.setattr("medseg.history.unpack_patch", None)
        for states in ([undone, stored["states"][1]], [undone] * 200, [{}], [5], 7):
            request = mine.mirror.open_request(mine.info.image)
            request = replace(request, history={**stored, "states": states})
            with pytest.raises(InputError, match="stored session"):
                backend.open_session(request)


def test_sessions_are_limited_for_each_user_and_in_all(clock):
    settings = Settings(clock=clock, sessions=3, sessions_per_user=2, lease_seconds=60.0)
    with Service(settings) as service:
        first, other = service.backend("a"), service.backend("b")
        mine = [Follower(first, an_image()) for _ in range(2)]
        with pytest.raises(errors.FullError, match="close one of them"):
            Follower(first, an_image())
        Follower(other, an_image())
        with pytest.raises(errors.FullError, match="All sessions are taken"):
            Follower(other, an_image())
        first.close_session(mine[0].id)
        Follower(other, an_image())
        clock.now += 61
        Follower(first, an_image())


def test_eight_users_on_eight_images_cross_no_voxel(service):
    expected = {}
    for n in range(8):
        session = Session(an_image(n), find("painter"))
        rng = np.random.default_rng(n)
        expected[n] = []
        for _ in range(12):
            i, j, k = (int(rng.integers(0, m)) for m in (8, 7, 6))
            expected[n].append((point(i, j, k), session.add(point(i, j, k)).voxels))
        expected[n].append(session.mask.copy())

    def work(n):
        backend = service.backend(f"user {n}")
        kit.upload(backend, an_image(n))
        mine = Follower(backend, an_image(n))
        start.wait(kit.PATIENCE)
        for clicked, voxels in expected[n][:-1]:
            assert mine.add(clicked).voxels == voxels
        return np.array_equal(mine.mask, expected[n][-1])

    start = threading.Barrier(8)
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))


def test_users_take_turns_and_each_keeps_its_order(service, held):
    followers = {}
    for user, count in (("a", 4), ("b", 2)):
        backend = service.backend(user)
        followers[user] = [
            Follower(backend, an_image(modality=f"{user}{n}"), "held") for n in range(count)
        ]
    queue = service.runner._queues["cpu"]
    threads = []
    for n, mine in enumerate([*followers["a"], *followers["b"]]):
        threads.append(threading.Thread(target=mine.add, args=(point(1, 1, 1),)))
        threads[-1].start()
        if n == 0:
            assert held.arrived.acquire(timeout=kit.PATIENCE)
        while queue.waiting < n:
            threading.Event().wait(0.001)
    for _ in threads:
        held.go.release()
    for thread in threads:
        thread.join(kit.PATIENCE)
    assert held.names == ["a0", "a1", "b0", "a2", "b1", "a3"]


def test_a_graceful_end_finishes_what_runs_and_refuses_the_rest(held):
    service = Service()
    mine = Follower(service.backend("a"), an_image(), "held")
    with ThreadPoolExecutor(2) as pool:
        running = pool.submit(mine.add, point(1, 1, 1))
        assert held.arrived.acquire(timeout=kit.PATIENCE)
        closing = pool.submit(service.close)
        while not service._closing.is_set():
            threading.Event().wait(0.001)
        with pytest.raises(errors.FullError, match="shutting down"):
            Follower(service.backend("a"), an_image())
        assert not closing.done()
        held.go.release()
        closing.result(kit.PATIENCE)
        assert running.result(kit.PATIENCE).voxels == 1


def test_an_abrupt_end_refuses_what_waits(held):
    service = Service()
    mine = [Follower(service.backend("a"), an_image(n), "held") for n in range(2)]
    with ThreadPoolExecutor(2) as pool:
        running = pool.submit(mine[0].add, point(1, 1, 1))
        assert held.arrived.acquire(timeout=kit.PATIENCE)
        waiting = pool.submit(mine[1].add, point(1, 1, 1))
        while not service.runner._queues["cpu"].waiting:
            threading.Event().wait(0.001)
        service.close(finish=False)
        with pytest.raises(errors.FullError, match="shutting down"):
            waiting.result(kit.PATIENCE)
        held.go.release()
        assert running.result(kit.PATIENCE).voxels == 1
    assert not mine[1].mask.any()


def test_welcome_says_what_there_is(service):
    welcome = service.backend("a").welcome()
    assert decode(type(welcome), encode(welcome)) == welcome
    models = {m.name: m for m in welcome.models}
    assert {"geodesic-cut", "painter"} <= set(models)
    assert models["painter"].prompts == ["box", "lasso", "point", "scribble"]
    assert welcome.devices[-1] == "cpu"
    assert welcome.limits == service.settings.limits()


def test_a_plugin_that_does_not_load_is_told_and_the_others_work(service, monkeypatch):
    monkeypatch.setitem(BUILT_IN, "bad", "no_such_module:factory")
    models = {m.name: m for m in service.backend("a").welcome().models}
    assert "lacks" in models["bad"].missing
    assert models["painter"].missing is None
    with pytest.raises(ModelError, match="lacks"):
        Follower(service.backend("a"), an_image(), "bad")


def test_an_estimate_comes_before_the_run(service):
    backend = service.backend("a")
    small = backend.estimate(EstimateRequest([64, 64, 64]))
    large = backend.estimate(EstimateRequest([1 << 20, 1 << 12, 1 << 12]))
    assert small.fits
    assert small.memory_bytes < large.memory_bytes
    assert (large.fits, "crop the image" in large.advice) == (False, True)
    for shape in ([1, 2], [0, 1, 1], [10**400, 1, 1]):
        with pytest.raises(InputError):
            backend.estimate(EstimateRequest(shape))
    with pytest.raises(ModelError):
        backend.estimate(EstimateRequest([1, 1, 1], device="toaster"))


def test_a_model_may_tell_its_own_cost(service, held):
    held.estimate = lambda shape: (1.0, 2.0, 3 * shape[0])
    found = service.backend("a").estimate(EstimateRequest([5, 1, 1], "held"))
    assert (found.open_seconds, found.prompt_seconds, found.memory_bytes) == (1.0, 2.0, 15)


def test_counters_count(service):
    mine = Follower(service.backend("a"), an_image())
    mine.add(point(1, 1, 1))
    numbers = service.counters()
    assert (numbers["sessions"], numbers["images"], numbers["actions_total"]) == (1, 1, 1)
    assert numbers["image_bytes"] == an_image().array.nbytes
    assert numbers["action_seconds_le_inf"] == 1
    assert all(isinstance(n, (int, float)) for n in numbers.values())


def test_no_line_of_the_log_names_anybody(service, caplog, clock):
    with caplog.at_level(logging.DEBUG, "medseg"):
        backend = service.backend("secret-user")
        name = kit.upload(backend, an_image(name="Doe^Jane"))
        mine = Follower(backend, an_image(name="Doe^Jane"))
        mine.add(point(1, 2, 3))
        clock.now += 1000
        service.sweep()
    numbers = {"created", "msecs", "relativeCreated", "thread", "process", "lineno"}
    told = " ".join(
        str({name: value for name, value in vars(record).items() if name not in numbers})
        for record in caplog.records
    )
    assert "expired" in told
    for secret in ("secret-user", "Doe", name, mine.id, "12.0"):
        assert secret not in told


def test_a_mirror_of_nothing_opens_an_empty_session(backend):
    mine = Follower(backend, an_image(), mirror=Mirror(kit.SHAPE, "painter"))
    assert (mine.info.voxels, mine.info.can_undo, mine.info.baked) == (0, False, 0)
