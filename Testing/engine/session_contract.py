"""What every session does, wherever it runs: in this process, in a companion, on a server.

Derive a test class and give it a fixture ``make(image, model_name)`` that returns a session:

    class TestLocalSession(SessionContract):
        @pytest.fixture
        def make(self): ...

The model is "painter" of ``Testing/plugin``; on these grids each position paints one voxel.
"""

from __future__ import annotations

import numpy as np
import pytest
from medseg import (
    Box,
    Image,
    Lasso,
    ModelError,
    Point,
    PromptError,
    Scribble,
    Text,
    UnsupportedPromptError,
)
from medseg.actions import Accept
from medseg.patch import MaskPatch

SPACING = np.array([4.0, 4.0, 5.0])
AFFINE = np.diag([*SPACING, 1.0])
SHAPE = (4, 5, 6)
MODEL = "painter"


def at(i, j, k, include=True):
    """A point at voxel indices."""
    return Point(SPACING * (i, j, k), include=include)


def voxels(session):
    """True voxels as (i, j, k), sorted."""
    return sorted((int(i), int(j), int(k)) for k, j, i in np.argwhere(session.mask))


def an_image(seed=0):
    rng = np.random.default_rng(seed)
    return Image(rng.integers(-1000, 1000, SHAPE).astype(np.int16), AFFINE)


