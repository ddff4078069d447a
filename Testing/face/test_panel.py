# ruff: noqa: F811
"""Each control of the panel does what it says, or says why it cannot."""

import gc
import weakref

import pytest
import slicer
from medseg import Box
from medseg_face.panel import Panel
from medseg_scene import InsideRoi
from medseg_scene.gestures import BoxGesture, ScribbleGesture
from medseg_scene.limits import NearPlane
from panel_kit import KINDS, bench, owner  # noqa: F401

NOTHING, ROI, SLAB = range(3)


@pytest.fixture
def panel(bench):
    return bench.panel("point")


def shown(widget):
    return not widget.isHidden()


def choose(combo, place):
    """What a user does with a combo box."""
    combo.setCurrentIndex(place)
    combo.activated(place)


def row_of(combo, text):
    return [combo.itemText(n) for n in range(combo.count)].index(text)


# What the next prompt does


def test_include_and_exclude_exclude_each_other(bench, panel):
    panel.top.exclude.click()
    assert bench.desk.exclude
    assert not panel.top.include.checked
    panel.top.include.click()
    assert not bench.desk.exclude
    assert not panel.top.exclude.checked


@pytest.mark.parametrize("kind", ["text", "propagate"])
def test_what_a_correcting_click_does_is_shown_where_clicks_correct(bench, kind):
    panel = bench.panel(kind)
    bench.desk.exclude = True
    bench.settle()
    assert panel.clicks.exclude.checked
    panel.clicks.include.click()
    assert not bench.desk.exclude


def test_the_toggle_follows_a_key(bench, panel):
    bench.desk.exclude = True
    bench.settle()
    assert panel.top.exclude.checked


def test_the_radius_is_that_of_the_next_stroke(bench):
    panel = bench.panel("scribble")
    panel.top.radius.setValue(2.5)
    assert ScribbleGesture(bench.desk).radius == 2.5
    other = bench.panel("scribble")
    assert other.top.radius.value == 2.5


def test_the_depth_is_that_of_the_next_box(bench):
    panel = bench.panel("box")
    panel.top.depth.setValue(7.0)
    assert BoxGesture(bench.desk).depth == 7.0


def test_a_flat_box_is_given_depth(bench):
    panel = bench.panel("box")
    assert not panel.top.deepen.enabled
    assert panel.top.deepen.toolTip == "Draw a box in a slice view first."
    bench.desk.add(Box([8.0, 8.0, 6.0], [8.0, 6.0, 0.0]))
    bench.settle()
    panel.top.depth.setValue(5.0)
    panel.top.deepen.click()
    bench.settle()
    assert bench.desk.entries[0].prompt.size.tolist() == [8.0, 6.0, 5.0]


# Text


def test_text_is_completed_from_the_words_of_the_model(bench):
    panel = bench.panel("text")
    choose(panel.model.combo, row_of(panel.model.combo, "geodesic-cut"))
    bench.settle()
    line = panel.top
    shown_words = [line.model.item(n).text() for n in range(line.model.rowCount())]
    assert "lung" in shown_words
    assert "both lungs → lung" in shown_words
    line.completer.setCompletionPrefix("both lun")
    assert line.completer.currentCompletion() == "both lungs"


def test_what_is_not_found_is_said(bench):
    panel = bench.panel("text")
    bench.desk.model = "geodesic-cut"
    panel.top.line.setText("gizmo")
    panel.top.line.returnPressed()
    bench.settle()
    assert "gizmo" in panel.status.label.text
    assert panel.top.line.text == "gizmo"


def test_a_model_without_words_says_which_has_them(bench):
    panel = bench.panel("text")
    assert not panel.top.button.enabled
    assert "geodesic-cut" in panel.top.button.toolTip
    assert "geodesic-cut" in panel.status.label.text


# Models


def test_choosing_a_model(bench, panel):
    assert panel.model.combo.currentText == "painter"
    choose(panel.model.combo, row_of(panel.model.combo, "slow"))
    assert bench.desk.model == "slow"
    bench.click(6, 8, 6)
    assert panel.model.combo.currentText == "slow"


