"""Whoever is killed, whenever: no prompt is lost, and nothing is left behind."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from companion_kit import PLUGIN, TIMEOUT, environment, is_alive, kits
from medseg import Image, Point, Session, find
from medseg.actions import Add, Redo, Remove, Replace, Reset, SetMask, Undo
from medseg.companion import shared
from medseg.companion.link import STOPPED
from medseg.errors import CancelledError, RemoteError
from phantoms import ball
from phantoms import image as phantom

HERE = Path(__file__).parent


@pytest.fixture
def start():
    with kits() as start:
        yield start


def script(image, seed):
    """30 actions of every kind, each possible where it stands."""
    rng = random.Random(seed)

    def point():
        ijk = [rng.randrange(n) for n in image.shape[::-1]]
        return Point(image.ijk_to_ras(ijk), include=rng.random() < 0.7)

    hand = np.zeros(image.shape, bool)
    hand[1:4, 2:6, 3:7] = True

    def add():
        return Add((point(),))

    actions = [Add((point(), point())), add(), Remove(1), Undo(), Redo()]
    actions += [add() for _ in range(5)]
    actions += [Replace(2, point()), Undo(), Undo(), add(), SetMask(hand)]
    actions += [add() for _ in range(6)]
    actions += [Undo(), Undo(), Redo(), Reset(), Undo(), Remove(11), add(), Undo(), Redo()]
    return actions


def undisturbed(image, model, actions):
    session = Session(image, find(model))
    for action in actions:
        session.do(action)
    return session


def disturbed(kit, image, model, actions, kills, seed):
    """The helper is killed at random moments, each time with up to three actions under way.

    Every other kill at least finds an action done since the one before it: a helper that dies
    again and again before it did anything is given up, as another test shows.
    """
    rng = random.Random(seed)
    session = kit.companion.session(image, model)
    steps = []
    killed = {None}
    moments = set(rng.sample(range(len(actions)), kills))
    for number, action in enumerate(actions):
        if number > 1:
            kit.until(lambda step=steps[number - 2]: step.finished)
        steps.append(session.do(action))
        if number in moments:
            kit.wait_seconds(rng.uniform(0.0, 0.02))
            kit.until(lambda: kit.companion.pid not in killed)
            killed.add(kit.companion.pid)
            os.kill(kit.companion.pid, signal.SIGKILL)
    kit.until(lambda: all(step.finished for step in steps))
    assert [step.error for step in steps] == [None] * len(steps)
    return session


def assert_equal(session, expected):
    np.testing.assert_array_equal(session.mask, expected.mask)
    assert (session.can_undo, session.can_redo) == (expected.can_undo, expected.can_redo)
    assert session.baked == expected.baked
    assert [p.data() for p in session.prompts] == [p.data() for p in expected.prompts]


def test_killed_at_twenty_moments_of_a_session_the_mask_is_the_same(start, monkeypatch):
    monkeypatch.syspath_prepend(PLUGIN)
    image = Image(np.zeros((8, 9, 10), np.int16), np.diag([2.0, 2.0, 3.0, 1.0]))
    actions = script(image, 1)
    kit = start()
    session = disturbed(kit, image, "slow", actions, 20, 1)
    expected = undisturbed(image, "painter", actions)
    assert len(actions) == 30
    assert expected.mask.any()
    assert_equal(session, expected)
    assert kit.lines == [STOPPED] * 20


def test_killed_while_the_embedded_model_works_the_mask_is_the_same(start):
    truth = ball((16, 20, 24), radius=6.0)
    image = phantom(truth)
    actions = script(image, 2)[:8]
    session = disturbed(start(), image, "geodesic-cut", actions, 2, 2)
    assert_equal(session, undisturbed(image, "geodesic-cut", actions))


def test_killed_while_an_image_is_on_its_way_it_is_sent_again(start):
    kit = start()
    kit.until(lambda: kit.companion.ready)
    session = kit.companion.session(Image(np.ones((100, 512, 512), np.int16)), "painter")
    kit.until(kit.files)
    os.kill(kit.companion.pid, signal.SIGKILL)
    step = session.add(Point([5, 5, 5]))
    kit.until(lambda: step.finished)
    assert step.result.voxels == 123
    assert kit.files() == []
    assert kit.lines == [STOPPED]


def test_a_step_that_stops_every_helper_is_left_out_and_the_session_goes_on(start, tmp_path):
    kit = start(env=environment(crashing(tmp_path)))
    image = Image(np.zeros((4, 5, 6), np.int16))
    session = kit.companion.session(image, "crashing")
    good = session.add(Point([0, 0, 0]))
    bad = session.add(Point([5, 0, 0]))
    later = session.add(Point([1, 0, 0]))
    kit.until(lambda: later.finished)
    with pytest.raises(RemoteError, match="the step was left out"):
        _ = bad.result
    assert good.result.voxels
    assert later.result.voxels
    assert [p.position[0] for p in session.prompts] == [0, 1]


def crashing(folder):
    """A model that takes its process down when the first coordinate of a prompt is 5."""
    (folder / "crashing.py").write_text(
        "import os\nimport medseg_test_models\n\n"
        "class Crashing(medseg_test_models.Painter):\n"
        "    name = 'crashing'\n"
        "    def open(self, image):\n"
        "        return OpenCrashing(self, image)\n\n"
        "class OpenCrashing(medseg_test_models.OpenPainter):\n"
        "    def segment(self, prompts, start=None, progress=None):\n"
        "        if prompts[-1].position[0] == 5:\n"
        "            os._exit(3)\n"
        "        return super().segment(prompts, start, progress)\n"
    )
    info = folder / "crashing-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: crashing\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[medseg.models]\ncrashing = crashing:Crashing\n")
    return folder


PARENT = """
import sys, numpy as np
from companion_kit import Kit
from medseg import Image, Point
kit = Kit()
session = kit.session(Image(np.zeros((64, 128, 128), np.int16)), "slow")
session.linked.add(Point([0, 0, 0]))
{more}
print(kit.companion.pid, kit.companion.prefix, flush=True)
kit.until(lambda: False)
"""
#: A second image that is on its way when the line is printed.
SENDING = """
second = kit.companion.session(Image(np.zeros((200, 1024, 1024), np.int16)), "painter")
kit.pump.turn(0.0); kit.pump.turn(0.0)
assert kit.files()
"""


@pytest.mark.parametrize("more", ["", SENDING], ids=["working", "sending an image"])
def test_the_helper_dies_with_its_parent_and_leaves_nothing(more):
    env = environment(HERE, MEDSEG_TEST_SECONDS="30")
    command = [sys.executable, "-c", PARENT.format(more=more)]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as parent:
        pid, prefix = parent.stdout.readline().split()
        parent.kill()
    assert is_alive_until_gone(int(pid)) is False
    assert [p for f in shared.folders() for p in f.glob(prefix + "*")] == []


def is_alive_until_gone(pid):
    end = time.monotonic() + TIMEOUT
    while is_alive(pid) and time.monotonic() < end:
        time.sleep(0.01)
    return is_alive(pid)


def test_a_start_removes_files_of_the_dead_and_no_others(tmp_path, monkeypatch):
    monkeypatch.setattr(shared, "folders", lambda: [tmp_path])
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    names = [f"medseg-{dead.pid}-a", f"medseg-{os.getpid()}-b", "medseg-notes", "other"]
    for name in names:
        (tmp_path / name).touch()
    shared.sweep()
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(names[1:])


def test_closing_ends_the_helper_even_while_it_works(start):
    kit = start(env=environment(MEDSEG_TEST_SECONDS="30"))
    session = kit.session(Image(np.zeros((4, 5, 6), np.int16)), "slow")
    pid, pending = kit.companion.pid, session.linked.add(Point([0, 0, 0]))
    kit.close()
    kit.companion.close()
    assert not is_alive(pid)
    with pytest.raises(CancelledError, match="closing"):
        _ = pending.result