class SessionContract:
    """The checks; each takes a fresh session on a ``(4, 5, 6)`` image."""

    @pytest.fixture
    def session(self, make):
        return make(an_image(), MODEL)

    def test_a_new_session_is_empty(self, session):
        assert session.mask.shape == SHAPE
        assert session.mask.dtype == bool
        assert voxels(session) == []
        assert (session.prompts, session.baked, session.start) == ((), 0, None)
        assert not session.can_undo
        assert not session.can_redo

    def test_a_step_reports_the_change_and_the_whole(self, session):
        session.add(at(1, 1, 1))
        step = session.add(at(3, 2, 1))
        assert step.patch.start == (1, 2, 3)
        assert step.patch.voxels.tolist() == [[[True]]]
        assert step.voxels == 2
        assert step.ml == pytest.approx(2 * 0.08)
        assert step.seconds >= 0
        assert step.notes == ()

    def test_every_kind_of_prompt_arrives_as_it_was_given(self, session):
        given = [
            at(1, 2, 3),
            Box([8, 8, 10], [8, 4, 0], np.eye(3)[::-1], include=False),
            Scribble([[0, 0, 0], [8, 4, 5]], radius=2.5, connected=False),
            Lasso([[0, 0, 5], [8, 0, 5], [8, 8, 5]]),
        ]
        session.add(*given)
        for got, sent in zip(session.prompts, given, strict=True):
            assert (got.kind, got.include) == (sent.kind, sent.include)
            assert got.data() == sent.data()

    def test_several_prompts_are_one_action(self, session):
        session.add(at(1, 1, 1), at(2, 1, 1))
        session.undo()
        assert voxels(session) == []
        assert session.prompts == ()

    def test_undo_and_redo_bring_mask_and_prompts_back_together(self, session):
        session.add(at(1, 1, 1))
        session.add(at(2, 1, 1))
        session.add(at(1, 1, 1, include=False))
        assert voxels(session) == [(2, 1, 1)]
        step = session.undo()
        assert (voxels(session), len(session.prompts)) == ([(1, 1, 1), (2, 1, 1)], 2)
        assert (step.patch.start, step.voxels) == ((1, 1, 1), 2)
        session.undo()
        session.redo()
        session.redo()
        assert (voxels(session), len(session.prompts)) == ([(2, 1, 1)], 3)
        assert session.can_undo
        assert not session.can_redo

    def test_a_new_action_forgets_what_was_undone(self, session):
        session.add(at(1, 1, 1))
        session.undo()
        session.add(at(2, 2, 2))
        with pytest.raises(PromptError, match="nothing to redo"):
            session.redo()
        assert voxels(session) == [(2, 2, 2)]

    def test_nothing_to_undo_is_said(self, session):
        with pytest.raises(PromptError, match="nothing to undo"):
            session.undo()

    def test_a_prompt_in_the_middle_can_be_removed_or_replaced(self, session):
        for i in range(3):
            session.add(at(i, 0, 0))
        session.remove(1)
        assert voxels(session) == [(0, 0, 0), (2, 0, 0)]
        session.replace(0, at(0, 4, 3))
        assert voxels(session) == [(0, 4, 3), (2, 0, 0)]
        session.undo()
        session.undo()
        assert voxels(session) == [(0, 0, 0), (1, 0, 0), (2, 0, 0)]

    def test_a_missing_prompt_cannot_be_removed(self, session):
        session.add(at(0, 0, 0))
        with pytest.raises(PromptError, match="no prompt 1; the session has 1"):
            session.remove(1)
        assert len(session.prompts) == 1

    def test_later_prompts_correct_a_mask_made_elsewhere(self, session):
        session.add(at(0, 0, 0))
        hand = np.zeros(SHAPE, bool)
        hand[2, 2, 2:4] = True
        session.set_mask(hand)
        hand[:] = True
        session.add(at(2, 2, 2, include=False))
        assert voxels(session) == [(3, 2, 2)]
        assert session.baked == 1
        assert int(session.start.sum()) == 2
        with pytest.raises(PromptError, match="part of the mask"):
            session.remove(0)

    def test_a_mask_of_another_grid_is_refused(self, session):
        with pytest.raises(PromptError, match="resample the mask"):
            session.set_mask(np.zeros((1, 2, 3), bool))
        assert not session.can_undo

    def test_the_result_of_a_job_can_be_accepted(self, session):
        session.add(at(0, 0, 0))
        session.do(Accept(MaskPatch((3, 4, 4), np.ones((1, 1, 2), bool))))
        assert voxels(session) == [(0, 0, 0), (4, 4, 3), (5, 4, 3)]
        assert session.baked == 1
        session.undo()
        assert (voxels(session), session.baked) == ([(0, 0, 0)], 0)

    def test_reset_can_be_undone(self, session):
        session.add(at(1, 2, 3))
        session.reset()
        assert (voxels(session), session.prompts) == ([], ())
        session.undo()
        assert voxels(session) == [(1, 2, 3)]

    def test_the_mask_cannot_be_written_from_outside(self, session):
        with pytest.raises(ValueError, match="read-only"):
            session.mask[0, 0, 0] = True

    def test_a_prompt_outside_is_refused_and_changes_nothing(self, session):
        session.add(at(1, 1, 1))
        with pytest.raises(PromptError, match="outside the image"):
            session.add(at(0, 0, 0), Point([500, 0, 0]))
        assert (voxels(session), len(session.prompts)) == ([(1, 1, 1)], 1)
        session.add(at(2, 2, 2))
        assert len(session.prompts) == 2

    def test_a_kind_the_model_cannot_do_is_refused_by_name(self, session):
        with pytest.raises(UnsupportedPromptError, match="cannot do text prompts"):
            session.add(Text("liver"))

    def test_a_session_can_stand_where_another_one_stood(self, session, make):
        session.add(at(0, 0, 0))
        hand = np.array(session.mask)
        hand[3, 4, 5] = True
        session.set_mask(hand)
        session.add(at(1, 0, 0))
        other = make(an_image(), MODEL)
        other.add(at(5, 0, 0))
        other.restore(session.prompts, baked=session.baked, start=session.start, mask=session.mask)
        assert not other.can_undo
        assert voxels(other) == voxels(session)
        for each in (session, other):
            each.add(at(2, 0, 0))
            each.remove(1)
        assert voxels(other) == voxels(session) == [(0, 0, 0), (2, 0, 0), (5, 4, 3)]

    def test_sessions_do_not_mix(self, make):
        first, second = make(an_image(1), MODEL), make(an_image(2), MODEL)
        third = make(an_image(1), MODEL)
        for number, session in enumerate((first, second, third)):
            session.add(at(number, 0, 0))
        first.undo()
        assert [voxels(s) for s in (first, second, third)] == [[], [(1, 0, 0)], [(2, 0, 0)]]

    def test_an_unknown_model_is_named(self, make):
        with pytest.raises(ModelError, match="no model 'no-such-model'"):
            make(an_image(), "no-such-model")