def test_an_unusable_model_is_greyed_and_says_why(bench, panel):
    unusable = [m for m in bench.desk.models if m.reason]
    assert unusable, "nninteractive needs packages that are not here"
    combo = panel.model.combo
    place = row_of(combo, next(t for t in _titles(combo) if unusable[0].title in t))
    assert not combo.model().item(place).isEnabled()
    assert combo.itemData(place, 3) == unusable[0].reason  # 3: the tool tip's role


def _titles(combo):
    return [combo.itemText(n) for n in range(combo.count)]


def test_a_licence_that_forbids_commerce_is_flagged(bench, panel):
    flagged = [m for m in bench.desk.models if m.non_commercial]
    assert [t for t in _titles(panel.model.combo) if "non-commercial" in t] == [
        f"{m.title} (non-commercial)" for m in flagged
    ]
    assert "Licence: Apache-2.0" in panel.model.combo.toolTip


def test_more_models_opens_the_module(bench, panel, monkeypatch):
    opened = []
    monkeypatch.setattr(slicer.util, "selectModule", opened.append)
    panel.model.more.click()
    panel.model.setup.click()
    assert opened == ["MedSegFoundation"] * 2


def test_where_it_runs(bench, panel):
    assert panel.model.about.text == "this computer"


# Status, busy, preview


def test_the_line_is_that_of_the_desk(bench, panel):
    bench.desk.say("<b>Something</b> happened.")
    bench.settle()
    assert panel.status.label.text == "<b>Something</b> happened."


def test_what_takes_long_shows_a_bar_and_can_be_cancelled(bench, panel):
    bench.desk.model = "slow"
    for i in range(8):
        bench.desk.add(bench.at(6, 8, 2 * i))
    bench.spin(lambda: shown(panel.status.cancel))
    assert shown(panel.status.bar)
    panel.status.cancel.click()
    bench.settle()
    assert not shown(panel.status.cancel)
    assert len(bench.desk.entries) < 8


def test_what_is_quick_shows_no_bar(bench, panel):
    seen = []
    bench.desk.listen(lambda: seen.append(shown(panel.status.bar)))
    bench.click(6, 8, 6)
    assert not any(seen)


def test_a_preview_is_accepted_or_rejected(bench, panel):
    assert not shown(panel.status.accept)
    panel.more.preview.click()
    bench.click(6, 8, 6)
    assert shown(panel.status.accept)
    panel.status.reject.click()
    bench.settle()
    assert not shown(panel.status.accept)
    assert not bench.desk.entries
    bench.click(6, 8, 6)
    panel.status.accept.click()
    bench.settle()
    assert [e.waiting for e in bench.desk.entries] == [False]
    assert bench.voxels() > 0


def test_the_list_does_not_move_when_something_is_under_way(bench, panel):
    panel.widget.show()
    bench.host.turn()
    before = panel.prompts.table.y
    bench.desk.model = "slow"
    bench.desk.add(bench.at(6, 8, 6))
    panel.status._show_busy()
    bench.host.turn()
    assert panel.prompts.table.y == before
    bench.settle()


# Many objects, and what is frozen


def test_one_click_makes_a_segment_each(bench, panel):
    panel.more.new_segments.click()
    bench.click(6, 8, 4)
    bench.click(6, 8, 14)
    assert bench.segmentation.GetSegmentation().GetNumberOfSegments() == 2


def test_what_lies_outside_a_roi_is_frozen(bench, panel):
    freeze = panel.more.freeze
    assert not shown(freeze.roi)
    choose(freeze.mode, ROI)
    assert shown(freeze.roi)
    assert bench.desk.limits is None
    roi = freeze.roi.addNode()
    assert isinstance(bench.desk.limits, InsideRoi)
    assert bench.desk.limits.node is roi
    assert min(roi.GetSize()) > 0
    choose(freeze.mode, NOTHING)
    assert bench.desk.limits is None


def test_a_roi_that_is_deleted_does_not_thaw_the_rest(bench, panel):
    freeze = panel.more.freeze
    choose(freeze.mode, ROI)
    slicer.mrmlScene.RemoveNode(freeze.roi.addNode())
    bench.desk.add(bench.at(6, 8, 6))
    bench.settle()
    assert "The ROI" in panel.status.label.text
    assert bench.voxels() == 0


