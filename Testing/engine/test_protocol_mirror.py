"""What a follower knows puts the session back exactly, however it came about."""

import json
from copy import deepcopy

import numpy as np
import pytest
import service_kit as kit
from fake_model import FakeModel
from medseg import InputError, PromptError, Session
from medseg.actions import (
    NAMES,
    Accept,
    Add,
    Redo,
    Remove,
    Replace,
    Reset,
    SetMask,
    Undo,
    from_data,
)
from medseg.errors import RemoteError
from medseg.history import DEPTH, History
from medseg.packing import pack_patch
from medseg.patch import MaskPatch
from medseg.protocol.messages import ActionReply
from medseg.protocol.mirror import Mirror

SHAPE = kit.SHAPE


def a_session():
    return Session(kit.an_image(), FakeModel())


def a_mask(rng):
    return rng.random(SHAPE) < 0.2


def a_patch(rng):
    start = [int(rng.integers(0, n)) for n in SHAPE]
    size = [int(rng.integers(0, n - s + 1)) for n, s in zip(SHAPE, start, strict=True)]
    return MaskPatch(tuple(start), rng.random(size) < 0.5)


def some_action(rng, session):
    """An action that the session can do."""
    k, j, i = (int(rng.integers(0, n)) for n in SHAPE)
    prompt = kit.point(i, j, k, bool(rng.random() < 0.8))
    free = range(session.baked, len(session.prompts))
    choices = [Add((prompt,)), Add((prompt, kit.point(0, j, 0))), Add(())]
    choices += [SetMask(a_mask(rng)), Accept(a_patch(rng)), Reset()]
    if free:
        at = int(rng.choice(free))
        choices += [Remove(at), Replace(at, prompt)] * 2
    choices += [Undo()] * 3 * session.can_undo + [Redo()] * 3 * session.can_redo
    return choices[rng.integers(0, len(choices))]


def through_json(history):
    return History.from_dict(json.loads(json.dumps(history.to_dict())), history.shape)


def walk(history):
    """Every mask and prompt count on the way down to the first step and up to the last."""
    seen, history = [], deepcopy(history)
    for more, step in (
        (lambda: history.done, history.undo),
        (lambda: history.undone, history.redo),
    ):
        while more():
            step()
            seen.append((history.mask.tobytes(), len(history.state.prompts), history.state.baked))
    return seen


@pytest.mark.parametrize("seed", range(25))
def test_random_sessions_come_back_with_undo_and_redo(seed):
    rng = np.random.default_rng(seed)
    session = a_session()
    for _ in range(30):
        session.do(some_action(rng, session))
    again = through_json(session.history)
    assert np.array_equal(again.mask, session.mask)
    assert again.voxels == session.mask.sum()
    resumed = a_session()
    resumed.resume(through_json(session.history))
    assert walk(again) == walk(session.history)
    for _ in range(5):
        action = some_action(rng, session)
        assert np.array_equal(session.do(action).patch.voxels, resumed.do(action).patch.voxels)
    assert np.array_equal(session.mask, resumed.mask)


@pytest.mark.parametrize("seed", range(10))
def test_a_mirror_follows_through_messages_alone(seed):
    rng = np.random.default_rng(100 + seed)
    session, mirror = a_session(), Mirror(SHAPE)
    for number in range(1, 30):
        action = some_action(rng, session)
        request = mirror.action_request(action)
        data = {"prompts": request.prompts, "index": request.index}
        data |= {"mask": request.mask, "patch": request.patch}
        step = session.do(from_data(request.action, json.loads(json.dumps(data)), SHAPE))
        mirror.accept(
            action,
            ActionReply("r", number, pack_patch(step.patch), 0.0, step.voxels, step.ml),
        )
        assert np.array_equal(mirror.mask, session.mask)
    assert walk(mirror.history) == walk(session.history)


def test_old_turns_are_forgotten_and_the_rest_still_fits():
    session = a_session()
    for n in range(DEPTH + 5):
        session.add(kit.point(n % 8, n % 7, n % 6))
    assert len(session.history.done) == DEPTH
    assert walk(through_json(session.history)) == walk(session.history)


def test_a_fresh_mirror_sends_no_history_and_a_used_one_does():
    mirror = Mirror(SHAPE)
    assert mirror.open_request("x").history is None
    patch = pack_patch(MaskPatch((0, 0, 0), np.ones((1, 1, 1), bool)))
    mirror.accept(Add((kit.point(0, 0, 0),)), ActionReply("r", 1, patch, 0.0, 1, 0.1))
    assert mirror.open_request("x").history is not None


def test_an_answer_out_of_step_is_noticed():
    mirror = Mirror(SHAPE)
    reply = ActionReply("r", 2, pack_patch(MaskPatch((0, 0, 0), np.ones((1, 1, 1), bool))), 0, 1, 0)
    with pytest.raises(RemoteError, match="lost count"):
        mirror.accept(Add((kit.point(0, 0, 0),)), reply)
    assert not mirror.mask.any()


def broken():
    session = a_session()
    session.add(kit.point(1, 2, 3))
    session.set_mask(session.mask)
    session.undo()
    good = session.history.to_dict()
    for key in good:
        yield {k: v for k, v in good.items() if k != key}
        for wrong in (None, -1, 99, "x", [None], [[]], [{}], {}):
            yield {**good, key: wrong}
    for key in ("prompts", "baked", "start", "patch"):
        for wrong in (-1, 99, "x", [99], [-1], {}, True):
            entries = [dict(s) for s in good["states"]]
            entries[0][key] = wrong
            yield {**good, "states": entries}


def test_a_broken_history_is_refused_or_harmless():
    refused = 0
    for data in broken():
        try:
            again = History.from_dict(data, SHAPE)
        except (InputError, PromptError):
            refused += 1
        else:
            walk(again)
    assert refused > 50


def test_a_history_of_another_image_is_refused():
    session = a_session()
    session.add(kit.point(1, 2, 3))
    with pytest.raises(InputError, match="shape"):
        History.from_dict(session.history.to_dict(), (6, 7, 9))


@pytest.mark.parametrize("name", [*NAMES, "dance"])
def test_actions_without_what_they_need_are_refused(name):
    if name in ("undo", "redo", "reset"):
        assert from_data(name, {}, SHAPE).name == name
        return
    for data in ({}, {"prompts": [3], "index": "x", "mask": [], "patch": 1}, {"index": True}):
        with pytest.raises((InputError, PromptError)):
            from_data(name, data, SHAPE)
