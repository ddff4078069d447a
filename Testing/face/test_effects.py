# ruff: noqa: F811
"""Each effect by real events in real views."""

import numpy as np
import pytest
import qt
import slicer
from effects_kit import (  # noqa: F401
    EFFECTS,
    SCREENSHOTS,
    add_volume,
    helper,
    make,
    painted_ball,
    room,
    three_d,
    window,
)
from medseg_face import icons

pytestmark = pytest.mark.usefixtures("host")


# Point


@pytest.mark.parametrize("view", ["Red", "Yellow", "Green"])
def test_a_click_segments_in_every_slice_view(room, view):
    room.activate()
    room.click(6, 8, 10, view=view)
    assert (room.mask() == painted_ball(room.image, room.prompts[0].position)).all()
    assert room.mask()[6, 8, 10]


@pytest.mark.parametrize("how", ["control", "toggle", "key"])
def test_three_ways_to_exclude(room, how):
    room.activate()
    room.click(6, 8, 10)
    if how == "control":
        room.click(6, 8, 12, modifiers=["Control"])
    else:
        if how == "toggle":
            room.desk.exclude = True
        else:
            room.host.press_key(window(room), "X")
        room.click(6, 8, 12)
    assert [p.include for p in room.prompts] == [True, False]
    assert not room.mask()[6, 8, 12]


def test_the_modifier_turns_the_toggle_over(room):
    room.activate()
    room.desk.exclude = True
    room.click(6, 8, 10, modifiers=["Control"])
    assert room.prompts[0].include


def test_a_point_can_be_dragged_and_the_result_follows(room):
    room.activate()
    room.click(6, 8, 5)
    room.drag([(6, 8, 5), (6, 8, 14)])
    assert len(room.prompts) == 1
    assert (room.mask() == room.ball(6, 8, 14)).all()


@pytest.mark.parametrize("by", ["view", "shortcut"])
def test_delete_removes_the_point_under_the_pointer(room, by):
    room.activate()
    room.click(6, 8, 5)
    room.click(6, 8, 14)
    room.host.move(room.view(), room.ras(6, 8, 5))
    room.host.press_key(room.view() if by == "view" else window(room), "Delete")
    room.settle()
    assert len(room.prompts) == 1
    assert (room.mask() == room.ball(6, 8, 14)).all()
    room.host.move(room.view(), room.ras(2, 2, 2))
    room.host.press_key(room.view() if by == "view" else window(room), "Delete")
    room.settle()
    assert len(room.prompts) == 1


def test_a_quick_second_click_is_no_second_prompt_and_enlarges_no_view(room):
    room.activate()
    before = room.view().mrmlSliceNode().GetFieldOfView()
    room.click(6, 8, 10, double=True)
    assert len(room.prompts) == 1
    assert room.view().mrmlSliceNode().GetFieldOfView() == before
    room.drag([(6, 8, 4), (6, 8, 4)])
    assert len(room.prompts) == 2


def test_buttons_and_keys_of_navigation_stay_slicers(room):
    """Right-drag zooms, middle-drag and Shift-drag move, the wheel turns pages: no prompt."""
    room.activate()
    room.go(6, 8, 10)
    node = room.view().mrmlSliceNode()
    for how in ({"button": "Right"}, {"button": "Middle"}, {"modifiers": ["Shift"]}):
        before = node.GetXYToRAS().GetElement(0, 3), node.GetFieldOfView()
        room.host.drag(room.view(), [(100, 100), (140, 160)], **how)
        assert (node.GetXYToRAS().GetElement(0, 3), node.GetFieldOfView()) != before, how
    offset = room.view().sliceLogic().GetSliceOffset()
    room.host.move(room.view(), (100, 100))
    room.view().sliceView().interactor().InvokeEvent("MouseWheelForwardEvent")
    assert room.view().sliceLogic().GetSliceOffset() != offset
    room.turn()
    assert room.prompts == []


def test_pointers_tell_what_a_press_would_do(room):
    room.activate()
    room.click(6, 8, 10)
    shown = []
    stage = room.effect._stage
    real = stage._cursor
    stage._cursor = lambda pointer: shown.append(pointer) or real(pointer)
    for kji in ((6, 8, 2), (6, 8, 10), (6, 8, 2)):
        room.host.move(room.view(), room.ras(*kji))
    assert shown == ["grab", "cross"]


# Box, scribble, lasso


def test_a_box_is_drawn_and_changed(room):
    room.activate("Box")
    room.drag([(6, 4, 4), (6, 10, 12)])
    (box,) = room.prompts
    assert box.kind == "box"
    assert np.allclose(np.sort(box.size), [0, 6, 8], atol=0.2)
    before = room.mask()
    room.drag([(6, 7, 12), (6, 7, 16)])
    (box,) = room.prompts
    assert np.allclose(np.sort(box.size), [0, 6, 12], atol=0.2)
    assert (room.mask() != before).any()
    room.undo()
    assert (room.mask() == before).all()


def test_a_box_gets_depth_in_another_view(room):
    room.activate("Box")
    room.drag([(6, 4, 4), (6, 10, 12)])
    room.drag([(6, 7, 8), (9, 7, 8)], view="Green")
    (box,) = room.prompts
    assert box.size.min() > 2


