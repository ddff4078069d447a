"""The test host behaves as a running Slicer 5.13 does where that was looked at."""

import gc
import socket
import sys

import numpy as np
import pytest
import qt
import slicer

pytestmark = pytest.mark.usefixtures("host")


@pytest.fixture
def volume(host):
    array = np.full((12, 16, 20), 100, np.int16)
    array[:, :, 10:] = 200
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "scan")
    slicer.util.updateVolumeFromArray(node, array)
    node.CreateDefaultDisplayNodes()
    return node


# PythonQt as it answers in a running Slicer.


def test_text_is_an_attribute_and_not_a_method():
    button = qt.QPushButton("x")
    button.text = "z"
    assert button.text == "z"
    button.setText("y")
    assert button.text == "y"
    with pytest.raises(TypeError, match="'str' object is not callable"):
        button.text()


def test_a_property_and_its_method_both_answer():
    check = qt.QCheckBox()
    check.checked = True
    assert check.checked
    assert check.isChecked()


def test_an_unknown_attribute_is_refused():
    with pytest.raises(AttributeError, match="fooBar"):
        qt.QPushButton().fooBar  # noqa: B018


def test_objects_of_qt_take_no_new_attributes():
    with pytest.raises(AttributeError, match="fooBar"):
        qt.QPushButton().fooBar = 1


def test_objects_of_python_subclasses_take_attributes():
    class Mine(qt.QWidget):
        def __init__(self):
            super().__init__()
            self.fooBar = 1

    assert Mine().fooBar == 1


def test_numbers_of_numpy_are_accepted_as_measured():
    spin, dspin, check = qt.QSpinBox(), qt.QDoubleSpinBox(), qt.QCheckBox()
    spin.setValue(np.int64(3))
    assert spin.value == 3
    spin.value = np.int64(4)
    assert spin.value == 4
    dspin.setValue(np.float32(1.5))
    assert dspin.value == 1.5
    check.setChecked(np.bool_(True))
    assert check.checked is True


def test_a_float_is_cut_for_an_int():
    spin = qt.QSpinBox()
    spin.setValue(3.7)
    assert spin.value == 3


def test_none_is_false_for_a_bool():
    button = qt.QPushButton()
    button.setEnabled(None)
    assert button.enabled is False


def test_none_is_no_number_and_no_text():
    with pytest.raises(ValueError, match="wrong arguments"):
        qt.QSpinBox().setValue(None)
    with pytest.raises(ValueError, match="does not accept"):
        qt.QLabel().text = None


def test_three_ways_to_connect_and_what_each_passes():
    button, calls = qt.QPushButton(), []
    assert button.connect("clicked()", lambda *a: calls.append(("()", a)))
    assert button.connect("clicked(bool)", lambda *a: calls.append(("(bool)", a)))
    assert button.clicked.connect(lambda *a: calls.append(("signal", a)))
    button.click()
    assert calls == [("()", ()), ("(bool)", (False,)), ("signal", (False,))]


def test_an_unknown_signal_is_not_connected_and_nothing_is_raised():
    assert qt.QPushButton().connect("nosuch()", print) is False


def test_disconnected_slots_are_not_called():
    button, calls = qt.QPushButton(), []

    def slot():
        calls.append(1)

    button.connect("clicked()", slot)
    assert button.disconnect("clicked()", slot)
    button.click()
    assert not calls


def test_a_slot_that_wants_more_than_the_signal_has_is_never_run(host):
    button, calls = qt.QPushButton(), []
    assert button.connect("clicked()", lambda wanted: calls.append(wanted))
    button.click()
    assert not calls
    assert [type(e) for e in host.errors] == [TypeError]
    host.errors.clear()


@pytest.mark.skipif(not hasattr(sys, "getrefcount"), reason="counts references")
def test_slots_leave_none_alone():
    button = qt.QPushButton()
    button.connect("clicked()", lambda: None)
    before = sys.getrefcount(None)
    for _ in range(200):
        button.click()
    assert abs(sys.getrefcount(None) - before) < 100


