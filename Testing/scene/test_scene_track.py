"""Frames of a sequence are followed: every frame of the segmentation gets its mask."""

import numpy as np
import pytest
import slicer
from desk_kit import Bench
from live_kit import Live, in_scene, record
from medseg import Point
from medseg.io import read_segmentation
from medseg.record import TAG, Record
from medseg_scene import Scripting
from scene_kit import add_segmentation, box_mask, draw_by_hand

COUNT, SIZE = 6, 40


def disk(frame, row):
    j, i = np.ogrid[:SIZE, :SIZE]
    return (j - 20) ** 2 + (i - 13 - 2 * frame) ** 2 <= (64 if row else 0)


@pytest.fixture
def film(kit, scene):
    """Three slices over six frames; a disk moves to the right in the upper two."""
    random = np.random.default_rng(0)
    sequence = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "cine")
    for n in range(COUNT):
        frame = slicer.vtkMRMLScalarVolumeNode()
        truth = np.stack([disk(n, row) if row else disk(n, row) & False for row in range(3)])
        voxels = np.where(truth, 200, 100) + random.normal(0, 4, truth.shape)
        slicer.util.updateVolumeFromArray(frame, voxels.astype(np.int16))
        frame.SetSpacing(1, 1, 8)
        sequence.SetDataNodeAtValue(frame, str(40 * n))
    browser = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "browser")
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    volume = browser.GetProxyNode(sequence)
    live = Live(kit, volume, add_segmentation(volume), model="geodesic-cut")
    live.browsing = browser
    yield live
    live.close()


def show(live, number):
    live.browsing.SetSelectedItemNumber(number)
    live.turn()


def prompt(live, number):
    """Clicks into the disk of both slices."""
    show(live, number)
    places = [live.image.ijk_to_ras([13 + 2 * number, 20, k]) for k in (1, 2)]
    live.wait(live.add(*[Point(place) for place in places]))


def dices(live):
    found = []
    for n in range(COUNT):
        show(live, n)
        mask, truth = in_scene(live)[1:], np.stack([disk(n, 1)] * 2)
        found.append(2 * (mask & truth).sum() / (mask.sum() + truth.sum()))
    return found


def test_a_prompt_in_one_frame_fills_all(film):
    prompt(film, 2)
    told = []
    written = film.wait(film.track(on_progress=told.append))
    assert written == COUNT - 1
    assert film.browsing.GetSelectedItemNumber() == 2
    assert min(dices(film)) > 0.85
    assert told[-1].fraction == pytest.approx(1.0)
    assert {event.index for event in told} == {0, 1, 3, 4, 5}


def test_prompted_frames_stay_as_they_are(film):
    prompt(film, 0)
    prompt(film, 4)
    before = {}
    for n in (0, 4):
        show(film, n)
        before[n] = in_scene(film)
    film.wait(film.track())
    for n in (0, 4):
        show(film, n)
        assert (in_scene(film) == before[n]).all()
        assert film.prompts
    show(film, 2)
    assert in_scene(film).any()


def test_a_range_of_frames_leaves_the_others(film):
    prompt(film, 2)
    film.wait(film.track(first=2, last=3))
    show(film, 0)
    assert not in_scene(film).any()
    show(film, 3)
    assert in_scene(film).any()


def test_a_hand_drawn_frame_is_a_start_too(film):
    show(film, 1)
    mask = np.zeros(film.image.shape, bool)
    mask[1] = disk(1, 1)
    draw_by_hand(film.editor, film.segmentation, film.segment_id, mask, film.image.affine)
    film.turn()
    assert film.wait(film.track(seeds=[1])) == COUNT - 1
    show(film, 5)
    assert in_scene(film)[1].any()
    assert not in_scene(film)[2].any()


def test_the_next_click_corrects_what_was_followed(film):
    prompt(film, 2)
    film.wait(film.track())
    show(film, 4)
    before = in_scene(film)
    place = film.image.ijk_to_ras([3, 5, 1])
    film.wait(film.add(Point(place, include=False)))
    assert (in_scene(film) & before).sum() > 0.9 * before.sum()


def test_cancelling_writes_nothing_while_it_computes(film):
    prompt(film, 2)
    pending = film.track()
    film.cancel()
    assert pending.finished
    film.settle()
    show(film, 0)
    assert not in_scene(film).any()


def test_what_cannot_be_followed_says_so(film):
    error = film.wait_error(film.track())
    assert "no frame to start from" in str(error)
    assert film.line == str(error)


def test_the_volume_may_go_meanwhile(film):
    prompt(film, 2)
    pending = film.track()
    slicer.mrmlScene.RemoveNode(film.volume)
    film.kit.until(lambda: pending.finished)
    assert pending.error is not None


def test_a_volume_without_time_is_refused(kit, scene):
    volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    slicer.util.updateVolumeFromArray(volume, np.zeros((4, 8, 8), np.int16))
    live = Live(kit, volume, add_segmentation(volume))
    error = live.wait_error(live.track())
    assert "not part of a sequence" in str(error)
    live.close()


