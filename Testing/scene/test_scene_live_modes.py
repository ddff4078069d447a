"""Previews, a segment for each click, propagation, and sessions that are saved."""

import numpy as np
import pytest
import slicer
from live_kit import Live, explains, in_scene, painted, record
from medseg import PromptError
from medseg.errors import CancelledError, StaleError
from medseg_scene.work import PREVIEW_GONE
from scene_kit import add_segmentation, add_volume, box_mask, draw_by_hand, turned

SHAPE = (12, 16, 20)
CORNER = box_mask(SHAPE, (0, 2), (0, 2), (15, 19))


# Preview


@pytest.fixture
def previewing(live):
    live.click(6, 8, 3)
    live.preview = True
    return live


def test_a_preview_writes_nothing_until_it_is_accepted(previewing):
    live, before = previewing, in_scene(previewing)
    live.click(6, 8, 9)
    live.click(6, 8, 3, include=False)
    assert (in_scene(live) == before).all()
    assert len(live.prompts) == 3
    shown = live.shown_preview
    wanted = painted(live.image, live.prompts)
    box = shown.patch.box
    assert (shown.added == (wanted & ~before)[box]).all()
    assert (shown.removed == (before & ~wanted)[box]).all()
    assert shown.added.sum() + shown.removed.sum() == (wanted != before).sum()
    assert np.allclose(shown.affine[:3, 3], live.image.ijk_to_ras(shown.patch.start[::-1]))
    step = live.accept()
    assert step.voxels == wanted.sum()
    assert (in_scene(live) == wanted).all()
    assert live.shown_preview is None
    live.undo()
    assert (in_scene(live) == before).all()
    assert len(live.prompts) == 1


def test_a_rejected_preview_leaves_no_trace(previewing):
    live, before = previewing, in_scene(previewing)
    live.click(6, 8, 9)
    live.reject()
    assert len(live.prompts) == 1
    live.preview = False
    live.click(6, 8, 15)
    assert (in_scene(live) == painted(live.image, live.prompts)).all()
    assert not in_scene(live)[6, 8, 9]
    live.undo()
    assert (in_scene(live) == before).all()
    with pytest.raises(StaleError, match="no preview"):
        live.accept()


def test_the_last_prompt_of_a_preview_is_taken_back(previewing):
    live = previewing
    live.click(6, 8, 9)
    live.click(6, 8, 15)
    live.undo()
    live.settle()
    assert len(live.prompts) == 2
    live.undo()
    live.settle()
    assert live.shown_preview is None
    live.undo()
    assert not in_scene(live).any()


def test_a_cancelled_prompt_does_not_get_into_the_preview(previewing):
    live = previewing
    live.click(6, 8, 9)
    live.add(live.at(6, 8, 15))
    live.cancel()
    live.settle()
    live.click(2, 2, 2)
    live.accept()
    assert (in_scene(live) == painted(live.image, live.prompts)).all()
    assert not in_scene(live)[6, 8, 15]


@pytest.mark.parametrize("when", ["before a prompt", "before accepting"])
def test_a_hand_edit_ends_a_preview(previewing, when):
    live, before = previewing, in_scene(previewing)
    live.click(6, 8, 9)
    draw_by_hand(live.editor, live.segmentation, live.segment_id, CORNER)
    if when == "before a prompt":
        live.preview = False
        live.click(6, 8, 15)
        assert in_scene(live)[before | CORNER].all()
        assert not in_scene(live)[6, 8, 10]
    else:
        with pytest.raises(StaleError):
            live.accept()
        assert (in_scene(live) == (before | CORNER)).all()
    assert PREVIEW_GONE in live.lines


# A segment for each click


def test_each_including_click_makes_a_segment(live):
    live.new_segments = True
    segmentation = live.segmentation.GetSegmentation()
    assert segmentation.GetNumberOfSegments() == 1
    live.click(6, 4, 4)
    first = live.segment_id
    live.click(6, 4, 4 + 2, include=False)
    live.click(6, 12, 14)
    second = live.segment_id
    assert segmentation.GetNumberOfSegments() == 3
    assert (in_scene(live, second) == painted(live.image, [live.at(6, 12, 14)])).all()
    excluded = [live.at(6, 4, 4), live.at(6, 4, 6, include=False)]
    assert (in_scene(live, first) == painted(live.image, excluded)).all()
    assert live.editor.node.GetSelectedSegmentID() == second


def test_a_segment_and_its_click_are_one_undo_step(live):
    live.new_segments = True
    live.click(6, 4, 4)
    made = live.segment_id
    live.undo()
    segmentation = live.segmentation.GetSegmentation()
    assert segmentation.GetNumberOfSegments() == 1
    assert live.prompts == ()
    live.redo()
    assert segmentation.GetSegment(made) is not None
    live.undo()
    live.click(6, 12, 14)
    assert segmentation.GetNumberOfSegments() == 2