def test_a_box_with_depth_has_handles_in_3d_while_the_effect_is_active(room):
    def rois():
        return list(slicer.mrmlScene.GetNodesByClass("vtkMRMLMarkupsROINode"))

    room.activate("Box")
    room.drag([(6, 4, 4), (6, 10, 12)])
    assert rois() == []
    room.drag([(6, 7, 8), (9, 7, 8)], view="Green")
    (roi,) = rois()
    size = np.array(roi.GetSize())
    assert np.allclose(np.sort(size), np.sort(room.prompts[0].size))
    before = room.mask()
    longer = np.add(size, (4, 0, 0))
    roi.SetSize(*longer.tolist())
    room.settle()
    assert np.allclose(np.sort(room.prompts[0].size), np.sort(longer))
    assert (room.mask() != before).any()
    room.undo()
    assert (room.mask() == before).all()
    assert np.allclose(roi.GetSize(), size)
    room.activate("Point")
    assert rois() == []
    room.activate("Box")
    assert len(rois()) == 1


@pytest.mark.parametrize("name", ["Scribble", "Lasso"])
@pytest.mark.parametrize("include", [True, False])
def test_strokes_and_loops(room, name, include):
    room.activate(name)
    room.drag(
        [(6, 4, 4), (6, 10, 6), (6, 10, 12), (6, 4, 12)], modifiers=[] if include else ["Control"]
    )
    (prompt,) = room.prompts
    assert prompt.kind == name.lower()
    assert prompt.include is include
    assert np.linalg.norm(prompt.positions()[0] - room.ras(6, 4, 4)) < 0.2


def test_a_drawing_is_shown_while_it_is_drawn_and_escape_forgets_it(room):
    room.activate("Lasso")
    before = room.props()
    way = [room.go(6, 4, 4), room.ras(6, 10, 6), room.ras(6, 10, 12)]
    view, host = room.view(), room.host
    xy = [host.xy(view, p) for p in way]
    host._invoke(view, xy[0], (), "LeftButtonPressEvent")
    for place in xy[1:]:
        host._invoke(view, place, (), "MouseMoveEvent")
    room.turn()
    assert room.props() > before
    host.press_key(view, "Escape")
    room.turn()
    assert room.props() == before
    host._invoke(view, xy[-1], (), "LeftButtonReleaseEvent")
    room.turn()
    assert room.prompts == []


# Text and Propagate


def test_a_text_that_the_model_cannot_do_is_answered_with_a_sentence(room):
    room.activate("Text")
    room.desk.find("unicorn")
    room.settle()
    assert room.desk.line
    assert room.prompts == []


def test_clicks_correct_in_the_text_effect(room):
    room.activate("Text")
    room.click(6, 8, 10)
    assert (room.mask() == room.ball(6, 8, 10)).all()


def test_propagate_writes_one_undo_step(room):
    room.activate("Propagate")
    room.click(6, 8, 10)
    before = room.mask()
    room.desk.propagate(first=2, last=9)
    room.settle()
    assert (room.mask() != before).any()
    room.undo()
    assert (room.mask() == before).all()


# Pictures


@pytest.mark.parametrize("name", EFFECTS)
def test_pictures_of_each_effect(make, name):
    shape = (40, 60, 60)
    k, j, i = np.indices(shape)
    array = np.full(shape, 20, np.int16)
    array[((k - 20) / 1.4) ** 2 + (j - 30) ** 2 + (i - 30) ** 2 < 160] = 200
    array += np.random.default_rng(0).integers(-10, 10, shape).astype(np.int16)
    room = make(volume=add_volume(array), model="default")
    room.activate("Point" if name in ("Text", "Propagate") else name)
    if name == "Box":
        room.drag([(20, 18, 18), (20, 42, 42)])
    elif name == "Lasso":
        loop = [(20, 30 + 14 * np.sin(a), 30 + 14 * np.cos(a)) for a in np.linspace(0, 6, 12)]
        room.drag(loop)
    elif name == "Scribble":
        room.drag([(20, 26, 24), (20, 34, 30), (20, 27, 36)])
    else:
        room.click(20, 30, 30)
    if name in ("Text", "Propagate"):
        room.activate(name)
    else:
        room.drag([(20, 8, 8), (20, 14, 14), (20, 8, 16)], modifiers=["Control"])
    room.settle()
    assert room.mask().any()
    room.host.show_volume(room.volume)
    room.host.screenshot(room.view(), SCREENSHOTS / f"effect-{name.lower()}.png")
    room.host.screenshot(room.widget, SCREENSHOTS / f"effect-{name.lower()}-panel.png")
    if name == "Point":
        room.segmentation.CreateClosedSurfaceRepresentation()
        slicer.app.layoutManager().resetThreeDViews()
        room.host.screenshot(three_d(), SCREENSHOTS / "effect-point-3d.png")


def test_pictures_of_icons(room):
    side, rows = 72, ((False, "#f0f0f0"), (True, "#323232"))
    drawn = qt.QPixmap(side * len(EFFECTS), side * len(rows))
    painter = qt.QPainter(drawn)
    for row, (dark, ground) in enumerate(rows):
        painter.fillRect(0, row * side, side * len(EFFECTS), side, qt.QColor(ground))
        for column, name in enumerate(EFFECTS):
            icon = icons.pixmap(f"MedSeg{name}", 48, dark)
            painter.drawPixmap(column * side + 12, row * side + 12, icon)
    painter.end()
    SCREENSHOTS.mkdir(exist_ok=True)
    assert drawn.save(str(SCREENSHOTS / "effect-icons.png"))