def test_a_slot_gets_no_more_than_it_takes():
    button, calls = qt.QPushButton(), []
    button.connect("clicked(bool)", lambda: calls.append(1))
    button.click()
    assert calls == [1]


def test_an_exception_in_a_slot_is_printed_and_swallowed(host, capsys):
    button = qt.QPushButton()
    button.connect("clicked()", lambda: 1 / 0)
    button.click()
    assert [type(e) for e in host.errors] == [ZeroDivisionError]
    assert "ZeroDivisionError" in capsys.readouterr().err
    host.errors.clear()


def test_enums_are_ints():
    both = qt.Qt.ControlModifier | qt.Qt.ShiftModifier
    assert type(both) is int
    label = qt.QLabel()
    label.setAlignment(qt.Qt.AlignRight | qt.Qt.AlignTop)
    assert label.alignment == int(qt.Qt.AlignRight) + int(qt.Qt.AlignTop)


def test_bytes_come_out_of_a_byte_array():
    assert qt.QByteArray(b"abc").data() == b"abc"


def test_an_event_filter_in_python_is_called():
    class Filter(qt.QObject):
        def eventFilter(self, watched, event):  # noqa: N802
            self.seen = getattr(self, "seen", 0) + (event.type() == qt.QEvent.User)
            return False

    widget, watcher = qt.QWidget(), Filter()
    widget.installEventFilter(watcher)
    slicer.app.sendEvent(widget, qt.QEvent(qt.QEvent.User))
    assert watcher.seen == 1


def test_a_shortcut_shows_its_key():
    widget = qt.QWidget()
    assert qt.QShortcut(qt.QKeySequence("P"), widget).key.toString() == "P"


def test_a_shortcut_answers_a_key(host):
    widget, calls = qt.QWidget(), []
    shortcut = qt.QShortcut(qt.QKeySequence("P"), widget)
    shortcut.connect("activated()", lambda: calls.append(1))
    widget.show()
    widget.activateWindow()
    slicer.app.processEvents()
    host.press_key(widget, "P")
    assert calls == [1]
    widget.close()


def test_settings_keep_a_bool():
    qt.QSettings().setValue("host/flag", True)
    assert qt.QSettings().value("host/flag") is True


def test_a_socket_notifier_reports_a_plain_socket(host):
    near, far = socket.socketpair()
    near.setblocking(False)
    got = []
    notifier = qt.QSocketNotifier(near.fileno(), qt.QSocketNotifier.Read)
    notifier.connect("activated(int)", lambda _: got.append(near.recv(10)))
    far.send(b"\0ab")
    host.spin(lambda: got, timeout=2)
    notifier.setEnabled(False)
    assert got == [b"\0ab"]
    near.close()
    far.close()


def test_a_process_reports_what_it_wrote_and_its_end(host):
    process, said, ended = qt.QProcess(), [], []
    process.connect(
        "readyReadStandardOutput()",
        lambda: said.append(process.readAllStandardOutput().data()),
    )
    process.connect("finished(int,QProcess::ExitStatus)", lambda *a: ended.append(a))
    process.start("/bin/sh", ["-c", "echo yes; exit 3"])
    host.spin(lambda: ended, timeout=5)
    assert b"".join(said) == b"yes\n"
    assert ended == [(3, 0)]


def test_a_timer_that_nobody_holds_is_gone(host):
    calls = []
    timer = qt.QTimer()
    timer.connect("timeout()", lambda: calls.append(1))
    timer.start(1)
    del timer
    gc.collect()
    qt.QTimer.singleShot(20, lambda: calls.append("end"))
    host.spin(lambda: "end" in calls)
    assert calls == ["end"]


def test_an_array_of_64_bit_ints_is_rejected_for_a_volume(volume):
    with pytest.raises(Exception, match=r"."):
        slicer.util.updateVolumeFromArray(volume, np.zeros((2, 2, 2), np.int64))