def test_all_but_a_slab_is_frozen(bench, panel):
    freeze = panel.more.freeze
    freeze.count.setValue(3)
    assert bench.desk.limits is None
    choose(freeze.mode, SLAB)
    assert isinstance(bench.desk.limits, NearPlane)
    assert bench.desk.limits.mm == pytest.approx(3.0)
    bench.host.slice_widget("Red").sliceLogic().SetSliceOffset(2.0)
    freeze.here.click()
    assert bench.desk.limits.position[2] == pytest.approx(2.0)
    freeze.count.setValue(1)
    bench.click(2, 8, 6)
    assert bench.slices() == [2]


def test_a_panel_shows_what_was_frozen_before(bench, panel):
    choose(panel.more.freeze.mode, SLAB)
    assert bench.panel("box").more.freeze.mode.currentIndex == SLAB


def test_a_panel_shows_which_roi_was_chosen_before(bench, panel):
    choose(panel.more.freeze.mode, ROI)
    panel.more.freeze.roi.addNode()
    second = panel.more.freeze.roi.addNode()
    other = bench.panel("box").more.freeze
    assert other.mode.currentIndex == ROI
    assert other.roi.currentNode() is second
    assert bench.desk.limits.node is second


def test_it_says_when_no_roi_is_chosen_yet(bench, panel):
    freeze = panel.more.freeze
    assert not shown(freeze.note)
    choose(freeze.mode, ROI)
    assert shown(freeze.note)
    freeze.roi.addNode()
    bench.settle()
    assert not shown(freeze.note)


# Propagation


@pytest.fixture
def propagation(bench):
    return bench.panel("propagate").top


def test_there_must_be_something_to_propagate(bench, propagation):
    assert not propagation.start.enabled
    assert propagation.start.toolTip.startswith("Give a prompt in a slice first")
    bench.click(6, 8, 6)
    assert propagation.start.enabled


def test_the_range_is_that_of_the_axis_of_the_view(bench, propagation):
    assert (propagation.first.value, propagation.last.value) == (0, 11)
    choose(propagation.views.combo, row_of(propagation.views.combo, "Yellow"))
    assert (propagation.first.value, propagation.last.value) == (0, 19)
    choose(propagation.views.combo, row_of(propagation.views.combo, "Green"))
    assert propagation.last.maximum == 15


def test_from_and_to_take_the_slice_that_is_shown(bench, propagation):
    logic = bench.host.slice_widget("Red").sliceLogic()
    logic.SetSliceOffset(3.0)
    propagation.first_here.click()
    logic.SetSliceOffset(8.0)
    propagation.last_here.click()
    assert (propagation.first.value, propagation.last.value) == (3, 8)


def test_a_propagation_fills_its_range_and_tells_how_sure_it_was(bench, propagation):
    panel = bench.panels[0]
    bench.click(6, 8, 6)
    propagation.first.setValue(4)
    propagation.last.setValue(8)
    propagation.start.click()
    bench.spin(lambda: shown(panel.status.bar))
    assert not propagation.start.enabled
    assert panel.status.bar.maximum == 100
    bench.settle()
    assert set(bench.desk.confidence) <= {4, 5, 6, 7, 8}
    assert bench.desk.confidence
    assert propagation.start.text == "Propagate again"
    assert propagation.start.enabled
    assert not shown(panel.status.bar)


@pytest.mark.parametrize(("way", "slices"), [(1, {7, 8}), (2, {4, 5})])
def test_a_propagation_goes_one_way_only(bench, propagation, way, slices):
    bench.click(6, 8, 6)
    propagation.first.setValue(4)
    propagation.last.setValue(8)
    choose(propagation.direction, way)
    propagation.start.click()
    bench.settle()
    assert set(bench.desk.confidence) == slices


@pytest.mark.parametrize("number", [0, 4, 8, 11])
def test_a_click_on_a_bar_shows_its_slice(bench, propagation, number):
    bench.click(6, 8, 6)
    propagation.start.click()
    bench.settle()
    strip, (count, _, _) = propagation.strip.label, bench.desk.image_slices
    bench.host.press(strip, round((number + 0.5) * strip.width / count))
    logic = bench.host.slice_widget("Red").sliceLogic()
    assert logic.GetSliceOffset() == pytest.approx(number, abs=0.01)


