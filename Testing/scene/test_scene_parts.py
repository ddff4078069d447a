"""The parts of which sessions in the scene are made: marks, boxes, routes."""

from functools import partial

import numpy as np
import pytest
from medseg import Image, MaskPatch, Point
from medseg.actions import Accept, Redo, Reset, Undo
from medseg.history import History, State
from medseg.packing import Bits
from medseg.patch import bounding_box
from medseg.pieces import at_once
from medseg.record import Record, mask_mark
from medseg_scene import LogicEditor, SceneSession
from medseg_scene.boxes import box_of, patched, slabs, union
from medseg_scene.content import Content
from medseg_scene.route import route
from medseg_scene.tags import read_tag
from medseg_scene.target import Maker, Target
from scene_kit import Balls, add_segment, box_mask

SHAPE = (12, 16, 20)


# Marks and boxes


def test_the_mark_is_that_of_the_engine_whatever_changes(volume, segmentation):
    rng = np.random.default_rng(0)
    target = Target(segmentation, None, Image(np.zeros(SHAPE, np.int16)))
    for _ in range(40):
        low = [int(rng.integers(0, n - 3)) for n in SHAPE]
        part = rng.random((3, 3, 3)) < rng.choice([0, 0.2, 1])
        target._take(MaskPatch(tuple(low), part))
        assert target.mark() == mask_mark(target.mask)
        assert target.voxels == np.count_nonzero(target.mask)
        assert (target.copy() == target.mask).all()


def test_content_follows_changes():
    mask = np.zeros(SHAPE, bool)
    content = Content(mask)
    assert content.box is None
    for box in [(2, 4), (6, 9)], [(5, 6), (0, 3)]:
        mask[:] = box_mask(SHAPE, box[0], box[1], (3, 5))
        content.changed(box_of((0, 0, 0), SHAPE))
        assert content.box == bounding_box(mask)
        assert content.voxels == mask.sum()


def test_slabs_cover_a_box():
    box = slice(2, 9), slice(0, 4), slice(5, 10)
    assert [part[0] for part in slabs(box, 40)] == [slice(k, min(k + 2, 9)) for k in (2, 4, 6, 8)]
    assert all(part[1:] == box[1:] for part in slabs(box, 1))
    assert len(list(slabs(box, 1))) == 7


def test_boxes_join_and_patches_follow_each_other():
    first, second = (slice(0, 2),) * 3, (slice(1, 4),) * 3
    assert union(first, second) == (slice(0, 4),) * 3
    assert union(None, second) == second
    ones, none = np.ones((2, 2, 2), bool), np.zeros((1, 1, 1), bool)
    patches = [MaskPatch((0, 0, 0), ones), MaskPatch((1, 1, 1), none)]
    part = patched(np.zeros(SHAPE, bool), first, patches)
    assert part.sum() == 7
    assert not part[1, 1, 1]


# Routes


@pytest.fixture
def travelled():
    """A history of two prompts, each one voxel, the second taken back."""
    history = History(SHAPE)
    prompts = (Point([0, 0, 0]), Point([5, 0, 0]))
    for n, prompt in enumerate(prompts):
        one = MaskPatch((0, 0, 5 * n), np.ones((1, 1, 1), bool))
        history.commit(State((*history.state.prompts, prompt)), one)
    history.undo()
    return history, prompts


def change(*places):
    """The first row of a mask, with voxels at these places."""
    row = np.zeros((1, 1, 8), bool)
    row[0, 0, list(places)] = True
    return MaskPatch((0, 0, 0), row)


def way(history, prompts, *places, baked=0, start=None):
    wanted = np.zeros(SHAPE, bool)
    change(*places).apply(wanted)
    start = Bits.of(wanted) if isinstance(start, str) else start
    state = State(tuple(prompts), baked, start)
    return at_once(route(history, state, change(*places), partial(Bits.making, wanted)))


def test_where_it_stands_there_is_no_way_to_go(travelled):
    history, prompts = travelled
    assert way(history, prompts[:1], 0) == []
    assert way(history, [Point([0.0, 0, 0])], 0) == []


