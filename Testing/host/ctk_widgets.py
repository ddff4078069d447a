# ruff: noqa: N801, N802, N815
"""The CTK widgets a panel needs, made from Qt's."""

from __future__ import annotations

from pathlib import Path

from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Property, Signal

from .modules import provides


@provides("ctk")
class ctkCollapsibleButton(QtWidgets.QAbstractButton):
    """A title line over contents that fold away; checked = open."""

    contentsCollapsed = Signal(bool)
    _HEAD = 22

    def __init__(self, *args: object) -> None:
        text = args[0] if args and isinstance(args[0], str) else "Button"
        parent = next((a for a in args if isinstance(a, QtWidgets.QWidget)), None)
        super().__init__(parent)
        self.setText(text)
        self.setCheckable(True)
        self.setChecked(True)
        self.toggled.connect(self._show)
        self.setContentsMargins(0, self._HEAD, 0, 0)

    def _show(self, open_: bool) -> None:
        for child in self.findChildren(QtWidgets.QWidget, options=_DIRECT):
            child.setVisible(open_)
        height = 16777215 if open_ else self._HEAD
        self.setMaximumHeight(height)
        self.updateGeometry()
        self.contentsCollapsed.emit(not open_)

    def sizeHint(self) -> QtCore.QSize:
        layout = self.layout()
        if layout is None or not self.isChecked():
            return QtCore.QSize(120, self._HEAD)
        return layout.totalSizeHint()

    def minimumSizeHint(self) -> QtCore.QSize:
        return self.sizeHint()

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        painter = QtGui.QPainter(self)
        head = QtCore.QRect(0, 0, self.width(), self._HEAD)
        painter.fillRect(head, self.palette().button())
        sign = "\u25bc" if self.isChecked() else "\u25b6"
        painter.setPen(self.palette().buttonText().color())
        painter.drawText(head.adjusted(6, 0, 0, 0), _MIDDLE, f"{sign}  {self.text()}")

    def hitButton(self, pos: QtCore.QPoint) -> bool:
        return pos.y() < self._HEAD

    def _collapsed(self) -> bool:
        return not self.isChecked()

    def _set_collapsed(self, collapsed: bool) -> None:
        self.setChecked(not collapsed)

    collapsed = Property(bool, _collapsed, _set_collapsed)


@provides("ctk")
class ctkCollapsibleGroupBox(QtWidgets.QGroupBox):
    """A group box whose tick folds its contents."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.setCheckable(True)
        self.toggled.connect(self._show)

    def _show(self, open_: bool) -> None:
        for child in self.findChildren(QtWidgets.QWidget, options=_DIRECT):
            child.setVisible(open_)

    collapsed = Property(
        bool, lambda self: not self.isChecked(), lambda self, folded: self.setChecked(not folded)
    )


@provides("ctk")
class ctkDoubleSpinBox(QtWidgets.QWidget):
    """A spin box in a widget, as CTK's is."""

    valueChanged = Signal(float)
    editingFinished = Signal()

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._box = QtWidgets.QDoubleSpinBox(self)
        self._box.valueChanged.connect(self.valueChanged)
        self._box.editingFinished.connect(self.editingFinished)
        _fill(self, self._box)

    def setValue(self, value: float) -> None:
        self._box.setValue(float(value))

    def setDecimals(self, decimals: int) -> None:
        self._box.setDecimals(int(decimals))

    value = Property(float, lambda s: s._box.value(), lambda s, v: s._box.setValue(v))
    minimum = Property(float, lambda s: s._box.minimum(), lambda s, v: s._box.setMinimum(v))
    maximum = Property(float, lambda s: s._box.maximum(), lambda s, v: s._box.setMaximum(v))
    singleStep = Property(
        float, lambda s: s._box.singleStep(), lambda s, v: s._box.setSingleStep(v)
    )
    decimals = Property(int, lambda s: s._box.decimals(), lambda s, v: s._box.setDecimals(v))
    suffix = Property(str, lambda s: s._box.suffix(), lambda s, v: s._box.setSuffix(v))
    prefix = Property(str, lambda s: s._box.prefix(), lambda s, v: s._box.setPrefix(v))