def test_quick_clicks_make_segments_in_any_order_of_results(live):
    live.new_segments = True
    asked = [live.add(live.at(6, 3 + 3 * n, 4 + 3 * n)) for n in range(4)]
    exclude = live.add(live.at(6, 15, 15, include=False))
    live.settle()
    assert [a.error for a in [*asked, exclude]] == [None] * 5
    ids = live.segmentation.GetSegmentation().GetSegmentIDs()[1:]
    centres = [(6, 3 + 3 * n, 4 + 3 * n) for n in range(4)]
    found = [[c for c in centres if in_scene(live, n)[c]] for n in ids]
    assert sorted(c for cs in found for c in cs) == centres
    assert live.segment_id in ids
    assert not in_scene(live)[6, 14, 14]
    assert len(live.prompts) == 2


def test_a_refused_click_makes_no_segment(live):
    live.new_segments = True
    live.add(live.at(6, 3, 900))
    live.add(live.at(6, 3, 3)).cancel()
    live.settle()
    assert live.segmentation.GetSegmentation().GetNumberOfSegments() == 1


# Propagation


@pytest.fixture
def tube(kit, scene):
    """A bright tube along K in which two slices are segmented."""
    rng = np.random.default_rng(0)
    voxels = rng.normal(0, 5, (14, 24, 24)).astype(np.int16)
    voxels[:, 8:16, 8:16] += 200
    volume, segmentation = add_volume(voxels), add_segmentation()
    live = Live(kit, volume, segmentation)
    live.disc = np.zeros(voxels.shape, bool)
    live.disc[6, 8:16, 8:16] = True
    draw_by_hand(live.editor, segmentation, live.segment_id, live.disc)
    yield live
    live.close()


def test_propagation_is_one_undo_step_and_tells_each_slice(tube):
    slices = []
    step = tube.wait(tube.propagate([6], on_progress=slices.append))
    assert sorted(s.index for s in slices) == [n for n in range(14) if n != 6]
    assert slices[-1].fraction == 1
    assert in_scene(tube).any(axis=(1, 2)).all()
    assert step.voxels == in_scene(tube).sum()
    tube.click(6, 8, 20)
    tube.undo()
    tube.undo()
    assert (in_scene(tube) == tube.disc).all()
    tube.redo()
    assert in_scene(tube).any(axis=(1, 2)).all()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"direction": "forward"}, range(6, 14)),
        ({"direction": "backward"}, range(7)),
        ({"first": 4, "last": 8}, range(4, 9)),
        ({"first": 4, "direction": "backward"}, range(4, 7)),
    ],
)
def test_range_and_direction(tube, options, expected):
    tube.wait(tube.propagate([6], **options))
    assert np.flatnonzero(in_scene(tube).any(axis=(1, 2))).tolist() == list(expected)


def test_prompted_slices_are_the_seeds_and_a_corrected_one_propagates_again(kit, tube):
    tube.click(6, 12, 12)
    tube.wait(tube.propagate())
    before = in_scene(tube)
    tube.click(2, 12, 20)
    tube.wait(tube.propagate(last=6))
    assert in_scene(tube)[2, 12, 20]
    assert (in_scene(tube)[7:] == before[7:]).all()


def test_without_a_prompted_slice_there_is_nothing_to_propagate(tube):
    pending = tube.propagate()
    tube.settle()
    assert isinstance(pending.error, PromptError)
    assert "put a prompt in one first" in tube.line
    assert isinstance(tube.propagate([6], direction="up").error, PromptError)


def test_a_cancelled_propagation_writes_nothing(tube):
    pending = tube.propagate([6], on_progress=lambda told: pending.cancel())
    tube.settle()
    assert isinstance(pending.error, CancelledError)
    assert (in_scene(tube) == tube.disc).all()
    tube.wait(tube.propagate([6], last=8))
    assert in_scene(tube)[8].any()


def test_a_hand_edit_during_a_propagation_wins(tube):
    edit = box_mask((14, 24, 24), (0, 1), (0, 2), (0, 2))
    done = []

    def draw(told):
        if not done:
            done.append(draw_by_hand(tube.editor, tube.segmentation, tube.segment_id, edit))

    pending = tube.propagate([6], on_progress=draw)
    tube.settle()
    assert isinstance(pending.error, StaleError)
    assert (in_scene(tube) == (tube.disc | edit)).all()


# Saved sessions


def test_a_saved_scene_restores_prompts_and_work_goes_on(kit, scene, tmp_path):
    from test_scene_files import load_mrb

    volume, segmentation = add_volume(affine=turned(), name="oblique"), add_segmentation()
    live = Live(kit, volume, segmentation)
    live.click(6, 8, 5)
    by_hand = box_mask(SHAPE, (0, 3), (0, 3), (15, 19))
    draw_by_hand(live.editor, segmentation, live.segment_id, by_hand, turned())
    live.click(6, 12, 5)
    live.click(3, 3, 9, include=False)
    mask, listed, segment_id = in_scene(live), live.prompts, live.segment_id
    load_mrb(live, tmp_path)
    live.close()
    loaded = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSegmentationNode")
    again = Live(kit, slicer.util.getNode("oblique"), loaded, segment_id)
    assert [p.data() for p in again.prompts] == [p.data() for p in listed]
    assert [e.baked for e in again.entries] == [True, False, False]
    assert (again.mask == mask).all()
    assert isinstance(again.wait_error(again.remove(0)), PromptError)
    again.wait(again.remove(1))
    assert explains(record(again), again.image, in_scene(again))
    assert in_scene(again)[1, 1, 16]
    again.undo()
    assert (in_scene(again) == mask).all()
    again.close()
