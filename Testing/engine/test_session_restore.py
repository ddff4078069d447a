"""A session can stand where another one stood, without its history."""

import numpy as np
import pytest
from medseg import Capabilities, Image, Point, PromptError, Session


class Marks:
    """A model that marks the clicked voxels on top of the start mask."""

    name, version, weights_hash = "marks", "1", None
    capabilities = Capabilities(
        prompts=frozenset({"point"}),
        dimensions=frozenset({"3d"}),
        start_mask=True,
        normalises=True,
        colour=False,
        licence="Apache-2.0",
    )

    def open(self, image):
        self.image = image
        return self

    def segment(self, prompts, start=None, progress=None):
        mask = np.zeros(self.image.shape, bool) if start is None else start.copy()
        for prompt in prompts:
            mask[self.image.voxel_at(prompt.position)] = prompt.include
        return mask


@pytest.fixture
def session():
    return Session(Image(np.zeros((2, 3, 4), np.int16)), Marks())


def test_a_restored_session_goes_on_like_the_first(session):
    session.add(Point([0, 0, 0]))
    hand = session.mask.copy()
    hand[1, 2, 3] = True
    session.set_mask(hand)
    session.add(Point([1, 0, 0]))
    other = Session(session.image, Marks())
    other.restore(session.prompts, baked=session.baked, start=session.start, mask=session.mask)
    for each in (session, other):
        each.add(Point([2, 0, 0]))
        each.remove(1)
    assert (other.mask == session.mask).all()
    assert other.mask.sum() == 3


def test_restore_forgets_the_own_history(session):
    session.add(Point([0, 0, 0]))
    session.restore()
    assert not session.can_undo
    assert not session.can_redo
    assert not session.mask.any()
    assert session.start is None


def test_restore_copies_its_masks(session):
    mask = np.ones(session.image.shape, bool)
    session.restore(start=mask, mask=mask)
    mask[:] = False
    assert session.mask.all()
    assert session.start.all()


@pytest.mark.parametrize("baked", [-1, 2])
def test_restore_with_too_many_baked_prompts_raises(session, baked):
    session.add(Point([0, 0, 0]))
    with pytest.raises(PromptError, match="of 1 prompts"):
        session.restore([Point([0, 0, 0])], baked=baked)
    assert session.mask.any()


def test_restore_with_a_mask_of_another_grid_raises(session):
    with pytest.raises(PromptError, match="resample the mask"):
        session.restore(mask=np.zeros((1, 1, 1), bool))