def test_undo_and_redo_in_the_scene_are_undo_and_redo_of_the_session(travelled):
    history, prompts = travelled
    assert way(history, []) == [Undo()]
    assert way(history, prompts, 0, 5) == [Redo()]
    assert way(history, [Point([1, 0, 0])], 0) is None


def test_the_same_prompts_with_another_mask_are_another_place(travelled):
    history, prompts = travelled
    assert way(history, prompts, 0, 6) is None
    assert way(history, [], 3, baked=0) == [Reset()]


def test_a_hand_edit_is_accepted(travelled):
    history, prompts = travelled
    (action,) = way(history, prompts[:1], 0, 3, baked=1, start="mask")
    assert isinstance(action, Accept)
    assert action.lead(history.state, history.mask).start.mask()[0, 0, 3]
    assert way(history, prompts[:1], 0, 3, baked=1, start=Bits.of(np.ones(SHAPE, bool))) is None


# What is written, and how


class SpyEditor(LogicEditor):
    """Notes what goes through it."""

    def __init__(self, logic):
        super().__init__(logic)
        self.calls = []

    def save_state(self):
        self.calls.append("save")
        super().save_state()

    def _modify(self, segmentation, segment_id, labelmap, mode):
        self.calls.append(labelmap.GetDimensions())
        super()._modify(segmentation, segment_id, labelmap, mode)


def test_a_prompt_is_one_state_and_crops_of_the_change(volume, segmentation):
    editor = SpyEditor.create(volume, segmentation)
    session = SceneSession(volume, segmentation, Balls(), editor=editor)
    session.add(Point([5, 8, 6]))
    assert editor.calls == ["save", (13, 13, 13)]  # the ball, and a voxel around it
    editor.calls.clear()
    session.add(Point([5, 8, 9], include=False))
    saved, removed = editor.calls
    assert saved == "save"
    assert removed[2] < 13
    editor.calls.clear()
    session.add(Point([5, 8, 9], include=False))
    assert editor.calls == ["save"]


def test_the_tag_is_what_the_record_says(volume, segmentation):
    segment_id = add_segment(segmentation, box_mask(SHAPE, (0, 2), (0, 2), (0, 2)))
    session = SceneSession(volume, segmentation, Balls(), segment_id)
    session.add(Point([14, 8, 6]))
    text = read_tag(segmentation.GetSegmentation().GetSegment(segment_id))
    assert Record.loads(text).start.mask().sum() == 8
    assert text == Record.loads(text).dumps()


@pytest.mark.parametrize("meanwhile", ["nothing", "a rule", "an edit"])
def test_what_is_foreseen_of_a_large_write_holds_only_if_it_comes_true(
    volume, segmentation, meanwhile, monkeypatch
):
    monkeypatch.setattr("medseg_scene.target.PIECE", 100)
    monkeypatch.setattr("medseg_scene.content.TOGETHER", 3)
    target = Target(segmentation, None, Image(np.zeros(SHAPE, np.int16)))
    editor = LogicEditor.create(volume, segmentation)
    maker = Maker("balls", {"name": "balls", "version": "1"}, True)

    def write(patch, allowed=None):
        return target.write(editor, patch, State(), maker, allowed)

    write(MaskPatch((1, 1, 1), np.ones((2, 3, 17), bool)))
    voxels = np.random.default_rng(1).random((9, 8, 7)) < 0.5
    patch = MaskPatch((2, 3, 4), voxels)
    pieces = target.foreseeing(patch)
    assert len(list(pieces)) == 3
    if meanwhile == "an edit":
        other = Target(segmentation, target.segment_id, target.image)
        other.look()
        other.write(editor, MaskPatch((2, 3, 0), np.ones((1, 1, 2), bool)), State(), maker)
        target.look()
    wanted = patched(target.mask, box_of((0, 0, 0), SHAPE), [patch])
    allowed = np.arange(7) < 4 if meanwhile == "a rule" else None
    if meanwhile == "a rule":
        wanted[:, :, 8:11] = target.mask[:, :, 8:11]
    written = write(patch, None if allowed is None else np.broadcast_to(allowed, voxels.shape))
    assert written.whole == (meanwhile != "a rule")
    assert (target.mask == wanted).all()
    assert target.mark() == mask_mark(wanted)
    assert target.voxels == np.count_nonzero(wanted)
