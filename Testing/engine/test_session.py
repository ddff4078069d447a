"""A session: prompts in, patches out, every action undone and done again."""

import numpy as np
import pytest
from fake_model import FakeModel
from medseg import (
    Box,
    Image,
    InputError,
    ModelError,
    Point,
    PromptError,
    Session,
    Text,
    UnsupportedPromptError,
)

AFFINE = np.diag([2.0, 2.0, 5.0, 1.0])


def at(i, j, k, include=True):
    """A point at voxel indices."""
    return Point([2.0 * i, 2.0 * j, 5.0 * k], include=include)


@pytest.fixture
def image():
    return Image(np.zeros((4, 5, 6), np.int16), AFFINE)


@pytest.fixture
def session(image):
    return Session(image, FakeModel())


def voxels(session):
    """True voxels as (i, j, k), sorted."""
    return sorted((int(i), int(j), int(k)) for k, j, i in np.argwhere(session.mask))


def test_a_step_reports_the_change_and_the_whole(session):
    session.add(at(1, 1, 1))
    step = session.add(at(3, 2, 1))
    assert step.patch.start == (1, 2, 3)
    assert step.patch.voxels.shape == (1, 1, 1)
    assert step.voxels == 2
    assert step.ml == pytest.approx(2 * 0.02)
    assert step.seconds >= 0


def test_several_prompts_are_one_action(session):
    session.add(at(1, 1, 1), at(2, 1, 1))
    session.undo()
    assert voxels(session) == []
    assert session.prompts == ()


def test_undo_and_redo_bring_mask_and_prompts_back_together(session):
    session.add(at(1, 1, 1))
    session.add(at(2, 1, 1))
    session.add(at(1, 1, 1, include=False))
    assert voxels(session) == [(2, 1, 1)]
    session.undo()
    assert (voxels(session), len(session.prompts)) == ([(1, 1, 1), (2, 1, 1)], 2)
    session.undo()
    session.redo()
    session.redo()
    assert (voxels(session), len(session.prompts)) == ([(2, 1, 1)], 3)
    assert not session.can_redo


def test_a_new_action_forgets_what_was_undone(session):
    session.add(at(1, 1, 1))
    session.undo()
    session.add(at(2, 2, 2))
    with pytest.raises(PromptError, match="nothing to redo"):
        session.redo()


def test_nothing_to_undo_is_said(session):
    with pytest.raises(PromptError, match="nothing to undo"):
        session.undo()


def test_a_prompt_in_the_middle_can_be_removed_or_replaced(session):
    for i in range(3):
        session.add(at(i, 0, 0))
    session.remove(1)
    assert voxels(session) == [(0, 0, 0), (2, 0, 0)]
    session.replace(0, at(0, 4, 3))
    assert voxels(session) == [(0, 4, 3), (2, 0, 0)]
    session.undo()
    session.undo()
    assert voxels(session) == [(0, 0, 0), (1, 0, 0), (2, 0, 0)]


def test_a_missing_prompt_cannot_be_removed(session):
    with pytest.raises(PromptError, match="no prompt 0"):
        session.remove(0)


def test_later_prompts_correct_a_mask_made_elsewhere(session):
    session.add(at(0, 0, 0))
    hand = np.zeros((4, 5, 6), bool)
    hand[2, 2, 2:4] = True
    session.set_mask(hand)
    session.add(at(2, 2, 2, include=False))
    assert voxels(session) == [(3, 2, 2)]
    assert session.baked == 1
    with pytest.raises(PromptError, match="part of the mask"):
        session.remove(0)


def test_a_mask_of_another_grid_is_refused(session):
    with pytest.raises(PromptError, match="resample the mask"):
        session.set_mask(np.zeros((1, 2, 3), bool))


def test_reset_can_be_undone(session):
    session.add(at(1, 2, 3))
    session.reset()
    assert (voxels(session), session.prompts) == ([], ())
    session.undo()
    assert voxels(session) == [(1, 2, 3)]


def test_replaying_the_prompts_gives_the_same_mask(session, image):
    session.add(at(1, 1, 1))
    session.add(at(2, 1, 1))
    session.remove(0)
    again = Session(image, FakeModel())
    again.add(*session.prompts)
    np.testing.assert_array_equal(again.mask, session.mask)


def test_the_mask_cannot_be_written_from_outside(session):
    with pytest.raises(ValueError, match="read-only"):
        session.mask[0, 0, 0] = True


@pytest.mark.parametrize(
    "prompt",
    [Point([500, 0, 0]), Box.from_corners([100, 100, 100], [110, 110, 110])],
    ids=["point", "box"],
)
def test_a_prompt_outside_is_refused_and_changes_nothing(session, prompt):
    with pytest.raises(PromptError, match="outside the image"):
        session.add(at(0, 0, 0), prompt)
    assert session.prompts == ()
    assert not session.can_undo


def test_a_box_that_reaches_in_is_fine(session):
    session.add(Box.from_corners([-50, -50, -50], [4, 4, 5]))
    assert len(session.prompts) == 1


def test_a_kind_the_model_cannot_do_is_refused_by_name(session):
    with pytest.raises(UnsupportedPromptError, match="cannot do text prompts"):
        session.add(Text("liver"))


def test_a_model_that_fails_leaves_the_session_as_it_was(image):
    model = FakeModel()
    session = Session(image, model)
    session.add(at(1, 1, 1))
    model.fails = ModelError("The weights are broken.")
    with pytest.raises(ModelError, match="weights"):
        session.add(at(2, 2, 2))
    assert (voxels(session), len(session.prompts)) == ([(1, 1, 1)], 1)


def test_images_a_model_cannot_take_are_refused_with_the_reason():
    film = Image(np.zeros((3, 4, 5)), time_axis=True)
    with pytest.raises(InputError, match=r"takes 3d images, this one is 2d\+t"):
        Session(film, FakeModel(dimensions=frozenset({"3d"})))
    with pytest.raises(InputError, match="grey images only"):
        Session(Image(np.zeros((3, 4, 5, 3))), FakeModel())


def test_progress_reaches_the_model(session):
    seen = []
    session.add(at(0, 0, 0), at(1, 0, 0), progress=seen.append)
    assert seen == [0.5, 1.0]
