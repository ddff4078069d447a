# ruff: noqa: F811
"""Each effect by real events in real views."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import qt
import slicer
from effects_kit import (  # noqa: F401
    EFFECTS,
    SCREENSHOTS,
    Registration,
    add_segment,
    add_volume,
    by_hand,
    helper,
    make,
    painted_ball,
    room,
)
from medseg_face import application, icons
from scene_kit import turned

pytestmark = pytest.mark.usefixtures("host")


def three_d():
    return slicer.app.layoutManager().threeDWidget(0)


# Registration


def test_six_effects_are_registered_once(room):
    names = [f"MedSeg {name}" for name in EFFECTS]
    Registration.register_effects()
    known = [n for n in room.widget.availableEffectNames() if n.startswith("MedSeg")]
    assert known == names
    assert [room.widget.effectByName(n).title for n in names] == [f"AI {n}" for n in EFFECTS]


@pytest.mark.parametrize("name", EFFECTS)
def test_an_effect_can_be_used_before_there_is_a_segment(room, name):
    effect = room.widget.effectByName(f"MedSeg {name}")
    assert not effect.requireSegments
    assert not effect.perSegment
    room.activate(name)
    assert room.effect is not None
    assert room.desk.reason == ""


def test_effects_of_one_editor_share_a_desk_and_editors_do_not(make):
    first, second = make(), make()
    first.activate("Point")
    desk = first.desk
    first.activate("Box")
    assert first.desk is desk
    second.activate("Point")
    assert second.desk is not desk
    assert second.effect is not first.effect


STARTED = """
import sys
sys.path.insert(0, {testing!r})
import host
host.start()
import slicer
before = set(sys.modules)
from types import SimpleNamespace
from SegmentEditorMedSegFoundation import SegmentEditorMedSegFoundation
parent = SimpleNamespace(path={path!r})
module = SegmentEditorMedSegFoundation(parent)
factory = slicer.qSlicerSegmentEditorEffectFactory.instance()
assert not factory.registeredEffects()
assert not set(sys.modules) - before - {{"SegmentEditorMedSegFoundation"}}, "loaded too early"
slicer.app.startupCompleted()
assert len(factory.registeredEffects()) == 6
loaded = {{name.split(".")[0] for name in set(sys.modules) - before}}
heavy = loaded & {{"medseg", "medseg_scene", "scipy", "SimpleITK", "requests", "torch"}}
assert not heavy, heavy
host.stop()
"""


def test_nothing_heavy_is_loaded_when_the_application_starts():
    testing = Path(__file__).parents[1]
    path = testing.parent / "MedSegFoundation" / "SegmentEditorMedSegFoundation.py"
    code = STARTED.format(testing=str(testing), path=str(path))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_building_an_editor_starts_no_helper(make):
    application.close()
    room = make()
    assert room.effect is None
    assert not room.face.owner.started
    room.activate()
    assert room.face.owner.started


# What one sees


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("name", EFFECTS)
def test_icons_are_drawn_for_light_and_dark_windows(room, name, dark):
    image = icons.pixmap(f"MedSeg{name}", 32, dark).toImage()
    colours = [image.pixelColor(x, y) for x in range(32) for y in range(32)]
    greys = [c.lightness() for c in colours if c.alpha() > 200 and c.saturation() < 30]
    assert len(greys) > 20
    assert (np.median(greys) > 128) == dark


@pytest.mark.parametrize("name", EFFECTS)
def test_each_effect_has_help_and_a_cursor(room, name):
    effect = room.activate(name)
    text = effect.helpText()
    assert text.startswith("<html>")
    for word in ("Ctrl", "Esc", "Delete", "Masking"):
        assert word in text
    assert not effect.createCursor(room.view()).pixmap().isNull()


@pytest.mark.parametrize("name", EFFECTS)
def test_each_effect_shows_its_panel(room, name):
    effect = room.activate(name)
    room.turn()
    frame = room.widget.activeEffect().optionsFrame()
    assert effect._panel.widget.parent() == frame
    assert effect._panel.kind == name.lower()
    assert not frame.isHidden()
    room.leave()
    assert frame.isHidden()
    assert effect._panel.connections == 0


def test_the_panel_is_built_when_it_is_first_used(room):
    effect = room.widget.effectByName("MedSeg Box").self()
    assert effect._panel is None
    room.activate("Point")
    assert effect._panel is None
    room.activate("Box")
    panel = effect._panel
    room.activate("Point")
    room.activate("Box")
    assert effect._panel is panel


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


def window(room):
    """Where a key arrives when no text field has the focus."""
    widget = slicer.util.mainWindow() or room.widget.window()
    widget.show()
    widget.activateWindow()
    widget.setFocus()
    room.host.turn()
    return widget


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


# In 3D


@pytest.fixture
def surface(room):
    """The 3D view looks at a ball from the front."""
    import vtk

    ball = vtk.vtkSphereSource()
    ball.SetCenter(*[float(v) for v in room.ras(6, 8, 10)])
    ball.SetRadius(4)
    ball.SetThetaResolution(40)
    ball.SetPhiResolution(40)
    model = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", "ball")
    model.SetPolyDataConnection(ball.GetOutputPort())
    model.CreateDefaultDisplayNodes()
    view = three_d()
    view.threeDView().forceRender()
    renderer = view.threeDView().renderWindow().GetRenderers().GetFirstRenderer()
    camera = renderer.GetActiveCamera()
    x, y, z = room.ras(6, 8, 10)
    camera.SetFocalPoint(x, y, z)
    camera.SetPosition(x, y - 60, z)
    camera.SetViewUp(0, 0, 1)
    renderer.ResetCameraClippingRange()
    view.threeDView().forceRender()
    return view


def test_a_click_on_a_surface_in_3d(room, surface):
    width, height = surface.threeDView().renderWindow().GetSize()
    room.activate()
    room.host.click(surface, (width / 2, height / 2))
    room.settle()
    (prompt,) = room.prompts
    assert np.linalg.norm(prompt.position - room.ras(6, 4, 10)) < 0.5
    assert room.mask()[6, 4, 10]
    room.host.click(surface, (width / 2, height / 2), modifiers=["Control"])
    room.settle()
    assert not room.prompts[1].include


def test_a_drag_in_3d_turns_the_view_and_is_no_prompt(room, surface):
    room.activate()
    renderer = surface.threeDView().renderWindow().GetRenderers().GetFirstRenderer()
    before = renderer.GetActiveCamera().GetPosition()
    surface.threeDView().interactor().InvokeEvent("EnterEvent")
    room.host.drag(surface, [(160, 160), (220, 190)])
    room.turn()
    assert room.prompts == []
    assert renderer.GetActiveCamera().GetPosition() != before


def test_a_click_beside_everything_in_3d_does_nothing(room, surface):
    room.activate()
    room.host.click(surface, (3, 3))
    room.turn()
    assert room.prompts == []


def test_marks_are_shown_in_3d_and_follow_the_camera(room, surface):
    room.activate()
    room.click(6, 8, 10)
    before = room.props(surface)
    canvas = next(c for v, c in room.effect._stage._canvases.values() if v == surface)
    (_, lines) = canvas.actors

    def middle():
        surface.threeDView().forceRender()
        bounds = np.array(lines.GetMapper().GetInput().GetBounds()).reshape(3, 2)
        return bounds.mean(1)[:2]

    width, height = surface.threeDView().renderWindow().GetSize()
    assert np.abs(middle() - [width / 2, height / 2]).max() < 2
    renderer = surface.threeDView().renderWindow().GetRenderers().GetFirstRenderer()
    renderer.GetActiveCamera().SetFocalPoint(0, 0, 0)
    renderer.ResetCameraClippingRange()
    assert np.abs(middle() - [width / 2, height / 2]).max() > 10
    room.leave()
    assert room.props(surface) == before - 2


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


# Leaving


def test_nothing_is_left_in_views_and_window(room):
    views = ("Red", "Yellow", "Green")
    room.activate()
    room.click(6, 8, 10)
    room.leave()
    before = [room.props(v) for v in views] + [room.props(three_d())]
    shortcuts = len(keys_of(room))
    for name in EFFECTS:
        room.activate(name)
        room.click(6, 8, 10)
        assert len(keys_of(room)) > shortcuts
    room.leave()
    room.turn()
    assert [room.props(v) for v in views] + [room.props(three_d())] == before
    assert len(keys_of(room)) == shortcuts
    assert room.desk._listeners == []
    prompts = len(room.prompts)
    room.host.click(room.view(), room.ras(6, 8, 4))
    room.host.press_key(window(room), "X")
    room.turn()
    assert len(room.prompts) == prompts
    assert not room.desk.exclude


def keys_of(room):
    """Key sequences that the window answers."""
    found, left = [], [slicer.util.mainWindow() or room.widget.window()]
    while left:
        widget = left.pop()
        left += list(widget.children())
        if widget.inherits("QShortcut"):
            found.append(widget.key.toString())
    return found


def test_no_key_of_slicers_own_is_taken(room):
    room.activate()
    ours = set(keys_of(room))
    room.leave()
    room.widget.installKeyboardShortcuts(slicer.util.mainWindow() or room.widget)
    slicers = set(keys_of(room))
    assert ours
    assert slicers
    assert not ours & slicers


def test_escape_stops_what_runs_first_and_leaves_the_effect_then(make):
    room = make(model="slow")
    room.widget.installKeyboardShortcuts(slicer.util.mainWindow() or room.widget)
    room.activate()
    room.click(6, 8, 4)
    room.click(6, 8, 10, wait=False)
    assert room.desk.busy
    room.host.press_key(window(room), "Escape")
    room.settle()
    assert room.effect is not None
    assert len(room.prompts) == 1
    assert (room.mask() == room.ball(6, 8, 4)).all()
    room.host.press_key(window(room), "Escape")
    room.turn()
    assert room.effect is None


def test_place_mode_ends_the_effect(room):
    room.activate()
    slicer.app.applicationLogic().GetInteractionNode().SwitchToSinglePlaceMode()
    assert room.effect is None


def test_another_layout_keeps_the_marks(room):
    room.activate()
    room.click(6, 8, 10)
    before = room.props()
    slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    room.turn()
    assert room.props() == before
    room.click(6, 8, 4)
    assert len(room.prompts) == 2


def test_marks_fade_with_the_distance_from_their_slice(room):
    room.activate()
    room.click(6, 8, 10)
    before = room.props()
    room.go(8, 8, 10)
    assert room.props() == before
    room.view().sliceLogic().SetSliceOffset(200)
    assert room.props() < before


@pytest.mark.parametrize("orientation", ["Axial", "oblique"])
def test_a_click_in_a_turned_view(make, orientation):
    room = make(volume=add_volume(affine=turned() if orientation == "oblique" else None))
    node = room.view().mrmlSliceNode()
    matrix = node.GetSliceToRAS()
    import vtk

    turn = vtk.vtkTransform()
    turn.SetMatrix(matrix)
    turn.RotateX(30)
    turn.RotateZ(20)
    matrix.DeepCopy(turn.GetMatrix())
    node.UpdateMatrices()
    room.activate()
    room.click(6, 8, 10)
    assert np.linalg.norm(room.prompts[0].position - room.ras(6, 8, 10)) < 1.0
    assert (room.mask() == painted_ball(room.image, room.prompts[0].position)).all()


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
