# ruff: noqa: F811
"""The panel goes through the frames of a sequence."""

import numpy as np
import pytest
import slicer
from panel_kit import SCREENSHOTS, bench, owner  # noqa: F401

COUNT, SHAPE = 5, (1, 40, 40)


def frame(number):
    j, i = np.ogrid[:40, :40]
    truth = ((j - 20) ** 2 + (i - 14 - 2 * number) ** 2 <= 49)[None]
    noise = np.random.default_rng(number).normal(0, 4, SHAPE)
    return (np.where(truth, 200, 100) + noise).astype(np.int16)


@pytest.fixture
def film(bench):
    """The bench on a sequence of five frames."""
    sequence = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", "film")
    for number in range(COUNT):
        node = slicer.vtkMRMLScalarVolumeNode()
        slicer.util.updateVolumeFromArray(node, frame(number))
        sequence.SetDataNodeAtValue(node, str(number))
    bench.browser = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "browser")
    bench.browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    bench.volume = bench.browser.GetProxyNode(sequence)
    bench.volume.CreateDefaultDisplayNodes()
    bench.segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "frames")
    bench.segmentation.CreateDefaultDisplayNodes()
    bench.segmentation.SetReferenceImageGeometryParameterFromVolumeNode(bench.volume)
    bench.node.SetAndObserveSegmentationNode(bench.segmentation)
    bench.node.SetAndObserveSourceVolumeNode(bench.volume)
    bench.host.show_volume(bench.volume)
    bench.desk.model = "geodesic-cut"
    bench.settle()
    return bench


def test_time_is_offered_for_sequences_only(bench):
    panel = bench.panel("propagate")
    assert panel.top.in_time.isHidden()


def test_the_frames_are_followed_from_the_prompted_one(film):
    panel = film.panel("propagate")
    section = panel.top
    assert not section.in_time.isHidden()
    film.click(0, 20, 14)
    section.in_time.setChecked(True)
    film.settle()
    assert (section.first.value, section.last.value) == (0, COUNT - 1)
    assert not section.views.combo.enabled
    section.start.click()
    film.settle()
    assert set(film.desk.confidence) == {1, 2, 3, 4}
    film.host.screenshot(panel.widget, SCREENSHOTS / "panel-time.png")
    for number in range(COUNT):
        film.browser.SetSelectedItemNumber(number)
        film.settle()
        _, i = np.nonzero(film.mask()[0])
        assert i.mean() == pytest.approx(14 + 2 * number, abs=1.5)


def test_a_run_is_taken_back_with_a_button(film):
    section = film.panel("propagate").top
    assert section.back.isHidden()
    film.click(0, 20, 14)
    section.in_time.setChecked(True)
    film.settle()
    section.start.click()
    film.settle()
    assert not section.back.isHidden()
    section.back.click()
    film.settle()
    assert section.back.isHidden()
    for number in range(COUNT):
        film.browser.SetSelectedItemNumber(number)
        film.settle()
        assert film.mask().any() == (number == 0)


def test_here_is_the_shown_frame(film):
    section = film.panel("propagate").top
    film.click(0, 20, 14)
    section.in_time.setChecked(True)
    film.browser.SetSelectedItemNumber(3)
    film.settle()
    section.last_here.click()
    assert section.last.value == 3