@provides("ctk")
class ctkSliderWidget(ctkDoubleSpinBox):
    """A slider beside a spin box."""

    valueIsChanging = Signal(float)
    _STEPS = 1000

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._box.setRange(0, 100)
        self._slider = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal, self)
        self._slider.setRange(0, self._STEPS)
        self.layout().insertWidget(0, self._slider)
        self._slider.sliderMoved.connect(self._moved)
        self._box.valueChanged.connect(self._place)
        self._track = True

    def _moved(self, step: int) -> None:
        span = self._box.maximum() - self._box.minimum()
        value = self._box.minimum() + step / self._STEPS * span
        self.valueIsChanging.emit(value)
        self._box.setValue(value)

    def _place(self, value: float) -> None:
        span = self._box.maximum() - self._box.minimum() or 1.0
        self._slider.setValue(round((value - self._box.minimum()) / span * self._STEPS))

    def _set_tracking(self, on: bool) -> None:
        self._track = on

    tracking = Property(bool, lambda s: s._track, _set_tracking)
    pageStep = Property(float, lambda s: float(s._slider.pageStep()), lambda s, v: None)
    spinBoxVisible = Property(
        bool, lambda s: not s._box.isHidden(), lambda s, v: s._box.setVisible(v)
    )


@provides("ctk")
class ctkRangeWidget(QtWidgets.QWidget):
    """Two spin boxes, the lower never above the upper."""

    valuesChanged = Signal(float, float)
    minimumValueChanged = Signal(float)
    maximumValueChanged = Signal(float)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._low, self._high = QtWidgets.QDoubleSpinBox(self), QtWidgets.QDoubleSpinBox(self)
        _fill(self, self._low, self._high)
        self._high.setValue(99)
        self._low.valueChanged.connect(lambda v: self._moved(self._high.setMinimum, v))
        self._high.valueChanged.connect(lambda v: self._moved(self._low.setMaximum, v))
        self._low.valueChanged.connect(self.minimumValueChanged)
        self._high.valueChanged.connect(self.maximumValueChanged)

    def _moved(self, bound: object, value: float) -> None:
        bound(value)
        self.valuesChanged.emit(self._low.value(), self._high.value())

    def setRange(self, low: float, high: float) -> None:
        self._low.setRange(low, high)
        self._high.setRange(low, high)

    def setValues(self, low: float, high: float) -> None:
        self._low.setMaximum(self._high.maximum())
        self._low.setValue(low)
        self._high.setValue(high)

    def setDecimals(self, decimals: int) -> None:
        self._low.setDecimals(decimals)
        self._high.setDecimals(decimals)

    minimum = Property(float, lambda s: s._low.minimum(), lambda s, v: s._low.setMinimum(v))
    maximum = Property(float, lambda s: s._high.maximum(), lambda s, v: s._high.setMaximum(v))
    minimumValue = Property(float, lambda s: s._low.value(), lambda s, v: s._low.setValue(v))
    maximumValue = Property(float, lambda s: s._high.value(), lambda s, v: s._high.setValue(v))
    decimals = Property(int, lambda s: s._low.decimals(), setDecimals)


@provides("ctk")
class ctkPathLineEdit(QtWidgets.QWidget):
    """A line for a path, and a button that would open a file dialog."""

    currentPathChanged = Signal(str)
    Files, Dirs = 0x002, 0x001

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._line = QtWidgets.QLineEdit(self)
        self._button = QtWidgets.QToolButton(self)
        self._button.setText("\u2026")
        _fill(self, self._line, self._button)
        self._line.textChanged.connect(self.currentPathChanged)
        self._kept = {"filters": 0, "settingKey": "", "nameFilters": []}

    def setCurrentPath(self, path: str) -> None:
        self._line.setText(str(Path(path)) if path else "")

    def addCurrentPathToHistory(self) -> None:
        """Nothing is kept between tests."""

    currentPath = Property(str, lambda s: s._line.text(), setCurrentPath)
    filters = Property(int, lambda s: s._kept["filters"], lambda s, v: s._kept.update(filters=v))
    nameFilters = Property(
        list, lambda s: s._kept["nameFilters"], lambda s, v: s._kept.update(nameFilters=v)
    )
    settingKey = Property(
        str, lambda s: s._kept["settingKey"], lambda s, v: s._kept.update(settingKey=v)
    )
    showBrowseButton = Property(
        bool, lambda s: not s._button.isHidden(), lambda s, v: s._button.setVisible(v)
    )
    showHistoryButton = Property(bool, lambda s: True, lambda s, v: None)


_DIRECT = QtCore.Qt.FindChildOption.FindDirectChildrenOnly
_MIDDLE = QtCore.Qt.AlignmentFlag.AlignVCenter


def _fill(widget: QtWidgets.QWidget, *parts: QtWidgets.QWidget) -> None:
    layout = QtWidgets.QHBoxLayout(widget)
    layout.setContentsMargins(0, 0, 0, 0)
    for part in parts:
        layout.addWidget(part)
