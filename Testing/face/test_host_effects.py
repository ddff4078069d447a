"""Effects in the test host: real interactor events, real undo, PythonQt's strictness."""

import numpy as np
import pytest
import qt
import slicer

pytestmark = pytest.mark.usefixtures("host")

EFFECT = """
import numpy as np
import qt, slicer, vtk
from SegmentEditorEffects import *
from vtk.util.numpy_support import vtk_to_numpy


class {name}Effect(AbstractScriptedSegmentEditorEffect):
    def __init__(self, scriptedEffect):
        scriptedEffect.name = "{name}"
        scriptedEffect.title = "A {name}"
        scriptedEffect.perSegment = True
        AbstractScriptedSegmentEditorEffect.__init__(self, scriptedEffect)
        self.seen = []
        self.answer = True

    def clone(self):
        effect = slicer.qSlicerSegmentEditorScriptedEffect(None)
        effect.setPythonSource(__file__)
        return effect

    def setupOptionsFrame(self):
        self.size = qt.QSpinBox()
        self.scriptedEffect.addLabeledOptionsWidget("Size:", self.size)
        self.size.connect("valueChanged(int)", self.updateMRMLFromGUI)

    def setMRMLDefaults(self):
        self.scriptedEffect.setParameterDefault("Size", 3)

    def updateGUIFromMRML(self):
        self.size.value = self.scriptedEffect.integerParameter("Size")

    def updateMRMLFromGUI(self):
        self.scriptedEffect.setParameter("Size", self.size.value)

    def createCursor(self, widget):
        return qt.QCursor(qt.Qt.CrossCursor)

    def processInteractionEvents(self, interactor, event, view):
        kind = vtk.vtkCommand.GetStringFromEventId(event)
        self.seen.append((kind, interactor.GetEventPosition(), bool(interactor.GetControlKey())))
        if kind == "LeftButtonPressEvent":
            self.paint(self.xyToRas(interactor.GetEventPosition(), view))
        if kind == "KeyPressEvent":
            self.seen.append(interactor.GetKeySym())
        return self.answer

    def paint(self, ras):
        self.scriptedEffect.saveStateForUndo()
        image = self.scriptedEffect.defaultModifierLabelmap()
        ijk = self.toIjk(ras, image)
        extent = [v for i in ijk for v in (i - 1, i + 1)]
        for i in range(extent[0], extent[1] + 1):
            for j in range(extent[2], extent[3] + 1):
                for k in range(extent[4], extent[5] + 1):
                    image.SetScalarComponentFromDouble(i, j, k, 0, 1)
        mode = slicer.qSlicerSegmentEditorAbstractEffect.ModificationModeAdd
        self.scriptedEffect.modifySelectedSegmentByLabelmap(image, mode, extent)

    def toIjk(self, ras, image):
        matrix = vtk.vtkMatrix4x4()
        image.GetWorldToImageMatrix(matrix)
        return [int(np.floor(v + 0.5)) for v in matrix.MultiplyPoint([*ras, 1.0])[:3]]
"""


@pytest.fixture
def volume(host):
    array = np.full((12, 16, 20), 100, np.int16)
    array[:, :, 10:] = 200
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "scan")
    slicer.util.updateVolumeFromArray(node, array)
    node.CreateDefaultDisplayNodes()
    return node


@pytest.fixture
def segmentation(volume):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "objects")
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    node.GetSegmentation().AddEmptySegment("one", "one", [1.0, 0.0, 0.0])
    return node


@pytest.fixture
def register(tmp_path):
    """Registers a sample effect and gives its name; each is a module of its own."""

    def make(name="Sample"):
        folder = tmp_path / f"HostTest{name}{tmp_path.name}"
        folder.mkdir()
        source = folder / f"{name}Effect.py"
        source.write_text(EFFECT.format(name=name))
        effect = slicer.qSlicerSegmentEditorScriptedEffect(None)
        effect.setPythonSource(source.as_posix())
        effect.self().register()
        return name

    return make


@pytest.fixture
def editor(host, volume, segmentation, register):
    register()
    widget = slicer.qMRMLSegmentEditorWidget()
    widget.setMRMLScene(slicer.mrmlScene)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentEditorNode")
    node.SetOverwriteMode(node.OverwriteNone)
    widget.setMRMLSegmentEditorNode(node)
    widget.setSegmentationNode(segmentation)
    widget.setSourceVolumeNode(volume)
    host.show_volume(volume)
    widget.setActiveEffectByName("Sample")
    yield widget
    widget.setActiveEffectByName("")
    widget.removeViewObservations()


def voxels(segmentation):
    return int(slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, "one").sum())


def red():
    return slicer.app.layoutManager().sliceWidget("Red")


def test_a_click_reaches_the_effect_with_place_and_modifier(host, editor):
    effect = editor.activeEffect().self()
    effect.seen.clear()
    host.click(red(), (100, 120), modifiers=["Control"])
    assert ("LeftButtonPressEvent", (100, 120), True) in effect.seen