def test_other_segments_keep_their_voxels(film):
    other = film.segmentation.GetSegmentation().AddEmptySegment("other")
    prompt(film, 2)
    film.wait(film.track())
    show(film, 3)
    wall = box_mask(film.image.shape, (0, 3), (0, 5), (0, 5))
    draw_by_hand(film.editor, film.segmentation, other, wall, film.image.affine)
    film.turn()
    film.wait(film.track(seeds=[2]))
    show(film, 3)
    assert (in_scene(film, other) == wall).all()


def test_the_desk_tells_how_far_it_is(film, shared_owner):
    film.close()
    bench = Bench(shared_owner, film.volume, film.segmentation)
    bench.editor.node.SetSelectedSegmentID(film.segment_id)
    bench.desk.model = "geodesic-cut"
    assert (bench.desk.frames, bench.desk.frame) == (COUNT, 0)
    bench.owner.wait(bench.desk.add(Point(film.image.ijk_to_ras([13, 20, 1]))))
    seen = []
    bench.desk.listen(lambda: seen.append(bench.desk.progress))
    pending = bench.desk.track()
    assert bench.desk.busy
    assert bench.owner.wait(pending) == COUNT - 1
    bench.settle()
    assert not bench.desk.busy
    assert any(value for value in seen if value)
    assert set(bench.desk.confidence) == {1, 2, 3, 4, 5}
    bench.close()


def everything(live):
    """Masks and records of all frames."""
    found = []
    for n in range(COUNT):
        show(live, n)
        told = record(live)
        found.append((in_scene(live).tobytes(), told.dumps() if told else ""))
    return found


def test_a_run_is_taken_back_in_all_frames(film):
    prompt(film, 2)
    prompt(film, 4)
    before = everything(film)
    assert film.wait(film.track()) == COUNT - 2
    assert film.can_take_run_back
    assert everything(film) != before
    show(film, 3)
    assert film.wait(film.take_run_back()) == COUNT - 2
    assert film.browsing.GetSelectedItemNumber() == 3
    assert everything(film) == before
    assert not film.can_take_run_back
    assert "no run through time" in str(film.wait_error(film.take_run_back()))


def test_what_was_corrected_since_is_not_taken_back(film):
    prompt(film, 2)
    film.wait(film.track())
    show(film, 4)
    film.wait(film.add(Point(film.image.ijk_to_ras([3, 5, 1]), include=False)))
    corrected = in_scene(film)
    assert film.wait(film.take_run_back()) == COUNT - 2
    assert film.line == "1 frame was changed since and stays as it is."
    show(film, 4)
    assert (in_scene(film) == corrected).all()
    show(film, 5)
    assert not in_scene(film).any()


def test_a_run_writes_into_the_segment_that_it_began_with(film):
    other = film.segmentation.GetSegmentation().AddEmptySegment("other")
    mine = film.segment_id
    prompt(film, 2)
    pending = film.track()
    film.select(other)
    film.wait(pending)
    show(film, 5)
    assert in_scene(film, mine).any()
    assert not in_scene(film, other).any()


def test_every_frame_tells_how_it_came_about(film):
    prompt(film, 2)
    told = {}
    film.wait(film.track(last=4, on_progress=lambda e: told.update({e.index: e.confidence})))
    show(film, 4)
    story = record(film).story
    assert (story.along, story.seeds, story.first, story.last) == ("t", (2,), 0, 4)
    assert story.tracker == "geodesic-cut"
    assert story.confidence == {4: round(told[4], 3)}
    show(film, 2)
    assert record(film).story is None


def test_a_policy_is_refused_where_there_is_no_choice(film):
    prompt(film, 2)
    assert "has no memory policies" in str(film.wait_error(film.track(memory="sorted")))
    assert "has no memory policies" in str(film.wait_error(film.propagate(memory="sorted")))


def test_clicks_and_hand_edits_keep_the_story_and_emptying_ends_it(film):
    prompt(film, 2)
    film.wait(film.propagate([1], last=2))
    told = record(film).story
    assert (told.along, told.seeds, told.first, told.last) == ("k", (1,), 0, 2)
    assert sorted(told.confidence) == [0, 2]
    wall = box_mask(film.image.shape, (0, 3), (0, 4), (0, 4))
    draw_by_hand(film.editor, film.segmentation, film.segment_id, wall, film.image.affine)
    film.turn()
    film.wait(film.add(Point(film.image.ijk_to_ras([30, 30, 1]), include=False)))
    assert in_scene(film)[wall].all()
    assert record(film).story == told
    film.wait(film.reset())
    assert record(film).story is None


def test_the_story_is_saved_with_the_segmentation(film, tmp_path):
    prompt(film, 2)
    film.wait(film.propagate([1]))
    told = record(film).story
    path = tmp_path / "a.seg.nrrd"
    storage = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    storage.SetFileName(str(path))
    assert storage.WriteData(film.segmentation)
    again = slicer.modules.segmentations.logic().LoadSegmentationFromFile(str(path))
    assert again is not film.segmentation
    assert Scripting().howPropagated(again, film.segment_id) == told
    (segment,) = read_segmentation(path).segments
    assert Record.loads(segment.tags[TAG]).story == told
