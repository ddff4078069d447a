"""What others did to a segment is read a slab in each turn; meanwhile anything may happen."""

from functools import partial

import pytest
from live_kit import Live, in_scene, painted
from medseg import InputError
from medseg.errors import CancelledError
from medseg_scene import boxes, target
from medseg_scene.target import Target
from scene_kit import add_segment, box_mask, draw_by_hand

SHAPE = (12, 16, 20)
IMPORTED = box_mask(SHAPE, (1, 11), (2, 6), (3, 9))
MORE = box_mask(SHAPE, (4, 8), (12, 15), (14, 19))


@pytest.fixture
def thin(monkeypatch):
    """Slabs of one slice, as small volumes would be read in one go else."""
    monkeypatch.setattr(target, "slabs", partial(boxes.slabs, voxels=1))


@pytest.fixture
def imported(thin, kit, volume, segmentation):
    """A session on a segment that it has not looked at yet."""
    session = Live(kit, volume, segmentation, add_segment(segmentation, IMPORTED))
    yield session
    session.close()


def begun(live):
    """A click whose segment is being read: some slices are seen, others are not."""
    live.click(6, 8, 5)  # the helper has the image, and the model is known
    live.undo()
    live.turn()
    draw_by_hand(live.editor, live.segmentation, live.segment_id, MORE)
    pending = live.add(live.at(6, 8, 5))
    for _ in range(6):
        live.turn()
    seen = live._works.known().target.mask & MORE
    assert 0 < seen.sum() < MORE.sum()
    return pending


def test_each_step_of_a_look_reads_one_slab(thin, volume, segmentation, session):
    segment_id = add_segment(segmentation, IMPORTED)
    looked = Target(segmentation, segment_id, session.image)
    slices = 0
    for slices, _ in enumerate(looked.looking(), start=1):
        assert (looked.mask == IMPORTED)[:slices].all()
        assert not looked.mask[slices:].any()
    assert slices == len(IMPORTED)
    assert looked.look() is None


def test_a_look_at_once_takes_over_what_another_has_begun(thin, segmentation, session):
    looked = Target(segmentation, add_segment(segmentation, IMPORTED), session.image)
    begun = looked.looking()
    next(begun)
    seen = looked.look()
    assert boxes.size(seen.box) == (10, 4, 6)
    assert (looked.mask == IMPORTED).all()
    assert not any(step for step in begun)
    assert looked.look() is None


def test_a_prompt_refines_what_was_imported(imported):
    imported.click(6, 8, 5)
    assert (in_scene(imported) == painted(imported.image, [imported.at(6, 8, 5)], IMPORTED)).all()


def test_an_edit_while_the_segment_is_read_is_not_lost(imported):
    pending = begun(imported)
    edit = box_mask(SHAPE, (0, 2), (0, 2), (15, 19))
    draw_by_hand(imported.editor, imported.segmentation, imported.segment_id, edit)
    imported.wait(pending)
    start = IMPORTED | MORE | edit
    assert (in_scene(imported) == painted(imported.image, [imported.at(6, 8, 5)], start)).all()


def test_undo_while_the_segment_is_read_is_what_the_prompt_acts_on(imported):
    pending = begun(imported)
    imported.editor.undo()
    imported.wait(pending)
    wanted = painted(imported.image, [imported.at(6, 8, 5)], IMPORTED)
    assert (in_scene(imported) == wanted).all()


def test_a_prompt_can_be_cancelled_while_the_segment_is_read(imported):
    pending = begun(imported)
    pending.cancel()
    assert isinstance(imported.wait_error(pending), CancelledError)
    imported.settle()
    assert (in_scene(imported) == (IMPORTED | MORE)).all()
    imported.click(6, 8, 5)
    start = IMPORTED | MORE
    assert (in_scene(imported) == painted(imported.image, [imported.at(6, 8, 5)], start)).all()


def test_a_segment_that_goes_while_it_is_read_ends_the_prompt_with_a_sentence(imported):
    pending = begun(imported)
    imported.segmentation.GetSegmentation().RemoveSegment(imported.segment_id)
    error = imported.wait_error(pending)
    assert isinstance(error, InputError)
    assert "has no segment" in str(error)
    assert not imported.waiting


def test_a_session_closed_while_it_reads_does_nothing_more(imported):
    pending = begun(imported)
    imported.close()
    imported.turn()
    assert isinstance(imported.wait_error(pending), CancelledError)
    assert (in_scene(imported) == (IMPORTED | MORE)).all()
