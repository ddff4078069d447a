"""What can be switched at a desk: model, preview, limits, what is hidden."""

import numpy as np
import pytest
from desk_kit import Bench, environment, slice_view
from live_kit import painted
from medseg import InputError, UnsupportedPromptError
from medseg_scene import CompanionOwner, Desk, DictSettings, LogicEditor, image_from_volume

SHAPE = (12, 16, 20)


# Switches


def test_model_device_and_preview_are_remembered(shared_owner, volume, segmentation):
    settings = DictSettings()
    bench = Bench(shared_owner, volume, segmentation, settings=settings)
    bench.desk.device, bench.desk.preview = "cpu", True
    bench.desk.exclude = bench.desk.new_segments = True
    bench.close()
    editor = LogicEditor.create(volume, segmentation)
    other = Desk(editor, settings, shared_owner)
    assert (other.model, other.device, other.preview) == ("painter", "cpu", True)
    assert not other.exclude
    assert not other.new_segments
    other.close()


def test_models_are_named_before_the_helper_answers_and_known_after(scene, volume, segmentation):
    owner = CompanionOwner(env=environment())
    bench = Bench(owner, volume, segmentation)
    desk = bench.desk
    desk.model = "default"
    assert desk.model == desk.models[0].name == "geodesic-cut"
    assert desk.can("text") == desk.can("box") == ""
    desk.wake()
    bench.until(lambda: any(m.licence for m in desk.models))
    told = {m.name: m for m in desk.models}
    assert told["painter"].licence == "Apache-2.0"
    assert not told["painter"].non_commercial
    assert "MEDSEG_NNINTERACTIVE_URL" in told["nninteractive"].reason
    assert desk.devices[:2] == ["auto", "cpu"]
    assert "lung" in desk.vocabulary
    desk.model = "painter"
    assert desk.can("point") == desk.can("propagate") == ""
    assert "painter" in desk.can("text")
    assert "geodesic-cut" in desk.can("text")
    assert desk.vocabulary == []
    desk.model = "nninteractive"
    assert "MEDSEG_NNINTERACTIVE_URL" in desk.can("point")
    desk.model = "gone"
    assert "no model 'gone'" in desk.can("point")
    bench.close()
    owner.close()


def test_what_the_model_cannot_do_is_refused_with_one_that_can(bench):
    bench.desk.wake()
    bench.until(lambda: any(m.licence for m in bench.desk.models))
    pending = bench.desk.find("bone")
    assert isinstance(pending.error, UnsupportedPromptError)
    assert "cannot do text prompts" in bench.desk.line
    assert isinstance(bench.desk.find("  ").error, InputError)
    assert bench.segments == []


def test_another_model_goes_on_from_the_mask(bench):
    bench.click(6, 8, 5)
    bench.desk.model = "slow"
    bench.click(6, 8, 15)
    assert bench.mask()[6, 8, 5]
    assert bench.mask()[6, 8, 15]
    assert [e.baked for e in bench.desk.entries] == [True, False]


def test_a_preview_waits_for_accept_or_reject(bench):
    desk = bench.desk
    desk.preview = True
    bench.click(6, 8, 5)
    assert desk.shown_preview.added.any()
    assert not bench.mask().any()
    desk.reject()
    assert desk.shown_preview is None
    bench.click(6, 8, 5)
    desk.accept()
    assert bench.mask()[6, 8, 5]
    assert desk.shown_preview is None
    desk.accept()
    assert "no preview" in desk.line


def test_each_click_a_segment(bench):
    bench.desk.new_segments = True
    for i in (3, 9, 15):
        bench.click(6, 8, i)
    assert len(bench.segments) == 3
    for segment_id, i in zip(bench.segments, (3, 9, 15), strict=True):
        assert bench.mask(segment_id)[6, 8, i]
        assert bench.mask(segment_id).sum() == bench.mask(bench.segments[0]).sum()
    assert bench.selected == bench.segments[2]


def test_freezing_all_but_a_slab_of_an_oblique_view(bench):
    view = slice_view("oblique", centre=(5, 8, 6))
    bench.desk.limit_to_slab(view, 2.0)
    bench.click(6, 8, 5)
    image = image_from_volume(bench.volume)
    k, j, i = np.indices(SHAPE)
    off = (image.ijk_to_ras(np.stack([i, j, k], -1)) - view.ras((0, 0))) @ view.normal
    wanted = painted(image, bench.prompts) & (np.abs(off) <= 1.0 + 1e-6)
    assert wanted.any()
    assert (bench.mask() == wanted).all()
    bench.desk.limits = None
    bench.click(6, 8, 15)
    assert bench.mask()[4, 8, 15]


def test_freezing_outside_a_roi(bench, scene):
    roi = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode")
    roi.SetCenter([5, 8, 6])
    roi.SetSize([3, 3, 3])
    bench.desk.limit_to_roi(roi)
    bench.click(6, 8, 5)
    assert bench.mask().sum() == 27
    bench.desk.limit_to_roi(None)
    assert bench.desk.limits is None


def test_hidden_prompts_stay_hidden_wherever_they_stand(bench):
    for i in (3, 9, 15):
        bench.click(6, 8, i)
    desk = bench.desk
    desk.hide(1)
    desk.hide(7)
    assert desk.hidden == {1}
    desk.remove(0)
    bench.settle()
    assert desk.hidden == {0}
    desk.hide(0, False)
    assert desk.hidden == frozenset()


@pytest.mark.parametrize(
    ("name", "axis", "index"), [("axial", 0, 6), ("coronal", 1, 8), ("sagittal", 2, 9)]
)
def test_the_slice_that_a_view_shows(bench, name, axis, index):
    assert bench.desk.slice_of(slice_view(name)) == (axis, index)
    assert bench.desk.image_slices == SHAPE