@pytest.mark.parametrize("orientation", ["Axial", "Sagittal", "Coronal"])
def test_a_click_in_millimetres_paints_there(host, editor, segmentation, volume, orientation):
    red().setSliceOrientation(orientation)
    host.show_volume(volume, red())
    middle = [0.0] * 6
    volume.GetRASBounds(middle)
    ras = [(a + b) / 2 for a, b in zip(middle[::2], middle[1::2], strict=True)]
    host.click(red(), ras)
    assert voxels(segmentation) == 27
    red().setSliceOrientation("Axial")


def test_a_drag_presses_moves_and_releases(host, editor):
    effect = editor.activeEffect().self()
    effect.seen.clear()
    host.drag(red(), [(50, 50), (80, 60)], button="Right", steps=3)
    kinds = [s[0] for s in effect.seen]
    assert kinds[-1] == "RightButtonReleaseEvent"
    assert kinds.count("MouseMoveEvent") == 4


def test_a_key_in_a_view_reaches_the_effect(host, editor):
    host.press_key(red(), "p")
    assert "p" in editor.activeEffect().self().seen


@pytest.mark.parametrize("answer", [np.bool_(True), None, 1])
def test_an_effect_must_answer_with_a_real_bool(host, editor, answer):
    editor.activeEffect().self().answer = answer
    host.move(red(), (30, 30))
    assert "takes only True or False" in str(host.errors[0])
    host.errors.clear()


def test_an_effect_that_takes_an_event_keeps_it_from_the_view(host, editor):
    effect, before = editor.activeEffect().self(), red().sliceLogic().GetSliceOffset()
    effect.answer = True
    red().sliceView().interactor().InvokeEvent("MouseWheelForwardEvent")
    assert red().sliceLogic().GetSliceOffset() == before
    effect.answer = False
    red().sliceView().interactor().InvokeEvent("MouseWheelForwardEvent")
    assert red().sliceLogic().GetSliceOffset() != before


def test_undo_and_redo_go_through_the_real_logic(host, editor, segmentation):
    host.click(red(), (160, 160))
    assert voxels(segmentation) == 27
    editor.undo()
    assert voxels(segmentation) == 0
    editor.redo()
    assert voxels(segmentation) == 27


def test_parameters_live_in_the_editor_node(editor):
    effect, node = editor.activeEffect(), editor.mrmlSegmentEditorNode()
    assert node.GetAttribute("Sample.Size") == "3"
    effect.self().size.value = 7
    assert node.GetAttribute("Sample.Size") == "7"
    effect.setParameter("Ratio", 1.23456789)
    assert effect.parameter("Ratio") == "1.23457"
    effect.setCommonParameter("Shared", "x")
    assert node.GetAttribute("Shared") == "x"


def test_an_extent_of_numpy_ints_is_refused(editor):
    effect = editor.activeEffect()
    with pytest.raises(ValueError, match="six ints"):
        effect.modifySelectedSegmentByLabelmap(
            effect.defaultModifierLabelmap(), 1, list(np.zeros(6, int))
        )


def test_each_editor_has_its_own_copy_of_an_effect(editor):
    other = slicer.qMRMLSegmentEditorWidget()
    assert other.effectByName("Sample").self() is not editor.effectByName("Sample").self()


def test_a_name_is_registered_once(register, editor, tmp_path):
    factory = slicer.qSlicerSegmentEditorEffectFactory.instance()
    assert not factory.registerEffect(factory.registeredEffects()[0])
    assert len(factory.registeredEffects()) == 1


def test_closing_the_scene_ends_the_effect(host, editor):
    slicer.mrmlScene.Clear(0)
    assert editor.activeEffect() is None
    host.click(red(), (10, 10))


def test_place_mode_ends_the_effect_and_places_a_real_point(host, editor):
    markups = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode")
    markups.CreateDefaultDisplayNodes()
    logic = slicer.app.applicationLogic()
    logic.GetSelectionNode().SetReferenceActivePlaceNodeClassName(markups.GetClassName())
    logic.GetSelectionNode().SetActivePlaceNodeID(markups.GetID())
    logic.GetInteractionNode().SwitchToSinglePlaceMode()
    assert editor.activeEffect() is None
    red().sliceView().interactor().InvokeEvent("EnterEvent")
    host.click(red(), (160, 150))
    assert markups.GetNumberOfDefinedControlPoints() == 1


def test_the_screenshot_of_a_view_shows_the_segment(host, editor, tmp_path):
    host.click(red(), (160, 160))
    image = qt.QImage(str(host.screenshot(red(), tmp_path / "red.png")))
    colours = {
        image.pixelColor(x, y).saturation() > 50
        for x in range(0, image.width(), 3)
        for y in range(0, image.height(), 3)
    }
    assert colours == {True, False}
