"""Names, widgets and the hands of the test host."""

import time

import ctk
import numpy as np
import pytest
import qt
import slicer
from host.fixtures import Skipper

pytestmark = pytest.mark.usefixtures("host")


@pytest.fixture
def volume(host):
    array = np.full((12, 16, 20), 100, np.int16)
    array[:, :, 10:] = 200
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "scan")
    slicer.util.updateVolumeFromArray(node, array)
    node.CreateDefaultDisplayNodes()
    return node


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (qt, "QWebSocket"),
        (ctk, "ctkNoSuchWidget"),
        (slicer, "qMRMLNoSuchWidget"),
        (slicer, "vtkMatrixFromArray"),
        (slicer.util, "noSuchFunction"),
    ],
)
def test_a_name_that_the_application_lacks_is_refused(owner, name):
    with pytest.raises(AttributeError, match=f"'{name}' in the real application"):
        getattr(owner, name)


def test_a_name_that_the_host_lacks_is_not_taken_for_missing():
    with pytest.raises(NotImplementedError, match="does not imitate"):
        ctk.ctkWorkflow  # noqa: B018


def test_the_application_and_its_parts_refuse_unknown_names(slicer_app):
    widget = slicer_app.layoutManager().sliceWidget("Red")
    for thing in (slicer_app, slicer_app.layoutManager(), widget, widget.sliceView()):
        with pytest.raises(AttributeError, match="real application"):
            thing.fooBar  # noqa: B018


def test_only_loaded_modules_are_there():
    assert slicer.modules.markups.logic().IsA("vtkSlicerMarkupsLogic")
    assert not hasattr(slicer.modules, "nosuchmodule")


# Widgets.


def test_a_panel_of_a_ui_file(tmp_path):
    path = tmp_path / "panel.ui"
    path.write_text(
        '<ui version="4.0"><class>P</class><widget class="qMRMLWidget" name="P">'
        '<layout class="QVBoxLayout"><item><widget class="ctkCollapsibleButton" name="more">'
        '<property name="text"><string>More</string></property></widget></item>'
        '<item><widget class="QPushButton" name="go"/></item></layout></widget></ui>'
    )
    panel = slicer.util.loadUI(str(path))
    assert panel.className() == "qMRMLWidget"
    ui = slicer.util.childWidgetVariables(panel)
    assert (ui.more.text, ui.more.collapsed) == ("More", False)
    assert ui.go.className() == "QPushButton"


def test_a_node_selector_follows_the_scene(volume):
    selector, chosen = slicer.qMRMLNodeComboBox(), []
    selector.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    selector.noneEnabled = True
    selector.setMRMLScene(slicer.mrmlScene)
    assert selector.connect("currentNodeChanged(vtkMRMLNode*)", chosen.append)
    selector.setCurrentNode(volume)
    slicer.mrmlScene.RemoveNode(volume)
    assert chosen == [volume, None]
    assert selector.currentNodeID == ""


def test_a_slider_tells_its_value():
    slider, values = ctk.ctkSliderWidget(), []
    slider.connect("valueChanged(double)", values.append)
    slider.maximum = 10
    slider.value = 20
    assert values == [10.0]


def test_the_screenshot_of_a_panel_is_not_empty(host, tmp_path):
    panel, layout = qt.QWidget(), qt.QFormLayout()
    panel.setLayout(layout)
    layout.addRow("Size:", ctk.ctkSliderWidget())
    group = ctk.ctkCollapsibleButton()
    group.text = "More"
    qt.QVBoxLayout(group).addWidget(qt.QPushButton("Go"))
    layout.addRow(group)
    image = qt.QImage(str(host.screenshot(panel, tmp_path / "panel.png")))
    colours = {image.pixel(x, y) for x in range(image.width()) for y in range(image.height())}
    assert len(colours) > 20
    panel.close()


def test_the_longest_turn_is_recorded(host):
    host.reset_clock()
    qt.QTimer.singleShot(0, lambda: time.sleep(0.06))
    host.turn()
    host.turn()
    assert 0.05 < host.longest_turn < 1.0


def test_waiting_in_vain_raises(host):
    with pytest.raises(TimeoutError, match="nothing came"):
        host.spin(lambda: False, timeout=0.05)


def test_the_start_is_announced(slicer_app):
    calls = []
    assert slicer_app.connect("startupCompleted()", lambda: calls.append(1))
    slicer_app.startupCompleted()
    assert calls == [1]


def test_the_utilities_of_the_application_work_without_a_window(slicer_app, caplog):
    assert slicer.util.mainWindow() is None
    slicer.util.errorDisplay("a sentence")
    assert "a sentence" in caplog.text
    with (
        pytest.raises(ZeroDivisionError),
        slicer.util.tryWithErrorDisplay("no", waitCursor=True),
    ):
        1 / 0  # noqa: B018
    assert slicer_app.overrideCursor() is None
    assert slicer.util.settingsValue("host/none", 5, int) == 5


def test_a_file_that_needs_qt_is_skipped_where_there_is_none():
    with pytest.raises(pytest.skip.Exception, match="no Qt"):
        Skipper("no Qt").find_spec("qt")
    assert Skipper("no Qt").find_spec("json") is None
