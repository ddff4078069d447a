"""The examples of the scripting calls, and the one helper process of the application."""

import doctest
import inspect

import medseg
import numpy as np
import pytest
from live_kit import environment, in_scene, is_alive
from medseg import Point
from medseg_scene import CompanionOwner, Scripting, owner, use_owner
from scene_kit import add_segmentation, add_volume


@pytest.fixture
def mine():
    """The application's owner, with a helper that knows the test models."""
    use_owner(CompanionOwner(env=environment()))
    yield owner()
    use_owner(None)


def test_every_call_has_an_example_that_runs(scene, mine):
    voxels = np.zeros((20, 24, 28), np.int16)
    voxels[6:14, 8:16, 10:20] = 200
    volume, segmentation, logic = add_volume(voxels), add_segmentation(), Scripting()
    names = {"logic": logic, "volumeNode": volume, "segmentationNode": segmentation}
    names |= {"Point": Point, "medseg": medseg}
    calls = [f for n, f in inspect.getmembers(Scripting, inspect.isfunction) if n[0] != "_"]
    for call in sorted(calls, key=lambda f: f.__code__.co_firstlineno):
        examples = doctest.DocTestParser().get_examples(inspect.getdoc(call))
        assert examples, f"{call.__name__} has no example"
        for example in examples:
            exec(example.source, names)
    session = names["session"]
    assert in_scene(session).any()
    assert len(segmentation.GetSegmentation().GetSegmentIDs()) == 3
    session.close()
    with pytest.raises(medseg.InputError, match="closed"):
        logic.addPoint(session, [15, 12, 10])


def test_nothing_is_started_before_it_is_needed(mine):
    assert not mine.started
    assert owner() is mine
    assert mine.companion() is mine.companion()
    assert mine.started


def test_status_lines_reach_all_who_listen():
    heard, other = [], []
    with_no_python = CompanionOwner(python="/no/such/python")
    with_no_python.listen(heard.append)
    let_go = with_no_python.listen(other.append)
    let_go()
    let_go()
    with_no_python.companion()
    assert "/no/such/python" in heard[0]
    assert with_no_python.line == heard[-1]
    assert other == []
    with_no_python.close()


def test_another_owner_ends_the_helper_of_the_one_before(mine):
    companion = mine.companion()
    mine.loop.run_until(lambda: companion.ready)
    pid = companion.pid
    use_owner(CompanionOwner(env=environment()))
    assert not is_alive(pid)
    mine.close()


def test_a_server_can_be_chosen_before_the_helper_is_started(mine):
    with pytest.raises(medseg.MedsegError, match="http"):
        Scripting().connect("ftp://nowhere")
    assert Scripting().connect(None).default_model
