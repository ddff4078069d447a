"""A server that is killed and started again, whenever: not one voxel differs in the end."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time

import numpy as np
import pytest
from client_kit import (
    QUICK,
    Nursery,
    clean_environment,  # noqa: F401 (used by every test)
    free_port,
)
from medseg import Image, Point, Scribble, Session, find
from medseg.actions import Add, Redo, Remove, Replace, Reset, SetMask, Undo
from medseg.client import HttpBackend, RemoteSession
from phantoms import at, ball
from phantoms import image as phantom_image
from serving import PLUGIN, Running

SHAPE = (12, 30, 30)
#: Seconds that the model "slow" takes, so that many a kill comes while it works.
SECONDS = 0.02


@pytest.fixture(autouse=True)
def plugin(monkeypatch):
    monkeypatch.syspath_prepend(PLUGIN)
    monkeypatch.setenv("MEDSEG_TEST_SECONDS", "0")


@pytest.fixture(scope="module")
def nursery(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nursery")
    with Nursery(folder, MEDSEG_TEST_SECONDS=str(SECONDS)) as nursery:
        yield nursery


class Mortal:
    """A server that can be killed, and comes back at the same port at once."""

    def __init__(self, nursery):
        self.nursery = nursery
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.pid = nursery.start(self.port)
        self.kills = 0

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            while True:  # on a busy machine it may hold its port a little longer
                os.kill(self.pid, 0)
                time.sleep(0.001)
        self.kills += 1
        self.pid = self.nursery.start(self.port)

    def await_start(self):
        """A client would not wait for a server that it never met."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            with contextlib.suppress(Exception), HttpBackend(self.url) as backend:
                return backend.welcome()
            time.sleep(0.02)
        raise AssertionError("the server did not start")


@pytest.fixture
def mortal(nursery):
    mortal = Mortal(nursery)
    yield mortal
    os.kill(mortal.pid, signal.SIGKILL)


def script(seed):
    """Thirty actions of every kind; each fits where it stands."""
    rng = random.Random(seed)
    hand = np.zeros(SHAPE, bool)
    hand[3:9, 5:20, 5:12] = True

    def place():
        return [rng.uniform(0, 29), rng.uniform(0, 29), rng.uniform(0, 11)]

    def prompts():
        if rng.random() < 0.3:
            return (Scribble([place(), place()], include=rng.random() < 0.7),)
        return tuple(Point(place(), include=rng.random() < 0.7) for _ in range(rng.randint(1, 3)))

    fixed = {9: Undo(), 10: Redo(), 13: Remove(1), 15: Replace(0, prompts()[0]), 18: SetMask(hand)}
    fixed |= {21: Undo(), 22: Undo(), 23: Redo(), 26: Reset(), 27: Undo()}
    return [fixed.get(n) or Add(prompts()) for n in range(30)]


def image(seed):
    voxels = np.random.default_rng(seed).integers(-1000, 1000, SHAPE)
    return Image(voxels.astype(np.int16))


class Killer:
    """Kills at given times of a session: (number of the action, seconds after its begin)."""

    def __init__(self, mortal, times):
        self.mortal = mortal
        self.times = times

    @contextlib.contextmanager
    def during(self, number):
        killers = [
            threading.Timer(seconds, self.mortal.kill) for n, seconds in self.times if n == number
        ]
        for killer in killers:
            killer.start()
        try:
            yield
        finally:
            for killer in killers:
                killer.join()


@pytest.mark.parametrize("seed", range(5))
def test_killed_four_times_in_thirty_actions(mortal, seed):
    rng = random.Random(100 + seed)
    times = [(n, rng.uniform(0, 3 * SECONDS)) for n in rng.sample(range(30), 4)]
    undisturbed = Session(image(seed), find("slow"))
    mortal.await_start()
    with HttpBackend(mortal.url, retries=QUICK) as backend:
        session = RemoteSession(backend, image(seed), "slow")
        killer = Killer(mortal, times)
        for number, action in enumerate(script(seed)):
            with killer.during(number):
                step = session.do(action)
            expected = undisturbed.do(action)
            assert np.array_equal(session.mask, undisturbed.mask)
            assert step.voxels == expected.voxels
            assert step.patch.box == expected.patch.box
        assert mortal.kills == 4
        while undisturbed.can_undo:
            assert session.can_undo
            session.undo()
            undisturbed.undo()
            assert np.array_equal(session.mask, undisturbed.mask)
        assert not session.can_undo


def test_killed_between_any_two_prompts_of_the_embedded_model(mortal):
    truth = ball((24, 26, 28), radius=7.0)
    phantom = phantom_image(truth)
    clicks = [at(phantom, (12, 13, 14)), at(phantom, (2, 3, 4), False), at(phantom, (12, 8, 14))]
    undisturbed = Session(phantom, find())
    mortal.await_start()
    with HttpBackend(mortal.url, retries=QUICK) as backend:
        session = RemoteSession(backend, phantom)
        for click in clicks:
            session.add(click)
            undisturbed.add(click)
            mortal.kill()
        session.undo()
        session.redo()
        assert undisturbed.mask.any()
        assert np.array_equal(session.mask, undisturbed.mask)


def test_killed_while_an_image_is_on_its_way(mortal):
    voxels = np.random.default_rng(5).integers(-(2**15), 2**15, (120, 400, 400))
    large = Image(voxels.astype(np.int16))
    mortal.await_start()
    with HttpBackend(mortal.url, retries=QUICK) as backend:
        told = []

        def progress(fraction):
            told.append(fraction)
            if len(told) in (1, 3):
                mortal.kill()

        backend.welcome()
        name = backend.put_image(large, progress)
        assert told.count(told[0]) >= 2
        assert backend.put_image(large) == name
        session = RemoteSession(backend, large, "painter")
        assert session.add(Point([0, 0, 0])).voxels > 0


def test_killed_in_the_middle_of_a_job(mortal):
    made = []
    for kills in (0, 1):
        mortal.await_start()
        with HttpBackend(mortal.url, retries=QUICK) as backend:
            session = RemoteSession(backend, image(1), "painter")
            session.add(Point([15, 15, 6]))
            numbers = []
            for event in session.propagate(0, seeds=[6]):
                numbers.append(event.number)
                if len(numbers) == 3 and kills:
                    mortal.kill()
            made.append(session.mask.copy())
    assert mortal.kills == 1
    assert np.array_equal(*made)


def test_started_again_in_full(tmp_path):
    """Once without the nursery: a process from nothing, with another server behind the port."""
    port = str(free_port())
    first = Running(tmp_path, "--port", port)
    with first, HttpBackend(f"http://127.0.0.1:{port}", retries=QUICK) as backend:
        session = RemoteSession(backend, image(2), "painter")
        session.add(Point([5, 5, 5]))
        session.add(Point([9, 9, 9]))
        first.process.kill()
        first.process.wait()
        with Running(tmp_path, "--port", port):
            session.undo()
            session.add(Point([20, 20, 5]))
    local = Session(image(2), find("painter"))
    local.add(Point([5, 5, 5]))
    local.add(Point([20, 20, 5]))
    assert np.array_equal(session.mask, local.mask)