def test_before_a_run_a_click_on_the_strip_shows_nothing_else(bench, propagation):
    logic = bench.host.slice_widget("Red").sliceLogic()
    before = logic.GetSliceOffset()
    bench.host.press(propagation.strip.label, 3)
    assert logic.GetSliceOffset() == before


def test_a_corrected_slice_propagates_again(bench, propagation):
    bench.click(6, 8, 6)
    propagation.start.click()
    bench.settle()
    bench.click(3, 8, 6)
    propagation.start.click()
    bench.settle()
    assert len(bench.desk.confidence) > 1


# Out of order


NEED_A_VOLUME = {"box": ["Give depth"], "text": ["Find"], "propagate": ["Propagate"]}


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_volume_each_control_says_so(bench, kind):
    panel = bench.panel(kind)
    bench.click(6, 8, 6)
    slicer.mrmlScene.RemoveNode(bench.volume)
    bench.settle()
    assert panel.status.label.text == "Choose a source volume first."
    disabled = [w for w in _below(panel.widget) if _is_used(w) and not w.enabled]
    assert {w.accessibleName for w in disabled} == {"Clear", *NEED_A_VOLUME.get(kind, ())}
    for widget in disabled:
        assert widget.toolTip == "Choose a source volume first.", widget.accessibleName


def test_deleting_nodes_and_closing_the_scene_while_shown(bench, panel):
    for kind in KINDS:
        bench.panel(kind).widget.show()
    panel.widget.show()
    bench.desk.model = "slow"
    bench.desk.add(bench.at(6, 8, 6))
    bench.host.turn()
    slicer.mrmlScene.RemoveNode(bench.segmentation)
    bench.settle()
    assert "segmentation" in panel.status.label.text
    slicer.mrmlScene.Clear(0)
    bench.settle()
    assert panel.status.label.text == "Open the Segment Editor first."
    assert panel.prompts.table.rowCount == 0


# Accessible, and gone when it is let go


@pytest.mark.parametrize("kind", KINDS)
def test_all_that_is_used_has_a_name_and_a_tool_tip(bench, kind):
    used = [w for w in _below(bench.panel(kind).widget) if _is_used(w)]
    assert len(used) > 10
    for widget in used:
        assert widget.accessibleName, widget
        assert widget.toolTip, widget.accessibleName


_USED = (
    *("QPushButton", "QToolButton", "QComboBox", "QCheckBox", "QSpinBox", "QDoubleSpinBox"),
    *("QLineEdit", "QTableWidget", "QProgressBar", "ctkCollapsibleButton", "qMRMLNodeComboBox"),
)
#: They hold widgets of Qt's that have no names of their own.
_WHOLE = ("QSpinBox", "QDoubleSpinBox", "QComboBox", "qMRMLNodeComboBox", "QLineEdit")


def _is_used(widget):
    return widget.className() in _USED


def _below(widget):
    for child in widget.children():
        if hasattr(child, "toolTip") and child.className() != "QAction":
            yield child
            if child.className() not in (*_WHOLE, "QTableWidget"):
                yield from _below(child)


@pytest.mark.parametrize("kind", KINDS)
def test_let_go_leaves_no_connection(bench, kind):
    panel = bench.panel(kind)
    assert panel.connections > 10
    panel.let_go()
    assert panel.connections == 0
    assert not bench.desk._listeners
    before = bench.settings.values.copy()
    for button in (panel.more.preview, panel.clear.button, panel.status.cancel):
        button.click()
    panel.prompts.table.cellClicked(0, 3)
    assert bench.settings.values == before
    panel.follow(bench.desk)
    assert panel.connections > 10


def test_a_panel_that_was_let_go_is_freed(bench):
    panel = Panel(bench.desk, "point")
    gone = weakref.ref(panel)
    panel.let_go()
    del panel
    gc.collect()
    assert gone() is None


def test_another_desk_takes_its_place(bench, panel):
    bench.click(6, 8, 6)
    other = type(bench.desk)(bench.editor, None, bench.owner)
    other.model = "slow"
    panel.follow(other)
    assert len(bench.desk._listeners) == 0
    bench.settle()
    assert panel.prompts.table.rowCount == 1
    panel.let_go()
    other.close()
